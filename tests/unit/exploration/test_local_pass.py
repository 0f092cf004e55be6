"""The local pass: what it proves, what it leaves open and why, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from checker.local_pass import LocalReport, local_pass
from checker.mutants import MUTANTS
from checker.properties import Invariant, Monitor, MonitorMove, StepRule
from checker.spaces import Space
from checker.system import ActorId, Bounds, Deliver, Event, LocalKind, Send, State, Step
from checker.world import Vary, make_world
from examples.raft_core import election_safety, raft_core
from raftframe import Options

OWN = ("no_handler_error", "deterministic_step", "unchanged_input")


def in_space(space: Space, **options: Any) -> LocalReport:
    """The local pass over a space of Raft, with all that must hold there."""
    system = space.cluster()
    return local_pass(system, properties=space.properties_of(system), bounds=space.bound, **options)


def test_what_it_proves_of_raft() -> None:
    """With one timeout, all but that a term has one leader and that what is committed is on a majority."""
    told = in_space(Space(bounds={"timeouts": 1}, options=Options()))

    assert set(told.open) == {"election_safety", "commit_on_majority"}
    assert told.proven[:3] == OWN
    assert {"monotonic_term", "leader_append_only", "one_vote_per_term", "log_matching"} <= set(told.proven)
    assert (told.closed, told.states, told.messages, told.steps) == (True, 99, 48, 1_587)


@pytest.mark.slow
def test_what_it_proves_of_raft_with_two_timeouts() -> None:
    """Rules of one step, one vote a term, and log matching; what rests on majorities is open."""
    told = in_space(Space(bounds={"timeouts": 2}, options=Options()))

    open_ = {"election_safety", "state_machine_safety", "leader_completeness", "commit_on_majority"}
    assert (set(told.open), told.steps) == (open_, 22_455)


def test_budgets_are_shared() -> None:
    """Two leaders of a term need two timeouts: with one, no combination of views can be paid for."""
    once, twice = (
        local_pass(raft_core(), properties=[election_safety], bounds=Bounds({"timeouts": timeouts}))
        for timeouts in (1, 2)
    )

    assert (once.proven, dict(once.open)) == ((*OWN, "election_safety"), {})
    assert twice.open["election_safety"].endswith("both lead term 1")


@pytest.mark.parametrize("name", ["forgets_vote_on_step_down", "forgets_vote_on_restart"])
def test_it_does_not_prove_what_a_planted_bug_breaks(name: str) -> None:
    """Of votes that are forgotten it can't tell that nobody votes twice, though it can of votes that are not."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    correct, mutated = (
        local_pass(system, properties=mutant.properties_of(system), bounds=mutant.bound, initial=mutant.start(system))
        for system in (mutant.system(mutated=False), mutant.system())
    )

    assert "one_vote_per_term" in correct.proven
    assert "one_vote_per_term" in mutated.open


@frozen
class Courier:
    """`a` numbers what it asks `b`, who remembers the last question, and chokes on `poison`. Both may faint."""

    actors: tuple[str, ...] = ("a", "b")
    local_kinds: tuple[LocalKind, ...] = (LocalKind("ask", "questions", numbered=True), LocalKind("faint", "faints"))

    def initial(self, actor: ActorId) -> State:
        """Nothing was asked."""
        return 0

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """See the class."""
        if isinstance(event, Deliver):
            if event.message == "poison":
                raise RuntimeError("poison")
            return Step(event.message)
        if actor == "b" or event.kind == "faint":
            return Step(-1) if event.kind == "faint" else None
        return Step(event.number + 1, (Send("b", event.number + 1),))


def never(number: int) -> Invariant:
    """`b` never remembers *number*."""
    return Invariant(f"never_{number}", lambda views, _: f"b has {number}" if views["b"] == number else None)


def test_numbers_follow_the_budget() -> None:
    """The third question is never asked where two are allowed; from a world in which one was, it is."""
    asked: dict[str, Any] = {"properties": [never(1), never(2), never(3)], "bounds": Bounds({"questions": 2})}
    begun = make_world(Courier(), used={"questions": 1})

    fresh, later = local_pass(Courier(), **asked), local_pass(Courier(), initial=begun, **asked)

    assert (set(fresh.open), set(later.open)) == ({"never_1", "never_2"}, {"never_2", "never_3"})


def test_what_may_not_vary_does_not_happen() -> None:
    """Where nothing is delivered, or the channel is blocked, or `a` may not ask, `b` has no question."""
    asked: dict[str, Any] = {"properties": [never(1)], "bounds": Bounds({"questions": 1})}
    silenced = [
        {"vary": Vary(deliver=False)},
        {"blocked": [("a", "b")]},
        {"vary": Vary(local={("ask", "b")})},
        {"within": lambda _actor, state: state < 1},
    ]

    told = [local_pass(Courier(), **asked, **options) for options in ({}, *silenced)]

    assert ["never_1" in one.proven for one in told] == [False, True, True, True, True]


def test_what_is_in_flight_arrives() -> None:
    """Messages of the initial world count; one on which the code raises leaves that open."""
    world = make_world(Courier(), in_flight=[("a", "b", 7), ("a", "b", "poison")])

    told = local_pass(Courier(), properties=[never(7)], initial=world)

    assert set(told.open) == {"never_7", "no_handler_error"}
    assert "poison" in told.open["no_handler_error"]


def after_last(actor: ActorId, before: State, event: Event, step: Step) -> object:
    """What `b` learns."""
    return step.state if actor == "b" and isinstance(event, Deliver) else None


def rising(last: int, new: int) -> MonitorMove:
    """Broken if it falls."""
    return MonitorMove(new, f"{new} after {last}" if new < last else None)


def test_monitors() -> None:
    """Messages may overtake each other, so that numbers fall; with one message there is none to overtake."""
    monitor = Monitor("rising", 0, after_last, rising)
    reader = Invariant("calm", lambda views, last: "excited" if last > 1 else None, view=lambda *_: 0, monitor=monitor)

    once, twice = (
        local_pass(Courier(), properties=[monitor, reader], bounds=Bounds({"questions": questions}))
        for questions in (1, 2)
    )

    assert {"rising", "calm"} <= set(once.proven)
    assert dict(twice.open) == {"rising": "1 after 2", "calm": "excited"}


def test_a_monitor_that_is_only_read_is_not_told_of() -> None:
    """As in a search."""
    monitor = Monitor("rising", 0, after_last, rising)
    reader = Invariant("calm", lambda views, last: "excited" if last > 2 else None, view=lambda *_: 0, monitor=monitor)

    told = local_pass(Courier(), properties=[reader], bounds=Bounds({"questions": 2}))

    assert (told.proven, dict(told.open)) == ((*OWN, "calm"), {})


def test_a_property_that_raises_is_open() -> None:
    """A rule, what a monitor observes, a view, and an invariant: what raises is not proven."""

    def fails(*_: object) -> Any:
        raise ValueError("no")

    told = local_pass(
        Courier(),
        properties=[
            StepRule("rule", fails),
            Monitor("monitor", 0, fails, rising),
            Invariant("view", lambda *_: None, view=fails),
            Invariant("invariant", fails),
        ],
        bounds=Bounds({"questions": 1}),
    )

    assert set(told.open) == {"rule", "monitor", "view", "invariant"}


def test_limits() -> None:
    """Local behaviour that is too much proves nothing; an invariant of too many combinations is open alone."""
    asked: dict[str, Any] = {"properties": [never(3)], "bounds": Bounds({"questions": 2})}

    cut, few = local_pass(Courier(), max_steps=2, **asked), local_pass(Courier(), max_combinations=8, **asked)

    assert (cut.closed, cut.proven, set(cut.open)) == (False, (), {*OWN, "never_3"})
    assert (few.closed, few.proven, few.open) == (
        True,
        OWN,
        {"never_3": "there are 9 combinations of views, which are too many to try"},
    )
