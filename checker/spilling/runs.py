"""Sets of 64-bit words on disk, as sorted runs.

Words come in large batches, each of which becomes a *run*: a file of ascending words. Nothing is ever looked up alone:
a batch of words is sorted, and merged with each run in order, a piece of the run at a time. So a disk reads what
it reads in long stretches, and pieces in which no word of the batch lies are left out. The first word of each block of
a run is kept in memory: it says where to read.

When there are `FAN` runs of the same *tier* they are merged into one of the next. So n batches make at most
FAN * log(n) runs, and a word is written log(n) times, the logarithms to the base of FAN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from checker.layout import UInt8s, UInt64s
from checker.spilling import kernel
from checker.spilling.disk import Disk, DiskFile
from checker.workers import Workers

BLOCK: Final = 1 << 12  # words
PIECE: Final = 1 << 19  # words of a run that are read and merged at a time
FEW: Final = 64  # words to a piece, below which single blocks are read
FAN: Final = 8


class Run:
    """Ascending words in *file*, *count* of them; *firsts* has the first of each block."""

    def __init__(self, file: DiskFile, firsts: UInt64s, count: int, tier: int) -> None:
        self._file = file
        self._firsts = firsts
        self.count = count
        self.tier = tier

    @classmethod
    def write(cls, disk: Disk, parts: Iterable[UInt64s], tier: int) -> Run:
        """The words of *parts*, each ascending and behind the one before it, as a file."""
        file, firsts, count = disk.open(), [np.empty(0, np.uint64)], 0
        try:
            for part in parts:
                file.write(part)
                firsts.append(part[-count % BLOCK :: BLOCK].copy())
                count += len(part)
        except BaseException:
            file.close()
            raise
        return cls(file, np.concatenate(firsts), count, tier)

    def between(self, low: int, high: int) -> UInt64s:
        """The words from *low* to *high*, both included."""
        block = max(0, int(self._firsts.searchsorted(np.uint64(low), "right")) - 1) * BLOCK
        end = min(self.count, int(self._firsts.searchsorted(np.uint64(high), "right")) * BLOCK)
        words = self._file.words(block, max(0, end - block))
        begin, past = words.searchsorted(np.uint64(low)), words.searchsorted(np.uint64(high), "right")
        return words[begin:past]

    def mark(self, words: UInt64s, known: UInt8s) -> None:
        """Set known[i] to 1 for each words[i], which are sorted, that the run has."""
        if not len(words):
            return
        first, last = self._firsts.searchsorted(words[[0, -1]])
        pieces = (int(last) - int(first)) * BLOCK // PIECE + 1
        if len(words) < FEW * pieces:
            pieces = len(words)
        bounds = [len(words) * piece // pieces for piece in range(pieces + 1)]
        for begin, end in pairwise(bounds):
            if begin < end:
                run = self.between(int(words[begin]), int(words[end - 1]))
                kernel.mark(words[begin:end], run, known[begin:end])

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()


class Runs:
    """A set of words, which may be larger than memory."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._runs: list[Run] = []

    def add(self, parts: Iterable[UInt64s], workers: Workers) -> None:
        """Add the words of *parts*, each ascending and behind the one before it."""
        self._runs.append(Run.write(self._disk, parts, 0))
        while len(self._runs) >= FAN and self._runs[-FAN].tier == self._runs[-1].tier:
            merged = self._merged(self._runs[-FAN:], workers)
            for run in self._runs[-FAN:]:
                run.close()
            self._runs[-FAN:] = [merged]

    def _merged(self, runs: list[Run], workers: Workers) -> Run:
        """What is in any of *runs*, once, as one run."""
        pieces = sum(run.count for run in runs) // PIECE + 1
        bounds = [(1 << 64) * piece // pieces for piece in range(pieces + 1)]
        together = 4 * workers.count

        def piece(number: int) -> UInt64s:
            parts = [run.between(bounds[number], bounds[number + 1] - 1) for run in runs]
            words = np.sort(np.concatenate(parts))
            is_other: NDArray[np.bool_] = np.diff(words, prepend=~words[:1]) != 0
            return words[is_other]

        def in_order() -> Iterator[UInt64s]:
            for begin in range(0, pieces, together):
                yield from workers.each(piece, range(begin, min(begin + together, pieces)))

        return Run.write(self._disk, in_order(), runs[-1].tier + 1)

    def mark(self, words: UInt64s, known: UInt8s) -> None:
        """Set known[i] to 1 for each words[i], which are sorted, that is in the set."""
        for run in self._runs:
            run.mark(words, known)

    @property
    def count(self) -> int:
        """How many words there are, those in several runs counted as often."""
        return sum(run.count for run in self._runs)

    def close(self) -> None:
        """Give the disk space back."""
        for run in self._runs:
            run.close()
