"""The kernel explores exactly the graph that `world.py` defines."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.explore import Report, check
from checker.runs.replay import Properties, replay
from checker.system import Bounds
from checker.world import Rules
from examples.raft_core import election_safety, raft_core

from .random_systems import Explored, draw_rules, explore_plainly

DEPTH = 6


def explore_fast(rules: Rules, properties: tuple[object, ...], **options: object) -> Report:
    """The same exploration by the kernel."""
    return check(
        rules.system,
        properties=properties,  # type: ignore[arg-type]
        bounds=rules.bounds,
        network=rules.network,
        blocked=rules.blocked,
        vary=rules.vary,
        within=rules.within,
        stop_at_first=False,
        **options,  # type: ignore[arg-type]
    )


def assert_same_graph(fast: Report, plain: Explored) -> None:
    """World by world and edge by edge."""
    graph = fast.graph
    assert graph is not None
    worlds = [graph.world(number) for number in range(graph.states)]
    edges = zip(graph.source.tolist(), graph.target.tolist(), range(graph.transitions), strict=True)
    assert set(worlds) == plain.worlds
    assert len(worlds) == len(plain.worlds)
    assert Counter((worlds[source], graph.event(edge), worlds[target]) for source, target, edge in edges) == plain.edges
    assert (fast.transitions, fast.depth) == (plain.edges.total(), plain.depth)
    assert fast.deadlocks == plain.deadlocks


@settings(max_examples=500, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_random_systems(seed: int) -> None:
    """On random systems: the same worlds, edges, deadlocks and violations, at the same depth; and both stores agree."""
    rules, properties = draw_rules(seed)

    plain = explore_plainly(rules, Properties.sort(properties), DEPTH)
    fast = explore_fast(rules, properties, max_depth=DEPTH, graph=True)
    hashed = explore_fast(rules, properties, max_depth=DEPTH, workers=2, reduce=())

    assert_same_graph(fast, plain)
    assert {failure.property: len(failure.events) + 1 for failure in fast.violations} == plain.broken
    assert [(failure.property, failure.reason, failure.events) for failure in hashed.violations] == [
        (failure.property, failure.reason, failure.events) for failure in fast.violations
    ]
    assert (hashed.states, hashed.transitions, hashed.deadlocks, hashed.complete, hashed.verdict) == (
        fast.states,
        fast.transitions,
        fast.deadlocks,
        fast.complete,
        fast.verdict,
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_from_the_middle(seed: int) -> None:
    """An exploration that begins in the middle of a run finds what the plain one finds from there."""
    rules, properties = draw_rules(seed)
    run = replay(rules.system, [], properties=properties, bounds=rules.bounds, network=rules.network)
    world = run.worlds[0]
    middle = next((transition.world for transition in rules.transitions(world)), world)
    later = Rules(
        system=rules.system,
        bounds=Bounds({"ticks": 1}),
        network=rules.network,
        blocked=rules.blocked,
        monitors=rules.monitors,
        step_rules=rules.step_rules,
        start=middle,
    )

    plain = explore_plainly(later, Properties.sort(properties), DEPTH)
    fast = explore_fast(later, properties, max_depth=DEPTH, graph=True, initial=middle)

    assert_same_graph(fast, plain)


@pytest.mark.parametrize(
    ("network", "budgets"),
    [
        ("unordered", {"timeouts": 1}),
        ("fifo", {"timeouts": 1, "commands": 1}),
        ("ever-sent", {"timeouts": 1, "commands": 1}),
        ("unordered", {"timeouts": 1, "drops": 1, "duplicates": 1}),
        ("fifo", {"timeouts": 1, "drops": 1, "duplicates": 1, "restarts": 1}),
    ],
)
def test_raft_core(network: str, budgets: dict[str, int]) -> None:
    """A small Raft, on every network, with loss, duplication and restarts: the same graph."""
    rules = Rules(system=raft_core(), bounds=Bounds(budgets), network=network)

    plain = explore_plainly(rules, Properties.sort([election_safety]), 100)
    fast = explore_fast(rules, (election_safety,), graph=True)

    assert_same_graph(fast, plain)
    assert fast.verdict == "pass"
