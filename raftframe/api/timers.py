"""How a server's timers run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from raftframe.effects import Timer


@runtime_checkable
class TimerAPI(Protocol):
    """One server's timers. Each call of *fire* comes later, from the timers' own thread, never from within `start`."""

    def start(self, timer: Timer, after_s: float, fire: Callable[[], None]) -> None:
        """Call *fire* once, *after_s* seconds from now, in place of what *timer* was waiting for."""

    def cancel(self, timer: Timer) -> None:
        """Forget *timer*. Cancelling an idle timer is allowed and does nothing."""

    def stop(self) -> None:
        """Forget every timer, and return when *fire* will not be called again."""
