"""The reduced space gives the verdicts of the full one, and shows the same views."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.explore import Report, check
from checker.properties import Invariant, Monitor, StepRule
from checker.properties.base import Predicate
from checker.reductions import search
from checker.system import ActorId, Bounds, State, System
from checker.world import Rules
from examples.raft_core import Server, election_safety, raft_core

from .crashing_systems import draw_crashing
from .random_systems import draw_rules

REDUCTIONS = [
    ("dead",),
    ("confluent",),
    ("dead", "confluent"),
    ("covered",),
    ("dead", "covered"),
    ("dead", "confluent", "covered"),
]
FUSING = [("fused",), ("dead", "fused"), ("confluent", "fused"), ("dead", "confluent", "covered", "fused")]


@frozen
class Seen:
    """What one exploration found, as far as a reduction must keep it."""

    report: Report
    views: frozenset[Hashable]

    @property
    def broken(self) -> set[str]:
        """The properties that broke."""
        return {failure.property for failure in self.report.violations}

    @property
    def lengths(self) -> dict[str, int]:
        """How long the run to each violation is."""
        return {failure.property: len(failure.events) for failure in self.report.violations}


def explore(system: System, view: Any, **options: Any) -> Seen:
    """Explore, and collect every tuple of views."""
    views: set[Hashable] = set()

    def note(shown: Mapping[ActorId, Hashable], _history: object) -> bool:
        views.add(tuple(shown.values()))
        return True

    collector = Predicate("collector", note, view=view)
    report = check(system, sometimes=[collector], stop_at_first=False, **options)
    return Seen(report, frozenset(views))


def explore_rules(
    rules: Rules, properties: tuple[Invariant | Monitor | StepRule, ...], reduce: tuple[str, ...]
) -> Seen:
    """Explore a random system. Its view is the parity of a state, so that some steps are invisible."""
    return explore(
        rules.system,
        lambda _actor, state: int(str(state)) % 2,
        properties=properties,
        bounds=rules.bounds,
        network=rules.network,
        blocked=rules.blocked,
        vary=rules.vary,
        within=rules.within,
        max_states=40_000,
        reduce=reduce,
    )


def assert_same_verdicts(reduced: Seen, full: Seen) -> None:
    """Same verdict, same broken properties, each replayed in the full space; same views."""
    assert (reduced.report.verdict, reduced.report.complete) == (full.report.verdict, full.report.complete)
    assert reduced.broken == full.broken
    assert reduced.views == full.views


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), watched=st.booleans())
def test_random_systems(seed: int, watched: bool) -> None:
    """On random systems, with and without loss, duplication, monitors and rules; without confluence, runs as short."""
    rules, properties = draw_rules(seed)
    asked = properties if watched else ()
    full = explore_rules(rules, asked, ())
    if not full.report.complete:
        return

    for kinds in REDUCTIONS:
        reduced = explore_rules(rules, asked, kinds)
        assert_same_verdicts(reduced, full)
        assert reduced.report.states <= full.report.states
        if "confluent" not in kinds:
            assert reduced.lengths == full.lengths


@pytest.mark.parametrize(("first", "end", "least"), [(0, 30, 8), pytest.param(30, 600, 90, marks=pytest.mark.slow)])
def test_random_systems_that_crash(first: int, end: int, least: int) -> None:
    """On random systems in which restarts are mostly unseen; in a sixth of them, some are fused."""
    fused = 0
    for seed in range(first, end):
        rules, properties = draw_crashing(seed)
        full = explore_rules(rules, properties, ())
        if not full.report.complete:
            continue
        for kinds in FUSING:
            reduced = explore_rules(rules, properties, kinds)
            assert_same_verdicts(reduced, full)
            assert reduced.report.states <= full.report.states
            fused += "fused" in reduced.report.reduced_by

    assert fused >= least * len(FUSING)


def test_claims_that_are_judged_while_the_search_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random systems, where claims are judged whenever there are twice as many worlds, from the first world on."""
    monkeypatch.setattr(search, "JUDGED_FROM", 1)
    for seed in range(100):
        rules, properties = draw_rules(seed)
        full, reduced = (explore_rules(rules, properties, kinds) for kinds in ((), ("dead", "confluent", "covered")))

        if full.report.complete:
            assert_same_verdicts(reduced, full)


@pytest.mark.parametrize("kinds", REDUCTIONS)
@pytest.mark.parametrize(
    ("network", "budgets"),
    [
        ("unordered", {"timeouts": 2}),
        ("unordered", {"timeouts": 1, "commands": 1}),
        ("unordered", {"timeouts": 1, "restarts": 1, "drops": 1}),
        ("unordered", {"timeouts": 1, "drops": 1, "duplicates": 1}),
        ("ever-sent", {"timeouts": 1, "commands": 1}),
    ],
)
def test_raft_core(network: str, budgets: dict[str, int], kinds: tuple[str, ...]) -> None:
    """A small Raft: the same tuples of role, term, log and commit index."""
    options = {"properties": [election_safety], "bounds": Bounds(budgets), "network": network}
    full = explore(raft_core(), role_term_log_commit, reduce=(), **options)

    reduced = explore(raft_core(), role_term_log_commit, reduce=kinds, **options)

    assert_same_verdicts(reduced, full)


def role_term_log_commit(_actor: ActorId, state: State) -> Hashable:
    """What Raft's safety speaks of."""
    assert isinstance(state, Server)
    return state.role, state.term, state.log, state.commit_index


def test_all_that_safety_speaks_of() -> None:
    """A thousand of 3,378,034 worlds are left; they show each of the 664 tuples of role, term, log and commit index."""
    asked: dict[str, Any] = {"properties": [election_safety], "bounds": Bounds({"timeouts": 2, "commands": 1})}
    full = explore(raft_core(), role_term_log_commit, reduce=(), **asked)

    reduced = explore(raft_core(), role_term_log_commit, **asked)

    assert_same_verdicts(reduced, full)
    assert (len(reduced.views), reduced.report.states) == (664, 1_014)


@pytest.mark.parametrize(
    ("network", "kinds", "states"),
    [
        ("unordered", ("dead",), 2_101),
        ("unordered", ("dead", "confluent"), 607),
        ("unordered", ("covered",), 6_376),
        ("unordered", ("dead", "confluent", "covered"), 265),
        ("ever-sent", ("dead",), 631),
    ],
)
def test_how_far(network: str, kinds: tuple[str, ...], states: int) -> None:
    """Of 33,052 worlds (17,041 where everything ever sent may arrive), few are left, and the report says why."""
    report = check(
        raft_core(), properties=[election_safety], bounds=Bounds({"timeouts": 2}), network=network, reduce=kinds
    )

    assert (report.verdict, report.complete, report.states <= states) == ("pass", True, True)
    assert (report.reduced_by, dict(report.not_reduced)) == (kinds, {})
