"""Chunks: shares of a level that are expanded side by side, and the memory in which each is worked on.

How large chunks are, and which worlds are in which, depends on the level alone and never on how many workers there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from attrs import define
from numpy.typing import NDArray

from checker.engine import rounds
from checker.engine.compiled import call, packed
from checker.engine.layout import (
    CACHE_LINE,
    COUNTS,
    EXPANDING,
    N_CANDIDATES,
    N_MISSES,
    N_RETRY,
    N_TAKEN,
    PHASES,
    REGIONS,
    Candidates,
    Int32s,
    Int64s,
    Lookup,
    Notes,
    Round,
    Sorted,
    UInt8s,
    UInt64s,
)
from checker.engine.workers import Job, Workers

CANDIDATES = 1 << 14  # of one chunk; so many fingerprints, sources and codes stay in the cache
WORLDS = 1 << 11  # of one chunk
CHUNKS = 32  # of one round: the more, the less a worker waits for who has the last
LEAST = 1 << 9  # worlds of one chunk, but the last: those of a small level are shared too


def new_round(width: int, capacity: int) -> Round:
    """Place for a round of chunks, each with so many candidates, on worlds of *width* slots."""
    return Round(
        fingerprint=np.empty((CHUNKS, capacity), np.uint64),
        source=np.empty((CHUNKS, capacity), np.int32),
        code=np.empty((CHUNKS, capacity), np.int32),
        by_region=np.empty((CHUNKS, capacity), np.uint64),
        candidate=np.empty((CHUNKS, capacity), np.int32),
        start=np.zeros((CHUNKS, REGIONS + 1 + CACHE_LINE), np.int64),
        fresh=np.zeros((CHUNKS, capacity), np.uint8),
        made=np.zeros((REGIONS, CHUNKS), np.int64),
        misses=np.empty((CHUNKS, 1 << 12, 3), np.int64),
        alarms=np.empty((CHUNKS, 256, 2), np.int64),
        retry=np.empty((CHUNKS, WORLDS), np.int64),
        counts=np.zeros((CHUNKS, COUNTS), np.int64),
        world=_new_worlds(width),
        turns=np.zeros((PHASES, CACHE_LINE), np.int64),
    )


def _new_worlds(width: int) -> Int32s:
    """A world for each chunk. Workers write to them all the time: no two share a cache line."""
    return np.empty((CHUNKS, width + 2 * CACHE_LINE), np.int32)


def new_candidates(capacity: int) -> Candidates:
    """Place for *capacity* candidates."""
    return Candidates(np.empty(capacity, np.uint64), np.empty(capacity, np.int32), np.empty(capacity, np.int32))


def new_sorted(capacity: int) -> Sorted:
    """Place for *capacity* candidates by region."""
    return Sorted(np.empty(capacity, np.uint64), np.empty(capacity, np.int32), np.zeros(REGIONS + 1, np.int64))


@define(eq=False)
class Chunk:
    """Memory for one chunk, part of that of its round. `todo` has the worlds that are to be expanded."""

    found: Candidates
    by_region: Sorted
    fresh: UInt8s
    notes: Notes
    todo: Int64s

    @classmethod
    def of(cls, whole: Round, number: int) -> Chunk:
        """The chunk with *number* of a round."""
        return cls(
            Candidates(whole.fingerprint[number], whole.source[number], whole.code[number]),
            Sorted(whole.by_region[number], whole.candidate[number], whole.start[number]),
            whole.fresh[number],
            Notes(
                whole.misses[number],
                whole.alarms[number],
                whole.retry[number],
                whole.counts[number],
                whole.world[number],
            ),
            np.empty(0, np.int64),
        )

    @property
    def candidates(self) -> int:
        """How many transitions were listed."""
        return int(self.notes.counts[N_CANDIDATES])

    @property
    def misses(self) -> list[list[int]]:
        """The entries that were unknown."""
        entries: list[list[int]] = self.notes.misses[: self.notes.counts[N_MISSES]].tolist()
        return entries

    @property
    def again(self) -> Int64s:
        """The worlds that are to be expanded again: those that had misses, and those that there was no place for."""
        retry = self.notes.retry[: self.notes.counts[N_RETRY]]
        return np.concatenate([retry, self.todo[self.notes.counts[N_TAKEN] :]])


class Chunks(Sequence[Chunk]):
    """The chunks of a round: as many as there were worlds for, of `all` that there may be. `round` is their memory, as
    compiled code has it."""

    def __init__(self, width: int, capacity: int = CANDIDATES) -> None:
        self._count = 0
        self._sizes: Int64s = np.empty(0, np.int64)  # how many worlds each chunk was given
        self._packed_look: tuple[Lookup, Lookup] | None = None  # tables, and the same for compiled code
        self.all: list[Chunk] = []
        self._lay_out(new_round(width, capacity))

    def _lay_out(self, whole: Round) -> None:
        todo = [chunk.todo for chunk in self.all]
        self.round = whole
        self._packed_round = packed(whole)
        self.all = [Chunk.of(whole, number) for number in range(CHUNKS)]
        for chunk, kept in zip(self.all, todo, strict=False):
            chunk.todo = kept

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Chunk:  # type: ignore[override]  # nobody slices
        return self.all[: self._count][number]

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.all[: self._count])

    def expand(
        self,
        look: Lookup,
        rows: Int32s,
        fingerprints: UInt64s,
        todo: Int64s,
        size: int,
        keep_loops: bool,
        workers: Workers,
        first: Job | None = None,
    ) -> None:
        """List the transitions of the worlds rows[todo], *size* of them a chunk, and sort what they lead to.

        The caller's thread does *first* before it joins in.
        """
        self._count = -(-len(todo) // size)
        self._sizes = np.minimum(size, len(todo) - size * np.arange(self._count))
        for number, chunk in enumerate(self):
            chunk.todo = todo[number * size : (number + 1) * size]
        job = call(
            rounds.expand_chunks, self.packed(look), rows, fingerprints, todo, size, keep_loops, self.begin(EXPANDING)
        )
        workers.all(job, self._count, first)

    def having(self, what: int) -> list[Chunk]:
        """The chunks that have any of *what*, which is N_MISSES, say."""
        return [self.all[number] for number in np.flatnonzero(self.round.counts[: self._count, what]).tolist()]

    @property
    def candidates(self) -> int:
        """How many transitions were listed, in all chunks."""
        return int(self.round.counts[: self._count, N_CANDIDATES].sum())

    @property
    def again(self) -> Int64s:
        """The worlds that are to be expanded again, of all chunks."""
        counts = self.round.counts[: self._count]
        left = np.flatnonzero((counts[:, N_RETRY] > 0) | (counts[:, N_TAKEN] < self._sizes))
        return np.concatenate([np.empty(0, np.int64), *(self.all[number].again for number in left.tolist())])

    @property
    def stuck(self) -> bool:
        """Whether the first world of a chunk has more transitions than there is place for."""
        return bool((self.round.counts[: self._count, N_TAKEN] == 0).any())

    def begin(self, *phases: int) -> Round:
        """The round, with every turn of *phases* still to be taken, for compiled code."""
        self.round.turns[list(phases)] = 0
        return self._packed_round

    def packed(self, look: Lookup) -> Lookup:
        """The same tables, for compiled code: most rounds need the very ones of the round before."""
        if self._packed_look is None or self._packed_look[0] is not look:
            self._packed_look = look, packed(look)
        return self._packed_look[1]

    def enlarge(self) -> None:
        """Have twice the place for candidates."""
        before = self.round
        capacity = before.fingerprint.shape[1]
        grown = new_round(before.world.shape[1], 2 * capacity)._replace(world=before.world)
        arrays: Sequence[tuple[NDArray[Any], NDArray[Any]]] = list(zip(grown, before, strict=True))
        for now, was in arrays:
            if now.shape == was.shape:
                now[:] = was
            else:
                now[:, :capacity] = was
        self._lay_out(grown)

    def widen(self, width: int) -> None:
        """Have place for worlds of *width* slots."""
        self._lay_out(self.round._replace(world=_new_worlds(width)))

    @property
    def counted(self) -> Int64s:
        """What was counted, summed over all chunks and rounds."""
        counted: Int64s = self.round.counts.sum(axis=0)
        return counted


__all__ = ["CHUNKS", "LEAST", "WORLDS", "Chunk", "Chunks"]
