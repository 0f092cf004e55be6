"""Tables of which most is never asked for: a grid while they are small, and blocks, one a row, when they are large.

Theory of operation. An actor's state is only ever offered the few messages that can be in flight beside it, a content
the few that can be sent into it, a monitor the few that can be seen next. As long as a table is small, a grid costs
next to nothing, and a look-up in it is one load. But a grid has rows times columns, and in wide clusters with long logs
both go up: 50,000 states on 5,000 messages are a gigabyte, of which one cell in a thousand was ever asked for.

So a table that would take more than `DENSE_BYTES` as a grid becomes compact, once and for all. Then each row is a block
of its own: an open-addressing table of 2, 4, 8 ... places, of which half may be taken. A place is one number,
(column + 1) << 32 | value, or 0 if it is free. All blocks lie in one array; a block that is full moves to one twice as
large, and leaves its place to others. All that is asked of one row lies side by side, mostly in one line of the cache,
which is why this is not one hash table of pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from checker.engine.arrays import Column, Grid
from checker.engine.compiled import compiled, inlined
from checker.engine.layout import UNKNOWN, Cells, Int64s, Number

DENSE_BYTES = 1 << 26  # of the largest grid
CELL_BYTES = 4
SIZE_BITS = 5  # of a block's description: where it begins << SIZE_BITS | the binary logarithm of its places
SIZE_MASK = (1 << SIZE_BITS) - 1
VALUE_MASK = (1 << 32) - 1


@inlined
def cell(cells: Cells, row: Number, column: Number) -> Number:
    """The value at *row* and *column*, UNKNOWN if none was written."""
    if cells.blocks.shape[0] == 0:
        return cells.dense[row, column]
    return _in_block(cells.entries, cells.blocks[row], np.int64(column))


@inlined
def _home(column: Number, bits: Number) -> Number:
    """Where *column* belongs in a block of 2**bits places: neighbours are spread (Fibonacci hashing)."""
    return ((column * 0x9E3779B1) & VALUE_MASK) >> (32 - bits)


@inlined
def _in_block(entries: Int64s, block: Number, column: Number) -> Number:
    """The value of *column* in a block. Probing ends, since each block has a free place."""
    if block == 0:
        return np.int32(UNKNOWN)
    first, bits = block >> SIZE_BITS, block & SIZE_MASK
    mask = (1 << bits) - 1
    place = _home(column, bits)
    entry = entries[first + place]
    while entry != 0 and entry >> 32 != column + 1:
        place = (place + 1) & mask
        entry = entries[first + place]
    return np.int32(UNKNOWN) if entry == 0 else np.int32(entry & VALUE_MASK)


@compiled
def put_all(entries: Int64s, blocks: Int64s, rows: Int64s, columns: Int64s, values: Int64s) -> None:
    """Write many, each at a place of its own; each block has room for its own."""
    for index in range(rows.shape[0]):
        column = columns[index]
        block = blocks[rows[index]]
        first, bits = block >> SIZE_BITS, block & SIZE_MASK
        place = _home(column, bits)
        while entries[first + place] != 0:
            place = (place + 1) & ((1 << bits) - 1)
        entries[first + place] = (column + 1) << 32 | (values[index] & VALUE_MASK)


class Known(NamedTuple):
    """All that was written into a table: arrays of the same length, by row, then by column."""

    row: Int64s
    column: Int64s
    value: Int64s


class Sparse:
    """A table of int32 that reads UNKNOWN where nothing was written. Rows that `cover` was called with can be read and
    written; of a table that is not `compact`, so many columns too.
    """

    def __init__(self, rows: int = 16, columns: int = 16) -> None:
        self._grid = Grid(UNKNOWN, rows, columns)
        self._blocks = Column(np.int64)  # of each row: 0, or where its block is (see SIZE_BITS)
        self._filled = Column(np.int32)  # how many places of it are taken
        self._entries: Int64s = np.zeros(0, np.int64)
        self.is_compact = False  # whether it has become blocks
        self._end = 0  # of what blocks were made of
        self._free: list[list[int]] = [[] for _ in range(SIZE_MASK + 1)]  # blocks that were left, by size
        self.covered = (0, 0)  # so many rows and columns
        self.cover(rows, columns)

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return self._grid.values.nbytes + self._entries.nbytes + self._blocks.values.nbytes + self._filled.values.nbytes

    @property
    def grid_bytes(self) -> int:
        """How much memory a grid would take, without any room to grow."""
        rows, columns = self.covered
        return rows * columns * CELL_BYTES

    @property
    def cells(self) -> Cells:
        """As compiled code reads it, good until the next write."""
        return Cells(self._grid.values, self._blocks.values, self._entries)

    def cover(self, rows: int, columns: int) -> None:
        """Have at least *rows*, and *columns*."""
        if rows <= self.covered[0] and columns <= self.covered[1]:
            return
        self.covered = (max(self.covered[0], rows), max(self.covered[1], columns))
        if not self.is_compact:
            grown = self._grid.grown(rows, columns)
            if grown[0] * grown[1] * CELL_BYTES <= DENSE_BYTES:
                self._grid.cover(rows, columns)
                return
            self.become_compact()
        self._blocks.cover(rows)
        self._filled.cover(rows)

    def become_compact(self) -> None:
        """Leave the grid, with all that is in it. Does nothing to a table that has done so."""
        if self.is_compact:
            return
        known, rows = self.known(), len(self._grid.values)
        self.is_compact, self._grid = True, Grid(UNKNOWN, 0, 0)
        self._blocks.cover(rows)
        self._filled.cover(rows)
        many = np.bincount(known.row, minlength=self._blocks.size)
        self._filled.values[:] = many
        for row in np.flatnonzero(many).tolist():
            self._blocks[row] = self._block(size_for(int(many[row])))
        put_all(self._entries, self._blocks.values, *map(np.ascontiguousarray, known))

    def __getitem__(self, at: tuple[int, int]) -> int:
        row, column = at
        if not self.is_compact:
            return self._grid.values.item(row, column)
        block = self._blocks.item(row)
        if block == 0:
            return UNKNOWN
        entry = int(self._entries.item(self._place(block, column)))
        value = entry & VALUE_MASK
        return UNKNOWN if entry == 0 else value - (value >> 31 << 32)

    def __setitem__(self, at: tuple[int, int], value: int) -> None:
        row, column = at
        if not self.is_compact:
            self._grid.values[row, column] = value
            return
        if self._filled.item(row) == room_of(self._blocks.item(row)):
            self._enlarge(row)
        place = self._place(self._blocks.item(row), column)
        if self._entries.item(place) == 0:
            self._filled[row] = self._filled.item(row) + 1
        self._entries[place] = (column + 1) << 32 | (value & VALUE_MASK)

    def _place(self, block: int, column: int) -> int:
        """Where *column* is in a block, or would be."""
        first, bits = block >> SIZE_BITS, block & SIZE_MASK
        place: int = _home(column, bits)
        while (entry := self._entries.item(first + place)) and entry >> 32 != column + 1:
            place = (place + 1) & ((1 << bits) - 1)
        return first + place

    def known(self) -> Known:
        """All that was written and is not UNKNOWN."""
        if not self.is_compact:
            rows, columns = np.nonzero(self._grid.values != UNKNOWN)
            return Known(rows, columns, self._grid.values[rows, columns].astype(np.int64))
        places = np.flatnonzero(self._entries)
        blocks = self._blocks.values
        owners = np.flatnonzero(blocks)
        owners = owners[np.argsort(blocks[owners])]
        rows = owners[np.searchsorted(blocks[owners] >> SIZE_BITS, places, side="right") - 1]
        columns, values = (self._entries[places] >> 32) - 1, self._entries[places].astype(np.int32).astype(np.int64)
        order = np.lexsort((columns, rows))
        return Known(rows[order], columns[order], values[order])

    def _enlarge(self, row: int) -> None:
        """Give *row* a larger block, or its first."""
        before = self._blocks.item(row)
        after = self._block((before & SIZE_MASK) + 1)
        if before:
            first, end = before >> SIZE_BITS, (before >> SIZE_BITS) + (1 << (before & SIZE_MASK))
            for entry in self._entries[first:end].tolist():
                if entry:
                    self._entries[self._place(after, (entry >> 32) - 1)] = entry
            self._entries[first:end] = 0
            self._free[before & SIZE_MASK].append(before)
        self._blocks[row] = after

    def _block(self, bits: int) -> int:
        """An empty block of 2**bits places."""
        if self._free[bits]:
            return self._free[bits].pop()
        block = self._end << SIZE_BITS | bits
        self._end += 1 << bits
        if self._end > len(self._entries):
            entries = np.zeros(max(1 << 10, self._end * 3 // 2), np.int64)
            entries[: len(self._entries)] = self._entries
            self._entries = entries
        return block


def room_of(block: int) -> int:
    """How many places of a block may be taken."""
    if block == 0:
        return 0
    places = 1 << (block & SIZE_MASK)
    return places >> 1


def size_for(count: int) -> int:
    """The binary logarithm of the places of the smallest block that has room for *count*, which is not 0."""
    return next(bits for bits in range(1, SIZE_MASK + 1) if room_of(bits) >= count)
