"""What the sorted runs of a search that spills cost: nanoseconds and bytes a word, beside plain words in a file.

    python -m benchmarks.runs FOLDER

One run of random words is written, and a sixtieth as many words are looked up in it, in order, as a search does. Both
kinds of files are in the page cache when they are read the second time. Times are of the processor, on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.running import machine
from checker.engine.layout import UInt64s
from checker.spilling import Spill, kernel
from checker.spilling.disk import Disk, DiskFile
from checker.spilling.runs import PIECE, Run

SHARE = 60  # words of the run for each that is looked up


def nanoseconds(do: Callable[[], object], words: int) -> float:
    """What *do* takes for each of so many *words*."""
    begun = time.process_time()
    do()
    return (time.process_time() - begun) / words * 1e9


def drawn(count: int) -> tuple[UInt64s, UInt64s]:
    """So many ascending words, and the few that are looked up among them: half of those are there."""
    chance = np.random.default_rng(1)
    words = chance.integers(1, (1 << 64) // count, count, np.uint64).cumsum(dtype=np.uint64)
    asked = words[:: SHARE // 2].copy()
    asked[::2] ^= np.uint64(1)
    return words, np.unique(asked)


def look_up_plainly(file: DiskFile, words: int, asked: UInt64s) -> None:
    """The same in a file of plain words."""
    known = np.zeros(len(asked), np.uint8)
    for begin in range(0, words, PIECE):
        piece = file.words(begin, min(PIECE, words - begin))
        low, high = asked.searchsorted(piece[[0, -1]])
        kernel.mark(asked[low : high + 1], piece, known[low : high + 1])


def main() -> None:
    """Write, look up, and print what it took."""
    parser = argparse.ArgumentParser(description="What sorted runs on disk cost.")
    parser.add_argument("folder", type=Path, help="where to write them")
    parser.add_argument("--words", type=int, default=100_000_000, help="of the run (default: 100 million)")
    given = parser.parse_args()
    count = given.words
    words, asked = drawn(count)
    disk = Disk(Spill(folder=given.folder))
    known = np.zeros(len(asked), np.uint8)
    runs: list[Run] = []
    print(f"{count:,} words, on {machine()}")
    print(f"coded, written: {nanoseconds(lambda: runs.append(Run.write(disk, [words], 0)), count):.2f} ns a word")
    print(f"coded, in the file: {disk.bytes / count:.2f} bytes a word")
    plain = disk.open()
    print(f"plain, written: {nanoseconds(lambda: plain.write(words), count):.2f} ns a word")
    for _ in range(2):
        print(f"coded, looked up: {nanoseconds(lambda: runs[0].mark(asked, known), count):.2f} ns a word")
        print(f"plain, looked up: {nanoseconds(lambda: look_up_plainly(plain, count, asked), count):.2f} ns a word")
    runs[0].close()
    plain.close()


if __name__ == "__main__":
    main()
