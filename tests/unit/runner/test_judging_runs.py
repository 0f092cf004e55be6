"""What judges a run that happens once: the watch over properties, and linearizability."""

from __future__ import annotations

import itertools
import random

from checker.properties.base import Invariant, Monitor, MonitorMove, StepRule
from checker.properties.linearizability import Call, explain, problem_with
from checker.properties.watch import RunWatch
from checker.system import Local, Step


def add(state: int, operation: int) -> tuple[int, int]:
    """A counter: each operation adds, and answers with the sum."""
    return state + operation, state + operation


def test_sequential_histories() -> None:
    """One after the other, there is one order only."""
    right = [Call("a", 1, 0, 1, 1), Call("b", 2, 2, 3, 3)]
    wrong = [Call("a", 1, 0, 1, 3), Call("b", 2, 2, 3, 2)]

    assert problem_with(right, 0, add) is None
    assert "no order explains `a: 1 => 3`" in str(problem_with(wrong, 0, add))
    assert problem_with([], 0, add) is None


def test_operations_at_the_same_time() -> None:
    """Those that overlap may take effect in either order; those that do not, may not."""
    overlapping = [Call("a", 1, 0, 3, 3), Call("b", 2, 1, 2, 2)]
    apart = [Call("a", 1, 0, 1, 3), Call("b", 2, 2, 3, 2)]

    assert [call.client for call in explain(overlapping, 0, add) or ()] == ["b", "a"]
    assert explain(apart, 0, add) is None


def test_unknown_outcomes() -> None:
    """An operation without an answer takes effect at any time after its call, or never, but not before."""
    lost = Call("a", 5, 0)
    assert explain([lost, Call("b", 1, 1, 2, 1)], 0, add) is not None
    assert explain([lost, Call("b", 1, 1, 2, 6)], 0, add) is not None
    assert explain([lost, Call("b", 1, 1, 2, 1), Call("b", 1, 3, 4, 7)], 0, add) is not None
    assert explain([Call("b", 1, 1, 2, 6), Call("a", 5, 3)], 0, add) is None
    assert explain([lost, Call("b", 1, 1, 2, 6), Call("b", 1, 3, 4, 12)], 0, add) is None


def brute(history: list[Call]) -> bool:
    """Whether some order of some of the operations explains *history*, by trying all."""
    unknown = [call for call in history if call.returned is None]
    for count in range(len(unknown) + 1):
        for chosen in itertools.combinations(unknown, count):
            calls = [call for call in history if call.returned is not None or call in chosen]
            if any(explains(order) for order in itertools.permutations(calls)):
                return True
    return False


def explains(order: tuple[Call, ...]) -> bool:
    """Whether *order* respects time and gives the answers."""
    state = 0
    for position, call in enumerate(order):
        if any(later.returned is not None and later.returned < call.called for later in order[position + 1 :]):
            return False
        state, answer = add(state, int(str(call.operation)))
        if call.returned is not None and answer != call.answer:
            return False
    return True


def test_agrees_with_trying_everything() -> None:
    """On random short histories the search and brute force agree."""
    generator = random.Random(7)
    verdicts = set()
    for _ in range(300):
        times = generator.sample(range(20), 8)
        calls = []
        for index in range(4):
            begin, end = sorted(times[2 * index : 2 * index + 2])
            known = generator.random() < 0.8
            answer = generator.randint(1, 6)
            calls.append(Call(f"c{index}", generator.randint(1, 2), begin, end if known else None, answer))

        expected = brute(calls)
        verdicts.add(expected)
        assert (problem_with(calls, 0, add) is None) == expected, calls
    assert verdicts == {True, False}


def test_the_watch_reports_each_shape() -> None:
    """Rules on steps, monitors, invariants, and invariants that read a monitor's memory."""
    count = Monitor("few_steps", 0, lambda *_: True, lambda n, _: MonitorMove(n + 1, "too many" if n else None))
    low = Invariant("low", lambda views, _: "too high" if max(views.values()) > 2 else None)
    fresh = Invariant("fresh", lambda _, steps: "two steps" if steps == 2 else None, monitor=count)
    up = StepRule("up", lambda actor, before, event, step: "fell" if step.state < before else None)  # type: ignore[operator]
    watch = RunWatch([low, up, fresh])

    assert watch.names == ("fresh", "low", "up") and watch.begin({"a": 1}) == ()
    assert watch.after("a", 1, Local("x"), Step(3), {"a": 3})[0].property == "low"
    found = watch.after("a", 3, Local("x"), Step(0), {"a": 0})
    assert [finding.property for finding in found] == ["up", "fresh"]
    assert watch.memory == {"few_steps": 2}


def test_the_watch_can_ignore_and_survives_errors() -> None:
    """What is ignored is silent; a property that raises is a finding."""

    def broken(*_: object) -> str | None:
        raise KeyError("oops")

    watch = RunWatch([Invariant("bad", broken), Monitor("sad", 0, broken, broken), StepRule("mad", broken)])

    found = watch.after("a", 0, Local("x"), Step(1), {"a": 1})
    assert {finding.property for finding in found} == {"bad", "sad", "mad"}
    assert all("raised KeyError" in finding.reason for finding in found)
    for name in ("bad", "sad", "mad"):
        watch.ignore(name)
    assert watch.after("a", 1, Local("x"), Step(2), {"a": 2}) == ()
