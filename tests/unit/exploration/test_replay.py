"""Replaying runs through the real code."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from checker.explore import check
from checker.runs.replay import ReplayError, replay
from checker.system import ActorId, Bounds, State, Step
from checker.world import Delivery, LocalEvent
from examples.raft_core import election_safety, raft_core

from .toys import Counters, Kept, Senders, Steps

GO_A, GO_B = LocalEvent("a", "go"), LocalEvent("b", "go")


def a_at_2(states: Mapping[ActorId, State]) -> str | None:
    """Breaks when a reaches 2."""
    return "a is at 2" if states["a"] == 2 else None


def test_strict() -> None:
    """A run that fits is replayed to its end."""
    run = replay(Counters(), [GO_A, GO_B])

    assert run.events == (GO_A, GO_B)
    assert run.worlds[-1].states == (1, 1)
    assert run.violation is None


def test_strict_refuses_what_cannot_happen() -> None:
    """An event that cannot happen is named, and what went before is handed over."""
    with pytest.raises(ReplayError, match="event 2 of the run") as caught:
        replay(Counters(limit=1), [GO_A, GO_A])

    assert caught.value.run.events == (GO_A,)


def test_tolerant_skips() -> None:
    """Tolerantly, what cannot happen is skipped."""
    run = replay(Counters(limit=1), [GO_A, GO_A, Delivery("a", "b", 1), GO_B], tolerant=True)

    assert run.events == (GO_A, GO_B)


def test_numbers_follow_from_the_world() -> None:
    """The first command of a shortened run has number 0, whatever it had in the longer one."""
    run = replay(Senders(), [GO_A, Delivery("a", "b", 0)])

    assert run.worlds[-1].states[1] == (0,)


def test_stops_at_the_first_violation() -> None:
    """The first violation ends the replay; asked to, it goes on."""
    events = [GO_A, GO_A, GO_B]

    assert len(replay(Counters(), events, properties=[a_at_2]).events) == 2
    whole = replay(Counters(), events, properties=[a_at_2], stop_at_first=False)
    assert len(whole.events) == 3
    assert whole.violation is not None
    assert (whole.violation.property, whole.violation.step) == ("a_at_2", 2)


def test_counterexample_replays() -> None:
    """The events of a failure replay to the same failure."""
    failure = check(Counters(), properties=[a_at_2], bounds=Bounds({"goes": 6})).violations[0]

    run = replay(Counters(), failure.events, properties=[a_at_2])

    assert run.violation == failure.trace.violation
    assert run.trace(failure.trace.title, failure.trace.about) == failure.trace


def test_restart_is_a_step_of_its_own() -> None:
    """A restart is told apart from other local events, and nothing breaks."""
    run = replay(raft_core(), [LocalEvent(0, "timeout"), LocalEvent(0, "restart")], properties=[election_safety])

    assert [step.what.value for step in run.trace("a restart").steps] == ["local", "restart"]


def test_nondeterminism_that_shows_only_later() -> None:
    """Twice the same and then different: the replay notices, and says so."""
    Kept.calls = 0

    def every_other(_state: State) -> Step:
        Kept.calls += 1
        return Step((Kept.calls + 1) // 2)

    report = check(
        Steps(every_other),
        bounds=Bounds({"goes": 1}),
        properties=[lambda states: "one" if states["a"] == 1 else None],
        reduce=(),
    )

    assert report.violations[0].property == "deterministic_step"
    assert "nondeterministic implementation" in report.violations[0].reason
