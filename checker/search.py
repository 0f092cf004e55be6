"""The search: breadth first, level by level, from the initial world.

One batch at a time: the kernel expands some worlds of the level into candidates; the store takes in what is new; the
tables answer the kernel's misses; worlds that had misses are expanded again. A level is always finished before a
violation ends the search (and so before anything is decided by the order within it), so that counts and verdicts depend
on nothing but the system and its bounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from attrs import Factory, define, field, frozen

from checker import kernel
from checker.errors import LimitError
from checker.judging import Judge
from checker.layout import (
    COUNTS,
    N_ALARMS,
    N_CANDIDATES,
    N_DEADLOCKS,
    N_MISSES,
    N_RETRY,
    N_TAKEN,
    N_TRANSITIONS,
    Candidates,
    Int32s,
    Int64s,
    Notes,
    new_notes,
)
from checker.stores import Store
from checker.tables import Tables

BATCH = 1 << 15  # candidates; so many fingerprints, sources and codes stay in the cache
WORLDS = 1 << 13  # worlds offered to one call of the kernel
PROGRESS_EVERY_S = 0.5

Progress = Callable[[int, float, int, int, float], object]


@frozen
class Limits:
    """Where the search gives up; None means nowhere."""

    depth: int | None = None
    states: int | None = None
    time_s: float | None = None


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
    limits: Limits
    stop_on: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    keep_loops: bool = False
    stop_at_first: bool = True
    progress: Progress | None = None
    result: Result = Factory(Result)
    _found: Candidates = field(init=False)
    _notes: Notes = field(init=False)
    _begun: float = field(init=False)
    _told: float = field(init=False)

    def compile(self) -> None:
        """Have every kernel compiled, or loaded from disk, by calling it with nothing to do."""
        self._found, self._notes = new_candidates(BATCH), new_notes(self.tables.width)
        rows, fingerprints, _count = self.store.now
        kernel.expand(
            self.tables.lookup, rows, fingerprints, np.empty(0, np.int64), self.keep_loops, self._found, self._notes
        )
        self.store.absorb(self.tables.lookup, self._found, self._notes, 0)
        self.store.compile()
        self.judge.compile(rows)

    def run(self) -> Result:
        """Search until the space, a limit, or the first violation ends it. `compile` has been called."""
        self._begun = self._told = time.perf_counter()
        rows, _fingerprints, count = self.store.now
        self._judge_level(rows, count, np.empty((0, rows.shape[1]), np.int32), np.empty(0, np.int32), 0)
        while not self._finished():
            complete = self._expand_level()
            before, _fingerprints, size = self.store.now
            rows, source, count = self.store.new
            if count:
                self.result.depth += 1
            self._judge_level(rows, count, before, source, self.store.first + size)
            if not complete:
                break
            self.store.advance()
        counts = self._notes.counts
        self.result.transitions, self.result.deadlocks = int(counts[N_TRANSITIONS]), int(counts[N_DEADLOCKS])
        return self.result

    def _finished(self) -> bool:
        """Whether the current level is not to be expanded."""
        ending = [hit for hit in self.result.hits.values() if hit.reason is not None and self.stop_at_first]
        if ending or self.stop_on & self.result.hits.keys() or self.store.now[2] == 0:
            return True
        if self.limits.depth is not None and self.result.depth >= self.limits.depth:
            self.result.limits_hit.append("max_depth")
            return True
        return False

    def _expand_level(self) -> bool:
        """Expand every world of the level; False if a limit cut it short."""
        rows, _fingerprints, count = self.store.now
        pruned = self.judge.pruned(rows, count)
        self.result.pruned += int(pruned.sum())
        wanted = np.flatnonzero(~pruned) if pruned.any() else None
        total = count if wanted is None else len(wanted)
        start = 0
        while start < total:
            end = min(start + WORLDS, total)
            todo = np.arange(start, end, dtype=np.int64) if wanted is None else wanted[start:end]
            try:
                taken = self._batch(todo)
            except (LimitError, MemoryError):
                self.result.limits_hit.append("memory")
                return False
            if taken is None:
                return False
            start += taken
            if self._out_of_time(count - start):
                return False
        return True

    def _batch(self, todo: Int64s) -> int | None:
        """Expand worlds of *todo*: how many were taken, their misses answered; None if a limit cut it short."""
        taken = None
        while len(todo):
            rows, fingerprints, _count = self.store.now
            kernel.expand(self.tables.lookup, rows, fingerprints, todo, self.keep_loops, self._found, self._notes)
            counts = self._notes.counts
            self._see_alarms()
            if counts[N_MISSES]:
                self._fill()
            if self._absorb():
                self.result.limits_hit.append("max_states")
                return None
            step = int(counts[N_TAKEN])
            if step == 0:
                self._found = new_candidates(2 * len(self._found.code))
                continue
            retry = self._notes.retry[: counts[N_RETRY]].copy()
            if taken is None:
                taken, todo = step, retry
            else:
                todo = np.concatenate([retry, todo[step:]])
        return taken or 0

    def _absorb(self) -> bool:
        """Give the store what was found; whether the limit on states was too small for it."""
        counts = self._notes.counts
        while counts[N_CANDIDATES]:
            room = 1 << 62 if self.limits.states is None else self.limits.states - self.store.total
            if self.store.absorb(self.tables.lookup, self._found, self._notes, room):
                return True
            if counts[N_MISSES]:
                self._fill()
        return False

    def _fill(self) -> None:
        known = self.tables.width
        self.tables.fill(self._notes.misses[: self._notes.counts[N_MISSES]].tolist())
        if self.tables.width > known:
            self.store.widen(self.tables.empty[known - self.tables.first_channel :])
            self._notes = self._notes._replace(world=np.empty(self.tables.width, np.int32))

    def _see_alarms(self) -> None:
        """Note the findings of transitions that the kernel met."""
        rows, _fingerprints, _count = self.store.now
        for source, code in self._notes.alarms[: self._notes.counts[N_ALARMS]].tolist():
            row = rows[source].tolist()
            transition = self.tables.transition_of(row, code)
            assert transition is not None
            for finding in (*self.tables.findings.get(transition, ()), *self.tables.broken(row, transition)):
                self._hit(Hit(finding.property, self.store.first + source, code, finding.reason), 1)
            self.tables.silence(transition)

    def _judge_level(self, rows: Int32s, count: int, before: Int32s, source: Int32s, first: int) -> None:
        for judged in self.judge.level(rows, count, before, source):
            self._hit(Hit(judged.name, first + judged.world, None, judged.reason), 0)

    def _hit(self, hit: Hit, beyond: int) -> None:
        if hit.name not in self.result.hits and hit.name not in self.silent:
            self.result.hits[hit.name] = hit
            self.result.hit_depth[hit.name] = self.result.depth + beyond

    def _out_of_time(self, left: int) -> bool:
        now = time.perf_counter()
        seconds = now - self._begun
        if self.progress is not None and now - self._told >= PROGRESS_EVERY_S:
            self._told = now
            self.progress(self.store.total, self.store.total / seconds, self.result.depth, left, seconds)
        if self.limits.time_s is None or seconds <= self.limits.time_s:
            return False
        self.result.limits_hit.append("max_time_s")
        return True


def new_candidates(capacity: int) -> Candidates:
    """Place for *capacity* candidates."""
    return Candidates(np.empty(capacity, np.uint64), np.empty(capacity, np.int32), np.empty(capacity, np.int32))


__all__ = ["COUNTS", "Hit", "Limits", "Result", "Search"]
