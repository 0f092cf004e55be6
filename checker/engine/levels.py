"""Memory for the worlds of one level: it grows where it is, and what was expanded is given back.

A small level is a few arrays. A large one has as much address space as the machine has memory, of which only what is
written takes any. So growing copies nothing and leaves no gaps, and while a level is expanded its memory goes back page
by page: at its largest, a search holds about one level and not two.
"""

from __future__ import annotations

import mmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checker.engine.layout import Int64s, Level
from checker.engine.visited import address_space, fresh_pages, new_level, stretch, widened
from checker.errors import LimitError

SMALL: Final = 1 << 16  # worlds of a level that is kept in plain arrays
LET_GO: Final = 1 << 18  # worlds whose memory is given back together: a call has its price
KEPT: Final = 1 << 22  # worlds whose memory is kept for the next level: to have it anew costs as much as to fill it
TOGETHER: Final = 1 << 16  # worlds that are moved together


class LevelMemory:
    """Memory for worlds of *width* slots, at first for *capacity* of them; `level` has the arrays."""

    def __init__(self, capacity: int, width: int) -> None:
        self.level = new_level(capacity, width)
        self._spaces: tuple[mmap.mmap, ...] = ()  # of a large level: one for each of its arrays
        self._gone = 0  # worlds whose memory was given back
        self._touched = 0  # worlds whose memory there is, or will be: see `pages`

    def reserve(self, fill: int, more: int) -> None:
        """Make place for *more* worlds behind the first *fill*. Nobody else may hold on to the arrays of `level`.

        Raises LimitError if that is more than the machine's memory.
        """
        if fill + more <= len(self.level.code):
            return
        if self._spaces:
            raise LimitError(f"a level of more than {fill:,} worlds fills this machine's memory")
        if fill + more <= SMALL or not self._move(fill):
            stretch(self.level, fill + more)

    def _move(self, fill: int) -> bool:
        """Move into address space that is never outgrown; False if the system refuses it."""
        spaces = [address_space() for _ in self.level]
        if any(space is None for space in spaces):
            return False
        before, self._spaces = self.level, tuple(space for space in spaces if space is not None)
        self._lay_out(before.rows.shape[1])
        self._touched = fill
        for now, was in zip(_arrays(self.level), _arrays(before), strict=True):
            now[:fill] = was[:fill]
        return True

    def _lay_out(self, width: int) -> None:
        """Arrays over the whole of the address space."""
        capacity = len(self._spaces[0]) // (4 * width)
        kinds = {"rows": np.int32, "fingerprint": np.uint64, "source": np.int32, "code": np.int32}
        arrays: dict[str, NDArray[Any]] = {}
        for (name, kind), space in zip(kinds.items(), self._spaces, strict=True):
            slots = width if name == "rows" else 1
            arrays[name] = np.frombuffer(space, kind, min(capacity * slots, len(space) // np.dtype(kind).itemsize))
        arrays["rows"] = arrays["rows"].reshape(-1, width)
        shortest = min(map(len, arrays.values()))
        self.level = Level(**{name: array[:shortest] for name, array in arrays.items()})

    def let_go(self, worlds: int) -> None:
        """Nobody reads the first *worlds* any more: give their memory back, if it is worth the call."""
        if not self._spaces or worlds < max(KEPT, self._gone + LET_GO):
            return
        for space, array in zip(self._spaces, _arrays(self.level), strict=True):
            each = array.nbytes // len(array)
            begin, end = (count * each // mmap.PAGESIZE * mmap.PAGESIZE for count in (self._gone, worlds))
            if end > begin:
                space.madvise(mmap.MADV_DONTNEED, begin, end - begin)
        self._gone = worlds

    def begin_anew(self) -> None:
        """Be the memory of another level, which has no worlds yet."""
        if self._gone:
            self._gone = self._touched = 0

    def pages(self, fill: int, more: int) -> Int64s:
        """The pages that *more* worlds behind the first *fill* are the first to need, for `rounds.touch`. The caller
        sees to them."""
        begin, end = max(fill, self._touched), min(fill + more, len(self.level.code))
        if not self._spaces or end <= begin:
            return np.empty(0, np.int64)
        self._touched = end
        return np.concatenate([fresh_pages(array, begin, end) for array in _arrays(self.level)])

    def widen(self, fill: int, empty: list[int]) -> None:
        """Give the first *fill* worlds a slot more for each of the contents *empty*, which they hold there."""
        if not empty or not self._spaces:
            self.level = widened(self.level, fill, empty)
            return
        before = self.level.rows
        self._lay_out(before.shape[1] + len(empty))
        for end in range(fill, self._gone, -TOGETHER):  # from the end, as each row moves up
            begin = max(self._gone, end - TOGETHER)
            worlds = before[begin:end].copy()
            self.level.rows[begin:end, : before.shape[1]] = worlds
            self.level.rows[begin:end, before.shape[1] :] = empty

    def bytes(self, fill: int) -> int:
        """Memory that is taken, if the first *fill* worlds are there."""
        worlds = fill - self._gone if self._spaces else len(self.level.code)
        return sum(array.nbytes // len(array) * worlds for array in _arrays(self.level))


def _arrays(level: Level) -> tuple[NDArray[Any], ...]:
    return level.rows, level.fingerprint, level.source, level.code
