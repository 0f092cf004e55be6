"""Keeps an eye on a search while it runs: ends it at a limit, or when asked to, and tells how far it has come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeAlias, TypeVar

from attrs import Factory, define, field, frozen

PROGRESS_EVERY_S: Final = 0.5
LOOK_EVERY_S: Final = 0.1  # while the system's code runs, which may take long
MANY_LEVELS: Final = 5  # from whose sizes those to come are told; more make the estimate lag behind
MOST_LEVELS: Final = 1000  # to look ahead


@frozen
class Limits:
    """Where the search gives up; None means nowhere."""

    depth: int | None = None
    states: int | None = None
    time_s: float | None = None
    memory_bytes: int | None = None


@frozen
class Progress:
    """How far a search has come. `left` worlds of the level at `depth` are still to be expanded. `expected` is an
    estimate of how many worlds there are in all, None while nothing can be said.
    """

    states: int
    states_per_second: float
    depth: int
    left: int
    seconds: float
    expected: int | None


T = TypeVar("T")
Tell: TypeAlias = Callable[[Progress], object]


def never() -> bool:
    """Nobody asks for the end."""
    return False


@define
class Watch:
    """Watches one search. *tell* is told about progress twice a second; the search ends when *stop* returns True."""

    limits: Limits
    tell: Tell | None = None
    stop: Callable[[], bool] = never
    levels: list[int] = Factory(list)  # the sizes of those that are complete, of a search level by level
    begun: float = field(factory=time.perf_counter)
    _told: float = 0.0
    _looked: float = 0.0
    _stopped: bool = False

    def begin(self) -> None:
        """Now the time begins to count."""
        self.begun = self._told = self._looked = time.perf_counter()

    def cut(self, states: int, depth: int, left: int, memory_bytes: Callable[[], int]) -> str | None:
        """What ends the search now, a limit's name or "interrupted"; None if it goes on. Tells about it on the way.

        *states* were found in all, *left* worlds remain of the level at *depth*, and *memory_bytes* says what is
        taken, if that is limited.
        """
        now = time.perf_counter()
        seconds = now - self.begun
        if self.tell is not None and now - self._told >= PROGRESS_EVERY_S:
            self._told = now
            self.tell(Progress(states, states / seconds, depth, left, seconds, expected_states(self.levels)))
        if self._is_stopped():
            return "interrupted"
        if self._is_late(now):
            return "max_time_s"
        if self.limits.memory_bytes is not None and memory_bytes() > self.limits.memory_bytes:
            return "max_memory_bytes"
        return None

    def until_over(self, things: Iterable[T]) -> Iterator[T]:
        """*things* one by one, for as long as `cut` would not end the search for being late or stopped."""
        for thing in things:
            now = time.perf_counter()
            if now - self._looked >= LOOK_EVERY_S:
                self._looked = now
                if self._is_stopped() or self._is_late(now):
                    return
            yield thing

    def _is_stopped(self) -> bool:
        self._stopped = self._stopped or self.stop()
        return self._stopped

    def _is_late(self, now: float) -> bool:
        return self.limits.time_s is not None and now - self.begun > self.limits.time_s


def expected_states(levels: Sequence[int]) -> int | None:
    """How many worlds there are in all, judged by the sizes of the first *levels*; None if they don't tell yet.

    Levels grow by a factor that falls, and its logarithm falls nearly in a line: the line through the last few is
    followed until a level is empty. Far too much early on, within a third once the largest level is in sight.
    """
    recent = levels[-MANY_LEVELS - 1 :]
    if len(recent) < 4 or not all(recent):
        return None
    growth = [math.log(later / earlier) for earlier, later in pairwise(recent)]
    slope = _slope(growth)
    if slope >= 0:
        return None
    middle = sum(growth) / len(growth)
    size, total = float(levels[-1]), sum(levels)
    for ahead in range(MOST_LEVELS):
        size *= math.exp(middle + slope * ((len(growth) + 1) / 2 + ahead))
        if size < 1:
            return total
        total += int(size)
    return None


def _slope(values: Sequence[float]) -> float:
    """Of the line that is nearest to *values*, by least squares."""
    middle = (len(values) - 1) / 2
    spread = sum((place - middle) ** 2 for place in range(len(values)))
    return sum((place - middle) * value for place, value in enumerate(values)) / spread
