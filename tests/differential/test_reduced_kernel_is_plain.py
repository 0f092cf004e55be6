"""The compiled loops of the reduced search keep the worlds that the plain definition of normal forms leads to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engine.judging import Judge
from checker.engine.tables import Tables, View
from checker.engine.watch import Limits, Watch
from checker.reductions import search
from checker.reductions.normal import NormalForms
from checker.reductions.search import ReducedSearch
from checker.reductions.symmetry import Point
from checker.system import Bounds
from checker.world import Rules
from examples.raft_core import raft_core

from .crashing_systems import draw_crashing, parity
from .random_systems import draw_rules

KINDS = [("dead",), ("confluent",), ("dead", "confluent")]
FUSING = [("fused",), ("confluent", "fused"), ("dead", "confluent", "fused")]


def searched(rules: Rules, kinds: tuple[str, ...], *views: View) -> ReducedSearch:
    """The compiled search, gone through to its end, or to 3,000 worlds."""
    tables = Tables(rules, views)
    found = ReducedSearch(
        tables=tables, judge=Judge(tables, []), watch=Watch(Limits(states=3_000)), kinds=frozenset(kinds)
    )
    found.compile()
    found.run()
    found.close()
    return found


def plainly(forms: NormalForms, first: Point) -> tuple[int, int, int]:
    """How many representatives there are, for how many worlds they stand, and how many ways lead on from them."""
    start, _path, _turned, stands_for = forms.representative(first)
    met, todo, transitions = {start: stands_for}, [start], 0
    while todo:
        for _code, after in forms.follow(todo.pop()):
            transitions += 1
            world, _path, _turned, stands_for = forms.representative(after)
            if world not in met:
                met[world] = stands_for
                todo.append(world)
    return len(met), sum(met.values()), transitions


def assert_same(rules: Rules, kinds: tuple[str, ...], *views: View) -> ReducedSearch:
    """The search and the plain definition, by the same claims, find as many worlds and ways on."""
    found = searched(rules, kinds, *views)
    if found.complete:
        told = found.states, found.stands_for, found.result.transitions
        assert told == plainly(found.forms, found.initial())
    return found


@settings(max_examples=120, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_random_systems(seed: int) -> None:
    """On random systems, with and without loss, duplication, monitors and rules."""
    rules, _properties = draw_rules(seed)
    if rules.network == "fifo":
        return

    for kinds in KINDS:
        assert_same(rules, kinds)


def test_random_systems_that_crash() -> None:
    """On random systems, in a quarter of which restarts are fused."""
    fused = 0
    for seed in range(30):
        rules, _properties = draw_crashing(seed)
        for kinds in FUSING:
            fused += assert_same(rules, kinds, parity).claims.fuses

    assert fused >= 8 * len(FUSING)


@pytest.mark.parametrize("kinds", [*KINDS, ("symmetry",), ("dead", "confluent", "symmetry")])
@pytest.mark.parametrize(
    ("network", "budgets"),
    [
        ("unordered", {"timeouts": 1, "restarts": 1, "drops": 1}),
        ("unordered", {"timeouts": 1, "duplicates": 1}),
        ("ever-sent", {"timeouts": 1, "commands": 1}),
    ],
)
def test_raft_core(
    monkeypatch: pytest.MonkeyPatch, network: str, budgets: dict[str, int], kinds: tuple[str, ...]
) -> None:
    """A small Raft, whose servers are interchangeable; rows become wider on the way."""
    monkeypatch.setattr(search, "FLIGHT", 2)

    assert_same(Rules(system=raft_core(), bounds=Bounds(budgets), network=network), kinds)
