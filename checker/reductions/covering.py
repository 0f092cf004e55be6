"""Worlds that another covers: which were kept, and so need not be reached again with less.

Theory of operation. One world *covers* another if actors and monitors are in the same states, as much is left of each
budget (just as much where events are numbered, since the numbers follow from it), and every message that is under way
in the other is under way in it. What the other can do, it can do too, and covers the other again: a message that never
arrives is as good as none. So it shows every view that the other leads to. It was found no later, so that no run to a
violation gets longer.

The worlds that were kept lie in chains, newest first: one for each tuple of states of actors and monitors. A world that
is found is compared with those of its chain, `MOST` of them at most.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

from checker.engine.layout import Int32s, Int64s, UInt8s, UInt64s
from checker.engine.tables import Tables

Part = TypeVar("Part", Int32s, Int64s, UInt64s)

MOST = 4_096  # worlds with which one is compared: to say that none covers it is always sound
WORLDS, KEYS, MESSAGES, COVERED = 0, 1, 2, 3  # in `Kept.counts`
FREE_OF = 2  # places for keys by key


class Kept(NamedTuple):
    """The worlds that were kept, as the kernel reads and extends them. W worlds, K places for keys, B budgets.

    Without places for keys, nothing is kept, and nothing covered.
    """

    keys: UInt64s  # [K] a word for each tuple of states of actors and monitors, 0 where there is none
    newest: Int32s  # [K] the newest world with that
    before: Int32s  # [W] the next in the chain, -1 at its end
    budget: Int32s  # [W]
    sign: UInt64s  # [W] a bit for each message, some of them sharing one
    start: Int64s  # [W + 1] where the messages of a world begin in the next
    flight: Int32s
    as_much: UInt8s  # [B, B] 1: of no budget less is left in the first
    counts: Int64s  # of WORLDS, KEYS and MESSAGES kept, and how many worlds were found to be COVERED


class Covering:
    """The worlds of one search that may cover others. Keeps nothing unless it is *used*."""

    def __init__(self, tables: Tables, *, used: bool) -> None:
        self._tables, self._used = tables, used
        self._as_much = np.zeros((0, 0), np.uint8)
        self.forget()

    def forget(self) -> None:
        """Begin again, with nothing kept."""
        places = 1 << 10 if self._used else 0
        self.kept = Kept(
            keys=np.zeros(places, np.uint64),
            newest=np.zeros(places, np.int32),
            before=np.zeros(0, np.int32),
            budget=np.zeros(0, np.int32),
            sign=np.zeros(0, np.uint64),
            start=np.zeros(1, np.int64),
            flight=np.zeros(0, np.int32),
            as_much=self._as_much,
            counts=np.zeros(4, np.int64),
        )

    def compile(self, row: Int32s) -> None:
        """Have the loops that keep worlds compiled, or loaded, by keeping *row* and forgetting it again."""
        from checker.reductions import kernel

        self.keep(row)
        kernel.spread_keys(self.kept.keys[:0], self.kept.newest[:0], self.kept.keys[:0], self.kept.newest[:0])
        self.forget()

    def keep(self, row: Int32s) -> None:
        """Keep *row*, with which a search begins."""
        from checker.reductions import kernel

        self.reserve(1, len(row))
        kernel.keep(len(self._tables.actors), self._tables.first_channel, self.kept, row)

    @property
    def bytes(self) -> int:
        """Memory."""
        return sum(part.nbytes for part in self.kept)

    def reserve(self, worlds: int, messages: int) -> None:
        """Make place for so many *worlds* more, with so many *messages* under way in them all."""
        if not self._used:
            return
        kept, counts = self.kept, self.kept.counts
        self.kept = kept._replace(
            before=_stretched(kept.before, int(counts[WORLDS]) + worlds),
            budget=_stretched(kept.budget, int(counts[WORLDS]) + worlds),
            sign=_stretched(kept.sign, int(counts[WORLDS]) + worlds),
            start=_stretched(kept.start, int(counts[WORLDS]) + worlds + 1),
            flight=_stretched(kept.flight, int(counts[MESSAGES]) + messages),
            as_much=self._compared(),
        )
        wanted = FREE_OF * (int(counts[KEYS]) + worlds)
        if len(kept.keys) < wanted:
            from checker.reductions import kernel

            size = 2 * wanted
            keys, newest = np.zeros(size, np.uint64), np.zeros(size, np.int32)
            kernel.spread_keys(kept.keys, kept.newest, keys, newest)
            self.kept = self.kept._replace(keys=keys, newest=newest)

    def _compared(self) -> UInt8s:
        """For each two numbers of budgets, whether the first leaves as much as the second."""
        budgets, rules = self._tables.budgets, self._tables.rules
        if len(self._as_much) != len(budgets):
            numbered = {kind.budget for kind in self._tables.kinds if kind.numbered}
            left = np.array(budgets, np.int64).reshape(len(budgets), len(rules.budgets))
            enough = np.ones((len(budgets), len(budgets)), np.bool_)
            for place, name in enumerate(rules.budgets):
                one, other = left[:, None, place], left[None, :, place]
                enough &= one == other if name in numbered else one >= other
            self._as_much = np.ascontiguousarray(enough.astype(np.uint8))
        return self._as_much


def _stretched(part: Part, size: int) -> Part:
    """*part* with place for *size* numbers, and then some, if it has less."""
    if len(part) >= size:
        return part
    longer = np.zeros(size + size // 2, part.dtype)
    longer[: len(part)] = part
    return longer


__all__ = ["COVERED", "KEYS", "MESSAGES", "MOST", "WORLDS", "Covering", "Kept"]
