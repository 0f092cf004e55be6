"""Workers: threads that run compiled loops side by side, each without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TypeAlias, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Job: TypeAlias = Callable[[], object]


class Workers:
    """*count* threads, the caller's among them. With one, everything happens on the caller's thread."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name="explorer", daemon=True) for _ in range(count - 1)]
        for thread in self._threads:
            thread.start()

    def all(self, job: Job, parts: int, first: Job | None = None) -> None:
        """*job*, by every worker at the same time, to which they share *parts* of work among them: by one alone if
        there are no more. The caller does *first* before it joins in. Raises what a worker raised."""
        helpers = min(len(self._threads), parts - 1)
        for _ in range(helpers):
            self._jobs.put(job)
        raised = [None if first is None else _attempt(first), _attempt(job)]
        raised += [self._ended.get() for _ in range(helpers)]
        for error in raised:
            if error is not None:
                raise error

    def each(self, do: Callable[[T], R], things: Sequence[T]) -> list[R]:
        """*do* of each of *things*, in their order; it may happen in any order, and at the same time."""
        results: list[R | None] = [None] * len(things)
        left = iter(range(len(things)))  # taking the next of an iterator is atomic

        def take_turns() -> None:
            for index in left:
                results[index] = do(things[index])

        self.all(take_turns, len(things))
        return results  # type: ignore[return-value]  # every place is filled, or `all` raises

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._ended.put(_attempt(job))

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()


ALONE = Workers()  # nobody but the caller


def _attempt(job: Job) -> BaseException | None:
    """Do *job*; what it raised."""
    try:
        job()
    except BaseException as error:  # it is raised again, on the caller's thread
        return error
    return None
