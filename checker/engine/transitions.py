"""What actors do, in numbers; and the same as arrays, for the kernel of the full search."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from checker.engine.arrays import Column
from checker.engine.layout import ALARM, SEEN
from checker.engine.words import WORD, word_of
from checker.system import Mark


class Transition(NamedTuple):
    """What one actor does on one event, in numbers of states, messages and observations. `sends` are in their order."""

    before: int
    after: int
    sends: tuple[int, ...]
    observed: tuple[int, ...]  # by monitor, -1 where it does not concern it
    marks: tuple[Mark, ...]
    outputs: tuple[Hashable, ...]


class Sent(NamedTuple):
    """A message that is sent, as the kernel knows it. `word` is its share of the fingerprint."""

    slot: int
    place: int  # within its channel
    word: int


class TransitionArrays:
    """Transitions by number, as `checker.engine.layout.Lookup` has them."""

    def __init__(self, monitors: int) -> None:
        self.next_state = Column(np.int32)
        self.change = Column(np.uint64)
        self.flags = Column(np.uint8)
        self.observed = Column(np.int32, width=monitors)
        self.send_start = Column(np.int32, [0])
        self.send_slot = Column(np.int32)
        self.send_index = Column(np.int32)

    @property
    def size(self) -> int:
        """How many there are."""
        return self.next_state.size

    def append(self, one: Transition, sent: Sequence[Sent], *, alarm: bool) -> None:
        """Put one at the end. *alarm* says that something is wrong with it."""
        self.next_state.append(one.after)
        self.observed.append(one.observed)
        self.flags.append((ALARM if alarm else 0) | (SEEN if max(one.observed, default=-1) >= 0 else 0))
        for send in sent:
            self.send_slot.append(send.slot)
            self.send_index.append(send.place)
        self.send_start.append(self.send_slot.size)
        change = word_of("state", one.after) - word_of("state", one.before) + sum(send.word for send in sent)
        self.change.append(change & WORD)

    def silence(self, number: int) -> None:
        """Do not alarm again about one."""
        self.flags[number] = self.flags.item(number) & ~ALARM
