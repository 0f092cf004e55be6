"""What the local pass proves holds in the full space, and every state of the full space is among its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.closure import Closure
from checker.engine.tables import Tables
from checker.explore import check
from checker.local_pass import local_pass
from checker.properties import Property
from checker.runs.replay import Properties
from checker.spaces import Space
from checker.system import Bounds, System
from checker.world import Rules
from examples.raft_core import election_safety, raft_core
from raftframe import Options

from .random_systems import draw_rules, explore_plainly


def broken(system: System, **asked: Any) -> set[str]:
    """The properties that a search of the full space breaks."""
    report = check(system, stop_at_first=False, max_states=20_000, reduce=(), **asked)
    return {failure.property for failure in report.violations}


def asked_of(rules: Rules, properties: tuple[Property, ...]) -> dict[str, Any]:
    """A random system's rules as `check` and `local_pass` take them."""
    return {
        "properties": properties,
        "bounds": rules.bounds,
        "network": rules.network,
        "blocked": rules.blocked,
        "vary": rules.vary,
        "within": rules.within,
    }


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_what_is_proven_holds_in_random_systems(seed: int) -> None:
    """On any network, with monitors and rules that may break: nothing is proven that the search breaks."""
    rules, properties = draw_rules(seed)
    asked = asked_of(rules, properties)

    told = local_pass(rules.system, **asked)

    assert told.closed
    assert not broken(rules.system, **asked) & set(told.proven)


def test_it_proves_and_leaves_open_in_random_systems() -> None:
    """Of what holds in the random systems of the test above, it proves a good part, and not everything."""
    holds, proven = 0, 0
    for seed in range(60):
        rules, properties = draw_rules(seed)
        asked = asked_of(rules, properties)
        told = local_pass(rules.system, **asked)
        proven += len(told.proven)
        holds += len({*told.proven, *told.open} - broken(rules.system, **asked))

    assert 0.5 * holds < proven < holds


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_every_state_is_among_the_local_ones(seed: int) -> None:
    """Each actor's state and each message of each world of a random system was found by the local pass."""
    rules, properties = draw_rules(seed)
    closure = Closure(Tables(rules), max_steps=100_000)

    closed = closure.close()

    assert closed
    local = {closure.tables.states[number] for number in closure.states}
    worlds = explore_plainly(rules, Properties.sort(properties), 6).worlds
    assert {(actor, state) for world in worlds for actor, state in enumerate(world.states)} <= local


@pytest.mark.parametrize(
    "budgets",
    [
        {"timeouts": 1, "commands": 1},
        {"timeouts": 2},
        {"timeouts": 1, "restarts": 1, "drops": 1},
        {"timeouts": 1, "heartbeats": 1, "duplicates": 1},
    ],
)
def test_every_state_of_raft_core_is_among_the_local_ones(budgets: dict[str, int]) -> None:
    """As above, with numbered commands and many messages."""
    rules = Rules(system=raft_core(), bounds=Bounds(budgets))
    closure = Closure(Tables(rules), max_steps=100_000)
    graph = check(raft_core(), bounds=Bounds(budgets), graph=True, properties=[election_safety]).graph
    assert graph is not None

    closed = closure.close()

    assert closed
    local = {closure.tables.states[number] for number in closure.states}
    worlds = map(graph.world, range(graph.states))
    assert {(actor, state) for world in worlds for actor, state in enumerate(world.states)} <= local


@pytest.mark.parametrize("noop", [True, False])
def test_what_is_proven_holds_in_raft(noop: bool) -> None:
    """Raft breaks nothing, so there is nothing to be proven wrongly; with a goal that is reached, there is."""

    def nobody_has_an_entry(states: Any) -> str | None:
        return next((f"{actor} has" for actor, state in states.items() if state.durable.log.last_index), None)

    space = Space(bounds={"timeouts": 1}, options=Options(noop=noop))
    asked = {"properties": [nobody_has_an_entry], "bounds": space.bound}

    told = local_pass(space.cluster(), **asked)

    assert ("nobody_has_an_entry" in told.proven) == (not noop) == (not broken(space.cluster(), **asked))
