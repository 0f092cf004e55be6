"""Depth first: the same worlds in another order, and something deep found before all that is near."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from checker.engine import depth
from checker.errors import UsageError
from checker.explore import Report, check
from checker.properties import Invariant
from checker.system import ActorId, Bounds, State
from examples.raft_core import Server, raft_core

from .toys import Counters

RAFT = Bounds({"timeouts": 2, "commands": 1})


def all_are_in_term_2_with_an_entry(states: Mapping[ActorId, State]) -> bool:
    """A goal that lies deep: one leader has given its entry to all, or two have, one after the other."""
    return all(isinstance(state, Server) and state.term == 2 and bool(state.log) for state in states.values())


def deep(bounds: Bounds = RAFT, **options: object) -> Report:
    """raft_core, depth first."""
    return check(raft_core(3), bounds=bounds, order="depth", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_worlds_are_the_same(workers: int) -> None:
    """The whole space has as many worlds, ways on and dead ends as breadth first."""
    broad = check(raft_core(3), bounds=Bounds({"timeouts": 2}), sometimes=[all_are_in_term_2_with_an_entry], reduce=())

    report = deep(Bounds({"timeouts": 2}), sometimes=[all_are_in_term_2_with_an_entry], workers=workers)

    assert report.verdict == "pass" and report.complete
    told = ("states", "transitions", "deadlocks", "distinct_steps", "marks", "events")
    assert [getattr(report, name) for name in told] == [getattr(broad, name) for name in told]
    assert report.depth >= broad.depth


def test_a_limit_on_depth_leaves_out_what_is_deeper() -> None:
    """No world below it is expanded, and the report says that something was cut."""
    report = check(Counters(), bounds=Bounds({"goes": 6}), max_depth=4, order="depth")

    assert (report.verdict, report.limits_hit, report.depth) == ("unknown", ("max_depth",), 4)
    assert report.states == check(Counters(), bounds=Bounds({"goes": 6}), max_depth=4, reduce=()).states


def test_something_deep_is_found_sooner() -> None:
    """A goal far down is reached after fewer worlds than lie above it."""
    broad = check(raft_core(3), bounds=RAFT, goal=all_are_in_term_2_with_an_entry, reduce=())

    report = deep(goal=all_are_in_term_2_with_an_entry)

    assert broad.reached is not None and report.reached is not None
    assert report.states < broad.states


def test_a_counterexample_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """World by world, one of two counters goes all the way before the other goes twice: told is only that it does."""
    monkeypatch.setattr(depth, "BATCH", 1)

    def gone_twice(actor: ActorId) -> Report:
        broken = Invariant("slow", lambda views, _history: "it went twice" if views[actor] == 2 else None)
        return check(Counters(), bounds=Bounds({"goes": 6}), properties=[broken], order="depth")

    reports = [gone_twice("a"), gone_twice("b")]

    assert max(report.depth for report in reports) > 4
    assert [len(report.violations[0].events) for report in reports] == [2, 2]


def test_an_order_that_is_none_is_refused() -> None:
    """With the name that was meant."""
    with pytest.raises(UsageError, match="did you mean 'depth'"):
        check(Counters(), order="deph")


@pytest.mark.parametrize("option", [{"exact": True}, {"graph": True}, {"reduce": ["dead"]}])
def test_what_goes_only_breadth_first_is_said(option: dict[str, object]) -> None:
    """Whole worlds and reductions need levels."""
    with pytest.raises(UsageError, match="only a full search with fingerprints goes depth first"):
        deep(**option)
