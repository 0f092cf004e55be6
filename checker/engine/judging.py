"""Judges worlds by what their actors show, once for each distinct tuple of views.

Invariants and predicates that read the same view, and the same monitor, form a group. The kernel finds the worlds of a
new level whose tuple of views was not met before (`kernel.unseen`); only those reach Python.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from attrs import Factory, define, frozen
from numpy.typing import NDArray

from checker.engine import kernel
from checker.engine.compiled import call
from checker.engine.layout import PIECE, Int32s, Int64s
from checker.engine.rounds import mark_unseen
from checker.engine.tables import Tables, ViewRaised
from checker.engine.visited import Fingerprints
from checker.engine.workers import ALONE, Workers
from checker.errors import UsageError
from checker.properties.base import Invariant, Monitor, Predicate, as_reason
from checker.stepping import describe_error
from checker.system import ActorId, State

_NO_SOURCE = np.empty(0, np.int32)
ViewKey: TypeAlias = tuple[Callable[[ActorId, State], Hashable], str | None]


@frozen
class Judged:
    """Something to tell about the world with index `world` of its level. `reason` is None for a predicate that
    holds."""

    name: str
    world: int
    reason: str | None


@define
class Group:
    """What reads one view, and perhaps one monitor."""

    view: Callable[[ActorId, State], Hashable]
    monitor: Monitor | None
    invariants: list[Invariant] = Factory(list)
    predicates: list[Predicate] = Factory(list)
    prunes: list[Predicate] = Factory(list)
    seen: Fingerprints = Factory(Fingerprints)
    pruned: dict[int, bool] = Factory(dict)


def groups_of(
    invariants: Sequence[Invariant], predicates: Sequence[Predicate], prunes: Sequence[Predicate]
) -> list[Group]:
    """The groups, in order of first appearance."""
    groups: dict[ViewKey, Group] = {}

    def group(reader: Invariant | Predicate) -> Group:
        key = (reader.view, reader.monitor.name if reader.monitor is not None else None)
        return groups.setdefault(key, Group(reader.view, reader.monitor))

    for invariant in invariants:
        group(invariant).invariants.append(invariant)
    for predicate in predicates:
        group(predicate).predicates.append(predicate)
    for prune in prunes:
        group(prune).prunes.append(prune)
    return list(groups.values())


class Judge:
    """Judges levels of worlds. `met` counts, by predicate, the distinct tuples of views on which it held."""

    def __init__(self, tables: Tables, groups: Sequence[Group]) -> None:
        self._tables = tables
        self._groups = groups
        self._out: Int64s = np.empty(4096, np.int64)
        self.met: dict[str, int] = {predicate.name: 0 for group in groups for predicate in group.predicates}

    def forget(self) -> None:
        """Begin again: no tuple of views was met."""
        for group in self._groups:
            group.seen = Fingerprints()
        self.met = dict.fromkeys(self.met, 0)

    def kept(self) -> dict[str, Any]:
        """What was met, to be pickled."""
        seen = [(group.seen.slots, group.seen.count, group.pruned) for group in self._groups]
        return {"met": self.met, "seen": seen}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Be as the judge was that `kept` this, of the same groups."""
        self.met = kept["met"]
        for group, (slots, count, pruned) in zip(self._groups, kept["seen"], strict=True):
            group.seen, group.pruned = Fingerprints(len(slots)), pruned
            group.seen.restore(slots, count)

    @property
    def seen(self) -> int:
        """How many tuples of views were met, in the largest group."""
        return max((group.seen.count for group in self._groups), default=0)

    def compile(self, rows: Int32s) -> None:
        """Have the kernel compiled, or loaded, by calling it with nothing to do."""
        none, known = np.empty(0, np.int32), Fingerprints(8).slots
        kernel.unseen(none, 0, -1, rows, 0, 0, rows, none, known, self._out)
        mark_unseen(none, 0, -1, rows[:0], rows, none, known, np.empty(0, np.uint8), np.zeros(1, np.int64))

    def level(self, rows: Int32s, count: int, before: Int32s, source: Int32s, workers: Workers = ALONE) -> list[Judged]:
        """What there is to tell about rows[:count], the children of before[source] (which is empty at the start)."""
        found: list[Judged] = []
        for number, group in enumerate(self._groups):
            if group.invariants or group.predicates:
                marked = self._marked(number, rows[:count], before, source, workers)
                for index in self._fresh(number, rows[marked]):
                    world = int(marked[index])
                    self._world(number, group, world, rows[world].tolist(), found)
        return found

    def _marked(self, number: int, rows: Int32s, before: Int32s, source: Int32s, workers: Workers) -> Int64s:
        """Which of *rows* show a tuple of views that no earlier call met."""
        group, views = self._groups[number], self._tables.view_column(number)
        marks, actors, history = np.empty(len(rows), np.uint8), len(self._tables.actors), self._history_slot(group)
        turns = np.zeros(1, np.int64)
        job = call(mark_unseen, views, actors, history, rows, before, source, group.seen.slots, marks, turns)
        workers.all(job, -(-len(rows) // PIECE))
        return np.flatnonzero(marks)

    def _fresh(self, number: int, rows: Int32s) -> Iterator[int]:
        """Those of *rows* that show a tuple of views that was not met before; it is met now."""
        group, views = self._groups[number], self._tables.view_column(number)
        actors, history = len(self._tables.actors), self._history_slot(group)
        start = 0
        while start < len(rows):
            group.seen.reserve(len(self._out))
            fresh, start = kernel.unseen(
                views, actors, history, rows, start, len(rows), rows[:0], _NO_SOURCE, group.seen.slots, self._out
            )
            group.seen.count += fresh
            yield from self._out[:fresh].tolist()

    def pruned(self, rows: Int32s, count: int) -> NDArray[np.bool_]:
        """Which of rows[:count] are not to be expanded."""
        mask = np.zeros(count, np.bool_)
        for number, group in enumerate(self._groups):
            if not group.prunes:
                continue
            words, first, inverse = np.unique(
                self._words(number, group, rows[:count]), return_index=True, return_inverse=True
            )
            for word, index in zip(words.tolist(), first.tolist(), strict=True):
                if word not in group.pruned:
                    views, history = self._views(number, group, rows[index].tolist())
                    group.pruned[word] = any(_holds(prune, views, history) for prune in group.prunes)
            mask |= np.array([group.pruned[word] for word in words.tolist()], np.bool_)[inverse]
        return mask

    def asked(self) -> list[tuple[int, bool]]:
        """Of each group: the slot of its monitor or -1, and whether it prunes."""
        return [(self._history_slot(group), bool(group.prunes)) for group in self._groups]

    def pruned_words(self) -> tuple[NDArray[np.uint64], ...]:
        """Of each group: the words (see `tuple_words`) of the tuples at which a prune predicate was found to hold."""
        return tuple(
            np.array([word for word, pruned in group.pruned.items() if pruned], np.uint64) for group in self._groups
        )

    def _world(self, number: int, group: Group, index: int, row: Sequence[int], found: list[Judged]) -> None:
        views, history = self._views(number, group, row)
        for invariant in group.invariants:
            reason = reason_against(invariant, views, history)
            if reason is not None:
                found.append(Judged(invariant.name, index, reason))
        for predicate in group.predicates:
            if _holds(predicate, views, history):
                self.met[predicate.name] += 1
                found.append(Judged(predicate.name, index, None))

    def _views(self, number: int, group: Group, row: Sequence[int]) -> tuple[Mapping[ActorId, Any], Any]:
        tables = self._tables
        column, values = tables.view_column(number), tables.view_values[number]
        views = {actor: values[column[state]] for actor, state in zip(tables.actors, row, strict=False)}
        slot = self._history_slot(group)
        return views, tables.monitor_states[row[slot]][1] if slot >= 0 else None

    def _history_slot(self, group: Group) -> int:
        if group.monitor is None:
            return -1
        names = [monitor.name for monitor in self._tables.rules.monitors]
        return len(self._tables.actors) + 1 + names.index(group.monitor.name)

    def _words(self, number: int, group: Group, rows: Int32s) -> NDArray[np.uint64]:
        """One word for each row's tuple of views."""
        return tuple_words(self._tables.view_column(number), len(self._tables.actors), self._history_slot(group), rows)


def tuple_words(views: Int32s, actors: int, history: int, rows: Int32s) -> NDArray[np.uint64]:
    """One word for each row's tuple of views; *history* is the slot of the monitor that belongs to it, or -1."""
    columns = views.astype(np.uint64)
    parts = [columns[rows[:, actor]] for actor in range(actors)]
    if history >= 0:
        parts.append(rows[:, history].astype(np.uint64))
    words = np.zeros(len(rows), np.uint64)
    for part in parts:
        words = (words ^ part) * np.uint64(0x9E3779B97F4A7C15)
        words ^= words >> np.uint64(29)
        words *= np.uint64(0xBF58476D1CE4E5B9)
        words ^= words >> np.uint64(32)
    return words


def _raised(views: Mapping[ActorId, Any]) -> str | None:
    """What the view function raised on one of the actors, if it did."""
    return next((view.text for view in views.values() if isinstance(view, ViewRaised)), None)


def _holds(predicate: Predicate, views: Mapping[ActorId, Any], history: object) -> bool:
    """Whether *predicate* holds. A predicate reports nothing, so an exception in it is the caller's mistake."""
    trouble = _raised(views)
    if trouble is None:
        try:
            return bool(predicate.holds(views, history))
        except (Exception, SystemExit) as error:
            raise UsageError(f"the predicate {predicate.name!r} raised {describe_error(error)}") from error
    raise UsageError(f"the view of the predicate {predicate.name!r} raised {trouble}")


def reason_against(invariant: Invariant, views: Mapping[ActorId, Any], history: object) -> str | None:
    """What is wrong with these views for *invariant*, or None. It is wrong, too, if a view or the invariant raised."""
    raised = _raised(views)
    if raised is not None:
        return f"the property raised {raised}"
    try:
        reason = invariant.judge(views, history)
    except (Exception, SystemExit) as error:
        return f"the property raised {describe_error(error)}"
    return as_reason(reason)
