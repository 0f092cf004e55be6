"""Timers that fire on a thread of their own, a clock to run them by, and timers that can be stopped and continued.

Theory of operation
-------------------
An `Alarms` object has one condition, `_changed`, which guards everything in it, and one thread, started with the first
alarm. The thread sleeps until the earliest deadline, takes what is due out of the table *under the condition*, lets go
of it, and calls `fire`. So:

* no lock is held while `fire` runs: `fire` may start and cancel alarms;
* an alarm that was cancelled, started anew or paused before it was taken out never fires; one that was taken out a
  moment earlier does. Whoever restarts alarms and must not see the old one fire numbers them (as `raftframe.server`
  does);
* to start an alarm that is later than the one slept for wakes nobody up. A follower starts its election timer anew with
  every message of the leader, so this is the usual case, and costs a dictionary entry.

`PausableTimers` keep, while paused, the time that each timer has left in place of its deadline, and sleep until they
are resumed. Several of them, of one clock, pause at one instant with `pause_together`: it holds all their conditions at
once, so either a timer fired before that instant, or it has time left.

Time comes from a `ClockAPI`: `MonotonicClock` is real, `ManualClock` moves when told to. A clock is called with the
condition held and never calls back; `ManualClock.advance` first moves the time under its own lock, then notifies each
condition in turn, so the two locks are never held at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import ExitStack
from typing import Generic, Protocol, TypeVar, runtime_checkable

from attrs import define

from raftframe.effects import Timer

STOP_TIMEOUT_S = 10.0
"""How long `stop` waits for a `fire` that does not return."""


@runtime_checkable
class ClockAPI(Protocol):
    """What timers run by. Both methods are called from any thread."""

    def now_s(self) -> float:
        """Seconds since some moment in the past; never goes back."""

    def wait(self, changed: threading.Condition, until_s: float | None) -> None:
        """Return when *changed*, which the caller holds, is notified, or at *until_s* (None: never); or earlier."""


class MonotonicClock:
    """Real time."""

    def now_s(self) -> float:
        """Seconds since the machine was started, or so."""
        return time.monotonic()

    def wait(self, changed: threading.Condition, until_s: float | None) -> None:
        """Sleep until *until_s* or a notification."""
        changed.wait(None if until_s is None else max(0.0, until_s - time.monotonic()))


class ManualClock:
    """Time that stands still until `advance`: for tests, and for clusters whose timers fire only when told to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now_s = 0.0
        self._waiting: set[threading.Condition] = set()

    def now_s(self) -> float:
        """Seconds advanced so far."""
        with self._lock:
            return self._now_s

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass. What becomes due fires soon, on its own thread. Raises ValueError if *seconds* < 0."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        with self._lock:
            self._now_s += seconds
            waiting = tuple(self._waiting)
        for changed in waiting:
            with changed:
                changed.notify_all()

    def wait(self, changed: threading.Condition, until_s: float | None) -> None:
        """Sleep until somebody advances the clock, or a notification."""
        with self._lock:
            self._waiting.add(changed)  # from here on, advance wakes us; before, we see the time it made
            passed = until_s is not None and until_s <= self._now_s
        if not passed:
            changed.wait()
        with self._lock:
            self._waiting.discard(changed)


K = TypeVar("K", bound=Hashable)


@define
class _Alarm:
    at_s: float  # the deadline; while paused, the time left
    fire: Callable[[], None]


class Alarms(Generic[K]):
    """Functions to be called later, each under a name of its own: a new one replaces the old one of that name."""

    def __init__(self, clock: ClockAPI | None = None, *, name: str = "alarms") -> None:
        self._clock = clock if clock is not None else MonotonicClock()
        self._name = name
        self._changed = threading.Condition()
        self._alarms: dict[K, _Alarm] = {}
        self._asleep_until_s = -math.inf  # -inf: the thread is awake, and will look by itself
        self._paused = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self, timer: K, after_s: float, fire: Callable[[], None]) -> None:
        """Call *fire* once, *after_s* seconds from now, in place of what *timer* was waiting for."""
        with self._changed:
            if self._stopped:
                return
            at_s = after_s if self._paused else self._clock.now_s() + after_s
            self._alarms[timer] = _Alarm(at_s, fire)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif at_s < self._asleep_until_s:
                self._changed.notify_all()

    def cancel(self, timer: K) -> None:
        """Forget *timer*. Cancelling an idle timer is allowed and does nothing."""
        with self._changed:
            self._alarms.pop(timer, None)

    def hasten(self, timer: K, seconds: float) -> None:
        """Let *seconds* pass for *timer* alone: it fires that much earlier. Hastening an idle timer does nothing."""
        with self._changed:
            alarm = self._alarms.get(timer)
            if alarm is None:
                return
            alarm.at_s -= seconds
            if alarm.at_s < self._asleep_until_s and not self._paused:
                self._changed.notify_all()

    def left_s(self, timer: K) -> float | None:
        """How many seconds *timer* has left; None when it is idle."""
        with self._changed:
            alarm = self._alarms.get(timer)
            if alarm is None:
                return None
            return alarm.at_s if self._paused else alarm.at_s - self._clock.now_s()

    def stop(self) -> None:
        """Forget every timer, and return when *fire* will not be called again. Raises TimeoutError after 10 s."""
        with self._changed:
            self._stopped = True
            self._alarms.clear()
            self._changed.notify_all()
        if self._thread is None or self._thread is threading.current_thread():
            return
        self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise TimeoutError(f"{self._name}: the function of a timer has not returned for {STOP_TIMEOUT_S:g} s")

    def _run(self) -> None:
        while (fire := self._next()) is not None:
            fire()

    def _next(self) -> Callable[[], None] | None:
        """What is due, when it is due; None when stopped."""
        with self._changed:
            while not self._stopped:
                first = None if self._paused or not self._alarms else min(self._alarms, key=self._deadline)
                until_s = None if first is None else self._alarms[first].at_s
                if first is not None and until_s is not None and until_s <= self._clock.now_s():
                    return self._alarms.pop(first).fire
                self._asleep_until_s = math.inf if until_s is None else until_s
                self._clock.wait(self._changed, until_s)
                self._asleep_until_s = -math.inf
            return None

    def _deadline(self, timer: K) -> float:
        return self._alarms[timer].at_s


class ThreadTimers(Alarms[Timer]):
    """`raftframe.api.timers.TimerAPI` in real time, or that of another clock. One thread, started with the first
    timer.
    """


class PausableTimers(ThreadTimers):
    """Timers that stand still between `pause` and `resume`, and go on with the time that each had left.

    A timer that is started while they are paused has its whole time left.
    """

    @property
    def paused(self) -> bool:
        """Whether they stand still."""
        return self._paused

    def pause(self) -> None:
        """From now on nothing fires. Pausing twice is allowed."""
        pause_together([self])

    def resume(self) -> None:
        """Go on with what was left. Resuming what runs is allowed."""
        resume_together([self])

    def _shift(self, paused: bool, seconds: float) -> None:
        if self._paused is paused:
            return
        self._paused = paused
        for alarm in self._alarms.values():
            alarm.at_s += seconds
        self._changed.notify_all()


def pause_together(timers: Iterable[PausableTimers]) -> None:
    """Pause all *timers* at one instant: whatever fires in one of them fired before any of them stood still."""
    _shift_together(timers, paused=True)


def resume_together(timers: Iterable[PausableTimers]) -> None:
    """Let all *timers* go on at one instant, so that none gets ahead of another."""
    _shift_together(timers, paused=False)


def _shift_together(timers: Iterable[PausableTimers], *, paused: bool) -> None:
    ordered = sorted(timers, key=id)  # one order for everybody, or two callers could wait for each other
    with ExitStack() as held:
        for one in ordered:
            held.enter_context(one._changed)
        instants = [one._clock.now_s() for one in ordered[:1]]
        for one in ordered:
            one._shift(paused, -instants[0] if paused else instants[0])
