"""Workers: threads that run compiled loops side by side, each without the interpreter's lock.

Theory of operation. To start a thread that sleeps, and to be told by another that it has ended, take as long as a
worker takes for some thousand worlds, and a round of the search asks for both several times. So a helper does not sleep
at once: for a moment it looks, in compiled code, whether the caller hands it another call over (`serve`). Only then it
goes to where Python's threads sleep. The caller waits in the same way (`has_ended`). What passes between the two is a
*mail*, a few words in memory: the number of the call, its code and its words from the one, its number when it has ended
from the other, and whether either sleeps, and must be woken. Whoever goes to sleep says so first and then looks once
more; whoever has news writes it first and then looks who sleeps. So no news is slept through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TypeAlias, TypeVar

import numpy as np

from checker.engine.compiled import Call, compiled, pause, peek, perform, swap
from checker.engine.layout import CACHE_LINE, Int64s, Number

T = TypeVar("T")
R = TypeVar("R")
Job: TypeAlias = Callable[[], object]

PATIENCE = 4000  # times a worker looks before it sleeps: a tenth of a millisecond, which is what sleeping costs

# words of a mail; those that the one writes are not in a cache line with those that the other writes
TURN, CODE, WORDS = 0, 1, 2  # number, code and words of the call that was handed over last
ENDED = CACHE_LINE  # number of the call that ended last
ASLEEP = 2 * CACHE_LINE  # 1: the helper must be woken
WAITING = 3 * CACHE_LINE  # 1: the caller must be told
MAIL = 4 * CACHE_LINE

SLEEP, AGAIN, TELL = 0, 1, 2  # what a helper is to do next


@compiled
def serve(mail: Int64s, turn: Number, patience: Number) -> tuple[Number, Number]:
    """Make all calls that are handed over in *mail* behind the one with number *turn*, until there is none when it was
    looked for *patience* times, 1 or more. Returns the number of the last one, and what is next."""
    looked = 0
    while looked < patience:
        if peek(mail, TURN) == turn:
            pause()
            looked += 1
            continue
        looked = 0
        turn += 1
        perform(mail[CODE], mail[WORDS])
        swap(mail, ENDED, turn)
        if swap(mail, WAITING, 0) == 1:
            return turn, TELL
    swap(mail, ASLEEP, 1)
    if peek(mail, TURN) != turn and swap(mail, ASLEEP, 0) == 1:
        return turn, AGAIN
    return turn, SLEEP


@compiled
def hand_over(mail: Int64s, code: Number, words: Number) -> bool:
    """Have a call made by whoever serves *mail*; whether it must be woken for that."""
    mail[CODE] = code
    mail[WORDS] = words
    swap(mail, TURN, mail[TURN] + 1)
    return bool(swap(mail, ASLEEP, 0) == 1)


@compiled
def has_ended(mail: Int64s, patience: Number) -> bool:
    """Wait until the call that was handed over last has ended, but only for a while; if that is too short, the helper
    will tell Python."""
    for _ in range(patience):
        if peek(mail, ENDED) == mail[TURN]:
            return True
        pause()
    swap(mail, WAITING, 1)
    return bool(peek(mail, ENDED) == mail[TURN] and swap(mail, WAITING, 0) == 1)


class Helper:
    """A thread that does what it is given: calls by `mail`, other jobs by a queue. It tells `ended` of the latter."""

    def __init__(self, ended: SimpleQueue[BaseException | None]) -> None:
        self.mail: Int64s = np.zeros(MAIL, np.int64)
        self._ended = ended
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="explorer", daemon=True)
        self._thread.start()

    def begin(self, job: Job) -> None:
        """Have *job* done."""
        if not isinstance(job, Call):
            self._jobs.put(job)
        elif hand_over(self.mail, job.code, job.words):
            self._jobs.put(_wake)

    def end(self, job: Job) -> BaseException | None:
        """Wait until *job* is done; what it raised."""
        if not isinstance(job, Call):
            return self._ended.get()
        return None if has_ended(self.mail, PATIENCE) else self._ended.get()

    def _work(self) -> None:
        turn = 0
        job: Job | None = _wake
        while job is not None:
            turn, then = serve(self.mail, turn, PATIENCE)
            if then == TELL:
                self._ended.put(None)
            elif then == SLEEP:
                job = self._jobs.get()
                if job is not None and job is not _wake:
                    self._ended.put(_attempt(job))

    def stop(self) -> None:
        """End the thread."""
        self._jobs.put(None)
        self._thread.join()


class Workers:
    """*count* threads, the caller's among them. With one, everything happens on the caller's thread."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()
        self._helpers = [Helper(self._ended) for _ in range(count - 1)]
        if self._helpers:
            nobody = np.zeros(MAIL, np.int64)  # have both compiled, or loaded
            hand_over(nobody, 0, 0)
            has_ended(nobody, 0)

    def all(self, job: Job, parts: int, first: Job | None = None) -> None:
        """*job*, by every worker at the same time, to which they share *parts* of work among them: by one alone if
        there are no more. The caller does *first* before it joins in. Raises what a worker raised. A `Call` is made
        without Python."""
        helpers = self._helpers[: max(0, parts - 1)]
        for helper in helpers:
            helper.begin(job)
        raised = [None if first is None else _attempt(first), _attempt(job)]
        raised += [helper.end(job) for helper in helpers]
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

    def close(self) -> None:
        """End the threads."""
        for helper in self._helpers:
            helper.stop()


ALONE = Workers()  # nobody but the caller


def _wake() -> None:
    """Wakes a helper: it is to look into its mail."""


def _attempt(job: Job) -> BaseException | None:
    """Do *job*; what it raised."""
    try:
        job()
    except BaseException as error:  # it is raised again, on the caller's thread
        return error
    return None
