"""What an operator may tell a server is an event of its own, within its own budget and for its own roles."""

from __future__ import annotations

from checker.explore import check
from checker.raft_system import Order, RaftSystem
from checker.system import Bounds, Local
from raftframe import Role, StandardStateMap
from raftframe import events as ev
from raftframe.api.app import RecordingApp

BEAT = Order("beat now", ev.HeartbeatTimeout(), "beats", frozenset({Role.LEADER}))


def cluster() -> RaftSystem:
    """Two servers, of which a leader may be told to beat."""
    return RaftSystem(StandardStateMap(RecordingApp()), servers=2, orders=(BEAT,))


def test_an_order_spends_its_budget() -> None:
    """With a budget of one a leader is told once, wherever the run is; without, never; what isn't a leader, never."""
    none, follower, leader = (
        check(cluster(), bounds=Bounds(budgets))
        for budgets in ({"timeouts": 1}, {"beats": 1}, {"timeouts": 1, "beats": 1})
    )

    assert follower.states == 1
    assert leader.states > none.states


def test_an_order_needs_a_running_server_in_its_role() -> None:
    """A follower can't be told what is for leaders; nor can a server that is down."""
    system = cluster()
    follower = system.initial("s1")

    assert system.step("s1", follower, Local("beat now", 0)) is None
    assert system.step("s1", system.crashed(follower, losing_unsynced=False), Local("beat now", 0)) is None
