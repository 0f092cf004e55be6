"""The time of a cluster of threads: it stands still while a scenario's lines act, and moves when a line lets it.

All timers of the cluster run by one `SharedClock`. It counts milliseconds where the timers count seconds, so every
deadline is a whole number, and sums are exact. Moving it takes two calls of the conductor (`raftframe` calls neither):
`set` makes it later, and `wake` rouses the timers' threads that have slept until then. Between the two, messages that
are due at that moment are handed over first: a leader's message that comes at the last moment prevents the election, as
in `sim`.

The conductor must know when every timer that was due has fired. A timers' thread is in one of three places: asleep in
`SharedClock.wait`; about to look what is due; firing. `asleep` counts the first kind. If no timer is due any more and
all threads are asleep, then whatever was due has fired.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

from attrs import field, frozen

from raftframe.clusters.gates import GatedServer
from raftframe.clusters.steered import LogicalTiming
from raftframe.effects import StartTimer, StopTimer, Timer
from scenarios.runner.clock import Timing

THREAD_NAME = "raftframe "
"""What `raftframe.server` calls the thread of a server, before its name."""


class SharedClock:
    """Implements `raftframe.timers.ClockAPI`; see the module. Moves only when told to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._now = 0
        self._asleep: dict[threading.Condition, float] = {}

    @property
    def now(self) -> int:
        """Milliseconds since the cluster was made."""
        return self._now

    def now_s(self) -> float:
        """The same, for the timers, which take it for seconds."""
        return float(self._now)

    def wait(self, changed: threading.Condition, until_s: float | None) -> None:
        """Sleep until somebody wakes those who sleep until *until_s*, or a notification. On a timers' thread."""
        until = math.inf if until_s is None else until_s
        with self._lock:
            if until <= self._now:
                return
            self._asleep[changed] = until
            self._changed.notify_all()
        changed.wait()
        with self._lock:
            self._asleep.pop(changed, None)

    def set(self, now: int) -> None:
        """It is *now*, and nobody is woken yet."""
        with self._lock:
            self._now = max(self._now, now)

    def wake(self) -> None:
        """Wake the threads whose moment has come."""
        with self._lock:
            due = [changed for changed, until in self._asleep.items() if until <= self._now]
            for changed in due:
                del self._asleep[changed]
        for changed in due:
            with changed:
                changed.notify_all()

    def wait_for_sleepers(self, number: int, timeout_s: float) -> bool:
        """Wait until *number* threads are asleep; False if they are not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._asleep) >= number, timeout_s)


@frozen
class DrawnTiming(LogicalTiming):
    """Election timeouts as `sim` draws them: whole milliseconds, from the same generators. `drawn` keeps the last."""

    drawn: dict[tuple[str, Timer], int] = field(factory=dict)

    def duration_s(self, effect: StartTimer, rng: random.Random) -> float:
        """How long the timer is to run this time. On the thread of the server whose timer it is."""
        length = super().duration_s(effect, rng)
        self.drawn[threading.current_thread().name.removeprefix(THREAD_NAME), effect.timer] = int(length)
        return length


def drawn_timing(timing: Timing) -> DrawnTiming:
    """*timing* for servers whose clock counts milliseconds."""
    low, high = timing.election_ms
    return DrawnTiming((float(low), float(high)), float(timing.heartbeat_ms))


class ThreadClock:
    """The timers of running threads, as the verbs and the scheduler see timers: implements
    `scenarios.runner.cluster_api.ClockBook`.

    *servers* gives the server of a name that is up. Servers start, stop, pause and resume their own timers, so all of
    that does nothing here.
    """

    def __init__(
        self,
        timing: Timing,
        seed: int,
        shared: SharedClock,
        drawn: DrawnTiming,
        servers: Callable[[], Mapping[str, GatedServer]],
    ) -> None:
        self.timing = timing
        self._shared, self._drawn, self._servers = shared, drawn.drawn, servers
        self._latencies = random.Random(f"{seed} latency")

    @property
    def now(self) -> int:
        """Milliseconds since the cluster was made."""
        return self._shared.now

    def carry_out(self, server: str, effect: StartTimer | StopTimer) -> None:
        """The server has done it."""

    def forget(self, server: str) -> None:
        """The server's timers ended with it."""
        for timer in Timer:
            self._drawn.pop((server, timer), None)

    def stand_still(self, server: str) -> None:
        """Its gate is closed, and with it its timers."""

    def go_on(self, server: str) -> None:
        """Its gate is open."""

    def expire(self, server: str, timer: Timer) -> None:
        """A timeout that is let happen stops its timer by itself."""

    def start(self, server: str, timer: Timer, duration: int) -> None:
        """Let *timer* of *server* fire in *duration* milliseconds, at least one: never before time moves on."""
        running = self._servers()[server]
        self._drawn[server, timer] = duration
        running.timers.start(timer, float(max(1, duration)), partial(running.fire, timer))

    def hasten(self, servers: Collection[str], milliseconds: int) -> None:
        """Let *milliseconds* pass for the timers of *servers* alone. What becomes due is for the caller to fire."""
        for server, timer, left in self._running(servers):
            running = self._servers()[server]
            running.timers.start(timer, float(max(1, left - milliseconds)), partial(running.fire, timer))

    def next(self, servers: Collection[str] | None = None) -> tuple[int, str, Timer] | None:
        """The next timer to fire, of *servers* (None: of all) that are not paused: when, whose, and which."""
        due = [(self.now + left, server, timer) for server, timer, left in self._running(servers)]
        return min(due, default=None)

    def due(self) -> list[tuple[str, Timer]]:
        """The timers whose moment has come and that have not fired, of servers that are not paused."""
        return [(server, timer) for server, timer, left in self._running(None) if left <= 0]

    def duration(self, server: str, timer: Timer) -> int | None:
        """How long *timer* was started for; None when it does not run."""
        return None if self.left(server, timer) is None else self._drawn.get((server, timer))

    def left(self, server: str, timer: Timer) -> int | None:
        """How long *timer* has left; None when it does not run."""
        running = self._servers().get(server)
        left = None if running is None else running.timers.left_s(timer)
        return None if left is None else int(left)

    def latency(self) -> int:
        """How long the next message travels."""
        low, high = self.timing.latency_ms
        return low if low == high else self._latencies.randint(low, high)

    def _running(self, servers: Collection[str] | None) -> Iterator[tuple[str, Timer, int]]:
        """The timers that run: whose, which, and the time left."""
        for name, server in self._servers().items():
            if server.gate.closed or not (servers is None or name in servers):
                continue
            for timer in Timer:
                left = server.timers.left_s(timer)
                if left is not None:
                    yield name, timer, int(left)
