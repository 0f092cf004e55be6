"""What a reduction is refused for, and what the report says of it."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from checker.errors import UsageError
from checker.explore import Report, check
from checker.system import ActorId, Bounds, Deliver, Event, LocalKind, Send, State, Step
from examples.raft_core import election_safety, raft_core


def explore(**options: Any) -> Report:
    """raft_core with one timeout."""
    return check(raft_core(), properties=[election_safety], bounds=Bounds({"timeouts": 1}), **options)


def test_nothing_is_reduced_unless_asked() -> None:
    """The counts of a plain call are those of the full space."""
    report = explore()

    assert (report.states, report.reduced_by, dict(report.not_reduced)) == (148, (), {})


def test_all_that_is_sound() -> None:
    """None means all that may be used for what is asked."""
    assert explore(reduce=None).reduced_by == ("dead", "confluent", "symmetry")


@pytest.mark.parametrize(
    ("options", "refused", "reason"),
    [
        ({"exact": True}, {"dead", "confluent", "symmetry"}, "full space"),
        ({"graph": True}, {"dead", "confluent", "symmetry"}, "full space"),
        ({"network": "fifo"}, {"dead", "confluent", "symmetry"}, "queue"),
        ({"max_depth": 5}, {"confluent"}, "max_depth"),
        ({"prune": [lambda _states: False]}, {"symmetry"}, "pruned"),
    ],
)
def test_what_is_refused_is_said(options: dict[str, Any], refused: set[str], reason: str) -> None:
    """A reduction that could change what is asked for is not used, and the report says why."""
    report = explore(reduce=None, **options)

    assert set(report.not_reduced) == refused
    assert all(reason in text for text in report.not_reduced.values())
    assert not refused & set(report.reduced_by)


def test_unknown_name() -> None:
    """A name that there is not is a mistake, with the one that was meant."""
    with pytest.raises(UsageError, match="confluent"):
        explore(reduce=("confluence",))


def test_a_cut_search_says_unknown() -> None:
    """A search that a limit ended has not shown that its claims hold."""
    report = explore(reduce=None, max_states=5)

    assert (report.verdict, report.complete, report.limits_hit) == ("unknown", False, ("max_states",))


@frozen
class Late:
    """`a` sends `hello`, and after that it can rouse `b`, which is alarmed if it is awake when `hello` arrives."""

    actors: tuple[str, ...] = ("a", "b")
    local_kinds: tuple[LocalKind, ...] = (LocalKind("greet", "greetings"), LocalKind("rouse", "calls"))

    def initial(self, actor: ActorId) -> State:
        """Everybody sleeps."""
        return "asleep"

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """See the class."""
        if isinstance(event, Deliver):
            return Step("awake") if event.message == "rouse" else Step("alarmed" if state == "awake" else state)
        if actor != "a" or (event.kind == "rouse") != (state == "greeted"):
            return None
        return Step("greeted", (Send("b", "rouse" if event.kind == "rouse" else "hello"),))


@pytest.mark.parametrize("kinds", [("dead",), ("confluent",), ("dead", "confluent")])
def test_a_claim_that_breaks_is_withdrawn(kinds: tuple[str, ...]) -> None:
    """When `hello` is sent, nothing was met yet in which it matters. Later there is: the search is done again."""

    def no_alarm(states: Any) -> str | None:
        return "b is alarmed" if states["b"] == "alarmed" else None

    report = check(Late(), properties=[no_alarm], bounds=Bounds({"greetings": 1, "calls": 1}), reduce=kinds)

    assert (report.verdict, len(report.violations[0].events)) == ("fail", 4)
