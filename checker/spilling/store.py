"""Where a search keeps its worlds when they are more than memory holds.

Theory of operation. The visited set in memory has what was found of late. When it is full its words become a sorted run
on disk (`runs.py`), and it begins anew. So of a world that is not in memory nobody knows at once whether it is new: its
row is built all the same, and it waits. Worlds that wait are *settled* together, when there are many, and when the
level ends: their words are sorted, merged with the runs, and those that the runs have are taken out again. What is left
is in the order in which a search in memory would have found it. So everything that is reported is the same.

Half of the memory is for the visited set, and a quarter for the worlds that wait: the more of them there are, the less
often the runs are read. A large level is in portions (`portions.py`); an eighth of the memory is for those, packed, and
the others are on disk. Until the visited set is full for the first time, nothing waits.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import Final

import numpy as np

from checker.engine import kernel as search_kernel
from checker.engine.chunks import Chunks, new_sorted
from checker.engine.layout import CACHE_LINE, N_MISSES, REGIONS, Candidates, Int32s, Level, Lookup, UInt8s
from checker.engine.stores import Fill, HashStore, Links, Look
from checker.engine.visited import MAX_LOAD
from checker.engine.workers import Workers
from checker.spilling import kernel
from checker.spilling.disk import Disk, Spill
from checker.spilling.portions import Portion
from checker.spilling.runs import Runs

NO_LIMIT: Final = 1 << 62
LINKED: Final = 1 << 20  # worlds whose links are written together
EVEN: Final = REGIONS * CACHE_LINE  # a table has so many places, or a multiple


class SpilledStore(HashStore):
    """As `HashStore`, with a folder for what does not fit into memory."""

    def __init__(self, row: Int32s, fingerprint: int, place: Spill) -> None:
        self.disk = Disk(place)
        super().__init__(row, fingerprint, Links(self.disk.open()))
        self._memory_bytes = place.memory_bytes
        self.visited.most_places = max(len(self.visited.slots), place.memory_bytes // 16 // EVEN * EVEN)
        self._runs = Runs(self.disk)
        self._settled = 0  # of the new worlds
        self._level_first, self._level_size = 0, 1
        self._portions: deque[Portion] = deque()  # of this level, behind `now`
        self._coming: deque[Portion] = deque()  # of the next level, before the new worlds
        self._empty: list[int] = []  # what the slots hold that were added on the way

    def compile(self, look: Lookup, chunks: Chunks) -> None:
        """As `HashStore.compile`, and what spills."""
        super().compile(look, chunks)
        level, no_bytes = self._new.level, np.zeros(1, np.uint8)
        self._runs.compile()
        kernel.squeeze(level, 0, 0, no_bytes)
        portion = Portion.of(self._now.level, 0, 1, Workers())
        portion.load(self._now.level, 0, [], Workers())

    def close(self) -> None:
        """Give disk space back."""
        super().close()
        self._runs.close()
        for portion in chain(self._portions, self._coming):
            portion.close()

    # --- taking worlds in ---------------------------------------------------------------------------------------------

    def absorb(self, chunks: Chunks, look: Look, fill: Fill, room: int, workers: Workers) -> bool:
        """As `HashStore.absorb`; worlds may have to wait, and *room* is too small only when they are settled."""
        fill(chunks.having(N_MISSES))
        allowed = self.total + room
        if self.visited.count + chunks.candidates > self._most_words:
            self._spill(workers)
        if self._taken == self._new_fill >= self._together:
            self._put_aside(workers)
        fresh = self._claim(chunks, workers)
        begin, many = self._new_fill, int(fresh.sum())
        self._new.reserve(begin, many)
        self._build(chunks, (begin + fresh.cumsum() - fresh).tolist(), look, fill, workers)
        self._new.level.source[begin : begin + many] += self.first - self._level_first
        self._new_fill += many
        self.visited.count += many
        waiting = self._new_fill - self._settled
        room = allowed - self.total
        if not self._runs.count or waiting > room or self._new_fill >= self._together:
            return self._settle(workers, room)
        return False

    @property
    def _most_words(self) -> int:
        """How many the visited set may have."""
        return int(self._memory_bytes // 16 * MAX_LOAD)

    def _worlds_in(self, memory_bytes: int) -> int:
        """How many worlds have place in so much memory, not packed."""
        width: int = self._new.level.rows.shape[1]
        return 1 + memory_bytes // (4 * width + 16)

    @property
    def _together(self) -> int:
        """How many worlds wait at most."""
        return self._worlds_in(self._memory_bytes // 4)

    @property
    def _portion(self) -> int:
        """How many worlds make a portion."""
        return self._worlds_in(self._memory_bytes // 32)

    def settle(self, workers: Workers) -> None:
        """As `HashStore.settle`: find out which of the worlds that wait are new."""
        self._settle(workers, NO_LIMIT)

    def _settle(self, workers: Workers, room: int) -> bool:
        """The same, for at most *room* new worlds. Whether there were more."""
        begin, end, level = self._settled, self._new_fill, self._new.level
        if self._runs.count and end > begin:
            end = kernel.squeeze(level, begin, end, self._known(level, begin, end, workers))
        added = min(end - begin, room)
        for start in range(begin, begin + added, LINKED):
            fresh = slice(start, min(start + LINKED, begin + added))
            self.links.append(level.source[fresh].astype(np.int64) + self._level_first, level.code[fresh])
        self._settled = self._new_fill = begin + added
        self.total += added
        return end - begin > room

    def _known(self, level: Level, begin: int, end: int, workers: Workers) -> UInt8s:
        """Which of the worlds *begin* to *end* of *level* the runs have."""
        known = np.zeros(end - begin, np.uint8)
        dealt = new_sorted(end - begin)
        waiting = Candidates(level.fingerprint[begin:end], level.source[begin:end], level.code[begin:end])
        search_kernel.sort(waiting, end - begin, dealt)

        def look_up(region: int) -> None:
            part = slice(dealt.start[region], dealt.start[region + 1])
            words = dealt.fingerprint[part]
            order = words.argsort()
            marks = np.zeros(len(words), np.uint8)
            self._runs.mark(words[order], marks)
            known[dealt.candidate[part][order]] = marks

        workers.each(look_up, range(REGIONS))
        return known

    def _spill(self, workers: Workers) -> None:
        """Make the visited set a run, and begin it anew."""
        if self.visited.count:
            self.settle(workers)
            self._runs.add(self.visited.drain(workers), workers)

    def take_new(self) -> tuple[Int32s, Int32s, Int32s]:
        """As `HashStore.take_new`, of those that are settled; parents may be gone by then."""
        rows = self._new.level.rows[self._taken : self._settled]
        self._taken = self._settled
        return rows, rows[:0], np.empty(0, np.int32)

    # --- levels in portions -------------------------------------------------------------------------------------------

    def _put_aside(self, workers: Workers) -> None:
        """Make the new worlds, which are settled, portions."""
        for begin in range(0, self._new_fill, self._portion):
            end = min(begin + self._portion, self._new_fill)
            portion = Portion.of(self._new.level, begin, end, workers)
            if self._portion_bytes + portion.bytes > self._memory_bytes // 8:
                portion = portion.to_disk(self.disk)
            self._coming.append(portion)
        self._new_fill = self._settled = self._taken = 0

    @property
    def _portion_bytes(self) -> int:
        """Memory of portions."""
        return sum(portion.bytes for portion in chain(self._portions, self._coming) if portion.file is None)

    def advance(self, workers: Workers) -> None:
        """Go to the next level: to its first portion."""
        self._level_first += self._level_size
        self._level_size = self.total - self._level_first
        if self._coming or self._new_fill > self._portion:
            self._put_aside(workers)
            self.depth += 1
            self._portions, self._coming = self._coming, self._portions
            self.next_portion(self._now_fill, workers)
        else:
            super().advance(workers)
        self._settled = 0

    def next_portion(self, begin: int, workers: Workers) -> None:
        """As `HashStore.next_portion`."""
        portion, kept, level = self._portions.popleft(), slice(begin, self._now_fill), self._now.level
        rows, fingerprints = level.rows[kept].copy(), level.fingerprint[kept].copy()
        self._now.begin_anew()
        self._now.reserve(0, len(rows) + portion.count)
        level = self._now.level
        level.rows[: len(rows)], level.fingerprint[: len(rows)] = rows, fingerprints
        portion.load(level, len(rows), self._empty, workers)
        self.first += begin
        self._now_fill = len(rows) + portion.count

    @property
    def waiting(self) -> int:
        """As `HashStore.waiting`."""
        return sum(portion.count for portion in self._portions)

    def widen(self, empty: list[int]) -> None:
        """As `HashStore.widen`; portions are widened when they are loaded."""
        super().widen(empty)
        self._empty += empty

    @property
    def disk_bytes(self) -> int:
        """The most that was on disk at one time, links included."""
        return self.disk.most_bytes

    @property
    def memory(self) -> int:
        """Bytes of the visited set and of both levels, as far as they are in memory."""
        return super().memory + self._portion_bytes
