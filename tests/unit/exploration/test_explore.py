"""What `check` reports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from checker.engine.visited import Fingerprints
from checker.engine.watch import Progress
from checker.engine.workers import ALONE, Workers
from checker.errors import LimitError, UsageError
from checker.explore import Report, check
from checker.properties import Invariant
from checker.properties.base import Predicate
from checker.runs.trace import What
from checker.system import ActorId, Bounds, State, Step
from checker.world import Delivery, Drop, Duplicate, LocalEvent, Vary, make_world
from examples.raft_core import Role, Server, raft_core

from . import toys
from .toys import Counters, Senders, Shelf, Steps

ROOT = Path(__file__).parents[3]


def sum_below_3(states: Mapping[ActorId, State]) -> str | None:
    """A property that breaks after three steps."""
    total = sum(states.values())  # type: ignore[arg-type]
    return f"the sum is {total}" if total >= 3 else None


def two_leaders(states: Mapping[ActorId, State]) -> bool:
    """Whether two servers believe that they lead."""
    return sum(isinstance(state, Server) and state.role is Role.LEADER for state in states.values()) == 2


def counting(**options: object) -> Report:
    """Two counters that may each go to 3."""
    return check(Counters(), bounds=Bounds({"goes": 6}), **options)  # type: ignore[arg-type]


def test_complete() -> None:
    """A space that was explored to its end passes, and everything is counted."""
    report = counting()

    assert (report.verdict, report.complete, report.limits_hit) == ("pass", True, ())
    assert (report.states, report.transitions, report.depth, report.deadlocks) == (16, 24, 7, 1)
    assert report.distinct_steps == 8
    assert report.marks == {"counted": 6}
    assert report.events == {"go": 8}


def test_violation() -> None:
    """A violation comes with the shortest run, its events, and what is wrong in a sentence."""
    report = counting(properties=[sum_below_3])

    failure = report.violations[0]
    assert report.verdict == "fail"
    assert (failure.property, failure.reason) == ("sum_below_3", "the sum is 3")
    assert len(failure.events) == 3
    assert failure.trace.violation is not None
    assert failure.trace.violation.step == 3
    assert [step.after[step.actor]["state"] for step in failure.trace.steps if step.actor] == ["1", "1", "2"]


def test_wrong_from_the_start() -> None:
    """A property that does not hold initially is a run of no steps."""
    report = counting(properties=[Invariant("never", lambda views, history: "no")])

    assert report.violations[0].events == ()
    assert report.violations[0].trace.violation is not None
    assert report.violations[0].trace.violation.step == 0


def test_going_on() -> None:
    """With stop_at_first=False, the whole space is explored and each property is reported once."""
    report = counting(properties=[sum_below_3], stop_at_first=False)

    assert (report.states, len(report.violations), report.verdict) == (16, 1, "fail")


@pytest.mark.parametrize(
    ("limit", "name"),
    [({"max_depth": 3}, "max_depth"), ({"max_states": 5}, "max_states"), ({"max_time_s": 1e-9}, "max_time_s")],
)
def test_limits(limit: dict[str, float], name: str) -> None:
    """A space that was cut is unknown, never passed, and the limit is named."""
    report = counting(**limit)

    assert (report.verdict, report.complete, report.limits_hit) == ("unknown", False, (name,))
    assert report.states <= limit.get("max_states", 16)


def test_limit_that_fits() -> None:
    """A space that has just as many states as are allowed is complete."""
    assert counting(max_states=16, max_depth=8).complete


def test_violation_within_limits() -> None:
    """A violation found before the limit is a failure."""
    assert counting(properties=[sum_below_3], max_states=10).verdict == "fail"


def test_goal() -> None:
    """A goal ends the search with the shortest run to it."""
    report = check(raft_core(), bounds=Bounds({"timeouts": 2}), goal=two_leaders)

    assert report.verdict == "pass"
    assert report.reached is not None
    assert len(report.reached.events) == 6
    assert len(report.reached.trace.steps) == 6


def test_goal_out_of_reach() -> None:
    """A goal that the complete space does not have fails; in a space that was cut it is unknown."""
    beyond = Predicate("beyond", lambda views, history: views["a"] > 3)

    assert counting(goal=beyond).verdict == "fail"
    assert counting(goal=beyond, max_depth=2).verdict == "unknown"


def test_sometimes() -> None:
    """How often a predicate held, and when first; what never held is named."""
    both = Predicate("both at 3", lambda views, history: set(views.values()) == {3})
    never = Predicate("never", lambda views, history: False)

    report = counting(sometimes=[both, never])

    assert (report.sometimes["both at 3"].count, report.sometimes["both at 3"].depth) == (1, 7)
    assert report.sometimes["never"].depth is None
    assert report.never == ("never",)


def test_prune() -> None:
    """Pruned worlds are kept and not expanded."""
    report = counting(prune=[Predicate("a at 1", lambda views, history: views["a"] == 1)])

    assert (report.states, report.pruned, report.complete) == (8, 4, True)


def test_within() -> None:
    """A step that leads outside is not possible."""
    report = counting(within=lambda actor, state: state <= 1, reduce=())

    assert report.states == 4


def test_vary() -> None:
    """Only what may vary happens."""
    report = counting(vary=Vary(local=[("go", "a")]))

    assert report.states == 4


@pytest.mark.parametrize(
    ("network", "budgets", "arrivals"),
    [
        ("unordered", {}, {(), (0,), (1,), (0, 1), (1, 0)}),
        ("fifo", {}, {(), (0,), (0, 1)}),
        ("fifo", {"drops": 1}, {(), (0,), (1,), (0, 1)}),
        ("fifo", {"duplicates": 1}, {(), (0,), (0, 0), (0, 1), (0, 0, 1), (0, 1, 1)}),
    ],
)
def test_networks(network: str, budgets: dict[str, int], arrivals: set[tuple[int, ...]]) -> None:
    """What may arrive, and in which order, is the network's business."""
    report = check(Senders(), bounds=Bounds({"goes": 2, **budgets}), network=network, graph=True)

    assert report.graph is not None
    worlds = [report.graph.actor_states(number) for number in range(report.states)]
    assert {states["b"] for states in worlds} == arrivals


def test_blocked() -> None:
    """A blocked channel delivers nothing; what is sent stays in it."""
    report = check(Senders(), bounds=Bounds({"goes": 2}), blocked=[("a", "b")])

    assert (report.states, report.deadlocks) == (3, 1)


def test_from_the_middle() -> None:
    """A search may begin anywhere: with messages in flight, and with numbers that go on."""
    system = Senders()
    start = make_world(system, in_flight=[("a", "b", 7)], used={"goes": 3}, states={"b": (1,)})

    report = check(system, bounds=Bounds({"goes": 1}), initial=start, goal=lambda states: states["b"] == (1, 3, 7))

    assert report.reached is not None
    assert report.reached.events == (LocalEvent("a", "go"), Delivery("a", "b", 3), Delivery("a", "b", 7))
    assert report.reached.trace.in_flight[0].text == "7"


def test_trace_of_faults() -> None:
    """Losses and duplications are steps of the trace, and a copy has a number of its own."""
    report = check(
        Senders(), bounds=Bounds({"goes": 1, "drops": 1, "duplicates": 1}), goal=lambda states: states["b"] == (0, 0)
    )

    assert report.reached is not None
    assert report.reached.events[1] == Duplicate("a", "b", 0)
    assert [step.what for step in report.reached.trace.steps] == [
        What.LOCAL,
        What.DUPLICATE,
        What.DELIVER,
        What.DELIVER,
    ]
    assert [step.message for step in report.reached.trace.steps] == [None, 1, 1, 2]
    assert Drop("a", "b", 0) not in report.reached.events


@pytest.mark.parametrize(
    ("take", "start", "name", "text"),
    [
        (toys.uses_clock, 0, "deterministic_step", "reads the clock"),
        (toys.uses_random, 0, "deterministic_step", "random module"),
        (toys.keeps_count, 0, "deterministic_step", "kept between calls"),
        (toys.changes_input, Shelf([0]), "unchanged_input", "changed the state that it was given"),
        (toys.fails, 0, "no_handler_error", "KeyError: 'no such entry'"),
        (toys.returns_nonsense, 0, "no_handler_error", "step returned 17"),
        (toys.unhashable, 0, "no_handler_error", "must be hashable"),
    ],
)
def test_broken_contract(take: Callable[[State], Step], start: State, name: str, text: str) -> None:
    """An implementation that breaks the contract is a finding with a trace, and says the likely cause."""
    report = check(Steps(take, start=start), bounds=Bounds({"goes": 2}))

    assert report.verdict == "fail"
    assert [failure.property for failure in report.violations] == [name]
    assert text in report.violations[0].reason
    assert len(report.violations[0].trace.steps) == 1


def test_property_that_raises() -> None:
    """An exception in a property is a finding of that property."""
    report = counting(properties=[Invariant("odd", lambda views, history: views["c"])])

    assert report.violations[0].property == "odd"
    assert "KeyError" in report.violations[0].reason


def test_view_that_raises() -> None:
    """So is one in a view."""
    report = counting(
        properties=[Invariant("odd", lambda views, history: None, view=lambda actor, state: 1 // (1 - state))]  # type: ignore[operator]
    )

    assert "ZeroDivisionError" in report.violations[0].reason
    assert len(report.violations[0].events) == 1


def test_progress() -> None:
    """Progress is told while a search runs."""
    told: list[Progress] = []

    check(
        raft_core(),
        bounds=Bounds({"timeouts": 2, "commands": 1}),
        max_states=2_000_000,
        reduce=(),
        progress=told.append,
    )

    assert told
    assert all(1 < one.states <= 2_000_000 and one.depth > 1 and one.seconds > 0 for one in told)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"network": "fifos"}, "did you mean 'fifo'"),
        ({"bounds": Bounds({"gos": 1})}, "did you mean 'goes'"),
        ({"bounds": Bounds({"goes": -1})}, "0 or more"),
        ({"bounds": Bounds({"drops": 1}), "network": "ever-sent"}, "makes no sense"),
        ({"max_depth": 0}, "max_depth is 0"),
        ({"blocked": [("a", "x")]}, "blocked names the actor 'x'"),
        ({"vary": Vary(local=[("went", "a")])}, "vary names the local event 'went'"),
        ({"properties": [sum_below_3, sum_below_3]}, "two properties"),
        ({"initial": make_world(Senders(), network="fifo", in_flight=[("a", "b", 1)])}, "holds a Fifo"),
        (
            {"bounds": {"goes": 1}},
            r"bounds is {'goes': 1}; write bounds=Bounds\(...\), from checker.system import Bounds",
        ),
        ({"vary": "goes"}, r"vary is 'goes'; write vary=Vary\(...\), from checker.world import Vary"),
        ({"initial": 3}, r"initial is 3; write initial=World\(...\), from checker.world import World"),
        ({"walks": 10}, r"walks is 10; write walks=Walks\(...\), from checker.engine.walks import Walks"),
        (
            {"checkpoint": "kept"},
            r"write checkpoint=Checkpoint\(...\), from checker.engine.checkpoints import Checkpoint",
        ),
        ({"spill": "kept"}, r"spill is 'kept'; write spill=Spill\(...\), from checker.spilling.disk import Spill"),
        ({"properties": sum_below_3}, r"write a list, as in properties=\[...\]"),
        ({"sometimes": sum_below_3}, r"write a list, as in sometimes=\[...\]"),
        ({"prune": sum_below_3}, r"write a list, as in prune=\[...\]"),
    ],
)
def test_usage(options: dict[str, object], text: str) -> None:
    """Arguments that don't fit are refused with what to write instead."""
    with pytest.raises(UsageError, match=text):
        check(Counters(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("system", "text"),
    [
        (object(), "is no system: it lacks actors and local_kinds and initial and step"),
        (Counters, r"the system is the class Counters; make one: Counters\(\)"),
    ],
)
def test_what_is_no_system_is_refused(system: Any, text: str) -> None:
    """It is said what it lacks."""
    with pytest.raises(UsageError, match=text):
        check(system)


SCRIPT = """
from checker.explore import check
from checker.system import Bounds
from examples.raft_core import Role, raft_core

def no_second_term_leader(states):
    return "led" if any(s.role is Role.LEADER and s.term == 2 for s in states.values()) else None

report = check(raft_core(), properties=[no_second_term_leader], bounds=Bounds({"timeouts": 2, "commands": 1}))
print(report.states, report.transitions, report.depth, report.distinct_steps, report.marks, report.events)
print(report.violations[0].events, report.violations[0].trace)
"""


def test_same_for_every_hash_seed() -> None:
    """Counts and counterexample do not depend on the hash seed of the process."""
    said = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }

    assert len(said) == 1


def test_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space that does not fit into memory is unknown, and says so."""

    def full(self: Fingerprints, more: int, workers: Workers = ALONE) -> None:
        if self.count > 10:
            raise LimitError("full")

    monkeypatch.setattr(Fingerprints, "reserve", full)

    report = counting()

    assert (report.verdict, report.limits_hit) == ("unknown", ("memory",))
