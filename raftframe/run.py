"""A long sequence of entries as a value that shares what it has in common with the one it was made from.

A tuple that is appended to is copied, so a log of n entries would cost time in proportion to n for each new one. A
`Run` is cut into full chunks and a tail: appending copies the tail and, once in `CHUNK` entries, the list of chunks.
Two runs are equal exactly if their chunks and tails are, and shared chunks compare by being the same object. Short
sequences stay tuples (`shared`), so what is explored never meets a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final, TypeAlias, overload

from attrs import frozen

from raftframe.entries import Entry

CHUNK: Final = 256


@frozen
class Run:
    """More than `CHUNK` entries. Every chunk has `CHUNK` of them, the tail has fewer."""

    chunks: tuple[tuple[Entry, ...], ...]
    tail: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.chunks) * CHUNK + len(self.tail)

    def __iter__(self) -> Iterator[Entry]:
        return chain(chain.from_iterable(self.chunks), self.tail)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, at: int | slice) -> Entry | tuple[Entry, ...]:
        """One entry, or a tuple of those from `at.start` on, in time that grows with how many they are."""
        if isinstance(at, slice):
            first, end, step = at.indices(len(self))
            return self._between(first, end)[::step]
        whole = len(self.chunks) * CHUNK
        if at >= whole:
            return self.tail[at - whole]
        at = at if at >= 0 else range(len(self))[at]
        return self.chunks[at // CHUNK][at % CHUNK] if at < whole else self.tail[at - whole]

    def __add__(self, entries: tuple[Entry, ...]) -> Run:
        tail = self.tail + entries
        if len(tail) < CHUNK:
            return Run(self.chunks, tail)
        full = len(tail) // CHUNK * CHUNK
        return Run(self.chunks + _cut(tail[:full]), tail[full:])

    def first(self, count: int) -> Entries:
        """The first *count* entries, at most all."""
        if count <= CHUNK:
            return self._between(0, count)
        whole = count // CHUNK
        if whole >= len(self.chunks):
            return Run(self.chunks, self.tail[: count - len(self.chunks) * CHUNK])
        return Run(self.chunks[:whole], self.chunks[whole][: count % CHUNK])

    def _between(self, first: int, end: int) -> tuple[Entry, ...]:
        whole = len(self.chunks) * CHUNK
        if first >= whole:
            return self.tail[first - whole : max(end - whole, 0)]
        begin = first // CHUNK
        parts = [*self.chunks[begin : -(-end // CHUNK)], *([self.tail] if end > whole else [])]
        before = begin * CHUNK
        return tuple(chain.from_iterable(parts))[first - before : max(end - before, 0)]


Entries: TypeAlias = tuple[Entry, ...] | Run
"""A tuple up to `CHUNK` entries, a run beyond: equal sequences are of the same kind."""


def shared(entries: Entries) -> Entries:
    """*entries*, as a run if they are many."""
    if isinstance(entries, Run) or len(entries) <= CHUNK:
        return entries
    full = len(entries) // CHUNK * CHUNK
    return Run(_cut(entries[:full]), entries[full:])


def common_length(one: Entries, other: Entries) -> int:
    """How many entries the two have in common from the beginning."""
    begin = _common_chunks(one, other) * CHUNK if isinstance(one, Run) and isinstance(other, Run) else 0
    low, high = begin, min(len(one), len(other))
    if one[low:high] == other[low:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_chunks(one: Run, other: Run) -> int:
    if one.chunks is other.chunks:
        return len(one.chunks)
    pairs = zip(one.chunks, other.chunks, strict=False)
    differing = (number for number, (left, right) in enumerate(pairs) if left is not right and left != right)
    return next(differing, min(len(one.chunks), len(other.chunks)))


def _cut(entries: tuple[Entry, ...]) -> tuple[tuple[Entry, ...], ...]:
    return tuple(entries[at : at + CHUNK] for at in range(0, len(entries), CHUNK))
