"""Logical time and the servers' timers.

Time is a number of milliseconds that only the scheduler moves. A running timer has a deadline; that of a paused server
has the time that it had left instead, so that resuming causes no timeout. Election timeouts are drawn from a generator
of the server's own, so that what one server does never changes what another one draws.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator

from attrs import define, field, frozen

from raftframe.effects import StartTimer, StopTimer, Timer

TICK_MS = 10
"""How long a tick is (`tick s1 3`, `within 20 ticks`)."""


@frozen
class Timing:
    """How long timers run, and how long a message travels."""

    election_ms: tuple[int, int] = (150, 300)
    heartbeat_ms: int = 50
    latency_ms: tuple[int, int] = (5, 5)
    """Equal ends keep the messages in the order of sending; unequal ones mix them up, by the seed."""


@define
class _Running:
    deadline: int
    duration: int


@define(eq=False)
class Clock:
    """Who times out when. Only `Clock` knows deadlines; `Timing` and the seed decide all of them."""

    timing: Timing
    seed: int
    now: int = 0
    _timers: dict[tuple[str, Timer], _Running] = field(factory=dict)
    _stopped: set[str] = field(factory=set)
    _generators: dict[str, random.Random] = field(factory=dict)

    def carry_out(self, server: str, effect: StartTimer | StopTimer) -> None:
        """Start or stop one timer of *server*."""
        if isinstance(effect, StopTimer):
            self._timers.pop((server, effect.timer), None)
            return
        self._run(server, effect.timer, self._duration(server, effect))

    def start(self, server: str, timer: Timer, duration: int) -> None:
        """Let *timer* of *server* fire in *duration* milliseconds."""
        self._run(server, timer, duration)

    def _run(self, server: str, timer: Timer, duration: int) -> None:
        begin = 0 if server in self._stopped else self.now
        self._timers[server, timer] = _Running(begin + duration, duration)

    def forget(self, server: str) -> None:
        """*server* went down: its timers are gone."""
        for timer in Timer:
            self._timers.pop((server, timer), None)
        self._stopped.discard(server)

    def stand_still(self, server: str) -> None:
        """*server* is paused: keep the time that its timers have left."""
        self._stopped.add(server)
        for timer in self._of({server}):
            self._timers[timer].deadline -= self.now

    def go_on(self, server: str) -> None:
        """*server* goes on: its timers continue with the time that they had left."""
        self._stopped.discard(server)
        for timer in self._of({server}):
            self._timers[timer].deadline += self.now

    def next(self, servers: Collection[str] | None = None) -> tuple[int, str, Timer] | None:
        """The next timer to fire, of *servers* (None: of all) that are not paused: when, whose, and which."""
        due = [
            (running.deadline, server, timer)
            for (server, timer), running in self._timers.items()
            if server not in self._stopped and (servers is None or server in servers)
        ]
        return min(due, default=None)

    def hasten(self, servers: Collection[str], milliseconds: int) -> None:
        """Let *milliseconds* pass for the timers of *servers* alone."""
        for timer in self._of(servers):
            self._timers[timer].deadline -= milliseconds

    def expire(self, server: str, timer: Timer) -> None:
        """*timer* fires: it runs no longer, unless the step starts it anew."""
        self._timers.pop((server, timer), None)

    def duration(self, server: str, timer: Timer) -> int | None:
        """How long *timer* was started for; None when it does not run."""
        running = self._timers.get((server, timer))
        return None if running is None else running.duration

    def left(self, server: str, timer: Timer) -> int | None:
        """How long *timer* has left; None when it does not run."""
        running = self._timers.get((server, timer))
        if running is None:
            return None
        return running.deadline - (0 if server in self._stopped else self.now)

    def latency(self) -> int:
        """How long the next message travels."""
        low, high = self.timing.latency_ms
        return low if low == high else self._generator("latency").randint(low, high)

    def _duration(self, server: str, effect: StartTimer) -> int:
        shortest, longest = self.timing.election_ms
        match effect:
            case StartTimer(Timer.HEARTBEAT):
                return self.timing.heartbeat_ms
            case StartTimer(Timer.LEASE):
                return shortest
            case StartTimer(longest=True):
                return longest
        return self._generator(server).randint(shortest, longest)

    def _generator(self, purpose: str) -> random.Random:
        if purpose not in self._generators:
            self._generators[purpose] = random.Random(f"{self.seed} {purpose}")
        return self._generators[purpose]

    def _of(self, servers: Collection[str]) -> Iterator[tuple[str, Timer]]:
        return iter([key for key in self._timers if key[0] in servers])
