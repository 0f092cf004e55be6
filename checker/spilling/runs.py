"""Sets of 64-bit words on disk, as sorted runs.

Words come in large batches, each of which becomes a *run*: a file of ascending words. Nothing is ever looked up alone:
a batch of words is sorted, and merged with each run in order, a piece of the run at a time. So a disk reads what
it reads in long stretches, and pieces in which no word of the batch lies are left out. The first word of each block of
a run is kept in memory: it says where to read. In the file are only the steps from word to word, in as many bits as the
largest of the block needs: at a billion words, 38 of 64.

When there are `FAN` runs of the same *tier* they are merged into one of the next. So n batches make at most
FAN * log(n) runs, and a word is written log(n) times, the logarithms to the base of FAN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from checker.engine.layout import Int64s, UInt8s, UInt64s
from checker.engine.workers import Workers
from checker.spilling import kernel
from checker.spilling.disk import Disk, DiskFile

BLOCK: Final = 1 << 12  # words
PIECE: Final = 1 << 19  # words of a run that are read and merged at a time
CODED: Final = BLOCK << 10  # words that are coded together
FEW: Final = 64  # words to a piece, below which single blocks are read
FAN: Final = 8


@frozen(eq=False)
class Blocks:
    """Where the words of a run are: of each block the first word, how many words, how many bits a step from one to the
    next takes, and its place in the file; and behind the last, the end.
    """

    firsts: UInt64s
    counts: Int64s
    bits: Int64s
    starts: Int64s

    @classmethod
    def of(cls, words: UInt64s, start: int) -> Blocks:
        """Those of *words*, ascending, that begin at *start* in the file."""
        firsts = words[::BLOCK].copy()
        counts = np.full(len(firsts), BLOCK, np.int64)
        counts[-1:] = len(words) - BLOCK * (len(firsts) - 1)
        bits = np.empty(len(firsts), np.int64)
        kernel.measure(words, BLOCK, bits)
        starts = start + np.concatenate([[0], ((counts - 1) * bits + 63) // 64]).cumsum()
        return cls(firsts, counts, bits, starts)

    @classmethod
    def joined(cls, parts: Sequence[Blocks]) -> Blocks:
        """All blocks of *parts*, of which there is one at least."""
        starts = [part.starts[:-1] for part in parts[:-1]] + [parts[-1].starts]
        firsts = np.concatenate([part.firsts for part in parts])
        counts, bits = np.concatenate([(part.counts, part.bits) for part in parts], axis=1)
        return cls(firsts, counts, bits, np.concatenate(starts))

    def encode(self, words: UInt64s) -> UInt64s:
        """What is to be in the file of *words*, whose blocks these are."""
        places = self.starts - self.starts[0]
        coded = np.zeros(places[-1], np.uint64)
        kernel.encode(words, BLOCK, self.bits, places, coded)
        return coded

    def decode(self, coded: UInt64s) -> UInt64s:
        """The words of which *coded* is in the file, and one place more."""
        words = np.empty(int(self.counts.sum()), np.uint64)
        kernel.decode(coded, self.firsts, self.bits, self.starts, self.counts, words)
        return words

    def some(self, begin: int, end: int) -> Blocks:
        """Those from number *begin* to *end*."""
        some = slice(begin, end)
        return Blocks(self.firsts[some], self.counts[some], self.bits[some], self.starts[begin : end + 1])


class Run:
    """Ascending words in a *file*: where they are is told by *blocks*."""

    def __init__(self, file: DiskFile, blocks: Blocks, tier: int) -> None:
        self._file = file
        self._blocks = blocks
        self.count = int(blocks.counts.sum())
        self.tier = tier

    @classmethod
    def write(cls, disk: Disk, parts: Iterable[UInt64s], tier: int) -> Run:
        """The words of *parts*, each ascending and behind the one before it, as a file."""
        file, start, blocks = disk.open(), 0, [Blocks.of(np.empty(0, np.uint64), 0)]
        try:
            for part in parts:
                for begin in range(0, len(part), CODED):
                    words = part[begin : begin + CODED]
                    blocks.append(Blocks.of(words, start))
                    coded = blocks[-1].encode(words)
                    file.write(coded)
                    start += len(coded)
            file.write(np.zeros(1, np.uint64))  # `decode` looks one further
        except BaseException:
            file.close()
            raise
        return cls(file, Blocks.joined(blocks), tier)

    def between(self, low: int, high: int) -> UInt64s:
        """The words from *low* to *high*, both included."""
        begin = max(0, int(self._blocks.firsts.searchsorted(np.uint64(low), "right")) - 1)
        blocks = self._blocks.some(begin, int(self._blocks.firsts.searchsorted(np.uint64(high), "right")))
        if not len(blocks.firsts):
            return blocks.firsts
        start, end = blocks.starts[[0, -1]].tolist()
        words = blocks.decode(self._file.words(start, end - start + 1))
        return words[words.searchsorted(np.uint64(low)) : words.searchsorted(np.uint64(high), "right")]

    def mark(self, words: UInt64s, known: UInt8s) -> None:
        """Set known[i] to 1 for each words[i], which are sorted, that the run has."""
        if not len(words):
            return
        first, last = self._blocks.firsts.searchsorted(words[[0, -1]])
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

    @staticmethod
    def compile() -> None:
        """Have the kernels compiled, or loaded, by calling them with little to do."""
        words = np.arange(1, 3, dtype=np.uint64)
        blocks = Blocks.of(words, 0)
        kernel.mark(words, blocks.decode(np.append(blocks.encode(words), words[:1])), np.zeros(2, np.uint8))

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
