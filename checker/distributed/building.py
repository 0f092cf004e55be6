"""How an owner builds the worlds that it found, once their owners have said which are new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from checker.distributed.exchange import (
    Current,
    Mended,
    Outbox,
    Shape,
    Sighting,
    Worlds,
    chosen,
    each_once,
    joined_misses,
    no_sighting,
)
from checker.engine import kernel
from checker.engine.layout import (
    BUILT,
    FRESH,
    N_MISSES,
    Candidates,
    Int32s,
    Int64s,
    Level,
    Lookup,
    UInt8s,
    new_notes,
)
from checker.engine.visited import Fingerprints, new_level

STEP = 1 << 12  # candidates of one call of the kernel; each has one miss at most, so all of them have a place


class Unbuilt(NamedTuple):
    """Worlds whose rows wait for misses, as candidates, and where their rows are awaited."""

    found: Candidates
    owner: Int64s
    batch: Int64s  # of the level
    place: Int64s  # among those of the batch that this owner sends there


class Builder:
    """Builds worlds, and keeps those that show a tuple of views that it has not seen. What it has to tell is of the
    turn since `begin_turn`, and batches count since `begin_level`.
    """

    def __init__(self, shape: Shape, owners: int) -> None:
        self._shape, self._owners = shape, owners
        self._seen = [Fingerprints() for _ in shape.groups]
        self._out: Int64s = np.empty(4096, np.int64)
        self._notes = new_notes(0)
        self.unbuilt = _none_unbuilt()
        self.begin_level()
        self.begin_turn()

    def begin_turn(self) -> None:
        """Have nothing to tell."""
        self._misses: list[Int64s] = []
        self._views: list[Sighting] = [no_sighting(self._shape.head)]

    def begin_level(self) -> None:
        """Count batches anew."""
        self._batch = 0

    @property
    def misses(self) -> Int64s:
        """The entries that were unknown."""
        return joined_misses(self._misses)

    @property
    def views(self) -> Sighting:
        """Worlds with tuples of views that were not seen before."""
        return Sighting(*(np.concatenate([part[column] for part in self._views]) for column in range(3)))

    def compile(self, look: Lookup, level: Current) -> None:
        """Have the loops compiled, or loaded, by calling them with nothing to do."""
        found, none = self.unbuilt.found, np.empty(0, np.int32)
        kernel.build(look, found, np.empty(0, np.uint8), 0, level.rows, new_level(0, 0), 0, self._notes)
        kernel.unseen(none, 0, -1, level.rows, 0, 0, level.rows, none, Fingerprints(8).slots, self._out)

    def build(
        self, look: Lookup, level: Current, views: Sequence[Int32s], outbox: Outbox, answers: Sequence[UInt8s]
    ) -> tuple[Level, NDArray[np.uint8]]:
        """The candidates of *outbox* that are new, as *answers* say, in order, and the owner of each. Rows that wait
        for misses are there, without meaning.
        """
        sizes = np.diff(outbox.start).tolist()
        marks = [np.unpackbits(answer, count=size) for answer, size in zip(answers, sizes, strict=True)]
        fresh = np.concatenate(marks)[outbox.place]
        new_ones = np.flatnonzero(fresh)
        found = chosen(outbox.found, new_ones)
        owner = np.searchsorted(outbox.start, outbox.place[new_ones], side="right") - 1
        new, built = self._rows(look, level, found)
        self._see(level, views, new, built)
        if not built.all():
            self._keep(found, owner, ~built)
        self._batch += 1
        return new, owner.astype(np.uint8)

    def mend(
        self, look: Lookup, level: Current, views: Sequence[Int32s], dtype: DTypeLike
    ) -> Iterator[tuple[int, Mended]]:
        """Build what waits: what could be built, for each owner."""
        waiting = self.unbuilt
        new, built = self._rows(look, level, waiting.found)
        self._see(level, views, new, built)
        self.unbuilt = _waiting(waiting, ~built)
        for owner in np.unique(waiting.owner[built]).tolist():
            mine = built & (waiting.owner == owner)
            yield owner, Mended(waiting.batch[mine], waiting.place[mine], new.rows[mine].astype(dtype))

    def _rows(self, look: Lookup, level: Current, found: Candidates) -> tuple[Level, NDArray[np.bool_]]:
        """The rows of *found*, and which of them could be built."""
        count = len(found.code)
        new = new_level(count, level.rows.shape[1])
        fresh = np.full(count, FRESH, np.uint8)
        for begin in range(0, count, STEP):
            part = chosen(found, slice(begin, begin + STEP))
            here = fresh[begin : begin + STEP]
            kernel.build(look, part, here, len(here), level.rows, new, begin, self._notes)
            if self._notes.counts[N_MISSES]:
                self._misses.append(each_once(self._notes.misses[: self._notes.counts[N_MISSES]]))
        return new, fresh == BUILT

    def _keep(self, found: Candidates, owner: Int64s, missing: NDArray[np.bool_]) -> None:
        """Let the *missing* of *found* wait."""
        place = np.empty(len(owner), np.int64)
        for number in range(self._owners):
            mine = owner == number
            place[mine] = np.arange(mine.sum())
        batch = np.full(len(owner), self._batch)
        more = _waiting(Unbuilt(found, owner, batch, place), missing)
        self.unbuilt = _joined(self.unbuilt, more)

    def _see(self, level: Current, views: Sequence[Int32s], new: Level, built: NDArray[np.bool_]) -> None:
        """Note the worlds whose tuple of views was not seen before."""
        rows, source, code = new.rows, new.source, new.code
        if not built.all():
            rows[~built] = level.rows[source[~built]]  # as its parent, which nobody need look at
        found: list[Int64s] = []
        for seen, group, view in zip(self._seen, self._shape.groups, views, strict=True):
            start = 0
            while start < len(rows):
                seen.reserve(len(self._out))
                count, start = kernel.unseen(
                    view,
                    self._shape.actors,
                    group.history,
                    rows,
                    start,
                    len(rows),
                    level.rows,
                    source,
                    seen.slots,
                    self._out,
                )
                seen.count += count
                found.append(self._out[:count].copy())
        if found:
            index = np.unique(np.concatenate(found))
            sources = source[index].astype(np.int64) + level.first
            self._views.append(Sighting(rows[index, : self._shape.head], sources, code[index]))


def parcels(new: Level, owner: NDArray[np.uint8], owners: int, first: int, dtype: DTypeLike) -> list[Worlds]:
    """The worlds *new* for each of *owners*, in order; parents count from *first*."""
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(owners + 1))
    found: list[Worlds] = []
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        mine = order[begin:end]
        found.append(Worlds(new.rows[mine].astype(dtype), new.source[mine], new.code[mine], first))
    return found


def _none_unbuilt() -> Unbuilt:
    none = np.empty(0, np.int64)
    return Unbuilt(Candidates(np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.int32)), none, none, none)


def _waiting(worlds: Unbuilt, which: NDArray[np.bool_]) -> Unbuilt:
    return Unbuilt(chosen(worlds.found, which), worlds.owner[which], worlds.batch[which], worlds.place[which])


def _joined(some: Unbuilt, more: Unbuilt) -> Unbuilt:
    both = (some, more)
    found = Candidates(
        np.concatenate([one.found.fingerprint for one in both]),
        np.concatenate([one.found.source for one in both]),
        np.concatenate([one.found.code for one in both]),
    )
    owner, batch, place = (np.concatenate([one[column] for one in both]) for column in (1, 2, 3))
    return Unbuilt(found, owner, batch, place)
