"""The search: breadth first, level by level, from the initial world.

One round at a time: the kernel expands some worlds of the level into candidates, chunk by chunk, by as many workers as
there are; the tables answer the kernel's misses; the store takes in what is new; worlds that had misses are expanded
again. A level is always finished before a violation ends the search (and so before anything is decided by the order
within it), so that counts and verdicts depend on nothing but the system and its bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from attrs import Factory, define, frozen

from checker.engine.checkpoints import Keeper
from checker.engine.chunks import CHUNKS, LEAST, WORLDS, Chunk, Chunks
from checker.engine.judging import Judge
from checker.engine.layout import COUNTS, N_ALARMS, N_DEADLOCKS, N_TRANSITIONS, Int32s, Int64s
from checker.engine.memory import bytes_of_tables
from checker.engine.stores import ExactStore, HashStore, Store
from checker.engine.tables import Tables
from checker.engine.watch import Watch
from checker.engine.workers import Workers
from checker.errors import DiskError, LimitError, UsageError
from checker.graph import Graph
from checker.world import WorldEvent

LOOK_AT: Final = CHUNKS * WORLDS  # worlds that are listed together


@frozen
class Hit:
    """A property that does not hold, or a predicate that does: at the world `ordinal`, or, with `code`, on that
    transition out of it. `reason` is None for a predicate."""

    name: str
    ordinal: int
    code: int | None
    reason: str | None


@define
class Result:
    """What a search found, in numbers."""

    depth: int = 1
    transitions: int = 0
    deadlocks: int = 0
    pruned: int = 0
    limits_hit: list[str] = Factory(list)
    hits: dict[str, Hit] = Factory(dict)  # the first of each name
    hit_depth: dict[str, int] = Factory(dict)


@define
class Search:
    """One search. `stop_on` has the names of predicates that end it; violations end it if `stop_at_first`.

    `silent` monitors only remember. `keep_loops` looks up transitions that lead back too: for a graph, and to be exact.
    """

    tables: Tables
    store: Store
    judge: Judge
    watch: Watch
    stop_on: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    keep_loops: bool = False
    stop_at_first: bool = True
    result: Result = Factory(Result)
    workers: Workers = Factory(Workers)
    keeper: Keeper | None = None
    _counted_before: Int64s = Factory(lambda: np.zeros(COUNTS, np.int64))
    _chunks: Chunks = Factory(lambda self: Chunks(self.tables.width), takes_self=True)
    _looked_at: int = 0  # of the worlds of `now`

    shortest: ClassVar[bool] = True  # no run to what is found is shorter than the one that `events` tells

    def compile(self) -> None:
        """Have every kernel compiled, or loaded from disk, by calling it with nothing to do."""
        rows, fingerprints, _count = self.store.now
        nothing, look = np.empty(0, np.int64), self.tables.lookup
        self._chunks.expand(look, rows, fingerprints, nothing, WORLDS, self.keep_loops, Workers())
        self.store.compile(look, self._chunks)
        self.judge.compile(rows)

    def run(self) -> Result:
        """Search until the space, a limit, or the first violation ends it. `compile` has been called."""
        self.watch.begin()
        if not self._resumed():
            self._first_level()
        self._levels()
        self._sum()
        return self.result

    def events(self, hit: Hit) -> list[WorldEvent]:
        """The run that leads to *hit* from the initial world."""
        return [self.tables.event(code) for code in self._path(hit)]

    def _path(self, hit: Hit) -> list[int]:
        return [*self.store.links.path(hit.ordinal), *(() if hit.code is None else (hit.code,))]

    @property
    def states(self) -> int:
        """How many distinct worlds were found."""
        return self.store.states

    @property
    def complete(self) -> bool:
        """Whether every world was expanded."""
        return not self.result.limits_hit and self.store.now[2] == 0

    @property
    def bytes(self) -> int:
        """Memory of the visited set."""
        return self.store.bytes

    def _memory(self) -> int:
        """Bytes of visited set, levels and tables."""
        return self.store.memory + bytes_of_tables(self.tables)

    @property
    def disk_bytes(self) -> int:
        """The most that was on disk at one time, if the search spills."""
        return self.store.disk_bytes

    @property
    def first_depth(self) -> Mapping[str, int]:
        """Of marks and events: how many events the shortest run with it has."""
        return self.tables.first_depth

    @property
    def exact(self) -> bool:
        """Whether no two worlds can have been taken for one."""
        return isinstance(self.store, ExactStore)

    @property
    def graph(self) -> Graph | None:
        """Every world and transition, if they were kept."""
        return (
            Graph.of(self.tables, self.store) if isinstance(self.store, ExactStore) and self.store.keeps_edges else None
        )

    def close(self) -> None:
        """Give disk space back, and end the workers."""
        self.store.close()
        self.workers.close()

    def _first_level(self) -> None:
        rows, _fingerprints, count = self.store.now
        none, no_sources = np.empty((0, rows.shape[1]), np.int32), np.empty(0, np.int32)
        self._judge(rows[:count], none, no_sources, self.store.depth)

    def _levels(self) -> None:
        """Expand level after level until the search is finished."""
        while not self._is_finished():
            self._begin_level()
            if not self._expand_level():
                break

    def _sum(self) -> None:
        counts = self._counted()
        self.result.transitions, self.result.deadlocks = int(counts[N_TRANSITIONS]), int(counts[N_DEADLOCKS])

    def _counted(self) -> Int64s:
        return self._chunks.counted + self._counted_before

    def _begin_level(self) -> None:
        self._keep()
        self.watch.levels.append(self.store.now[2] + self.store.waiting)

    def _keep(self) -> None:
        """Make a checkpoint, if it is time."""
        if self.keeper is not None and self.keeper.is_due():
            assert isinstance(self.store, HashStore)
            learnt: dict[str, Any] = {
                "begins": self.tables.rules.initial(),
                "tables": self.tables.kept(),
                "judge": self.judge.kept(),
                "result": self.result,
                "counted": self._counted(),
                "levels": self.watch.levels,
            }
            self.keeper.save(self.store, learnt)

    def _resumed(self) -> bool:
        """Go on from a checkpoint, if there is one."""
        if self.keeper is None:
            return False
        assert isinstance(self.store, HashStore)
        learnt = self.keeper.load(self.store)
        if learnt is None:
            self.store.links.cut(1)
            return False
        if learnt["begins"] != self.tables.rules.initial():
            raise UsageError("the checkpoint is of a search that began in another world; begin anew")
        self.tables.restore(learnt["tables"])
        self.judge.restore(learnt["judge"])
        self.result, self._counted_before = learnt["result"], learnt["counted"]
        self.watch.levels = learnt["levels"]
        self._chunks.widen(self.tables.width)
        return True

    def is_decided(self) -> bool:
        """Whether a violation or a predicate that was met ends the search."""
        ending = [hit for hit in self.result.hits.values() if hit.reason is not None and self.stop_at_first]
        return bool(ending or self.stop_on & self.result.hits.keys())

    def _is_finished(self) -> bool:
        """Whether the current level is not to be expanded."""
        if self.is_decided() or self.store.now[2] == 0:
            return True
        if self.watch.limits.depth is not None and self.store.depth >= self.watch.limits.depth:
            self.result.limits_hit.append("max_depth")
            return True
        return False

    def _expand_level(self) -> bool:
        """Expand every world of the level, and go to the next; False if a limit cut it short."""
        self.tables.depth = self.store.depth
        try:
            cut = self._expand_worlds()
            self.store.settle(self.workers)
            self._judge_new()
            if cut is None:
                self.store.advance(self.workers)
        except DiskError:
            cut = "disk"
        except (LimitError, MemoryError):
            cut = "memory"
        if cut is not None:
            self.result.limits_hit.append(cut)
        return cut is None

    def _expand_worlds(self) -> str | None:
        """Expand every world of the level, in rounds: the limit that cut it short, if one did."""
        self._looked_at, late, wanted = 0, np.empty(0, np.int64), np.empty(0, np.int64)
        while True:
            late, wanted = self._with_more(late, wanted)
            more = max(0, CHUNKS * WORLDS - len(late))
            todo, wanted = np.concatenate([late, wanted[:more]]), wanted[more:]
            if not len(todo):
                return None
            self.store.let_go(int(todo.min()))
            again = self._round(todo)
            if again is None:
                return "max_states"
            late = again
            left = len(wanted) + self.store.now[2] - self._looked_at + self.store.waiting
            cut = self.watch.cut(self.store.states, self.store.depth, left, self._memory)
            if cut is not None:
                return cut

    def _with_more(self, late: Int64s, wanted: Int64s) -> tuple[Int64s, Int64s]:
        """Both, with more worlds to expand behind *wanted* until there are enough for a round, or no more.

        Where a level is in portions must not show in its rounds: worlds that are left of one go into the next.
        """
        while len(late) + len(wanted) < CHUNKS * WORLDS:
            rows, _fingerprints, count = self.store.now
            if self._looked_at < count:
                begin, self._looked_at = self._looked_at, min(count, self._looked_at + LOOK_AT)
                pruned = self.judge.pruned(rows[begin:], self._looked_at - begin)
                self.result.pruned += int(pruned.sum())
                wanted = np.concatenate([wanted, begin + np.flatnonzero(~pruned)])
            elif self.store.waiting:
                first = min([count, *late.tolist(), *wanted[:1].tolist()])
                self.store.next_portion(first, self.workers)
                late, wanted, self._looked_at = late - first, wanted - first, count - first
            else:
                break
        return late, wanted

    def _round(self, todo: Int64s) -> Int64s | None:
        """Expand worlds of *todo*, and give the store what they lead to; it has their misses answered.

        Returns those that are to be expanded again; None if there were more new worlds than the limit allows.
        """
        rows, fingerprints, _count = self.store.now
        chunks, look = self._chunks, self.tables.lookup
        size = min(WORLDS, max(LEAST, -(-len(todo) // CHUNKS)))
        chunks.expand(look, rows, fingerprints, todo, size, self.keep_loops, self.workers, self.store.links.write)
        for chunk in chunks.having(N_ALARMS):
            self._see_alarms(chunk)
        if chunks.stuck:
            chunks.enlarge()
        again = chunks.again
        room = 1 << 62 if self.watch.limits.states is None else self.watch.limits.states - self.store.states
        full = self.store.absorb(chunks, lambda: self.tables.lookup, self._fill, room, self.workers)
        self._judge_new()
        return None if full else again

    def _fill(self, chunks: Sequence[Chunk]) -> None:
        """Answer the misses of *chunks*, until it is time to end."""
        misses = [miss for chunk in chunks for miss in chunk.misses]
        if not misses:
            return
        known = self.tables.width
        self.tables.fill(self.watch.until_over(misses))
        if self.tables.width > known:
            self.store.widen(self.tables.empty[known - self.tables.first_channel :])
            self._chunks.widen(self.tables.width)

    def _see_alarms(self, chunk: Chunk) -> None:
        """Note the findings of transitions that the kernel met."""
        rows, _fingerprints, _count = self.store.now
        for source, code in chunk.notes.alarms[: chunk.notes.counts[N_ALARMS]].tolist():
            row = rows[source].tolist()
            transition = self.tables.transition_of(row, code)
            assert transition is not None
            for finding in (*self.tables.findings.get(transition, ()), *self.tables.broken(row, transition)):
                self._hit(Hit(finding.property, self.store.first + source, code, finding.reason), self.store.depth + 1)
            self.tables.silence(transition)

    def _judge_new(self) -> None:
        """Judge the worlds of the next level that were found last, while they and their parents are at hand."""
        rows, before, source = self.store.take_new()
        if len(rows):
            self.result.depth = max(self.result.depth, self.store.depth + 1)
            self._judge(rows, before, source, self.store.depth + 1)

    def _judge(self, rows: Int32s, before: Int32s, source: Int32s, depth: int) -> None:
        """Judge the latest worlds, *rows*, which are at *depth*."""
        first = self.store.total - len(rows)
        for judged in self.judge.level(rows, len(rows), before, source, self.workers):
            self._hit(Hit(judged.name, first + judged.world, None, judged.reason), depth)

    def _hit(self, hit: Hit, depth: int) -> None:
        if hit.name not in self.result.hits and hit.name not in self.silent:
            self.result.hits[hit.name] = hit
            self.result.hit_depth[hit.name] = depth


__all__ = ["Hit", "Result", "Search"]
