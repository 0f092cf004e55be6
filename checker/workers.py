"""Workers: threads that run compiled loops side by side, each without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """*count* threads, the caller's among them. With one, everything happens on the caller's thread."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count - 1, "explorer") if count > 1 else None

    def each(self, do: Callable[[T], R], things: Sequence[T]) -> list[R]:
        """*do* of each of *things*, in their order; it may happen in any order, and at the same time."""
        if self._pool is None or len(things) < 2:
            return [do(thing) for thing in things]
        results: list[R | None] = [None] * len(things)
        left = iter(range(len(things)))  # taking the next of an iterator is atomic

        def work() -> None:
            for index in left:
                results[index] = do(things[index])

        helpers = [self._pool.submit(work) for _ in range(self.count - 1)]
        work()
        for helper in helpers:
            helper.result()
        return results  # type: ignore[return-value]  # every place is filled: work() takes all, and raises if it can't

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
