"""The sets of worlds already seen.

`Fingerprints` holds one 64-bit word a world in an open-addressing table. Its place is the word scaled to the table's
size (multiply, high half), so that words lie in the table in nearly ascending order, and a growing table can be
rearranged in place, walking down from the end: no second copy, so that growing takes no more memory than having grown.
At most three quarters are filled and a large table grows by 1.4, so a world takes 11 to 15 bytes.

Two different worlds with the same fingerprint would be taken for one. With n worlds the probability that any two
collide is less than n * n / 2**65: for 100 million worlds, 1 in 3,700.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checker.engine.compiled import call
from checker.engine.kernel import gather, place_all, spread
from checker.engine.layout import CACHE_LINE, REGIONS, Int64s, Level, UInt64s
from checker.engine.rounds import gather_regions, place_regions, touch
from checker.engine.workers import ALONE, Workers
from checker.errors import LimitError

MAX_LOAD = 0.75
GROWTH = 1.4
LARGE = 1 << 20  # places; tables with regions that are smaller grow by 2
HUGE = 1 << 21  # bytes of a huge page
MAP_NORESERVE = 0x4000  # of Linux; Python 3.11 does not name it


class Fingerprints:
    """A set of 64-bit words, as `kernel.claim` and `kernel.unseen` use it; they put words in, `count` is told here.

    A *large* set is for `claim`, and has regions: as many tables, side by side, each with its share of the words. It
    begins in as much address space as the machine has memory, so that it grows where it is, and in huge pages if there
    are any: a look-up is a miss of every cache, and half of its price was finding the page. Shares are equal only
    nearly, and a region never fills up because it has five hundred places and more: below that, a set is not *large*.
    If *sharers* sets are to share the machine, each has its part of the memory.
    """

    def __init__(self, places: int = 1 << 14, *, large: bool = False, sharers: int = 1) -> None:
        assert places >= REGIONS << 10 or not large
        self._regions = REGIONS if large else 1
        space = address_space(sharers) if large else None
        self._space: UInt64s | None = None if space is None else np.frombuffer(space, np.uint64)
        self.slots: UInt64s = np.zeros(places, np.uint64) if self._space is None else self._space[:places]
        self.count = 0
        self.most_places = 1 << 62  # it grows beyond only if it must

    def add_first(self, word: int) -> None:
        """Put *word* into the empty set."""
        word = word or 1  # as in the kernel: 0 marks a free place
        size = len(self.slots) // self._regions
        region, rest = divmod(word * self._regions, 1 << 64)
        self.slots[region * size + ((rest * size >> 64) & -CACHE_LINE)] = word
        self.count = 1

    def restore(self, slots: UInt64s, count: int) -> None:
        """Be the set of *count* words whose places were *slots*."""
        self._grow(len(slots))
        self.slots[:] = slots
        self.count = count

    def reserve(self, more: int, workers: Workers = ALONE) -> None:
        """Make place for *more* words, by *workers*. Raises LimitError if they don't fit into the machine's memory."""
        before = after = len(self.slots)
        even = CACHE_LINE * self._regions  # no two regions share a cache line, or a byte of the bits below
        while self.count + more > MAX_LOAD * after:
            growth = 2 if self._regions > 1 and after < LARGE else GROWTH
            after = (int(after * growth) // even + 1) * even
        if self.count + more <= MAX_LOAD * self.most_places < MAX_LOAD * after:
            after = max(before, self.most_places)
        if after > before:
            self._grow(after)
            if self._regions > 1:
                self._spread(before // self._regions, workers)
            else:
                spread(self.slots, before, np.zeros(after // 8 + 1, np.uint8))

    def _spread(self, before: int, workers: Workers) -> None:
        """Move all words, of regions that had *before* places each, to where they belong now: from the last regions
        on, as many at a time as there are workers, by way of memory of their own."""
        slots, share = self.slots, min(workers.count, self._regions // 4)
        pages = fresh_pages(slots, before * self._regions, len(slots))
        workers.all(call(touch, pages, np.zeros(1, np.int64)), len(pages))
        held, many = np.empty(share * before, np.uint64), np.zeros(share, np.int64)
        for end in range(self._regions, 0, -share):
            first = max(0, end - share)
            for move in (gather_regions, place_regions):
                turns = np.zeros(1, np.int64)
                workers.all(call(move, slots, before, first, end, held, many, turns), end - first)

    def drain(self, workers: Workers) -> Iterator[UInt64s]:
        """The words, ascending, in parts that are good until the next; after the last the set is empty."""
        size = len(self.slots) // self._regions

        def gather_sorted(region: int) -> UInt64s:
            begin = region * size
            words = self.slots[begin : begin + gather(self.slots, begin, begin + size)]
            words.sort()
            return words

        yield from workers.each(gather_sorted, range(self._regions))
        self.slots[:] = 0
        self.count = 0

    def _grow(self, places: int) -> None:
        if self._space is None:
            self.slots.resize(places, refcheck=False)
        elif places <= len(self._space):
            self.slots = self._space[:places]
        else:
            raise LimitError(f"{self.count:,} worlds fill this machine's memory: lower the bounds, or set max_states")

    @property
    def bytes(self) -> int:
        """How much memory the table takes."""
        return self.slots.nbytes


def address_space(sharers: int = 1) -> mmap.mmap | None:
    """As many bytes as fit into memory that *sharers* share, all 0, of which only those that are written take any;
    None if refused.
    """
    if sys.platform != "linux":
        return None
    size = os.sysconf("SC_PHYS_PAGES") // sharers * os.sysconf("SC_PAGE_SIZE")
    try:
        space = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    except (OSError, ValueError):  # a limit on address space
        return None
    with contextlib.suppress(OSError):  # a system without huge pages
        space.madvise(mmap.MADV_HUGEPAGE)
    return space


def fresh_pages(array: NDArray[Any], begin: int, end: int) -> Int64s:
    """Addresses of all pages, as large as can be, that begin within array[begin:end]."""
    each = array.nbytes // len(array)
    first, last = (-(-(array.ctypes.data + each * place) // HUGE) * HUGE for place in (begin, end))
    return np.arange(first, last, HUGE)


def collision_probability(worlds: int) -> float:
    """An upper bound for the probability that two of *worlds* share a fingerprint."""
    return min(1.0, worlds * worlds / 2.0**65)


def new_level(capacity: int, width: int) -> Level:
    """Place for *capacity* worlds of *width* slots."""
    return Level(
        rows=np.empty((capacity, width), np.int32),
        fingerprint=np.empty(capacity, np.uint64),
        source=np.empty(capacity, np.int32),
        code=np.empty(capacity, np.int32),
    )


def enlarged(level: Level, fill: int, capacity: int) -> Level:
    """The first *fill* worlds of *level*, with place for at least *capacity*."""
    if capacity <= len(level.code):
        return level
    grown = new_level(max(capacity, len(level.code) * 3 // 2), level.rows.shape[1])
    grown.rows[:fill] = level.rows[:fill]
    grown.fingerprint[:fill] = level.fingerprint[:fill]
    grown.source[:fill] = level.source[:fill]
    grown.code[:fill] = level.code[:fill]
    return grown


def stretch(level: Level, capacity: int) -> None:
    """Make place for at least *capacity* worlds, where the arrays are. Nobody else may hold on to them."""
    if capacity > len(level.code):
        capacity = max(capacity, len(level.code) * 3 // 2)
        level.rows.resize((capacity, level.rows.shape[1]), refcheck=False)
        for column in (level.fingerprint, level.source, level.code):
            column.resize(capacity, refcheck=False)


def widened(level: Level, fill: int, empty: list[int]) -> Level:
    """*level* with a slot more for each of the contents *empty*, which its worlds hold there."""
    if not empty:
        return level
    rows = np.empty((len(level.code), level.rows.shape[1] + len(empty)), np.int32)
    rows[:fill, : level.rows.shape[1]] = level.rows[:fill]
    rows[:fill, level.rows.shape[1] :] = empty
    return level._replace(rows=rows)


class Ordinals:
    """The exact set: an open-addressing table of 1 + the ordinals of worlds, for `kernel.insert_exact`."""

    def __init__(self) -> None:
        self.slots: Int64s = np.zeros(1 << 14, np.int64)

    def reserve(self, worlds: Level, count: int, more: int) -> None:
        """Make place for *more* than the first *count* of *worlds*, which are in the table."""
        if count + more <= MAX_LOAD * len(self.slots):
            return
        self.slots = np.zeros(max(len(self.slots) * 2, (count + more) * 2), np.int64)
        place_all(self.slots, worlds.fingerprint, count)
