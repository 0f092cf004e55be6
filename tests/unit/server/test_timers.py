"""Timers fire once, when they are due, on their own thread; paused ones keep what they have left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from raftframe.api.timers import TimerAPI
from raftframe.effects import Timer
from raftframe.timers import ClockAPI, ManualClock, MonotonicClock, PausableTimers, ThreadTimers, pause_together

from .support import PATIENCE_S, eventually

ELECTION, HEARTBEAT = Timer.ELECTION, Timer.HEARTBEAT


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test moves."""
    return ManualClock()


@pytest.fixture
def timers(clock: ManualClock) -> Iterator[PausableTimers]:
    """Timers of that clock, stopped at the end."""
    made = PausableTimers(clock)
    yield made
    made.stop()


class Bell:
    """Counts how often it was rung."""

    def __init__(self) -> None:
        self.rings = 0
        self.thread: threading.Thread | None = None
        self.rung = threading.Event()

    def __call__(self) -> None:
        self.rings += 1
        self.thread = threading.current_thread()
        self.rung.set()


def test_they_are_what_servers_and_timers_need() -> None:
    """Both kinds of timers keep to `TimerAPI`, both clocks to `ClockAPI`."""
    assert isinstance(ThreadTimers(), TimerAPI)
    assert isinstance(PausableTimers(), TimerAPI)
    assert isinstance(MonotonicClock(), ClockAPI)
    assert isinstance(ManualClock(), ClockAPI)


def test_in_real_time_a_timer_fires_on_its_own_thread() -> None:
    """Once, and not from within `start`."""
    timers, bell = ThreadTimers(), Bell()

    timers.start(ELECTION, 0.0, bell)

    assert bell.rung.wait(PATIENCE_S)
    timers.stop()
    assert bell.rings == 1
    assert bell.thread is not threading.current_thread()


def test_a_timer_fires_when_it_is_due(timers: PausableTimers, clock: ManualClock) -> None:
    """Not before, and only once."""
    bell, other = Bell(), Bell()
    timers.start(ELECTION, 1.0, bell)
    timers.start(HEARTBEAT, 0.5, other)

    clock.advance(0.75)
    assert other.rung.wait(PATIENCE_S)
    assert timers.left_s(ELECTION) == pytest.approx(0.25)
    assert bell.rings == 0

    clock.advance(0.25)
    assert bell.rung.wait(PATIENCE_S)
    assert timers.left_s(ELECTION) is None
    assert (bell.rings, other.rings) == (1, 1)


def test_a_start_replaces_the_one_before(timers: PausableTimers, clock: ManualClock) -> None:
    """Later or earlier, only the last one fires."""
    replaced, bell, last = Bell(), Bell(), Bell()
    timers.start(ELECTION, 1.0, replaced)
    timers.start(ELECTION, 3.0, bell)
    clock.advance(2.0)
    assert timers.left_s(ELECTION) == pytest.approx(1.0)
    timers.start(ELECTION, 0.5, last)

    clock.advance(5.0)
    assert last.rung.wait(PATIENCE_S)
    timers.stop()
    assert (replaced.rings, bell.rings, last.rings) == (0, 0, 1)


def test_an_earlier_timer_wakes_the_sleeping_thread() -> None:
    """In real time: one that is due now does not wait for one that is due in an hour."""
    timers, bell = ThreadTimers(), Bell()
    timers.start(ELECTION, 3600.0, Bell())
    timers.start(HEARTBEAT, 0.0, bell)

    assert bell.rung.wait(PATIENCE_S)
    timers.stop()


def test_a_cancelled_timer_does_not_fire(timers: PausableTimers, clock: ManualClock) -> None:
    """And to cancel an idle one is no mistake."""
    cancelled, bell = Bell(), Bell()
    timers.start(ELECTION, 1.0, cancelled)
    timers.start(HEARTBEAT, 1.0, bell)
    timers.cancel(ELECTION)
    timers.cancel(ELECTION)

    clock.advance(1.0)
    assert bell.rung.wait(PATIENCE_S)
    timers.stop()
    assert cancelled.rings == 0


def test_what_fires_may_start_timers(timers: PausableTimers, clock: ManualClock) -> None:
    """A heartbeat starts the next one."""
    bell = Bell()
    timers.start(HEARTBEAT, 1.0, lambda: timers.start(HEARTBEAT, 1.0, bell))

    clock.advance(1.0)
    assert eventually(lambda: timers.left_s(HEARTBEAT) == pytest.approx(1.0))
    clock.advance(1.0)
    assert bell.rung.wait(PATIENCE_S)


def test_stopped_timers_stay_silent(clock: ManualClock) -> None:
    """What ran is forgotten, what is started later never runs, and the thread has ended."""
    timers, bell = PausableTimers(clock, name="stopped timers"), Bell()
    timers.start(ELECTION, 1.0, bell)

    timers.stop()
    timers.stop()
    timers.start(ELECTION, 0.0, bell)

    assert "stopped timers" not in {thread.name for thread in threading.enumerate()}
    assert timers.left_s(ELECTION) is None
    clock.advance(2.0)
    assert bell.rings == 0


def test_stopping_from_within_a_timer_is_allowed(timers: PausableTimers, clock: ManualClock) -> None:
    """It does not wait for itself."""
    stopped = threading.Event()

    def stop() -> None:
        timers.stop()
        stopped.set()

    timers.start(ELECTION, 1.0, stop)
    clock.advance(1.0)
    assert stopped.wait(PATIENCE_S)


def test_paused_timers_keep_what_they_have_left(timers: PausableTimers, clock: ManualClock) -> None:
    """However long the pause: then they need exactly what was left."""
    bell = Bell()
    timers.start(ELECTION, 1.0, bell)
    clock.advance(0.75)

    timers.pause()
    timers.pause()
    clock.advance(1000.0)
    assert timers.paused
    assert timers.left_s(ELECTION) == pytest.approx(0.25)

    timers.resume()
    timers.resume()
    assert timers.left_s(ELECTION) == pytest.approx(0.25)
    assert bell.rings == 0
    clock.advance(0.25)
    assert bell.rung.wait(PATIENCE_S)


def test_a_timer_started_in_a_pause_has_all_its_time_left(timers: PausableTimers, clock: ManualClock) -> None:
    """The pause does not count."""
    bell = Bell()
    timers.pause()
    timers.start(ELECTION, 1.0, bell)
    clock.advance(5.0)
    assert timers.left_s(ELECTION) == pytest.approx(1.0)

    timers.resume()
    clock.advance(1.0)
    assert bell.rung.wait(PATIENCE_S)


def test_paused_timers_can_be_stopped(timers: PausableTimers) -> None:
    """Their thread does not sleep through it."""
    timers.start(ELECTION, 1.0, Bell())
    timers.pause()

    timers.stop()


def test_timers_pause_at_one_instant() -> None:
    """In real time, and yet: the same distance between two servers' timers before and after."""
    one, other = PausableTimers(), PausableTimers()
    one.start(ELECTION, 3600.0, Bell())
    other.start(ELECTION, 3600.0, Bell())

    pause_together([one, other])
    first, second = one.left_s(ELECTION), other.left_s(ELECTION)
    assert first is not None
    assert second is not None
    assert first <= second <= 3600.0
    assert (one.left_s(ELECTION), other.left_s(ELECTION)) == (first, second)
    for timers in (one, other):
        timers.stop()


def test_time_does_not_go_back(clock: ManualClock) -> None:
    """A negative advance is the caller's mistake."""
    with pytest.raises(ValueError, match="time does not go back"):
        clock.advance(-1)
