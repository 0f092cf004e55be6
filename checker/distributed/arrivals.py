"""The next level of one owner, while it comes in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from checker.distributed.exchange import OWNER_BITS, SHARDS, Mended, Worlds, shards_of
from checker.engine.layout import Int32s, Int64s, UInt64s


class Arrived(NamedTuple):
    """A level in order of shards; within one, in the order in which its worlds were claimed."""

    rows: Int32s
    fingerprints: UInt64s
    start: Int64s  # [SHARDS + 1] where each shard begins
    parents: Int64s  # numbers of worlds: ordinal << OWNER_BITS | owner
    codes: Int32s


class Arrivals:
    """Fingerprints are here when they are claimed, batch by batch and owner by owner; the worlds follow, in the same
    order, as narrow as they came.
    """

    def __init__(self, owners: int) -> None:
        self._fingerprints: list[UInt64s] = []
        self._parts: list[list[Worlds]] = [[] for _ in range(owners)]

    def claim(self, fingerprints: UInt64s) -> None:
        """More worlds will come, with these *fingerprints*."""
        self._fingerprints.append(fingerprints)

    def put(self, owner: int, worlds: Worlds) -> None:
        """These worlds came from *owner*. They are copied: what carried them is wanted back."""
        copied = (worlds.rows.copy(), worlds.source.copy(), worlds.code.copy())
        self._parts[owner].append(Worlds(*copied, worlds.first))

    def mend(self, owner: int, mended: Mended) -> None:
        """These rows from *owner* were missing."""
        for batch in np.unique(mended.batch).tolist():
            part = self._parts[owner][batch]
            now = mended.batch == batch
            rows = part.rows.astype(mended.rows.dtype, copy=False)
            rows[mended.place[now]] = mended.rows[now]
            self._parts[owner][batch] = part._replace(rows=rows)

    def widen(self, empty: Sequence[int]) -> None:
        """Give all worlds slots for new channels, which hold *empty*."""
        added = np.array(empty, np.int32)
        for parts in self._parts:
            for batch, part in enumerate(parts):
                rows = np.concatenate([part.rows, np.broadcast_to(added, (len(part.rows), len(empty)))], axis=1)
                parts[batch] = part._replace(rows=rows)

    @property
    def bytes(self) -> int:
        """Memory of what has come."""
        parts = (part for owner in self._parts for part in owner)
        worlds = sum(part.rows.nbytes + part.source.nbytes + part.code.nbytes for part in parts)
        return worlds + sum(part.nbytes for part in self._fingerprints)

    def level(self, width: int) -> Arrived:
        """All that has come, as a level of worlds of *width* slots."""
        fingerprints = np.concatenate([np.empty(0, np.uint64), *self._fingerprints])
        shards = shards_of(fingerprints)
        order = np.argsort(shards, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        rows = np.empty((len(order), width), np.int32)
        parents, codes = np.empty(len(order), np.int64), np.empty(len(order), np.int32)
        begin = 0
        for owner, part in self._in_order():
            here = place[begin : begin + len(part.code)]
            begin += len(part.code)
            rows[here] = part.rows
            parents[here] = (part.source.astype(np.int64) + part.first) << OWNER_BITS | owner
            codes[here] = part.code
        assert begin == len(order), "every claimed world came"
        start = np.concatenate([[0], np.bincount(shards, minlength=SHARDS).cumsum()])
        return Arrived(rows, fingerprints[order], start, parents, codes)

    def _in_order(self) -> Iterator[tuple[int, Worlds]]:
        """The parts in the order of claims."""
        for batch in zip(*self._parts, strict=True):
            yield from enumerate(batch)
