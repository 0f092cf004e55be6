"""A search that spills to disk reports what a search in memory does, to the last event of its counterexample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engine import search
from checker.explore import Report, check
from checker.spilling import Spill
from checker.system import ActorId, Bounds, State
from examples.raft_core import Role, Server, election_safety, raft_core

from .random_systems import draw_rules


def leads_term_two(states: Mapping[ActorId, State]) -> bool:
    """A predicate that holds in some worlds."""
    return any(
        isinstance(server, Server) and server.role is Role.LEADER and server.term == 2 for server in states.values()
    )


def nobody_leads_term_two(states: Mapping[ActorId, State]) -> str | None:
    """A property that does not hold."""
    return "a leader of term 2" if leads_term_two(states) else None


def alike(report: Report) -> Report:
    """*report* without what differs from run to run, and without what is only told of memory."""
    return evolve(report, seconds=0.0, compile_seconds=0.0, visited_bytes=0, disk_bytes=0)


def explore(**options: Any) -> Report:
    """raft_core with three servers."""
    given = {"bounds": Bounds({"timeouts": 2}), "properties": [election_safety], "reduce": ()} | options
    return check(raft_core(3), **given)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("memory_bytes", [100_000, 400_000, 1 << 30])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_states": 20_000},
        {"max_states": 31_777, "properties": [nobody_leads_term_two], "stop_at_first": False},
        {"max_depth": 12},
        {"properties": [nobody_leads_term_two]},
        {"goal": leads_term_two},
        {"sometimes": [leads_term_two], "prune": [leads_term_two]},
        {"network": "fifo", "bounds": Bounds({"timeouts": 1, "commands": 1, "drops": 1})},
        {"network": "ever-sent"},
    ],
)
def test_raft_core(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any], memory_bytes: int, workers: int
) -> None:
    """Whatever is asked, whatever cuts it, and however little memory there is: also when a level has many rounds."""
    monkeypatch.setattr(search, "WORLDS", 64)

    spilled = explore(workers=workers, spill=Spill(folder=tmp_path, memory_bytes=memory_bytes), **options)

    assert alike(spilled) == alike(explore(**options))
    assert (spilled.disk_bytes > 0) == (spilled.states > 1)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), max_states=st.none() | st.integers(1, 300))
def test_random_systems(tmp_path_factory: pytest.TempPathFactory, seed: int, max_states: int | None) -> None:
    """On random systems, with channels that come up late, cut anywhere."""
    rules, properties = draw_rules(seed)
    spill = Spill(folder=tmp_path_factory.mktemp("spill"), memory_bytes=1000)

    def report(**options: Any) -> Report:
        return check(
            rules.system,
            properties=properties,
            bounds=rules.bounds,
            network=rules.network,
            blocked=rules.blocked,
            vary=rules.vary,
            within=rules.within,
            stop_at_first=False,
            max_depth=6,
            max_states=max_states,
            reduce=(),
            **options,
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "WORLDS", 2)
        in_memory, spilled = report(), report(spill=spill)

    assert alike(spilled) == alike(in_memory)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bounds", "counts"),
    [
        ({"timeouts": 1, "commands": 1, "heartbeats": 1}, (113_068, 452_001, 24)),
        ({"timeouts": 2, "commands": 1}, (3_378_034, 18_110_772, 27)),
    ],
)
def test_known_spaces(tmp_path: Path, bounds: dict[str, int], counts: tuple[int, int, int]) -> None:
    """The counts that other tools find, with a megabyte of memory: most of the fingerprints are on disk."""
    report = explore(bounds=Bounds(bounds), workers=2, spill=Spill(folder=tmp_path, memory_bytes=1 << 20))

    assert (report.states, report.transitions, report.depth) == counts
    assert report.disk_bytes > 8 * report.states
