"""Snapshots of real servers: taken by themselves, sent over UDP, kept in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from bank_app.app import BANK_OPTIONS, Balance, Credit, Query
from bank_app.udp_server import udp_bank
from raftframe.client import Client
from raftframe.clusters.processes import ProcessCluster
from raftframe.effects import Done
from raftframe.server_state import ServerState

SOON_S = 15.0  # the machine may be busy; as a rule it takes milliseconds


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ProcessCluster]:
    """Three servers that take a snapshot after every fifth entry."""
    with udp_bank(3, data=tmp_path, options=evolve(BANK_OPTIONS, snapshot_every=5)) as cluster:
        cluster.start_all()
        cluster.wait_for_leader()
        yield cluster


def credit(client: Client, times: int) -> None:
    """Put 1 into the account, *times* times."""
    for _ in range(times):
        assert isinstance(client.ask(Credit(1), timeout_s=SOON_S), Done)


def covered(state: ServerState) -> int:
    """How far the snapshot reaches."""
    return 0 if state.snapshot is None else state.snapshot.last_index


def test_a_server_that_was_down_gets_the_snapshot(cluster: ProcessCluster) -> None:
    """The entries that it lacks are gone; then all die, and begin again from their snapshots."""
    leader = cluster.wait_for_leader()
    lagging = next(name for name in cluster.names if name != leader)
    cluster.crash(lagging)
    with cluster.client(opening=Query()) as client:
        credit(client, 12)
        assert cluster.state(cluster.wait_for_leader()).log.base_index >= 10

        cluster.restart(lagging)
        cluster.wait_until(
            lambda: covered(cluster.state(lagging)) >= 10 and cluster.state(lagging).app_state == 12, timeout_s=SOON_S
        )
        for name in cluster.names:
            cluster.crash(name)
        cluster.start_all()
        credit(client, 1)
        assert client.ask(Query(), timeout_s=SOON_S) == Done(Balance(13))

    cluster.wait_until(lambda: all(cluster.state(name).app_state == 13 for name in cluster.names), timeout_s=SOON_S)
    assert all(covered(cluster.state(name)) >= 10 for name in cluster.names)
