"""What a reduction is refused for, and what the report says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import frozen

from checker.errors import UsageError
from checker.explore import Report, check
from checker.reductions.choice import REDUCTIONS
from checker.system import ActorId, Bounds, Deliver, Event, LocalKind, Send, State, Step
from examples.raft_core import Role, election_safety, raft_core


def explore(**options: Any) -> Report:
    """raft_core with one timeout."""
    return check(raft_core(), properties=[election_safety], bounds=Bounds({"timeouts": 1}), **options)


def test_the_full_space_may_be_asked_for() -> None:
    """With nothing to leave out, the counts are those of the full space."""
    report = explore(reduce=())

    assert (report.states, report.reduced_by, dict(report.not_reduced)) == (148, (), {})


def test_all_that_is_sound() -> None:
    """By default all is used that may be used for what is asked; where nothing crashes, nothing is fused."""
    assert explore().reduced_by == explore(reduce=None).reduced_by == ("dead", "confluent", "symmetry", "covered")


def test_what_is_found_is_told_by_a_shortest_run() -> None:
    """Deliveries that are taken at once make runs longer: by default it is searched again; if asked for, it is said."""

    def nobody_leads(states: Mapping[ActorId, Any]) -> str | None:
        leaders = [actor for actor, server in states.items() if server.role is Role.LEADER]
        return f"{leaders[0]} leads" if leaders else None

    def search(**options: Any) -> Report:
        return check(raft_core(), properties=[nobody_leads], bounds=Bounds({"timeouts": 1}), **options)

    full, default, asked = search(reduce=()), search(), search(reduce=("dead", "confluent"))

    lengths = [len(report.violations[0].events) for report in (full, default, asked)]
    assert lengths[0] == lengths[1] <= lengths[2]
    assert [report.shortest for report in (full, default, asked)] == [True, True, False]


@pytest.mark.parametrize(
    ("options", "refused", "reason"),
    [
        ({"exact": True}, set(REDUCTIONS), "full space"),
        ({"graph": True}, set(REDUCTIONS), "full space"),
        ({"network": "fifo"}, set(REDUCTIONS), "queue"),
        ({"max_depth": 5}, {"confluent", "fused"}, "max_depth"),
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


@frozen
class Forgetful:
    """Remembers nothing of what it is asked, but for the question with number 1."""

    actors: tuple[str, ...] = ("a", "b")
    local_kinds: tuple[LocalKind, ...] = (LocalKind("ask", "questions", numbered=True), LocalKind("nod", "nods"))

    def initial(self, actor: ActorId) -> State:
        """Nothing happened."""
        return "idle"

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """See the class."""
        assert not isinstance(event, Deliver)
        return Step("knows" if event.kind == "ask" and event.number == 1 else state)


def nobody_knows(states: Any) -> str | None:
    """Broken by the second question."""
    return "somebody knows" if "knows" in states.values() else None


def test_a_world_in_which_other_numbers_come_is_not_covered() -> None:
    """More questions left are other questions: the world after the first, which looks as before it, is kept."""
    report = check(
        Forgetful(), properties=[nobody_knows], bounds=Bounds({"questions": 2, "nods": 1}), reduce=("covered",)
    )

    assert (report.verdict, len(report.violations[0].events)) == ("fail", 2)


def test_more_of_a_budget_covers_less_of_it() -> None:
    """A nod changes nothing but what is left of the nods, so nothing is left to be kept."""
    full, covered = (check(Forgetful(), bounds=Bounds({"nods": 3}), reduce=kinds) for kinds in ((), ("covered",)))

    assert (full.states, covered.states) == (4, 1)


@pytest.mark.parametrize("network", ["unordered", "ever-sent"])
def test_a_loss_is_covered_by_what_never_arrives(network: str) -> None:
    """With and without drops the same worlds are kept."""
    drops = {"drops": 2} if network == "unordered" else {}
    lossless, lossy = (
        check(raft_core(), bounds=Bounds({"timeouts": 1, **more}), network=network, reduce=("covered",))
        for more in ({}, drops)
    )

    assert (lossy.verdict, lossy.states) == ("pass", lossless.states)


def test_how_much_is_covered() -> None:
    """Of 3,378,034 worlds a thousand are kept, a third of what is left without this reduction."""
    report = check(
        raft_core(), properties=[election_safety], bounds=Bounds({"timeouts": 2, "commands": 1}), reduce=None
    )

    assert (report.verdict, report.complete, report.states) == ("pass", True, 976)
