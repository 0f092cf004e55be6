"""Levels in portions: worlds packed into few bytes, in memory as long as there is some, else on disk.

Most slots of a world hold small numbers, and many the same ones all over a portion. So of each slot only what it has
more than the least is kept, in as many bytes as the most needs.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen

from checker.engine.layout import Int32s, Int64s, Level, UInt8s, UInt64s
from checker.engine.workers import Workers
from checker.spilling import kernel
from checker.spilling.disk import Disk, DiskFile

TOGETHER = 1 << 16  # worlds that a worker packs at a time


@frozen(eq=False)
class Portion:
    """*count* worlds of a level, in order: rows packed, and fingerprints; or the file that has one behind the other."""

    count: int
    least: Int32s
    sizes: Int64s
    packed: UInt8s
    fingerprints: UInt64s
    file: DiskFile | None = None

    @classmethod
    def of(cls, level: Level, begin: int, end: int, workers: Workers) -> Portion:
        """The worlds of *level* from *begin* to *end*, of which there is one at least."""
        count, rows = end - begin, level.rows[begin:end]
        least, most = rows.min(axis=0), rows.max(axis=0)
        sizes = np.array([(int(spread).bit_length() + 7) // 8 for spread in most.astype(np.int64) - least], np.int64)
        packed = np.empty((count, int(sizes.sum())), np.uint8)

        def pack(start: int) -> None:
            kernel.pack(rows, start, min(start + TOGETHER, count), least, sizes, packed)

        workers.each(pack, range(0, count, TOGETHER))
        return cls(count, least, sizes, packed, level.fingerprint[begin:end].copy())

    @property
    def bytes(self) -> int:
        """Memory or disk space that it takes."""
        return self.count * (int(self.sizes.sum()) + 8)

    def to_disk(self, disk: Disk) -> Portion:
        """The same, on disk."""
        file = disk.open()
        try:
            file.write(self.packed)
            file.write(self.fingerprints)
        except BaseException:
            file.close()
            raise
        return Portion(self.count, self.least, self.sizes, np.empty((0, 0), np.uint8), self.fingerprints[:0], file)

    def load(self, level: Level, begin: int, empty: list[int], workers: Workers) -> None:
        """Put the worlds into *level* from *begin* on, and give their place back. Slots that they lack hold the last
        of *empty*.
        """
        worlds, size = slice(begin, begin + self.count), int(self.sizes.sum())
        if self.file is None:
            packed, level.fingerprint[worlds] = self.packed, self.fingerprints
        else:
            with self.file as file:
                packed = file.array(0, self.count * size, np.uint8).reshape(self.count, size)
                level.fingerprint[worlds] = file.array(self.count * size, self.count, np.uint64)
        rows = level.rows[worlds]

        def unpack(start: int) -> None:
            kernel.unpack(packed, start, min(start + TOGETHER, self.count), self.least, self.sizes, rows)

        workers.each(unpack, range(0, self.count, TOGETHER))
        lacking = rows.shape[1] - len(self.sizes)
        rows[:, len(self.sizes) :] = empty[len(empty) - lacking :]

    def close(self) -> None:
        """Give disk space back."""
        if self.file is not None:
            self.file.close()
