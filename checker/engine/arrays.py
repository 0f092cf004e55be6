"""Arrays that grow while they are filled: the memory behind the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Column:
    """A one-dimensional array with an end to append to; with a *width*, each of its values is so many numbers.

    What was appended last is kept in a list until somebody looks: many values go into an array as fast as one.
    """

    def __init__(self, dtype: DTypeLike, values: Sequence[Any] = (), width: int | None = None) -> None:
        shape = (max(16, len(values)),) if width is None else (16, width)
        self._array = np.zeros(shape, dtype)
        if len(values):
            self._array[: len(values)] = values
        self._in_array = len(values)
        self._late: list[Any] = []

    @property
    def size(self) -> int:
        """How many values there are."""
        return self._in_array + len(self._late)

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return self._array.nbytes + 8 * len(self._late)

    def append(self, value: Any) -> None:
        """Put *value* at the end."""
        self._late.append(value)

    def extend(self, values: Iterable[Any]) -> None:
        """Put *values* at the end."""
        self._late.extend(values)

    def cover(self, size: int) -> None:
        """Have at least *size* values; those that come new are 0."""
        self._look()
        self._make_room(size)
        self._in_array = max(self._in_array, size)

    def _make_room(self, size: int) -> None:
        have = len(self._array)
        if size > have:
            grown = np.zeros((max(size, 2 * have), *self._array.shape[1:]), self._array.dtype)
            grown[:have] = self._array
            self._array = grown

    def _look(self) -> None:
        """Move what is in the list into the array."""
        if self._late:
            begin = self._in_array
            self._in_array = begin + len(self._late)
            self._make_room(self._in_array)
            self._array[begin : self._in_array] = self._late
            self._late.clear()

    def __setitem__(self, place: int, value: Any) -> None:
        if place >= self._in_array:
            self._look()
        self._array[place] = value

    def item(self, place: int) -> int:
        """One value, of integers, as Python has it."""
        if place >= self._in_array:
            self._look()
        value: int = self._array.item(place)
        return value

    @property
    def values(self) -> NDArray[Any]:
        """What was appended: a view, good until the next append."""
        self._look()
        return self._array[: self._in_array]


class Grid:
    """A two-dimensional int32 array that reads *fill* where nothing was written. Any cell can be written.

    `values` has at least the rows and columns that `cover` was called with.
    """

    def __init__(self, fill: int, rows: int = 16, columns: int = 16) -> None:
        self._fill = fill
        self.values: NDArray[np.int32] = np.full((rows, columns), fill, np.int32)

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return self.values.nbytes

    def cover(self, rows: int, columns: int) -> None:
        """Grow to at least *rows* times *columns*."""
        have_rows, have_columns = self.values.shape
        if rows <= have_rows and columns <= have_columns:
            return
        grown = np.full(self.grown(rows, columns), self._fill, np.int32)
        grown[:have_rows, :have_columns] = self.values
        self.values = grown

    def grown(self, rows: int, columns: int) -> tuple[int, int]:
        """The shape that it will have when it covers *rows* times *columns*."""
        have_rows, have_columns = self.values.shape
        return have_rows if rows <= have_rows else rows * 2, have_columns if columns <= have_columns else columns * 2
