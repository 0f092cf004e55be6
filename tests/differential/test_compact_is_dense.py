"""Tables in blocks give what tables in grids give: the same numbers, worlds, edges, verdicts and runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engine import sparse
from checker.engine.walks import Walks
from checker.explore import Report, check
from checker.spaces import Space
from checker.system import Bounds, System
from examples.raft_core import election_safety, raft_core

from .random_systems import draw_rules

SOON = 1 << 14  # bytes: a search begins with grids, and they become blocks on the way
BOUNDS = (0, SOON)


def explore(dense_bytes: int, system: System, **options: Any) -> Report:
    """An exploration whose grids are no larger than *dense_bytes*; without its times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "DENSE_BYTES", dense_bytes)
        report = check(system, stop_at_first=False, **({"reduce": ()} | options))
    return evolve(report, seconds=0.0, compile_seconds=0.0)


def assert_same(compact: Report, dense: Report) -> None:
    """Everything that is reported, and the graph, world by world and edge by edge, in the same order."""
    assert evolve(compact, graph=None) == evolve(dense, graph=None)
    if dense.graph is not None and compact.graph is not None:
        assert np.array_equal(compact.graph.source, dense.graph.source)
        assert np.array_equal(compact.graph.target, dense.graph.target)
        assert all(compact.graph.event(edge) == dense.graph.event(edge) for edge in range(dense.graph.transitions))
        assert all(compact.graph.world(one) == dense.graph.world(one) for one in range(dense.graph.states))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), dense_bytes=st.sampled_from(BOUNDS), graph=st.booleans())
def test_random_systems(seed: int, dense_bytes: int, graph: bool) -> None:
    """On random systems, with whole worlds and with fingerprints."""
    rules, properties = draw_rules(seed)
    options = {
        "properties": properties,
        "bounds": rules.bounds,
        "network": rules.network,
        "blocked": rules.blocked,
        "vary": rules.vary,
        "within": rules.within,
        "max_depth": 6,
        "graph": graph,
    }

    dense = explore(sparse.DENSE_BYTES, rules.system, **options)
    compact = explore(dense_bytes, rules.system, **options)

    assert_same(compact, dense)


@pytest.mark.parametrize("dense_bytes", BOUNDS)
@pytest.mark.parametrize(
    ("network", "reduce"), [("unordered", ()), ("fifo", ()), ("ever-sent", ()), ("unordered", None)]
)
def test_raft_core(network: str, reduce: tuple[str, ...] | None, dense_bytes: int) -> None:
    """A small Raft on every network, and reduced."""
    budgets = Bounds({"timeouts": 1, "commands": 1, "heartbeats": 1} if reduce is None else {"timeouts": 2})
    options = {"properties": [election_safety], "bounds": budgets, "network": network, "reduce": reduce}

    assert_same(explore(dense_bytes, raft_core(), **options), explore(sparse.DENSE_BYTES, raft_core(), **options))


@pytest.mark.parametrize("dense_bytes", BOUNDS)
@pytest.mark.parametrize("walks", [None, Walks(count=30, length=60)], ids=["searched", "walked"])
@pytest.mark.parametrize("servers", [3, 5])
def test_raft(servers: int, walks: Walks | None, dense_bytes: int) -> None:
    """The real Raft with what it promises, of three servers and of five."""
    space = Space(bounds={"timeouts": 9, "commands": 9, "heartbeats": 9, "crashes": 2, "restarts": 2}, servers=servers)
    system = space.cluster()
    options = {"properties": space.properties, "bounds": space.bound, "walks": walks, "max_depth": 5}

    assert_same(explore(dense_bytes, system, **options), explore(sparse.DENSE_BYTES, system, **options))
