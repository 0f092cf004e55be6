"""Chunks: shares of a level that are expanded side by side, and the memory in which each is worked on.

How large chunks are, and which worlds are in which, depends on the level alone and never on how many workers there are.
"""

from __future__ import annotations

import numpy as np
from attrs import Factory, define

from checker import kernel
from checker.layout import (
    N_CANDIDATES,
    N_MISSES,
    N_RETRY,
    N_TAKEN,
    REGIONS,
    Candidates,
    Int32s,
    Int64s,
    Lookup,
    Notes,
    Sorted,
    UInt8s,
    UInt64s,
    new_notes,
)

CANDIDATES = 1 << 15  # of one chunk; so many fingerprints, sources and codes stay in the cache
WORLDS = 1 << 12  # of one chunk; no more than `Notes` can have on its retry list
CHUNKS = 16  # of one round


def new_candidates(capacity: int) -> Candidates:
    """Place for *capacity* candidates."""
    return Candidates(np.empty(capacity, np.uint64), np.empty(capacity, np.int32), np.empty(capacity, np.int32))


def new_sorted(capacity: int) -> Sorted:
    """Place for *capacity* candidates by region."""
    return Sorted(np.empty(capacity, np.uint64), np.empty(capacity, np.int32), np.zeros(REGIONS + 1, np.int64))


@define(eq=False)
class Chunk:
    """Memory for one chunk. `fresh` has what became of each candidate: 0, FRESH or BUILT."""

    width: int
    capacity: int = CANDIDATES
    found: Candidates = Factory(lambda self: new_candidates(self.capacity), takes_self=True)
    by_region: Sorted = Factory(lambda self: new_sorted(self.capacity), takes_self=True)
    fresh: UInt8s = Factory(lambda self: np.zeros(self.capacity, np.uint8), takes_self=True)
    notes: Notes = Factory(lambda self: new_notes(self.width), takes_self=True)
    todo: Int64s = Factory(lambda: np.empty(0, np.int64))

    def expand(self, look: Lookup, rows: Int32s, fingerprints: UInt64s, keep_loops: bool) -> None:
        """List the transitions of the worlds rows[todo]."""
        kernel.expand(look, rows, fingerprints, self.todo, keep_loops, self.found, self.notes)

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

    @property
    def stuck(self) -> bool:
        """Whether the first world has more transitions than there is place for."""
        return len(self.todo) > 0 and self.notes.counts[N_TAKEN] == 0

    def enlarge(self) -> None:
        """Have twice the place."""
        self.capacity *= 2
        self.found, self.by_region = new_candidates(self.capacity), new_sorted(self.capacity)
        self.fresh = np.zeros(self.capacity, np.uint8)

    def widen(self, width: int) -> None:
        """Have place for worlds of *width* slots."""
        self.width = width
        self.notes = self.notes._replace(world=np.empty(width, np.int32))
