"""The folder that a search uses when memory does not suffice. Its files have no names, so they are gone when the search
ends, however it ends.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from attrs import Factory, field, frozen
from attrs.validators import ge, gt
from numpy.typing import NDArray

from checker.engine.layout import UInt64s
from checker.errors import DiskError, UsageError

SPARE: Final = 1 << 30


def half_of_memory() -> int:
    """Half the bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


@frozen(kw_only=True)
class Spill:
    """Where a search keeps what does not fit into *memory_bytes*; so many bytes of that disk are left free at least.

    The limit is for the visited set and the levels; tables and a round's candidates come on top.
    """

    folder: Path = field(converter=Path)
    memory_bytes: int = field(default=Factory(half_of_memory), validator=gt(0))
    spare_bytes: int = field(default=SPARE, validator=ge(0))


class Disk:
    """Files in the folder of *place*. `bytes` are in them now, `most_bytes` were at one time."""

    def __init__(self, place: Spill) -> None:
        self._folder = place.folder
        self._spare_bytes = place.spare_bytes
        self.bytes = self.most_bytes = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.open().close()
        except OSError as error:
            raise UsageError(f"{self._folder}: nothing can be written there: {error.strerror}") from error

    def open(self) -> DiskFile:
        """An empty file."""
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
            return DiskFile(self, os.dup(file.fileno()))

    def take(self, count: int) -> None:
        """*count* bytes are to be written. Raises DiskError if too little would be left free."""
        free = os.statvfs(self._folder)
        if free.f_bavail * free.f_frsize < count + self._spare_bytes:
            raise DiskError(f"{self._folder}: the disk is full but for {self._spare_bytes:,} bytes, which stay free")
        self.bytes += count
        self.most_bytes = max(self.most_bytes, self.bytes)

    def failed(self, error: OSError) -> DiskError:
        """What to raise because of *error*."""
        return DiskError(f"{self._folder}: {error.strerror}")

    def give_back(self, count: int) -> None:
        """*count* bytes are not needed any more."""
        self.bytes -= count


class DiskFile(io.FileIO):
    """A file of a `Disk`: it grows at its end, and is read anywhere, by many threads at a time."""

    def __init__(self, disk: Disk, descriptor: int) -> None:
        super().__init__(descriptor, "w+b")
        self._disk = disk
        self.size = 0

    def write(self, data: Any, /) -> int:
        """Add *data* at the end. Raises DiskError if the disk refuses any of it."""
        view = memoryview(data)
        if not view.nbytes:
            return 0
        view = view.cast("B")
        count = len(view)
        self._disk.take(count)
        try:
            while len(view):
                written = os.pwrite(self.fileno(), view, self.size)
                self.size += written
                view = view[written:]
        except OSError as error:
            self._disk.give_back(len(view))
            raise self._disk.failed(error) from error
        return count

    def words(self, begin: int, count: int) -> UInt64s:
        """The 64-bit words from number *begin* on, *count* of them."""
        return self.array(begin * 8, count, np.uint64)

    def array(self, offset: int, count: int, kind: Any) -> NDArray[Any]:
        """*count* numbers of a *kind*, from byte *offset* on. Raises DiskError if they cannot be read."""
        array = np.empty(count, kind)
        if not count:
            return array
        view = array.data.cast("B")
        try:
            while len(view):
                read = os.preadv(self.fileno(), [view], offset)
                if not read:
                    raise OSError(0, "a file is shorter than it was")
                offset, view = offset + read, view[read:]
        except OSError as error:
            raise self._disk.failed(error) from error
        return array

    def close(self) -> None:
        """Give the space back."""
        if not self.closed:
            self._disk.give_back(self.size)
        super().close()
