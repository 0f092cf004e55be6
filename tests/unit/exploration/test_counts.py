"""raft_core has exactly the state spaces that TLC finds."""

from __future__ import annotations

import pytest

from checker.explore import Report, check
from checker.system import Bounds
from examples.raft_core import election_safety, raft_core


def explore(
    timeouts: int, commands: int, heartbeats: int = 0, network: str = "unordered", exact: bool = False
) -> Report:
    """raft_core with three servers."""
    budgets = {"timeouts": timeouts, "commands": commands, "heartbeats": heartbeats}
    return check(
        raft_core(3),
        properties=[election_safety],
        bounds=Bounds(budgets),
        network=network,
        exact=exact,
        reduce=(),
    )


@pytest.mark.parametrize(
    ("timeouts", "commands", "heartbeats", "counts"),
    [
        (1, 0, 0, (148, 315, 10)),
        (1, 1, 0, (6_868, 21_048, 18)),
        (2, 0, 0, (33_052, 141_639, 18)),
        (1, 1, 1, (113_068, 452_001, 24)),
        (2, 1, 0, (3_378_034, 18_110_772, 27)),
    ],
)
def test_counts(timeouts: int, commands: int, heartbeats: int, counts: tuple[int, int, int]) -> None:
    """States, transitions and depth, to the last one; few distinct steps; and little memory."""
    report = explore(timeouts, commands, heartbeats)

    assert (report.states, report.transitions, report.depth) == counts
    assert (report.verdict, report.complete) == ("pass", True)
    assert report.distinct_steps <= 2_500
    assert report.states < 1_000_000 or report.visited_bytes <= 16 * report.states


@pytest.mark.parametrize(("timeouts", "commands", "states"), [(1, 1, 1_597), (2, 0, 17_041), (2, 1, 1_588_717)])
def test_ever_sent(timeouts: int, commands: int, states: int) -> None:
    """The same on the network that only remembers what was ever sent."""
    assert explore(timeouts, commands, network="ever-sent").states == states


@pytest.mark.parametrize("network", ["unordered", "fifo", "ever-sent"])
def test_exact(network: str) -> None:
    """Keeping whole worlds finds the same as keeping fingerprints."""
    hashed, exact = (explore(2, 0, network=network, exact=exact) for exact in (False, True))

    assert (exact.states, exact.transitions, exact.depth, exact.deadlocks) == (
        hashed.states,
        hashed.transitions,
        hashed.depth,
        hashed.deadlocks,
    )
    assert exact.collision_probability == 0 < hashed.collision_probability < 1e-9
