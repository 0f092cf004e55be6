"""The state graph of an exploration, as flat arrays, with what one asks of it.

Worlds are numbered in order of discovery, 0 being the initial one. `check(..., graph=True)` makes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from checker.engine.stores import ExactStore
from checker.engine.tables import Tables
from checker.errors import LimitError, UsageError
from checker.runs.tracing import describe_message, describe_state
from checker.system import ActorId, State
from checker.world import LocalEvent, World, WorldEvent

if TYPE_CHECKING:
    import networkx

MAX_DRAWN = 100_000  # worlds; beyond, objects by world are too many to handle
FORMATS = ("graphml", "dot", "json")

StatesPredicate = Callable[[Mapping[ActorId, State]], bool]


@frozen(eq=False)
class Graph:
    """Worlds as rows of numbers (see `kernel.py`), and edges from `source[i]` to `target[i]`, in order of sources."""

    tables: Tables
    rows: NDArray[np.int32]  # [worlds, slots]
    source: NDArray[np.int64]  # [edges]
    target: NDArray[np.int64]  # [edges]
    code: NDArray[np.int32]  # [edges] see `event`

    @classmethod
    def of(cls, tables: Tables, store: ExactStore) -> Graph:
        """The graph that *store* has kept."""
        return cls(tables, store.rows.copy(), *store.edges())

    @property
    def states(self) -> int:
        """How many worlds there are."""
        return len(self.rows)

    @property
    def transitions(self) -> int:
        """How many edges there are."""
        return len(self.source)

    def world(self, ordinal: int) -> World:
        """The world with this number."""
        return self.tables.world(self.rows[ordinal].tolist())

    def event(self, edge: int) -> WorldEvent:
        """What happens on this edge."""
        return self.tables.event(int(self.code[edge]))

    def actor_states(self, ordinal: int) -> dict[ActorId, State]:
        """The actors' states in a world."""
        row = self.rows[ordinal].tolist()
        return {actor: self.tables.states[row[index]][1] for index, actor in enumerate(self.tables.actors)}

    def edges_from(self, ordinal: int) -> range:
        """The numbers of the edges that leave a world."""
        start, end = np.searchsorted(self.source, [ordinal, ordinal + 1]).tolist()
        return range(start, end)

    def deadlocks(self) -> NDArray[np.int64]:
        """The worlds that no edge leaves."""
        alive = np.zeros(self.states, np.bool_)
        alive[self.source] = True
        return np.flatnonzero(~alive)

    def where(self, holds: StatesPredicate) -> NDArray[np.int64]:
        """The worlds whose actors' states satisfy *holds*, which runs once for each distinct tuple of states."""
        actors = len(self.tables.actors)
        tuples, inverse = np.unique(self.rows[:, :actors], axis=0, return_inverse=True)
        states = self.tables.states
        verdicts = [
            bool(holds({actor: states[number][1] for actor, number in zip(self.tables.actors, row, strict=True)}))
            for row in tuples.tolist()
        ]
        return np.flatnonzero(np.array(verdicts, np.bool_)[inverse.reshape(-1)])

    def shortest_path(self, holds: StatesPredicate, start: int = 0) -> list[WorldEvent] | None:
        """The events of a shortest path from *start* to a world that satisfies *holds*; None if there is none."""
        goal = np.zeros(self.states, np.bool_)
        goal[self.where(holds)] = True
        entered = np.full(self.states, -1, np.int64)  # the edge by which each world was first reached
        seen = np.zeros(self.states, np.bool_)
        seen[start] = True
        level = [start]
        while level:
            for ordinal in level:
                if goal[ordinal]:
                    return self._path(start, ordinal, entered)
            level = self._next_level(level, seen, entered)
        return None

    def _next_level(self, level: list[int], seen: NDArray[np.bool_], entered: NDArray[np.int64]) -> list[int]:
        following = []
        for ordinal in level:
            for edge in self.edges_from(ordinal):
                target = int(self.target[edge])
                if not seen[target]:
                    seen[target] = True
                    entered[target] = edge
                    following.append(target)
        return following

    def _path(self, start: int, end: int, entered: NDArray[np.int64]) -> list[WorldEvent]:
        events = []
        while end != start:
            edge = int(entered[end])
            events.append(self.event(edge))
            end = int(self.source[edge])
        return events[::-1]

    def components(self) -> tuple[int, NDArray[np.int32]]:
        """Strongly connected components: how many, and the number of each world's."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        ones = np.ones(self.transitions, np.int8)
        matrix = csr_array((ones, (self.source, self.target)), shape=(self.states, self.states))
        count, labels = connected_components(matrix, directed=True, connection="strong")
        return int(count), labels

    # --- exports ------------------------------------------------------------------------------------------------------

    def to_networkx(self) -> networkx.MultiDiGraph:
        """The graph for networkx: nodes by number with `label` and each actor's text, edges with `event`.

        Raises LimitError for more than 100,000 worlds.
        """
        import networkx

        self._check_size("to_networkx")
        drawn = networkx.MultiDiGraph()
        for ordinal in range(self.states):
            drawn.add_node(ordinal, **self._node(ordinal))
        for source, target, event in self._edge_texts():
            drawn.add_edge(source, target, event=event)
        return drawn

    def write(self, path: Path | str, format: str | None = None) -> None:
        """Write the graph as GraphML, DOT or JSON, by *format* or the file's ending.

        Raises UsageError for another format, LimitError for more than 100,000 worlds.
        """
        file = Path(path)
        wanted = format or file.suffix.removeprefix(".")
        if wanted not in FORMATS:
            raise UsageError(f"cannot write a graph as {wanted!r}; write one of {', '.join(FORMATS)}")
        if wanted == "graphml":
            import networkx

            networkx.write_graphml(self.to_networkx(), file)
            return
        file.write_text(self.to_dot() if wanted == "dot" else self.to_json(), encoding="utf-8")

    def to_dot(self) -> str:
        """The graph for Graphviz. Raises LimitError for more than 100,000 worlds."""
        self._check_size("to_dot")
        lines = ["digraph states {", "  node [shape=box, fontname=monospace];"]
        for ordinal in range(self.states):
            lines.append(f"  {ordinal} [label={_quoted(self._node(ordinal)['label'])}];")
        lines += [f"  {source} -> {target} [label={_quoted(event)}];" for source, target, event in self._edge_texts()]
        return "\n".join([*lines, "}"]) + "\n"

    def to_json(self) -> str:
        """{"states": [{label, actors ...}], "edges": [[source, target, event] ...]}. Raises LimitError as above."""
        self._check_size("to_json")
        nodes = [self._node(ordinal) for ordinal in range(self.states)]
        return json.dumps({"states": nodes, "edges": [list(edge) for edge in self._edge_texts()]}, ensure_ascii=False)

    def _check_size(self, wish: str) -> None:
        if self.states > MAX_DRAWN:
            raise LimitError(
                f"{wish} makes an object for each world, and {self.states:,} are more than {MAX_DRAWN:,}: "
                f"lower the bounds, or use the arrays rows, source, target and code"
            )

    def _node(self, ordinal: int) -> dict[str, Any]:
        system = self.tables.system
        texts = {
            str(actor): ", ".join(f"{name} {text}" for name, text in describe_state(system, actor, state).items())
            for actor, state in self.actor_states(ordinal).items()
        }
        return {"label": "\n".join(f"{actor}: {text}" for actor, text in texts.items()), **texts}

    def _edge_texts(self) -> Iterator[tuple[int, int, str]]:
        texts: dict[int, str] = {}
        for source, target, code in zip(self.source.tolist(), self.target.tolist(), self.code.tolist(), strict=True):
            if code not in texts:
                texts[code] = self._describe(self.tables.event(code))
            yield source, target, texts[code]

    def _describe(self, event: WorldEvent) -> str:
        if isinstance(event, LocalEvent):
            return f"{event.kind} {event.actor}"
        verb = {"Delivery": "deliver"}.get(type(event).__name__, type(event).__name__.lower())
        return f"{verb} {describe_message(self.tables.system, event.message)} {event.source} -> {event.target}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\l")
    return f'"{escaped}"'
