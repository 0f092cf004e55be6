"""Clusters whose timers fire only when a test says so, and what can be asked of any cluster."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from raftframe import Options, StandardStateMap
from raftframe.api.app import RecordingApp
from raftframe.clusters.pausing import PausingCluster
from raftframe.comms.memory import InterceptorAPI
from raftframe.effects import Done, Timer
from raftframe.entries import ServerId
from raftframe.server import Timing
from raftframe.timers import ManualClock

PATIENCE_S = 20.0  # how long anything may take, on a machine that is busy with something else


@contextmanager
def still_cluster(
    servers: int = 3, *, interceptor: InterceptorAPI | None = None, noop: bool = False
) -> Iterator[PausingCluster]:
    """Started servers, in a time that stands still: nothing happens unless a test makes it happen."""
    before = threading.active_count()
    states = StandardStateMap(RecordingApp(), Options(noop=noop))
    timing = Timing((1.0, 2.0), 0.1)
    with PausingCluster(servers, states, timing=timing, clock=ManualClock(), interceptor=interceptor) as cluster:
        cluster.start_all()
        yield cluster
    assert threading.active_count() == before, threading.enumerate()


def elect(cluster: PausingCluster, name: ServerId) -> None:
    """Let *name* stand for election and win it, and every other server hear of it."""
    cluster.fire(name, Timer.ELECTION)
    cluster.wait_until(lambda: cluster.leader() == name, timeout_s=PATIENCE_S, what=f"{name} leads")
    cluster.wait_until(
        lambda: all(cluster.state(other).leader == name for other in cluster.names), timeout_s=PATIENCE_S
    )


def do(cluster: PausingCluster, name: ServerId, operation: Hashable, serial: int) -> None:
    """Let the leader *name* carry out *operation* for client c."""
    outcome = cluster.submit(name, operation, client="c", serial=serial).result(PATIENCE_S)
    assert isinstance(outcome, Done), outcome


def agree(cluster: PausingCluster) -> bool:
    """Whether all logs are equal and applied to the end."""
    states = [cluster.state(name) for name in cluster.names]
    return len({state.log for state in states}) == 1 and all(s.applied_index == s.log.last_index for s in states)
