"""The worlds of a round in shares, which workers expand side by side.

What a share leads to depends on nothing but its worlds and the tables, and shares are gone through in their order
afterwards. So it makes no difference how many workers there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import Factory, define, field

from checker.engine.compiled import packed
from checker.engine.layout import (
    N_CANDIDATES,
    N_DEADLOCKS,
    N_MISSES,
    N_RETRY,
    N_TAKEN,
    N_TRANSITIONS,
    Int32s,
    Int64s,
    Notes,
    new_notes,
)
from checker.engine.workers import Workers
from checker.reductions import kernel
from checker.reductions.layout import Found, Pairs, Room, new_found, new_room

WORLDS = 1 << 8  # of one share: for fewer, it is not worth the call
CANDIDATES = 1 << 14  # for which a share has place at first


@define(eq=False)
class Share:
    """Memory for the expansion of some worlds."""

    width: int
    capacity: int = CANDIDATES
    todo: Int64s = Factory(lambda: np.empty(0, np.int64))
    found: Found = Factory(lambda self: new_found(self.capacity, self.width), takes_self=True)
    room: Room = Factory(lambda self: new_room(self.width), takes_self=True)
    notes: Notes = Factory(lambda self: new_notes(self.width), takes_self=True)
    packed_found: Found = field(init=False)  # `found`, to hand to compiled code only
    _packed: tuple[Room, Found, Notes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._pack()

    def _pack(self) -> None:
        self.packed_found = packed(self.found)
        self._packed = packed(self.room), self.packed_found, packed(self.notes)

    def renew(self, width: int, capacity: int) -> None:
        """Have place for *capacity* worlds of *width* slots."""
        self.width, self.capacity = width, capacity
        self.found, self.room = new_found(capacity, width), new_room(width)
        self._pack()

    def expand(self, look: Pairs, rows: Int32s) -> None:
        """List what the worlds of `todo` lead to."""
        kernel.expand(look, rows, self.todo, *self._packed)

    @property
    def count(self) -> int:
        """How many worlds are in `found`."""
        return int(self.notes.counts[N_CANDIDATES])

    @property
    def again(self) -> Int64s:
        """The worlds that are to be expanded again."""
        counts = self.notes.counts
        return np.concatenate([self.notes.retry[: counts[N_RETRY]], self.todo[counts[N_TAKEN] :]])

    @property
    def is_stuck(self) -> bool:
        """Whether more worlds follow the first one than there is place for."""
        return bool(self.notes.counts[N_TAKEN] == 0)

    @property
    def misses(self) -> list[tuple[int, int, int]]:
        """What the tables lacked."""
        return [(kind, row, column) for kind, row, column in self.notes.misses[: self.notes.counts[N_MISSES]].tolist()]


class Shares:
    """As many as were ever needed for worlds of *width* slots."""

    def __init__(self, width: int) -> None:
        self.first = Share(width)
        self._all = [self.first]

    @property
    def width(self) -> int:
        """The slots of a world."""
        return self.first.width

    def widen(self, width: int) -> None:
        """Have *width* slots for a world."""
        for share in self._all:
            share.renew(width, share.capacity)

    def forget(self) -> None:
        """Count from the beginning."""
        for share in self._all:
            share.notes.counts[:] = 0

    def expand(self, look: Pairs, rows: Int32s, todo: Int64s, workers: Workers) -> Sequence[Share]:
        """The shares in which the worlds rows[todo] were expanded, in their order."""
        begins = range(0, len(todo), WORLDS)
        while len(self._all) < len(begins):
            self._all.append(Share(self.width))
        used = self._all[: len(begins)]
        for share, begin in zip(used, begins, strict=True):
            share.todo = todo[begin : begin + WORLDS]
        workers.each(lambda share: share.expand(look, rows), used)
        return used

    @property
    def transitions(self) -> int:
        """How many ways on there were, since the beginning."""
        return sum(int(share.notes.counts[N_TRANSITIONS]) for share in self._all)

    @property
    def deadlocks(self) -> int:
        """How many worlds had none."""
        return sum(int(share.notes.counts[N_DEADLOCKS]) for share in self._all)


__all__ = ["Share", "Shares"]
