"""The time of a cluster of processes: a book that says when what is due, and timers in the processes that agree.

Both draw election timeouts from equal generators, so both know the same deadlines. The book decides when a timer fires,
and the timer in the process does it; after every step the two are compared, and if they differ the run stops.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Collection, Mapping

from attrs import define, field

from raftframe.clusters import steered
from raftframe.clusters.steered import After, SteeredTiming
from raftframe.effects import Timer
from scenarios.runner.clock import Clock, Timing
from scenarios.runner.errors import ActionError


def steered_timing(timing: Timing) -> SteeredTiming:
    """*timing* for processes."""
    low, high = timing.election_ms
    return SteeredTiming((float(low), float(high)), float(timing.heartbeat_ms))


@define(eq=False)
class ProcessClock(Clock):
    """The book. *ask* calls a function of `raftframe.clusters.steered` in the process of a server that is up, now."""

    ask: Callable[..., After | None] = field(kw_only=True)
    last_was_due: bool = False  # whether the last timer that was let fire was due

    def generator(self, server: str) -> random.Random:
        """What the next life of *server* is to draw its timeouts from."""
        return copy.deepcopy(self._generator(server))

    def start(self, server: str, timer: Timer, duration: int) -> None:
        """Let *timer* of *server* fire in *duration* milliseconds."""
        super().start(server, timer, duration)
        self.ask(server, steered.start_timer, timer, duration)

    def hasten(self, servers: Collection[str], milliseconds: int) -> None:
        """Let *milliseconds* pass for the timers of *servers* alone."""
        super().hasten(servers, milliseconds)
        for server in servers:
            self.ask(server, steered.hasten, milliseconds)

    def expire(self, server: str, timer: Timer) -> None:
        """*timer* fires: it runs no longer, unless the step starts it anew."""
        left = self.left(server, timer)
        self.last_was_due = left is not None and left <= 0
        super().expire(server, timer)

    def compare(self, server: str, timers: Mapping[Timer, float]) -> None:
        """*timers* are those of the process of *server*. Raises ActionError if the book has others."""
        known = {timer: self.left(server, timer) for timer in Timer}
        expected = {timer: left for timer, left in known.items() if left is not None}
        if expected != timers:
            left, right = _shown(timers), _shown(expected)
            raise ActionError(f"the timers of {server} have {left} left, not {right} (please report this)")


def _shown(timers: Mapping[Timer, float]) -> str:
    return ", ".join(f"{timer} {left:g} ms" for timer, left in sorted(timers.items())) or "nothing"
