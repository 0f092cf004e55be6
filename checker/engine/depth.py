"""Depth first: what was found last is expanded first, so that long runs are met soon.

The search is the same (`search.Search`), and so are the worlds that it comes to in the end. Only the store differs: it
keeps a stack of *blocks*, the children of one batch of worlds, all equally deep and numbered in a row, and hands out
the top of the stack. A batch is small, or the search would be broad after all; one world at a time would be slow.

A counterexample is not the shortest, so it is shortened before it is told. The visited set is as large as ever; it is
the search for something deep that gains.
"""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import define, evolve, frozen

from checker.engine.layout import Int32s, UInt64s
from checker.engine.levels import LevelMemory
from checker.engine.search import Result, Search
from checker.engine.stores import HashStore
from checker.engine.workers import Workers

BATCH: Final = 512  # worlds that are expanded together


@frozen(eq=False)
class Block:
    """Worlds that wait, all at the same depth; `first` is the ordinal of the first."""

    first: int
    depth: int
    rows: Int32s
    fingerprints: UInt64s

    def without_last(self, count: int) -> Block:
        """All but the last *count*."""
        kept = len(self.rows) - count
        return evolve(self, rows=self.rows[:kept], fingerprints=self.fingerprints[:kept])


class StackStore(HashStore):
    """As `HashStore`, with the worlds that are still to be expanded on a stack. Worlds below *max_depth* are dropped,
    and `is_cut` says so.
    """

    def __init__(self, row: Int32s, fingerprint: int, max_depth: int | None) -> None:
        super().__init__(row, fingerprint)
        self._max_depth = max_depth
        self._stack: list[Block] = []
        self._empty: list[int] = []  # what the slots hold that were added on the way
        self.is_cut = False

    def widen(self, empty: list[int]) -> None:
        """As `HashStore.widen`; what is on the stack is widened when it is taken."""
        super().widen(empty)
        self._empty += empty

    def advance(self, workers: Workers) -> None:
        """Put what is new on the stack, and take the next batch."""
        if self._new_fill:
            self._push(self._new_fill)
        self._new_fill = self._now_fill = self._taken = 0
        if self._stack:
            self._take(self._stack.pop())

    def _push(self, count: int) -> None:
        if self._max_depth is not None and self.depth + 1 >= self._max_depth:
            self.is_cut = True
            return
        rows, fingerprints = self._new.level.rows[:count].copy(), self._new.level.fingerprint[:count].copy()
        self._stack.append(Block(self.total - count, self.depth + 1, rows, fingerprints))

    def _take(self, block: Block) -> None:
        count, width = min(BATCH, len(block.rows)), self._now.level.rows.shape[1]
        start, known = len(block.rows) - count, block.rows.shape[1]
        self._now = LevelMemory(count, width)
        level = self._now.level
        level.rows[:, :known] = block.rows[start:]
        level.rows[:, known:] = self._empty[len(self._empty) - (width - known) :]
        level.fingerprint[:] = block.fingerprints[start:]
        self._now_fill, self.first, self.depth = count, block.first + start, block.depth
        if start:
            self._stack.append(block.without_last(count))

    @property
    def memory(self) -> int:
        """Bytes of the visited set and of the stack."""
        return super().memory + sum(block.rows.nbytes + block.fingerprints.nbytes for block in self._stack)


@define
class DepthFirst(Search):
    """A search that goes deep first."""

    shortest: ClassVar[bool] = False

    def run(self) -> Result:
        """As `Search.run`; a limit on depth leaves out what is deeper, and ends nothing."""
        super().run()
        assert isinstance(self.store, StackStore)
        if self.store.is_cut:
            self.result.limits_hit.append("max_depth")
        return self.result

    def _begin_level(self) -> None:
        """Batches tell nothing of the space."""

    def _is_finished(self) -> bool:
        return self.is_decided() or self.store.now[2] == 0
