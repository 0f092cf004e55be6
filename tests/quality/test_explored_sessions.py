"""Sessions explored whole: a client that sends a command again sees one single copy of the application."""

from __future__ import annotations

import pytest

from checker.explore import check
from checker.properties.clients import linearizable
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import RaftSystem, Request
from checker.system import Bounds
from raftframe import Options, StandardStateMap
from raftframe.api.app import RecordingApp

TRIES = Request("c1", "x", "again 1", serial=1)
OTHER = Request("c2", "y", "y")


@pytest.mark.parametrize(
    ("requests", "worlds"), [((TRIES,), 591_508), ((TRIES, OTHER), 2_776_399)], ids=["one client", "two clients"]
)
def test_tries_of_one_command_are_one_operation(requests: tuple[Request, ...], worlds: int) -> None:
    """One election, two commands, every interleaving: the space is finished, and what clients see is linearizable."""
    options = Options(noop=False, announce_commit=False, sessions=True)
    system = RaftSystem(StandardStateMap(RecordingApp(), options), requests=requests)

    report = check(
        system,
        properties=(*RAFT_PROPERTIES, linearizable(system)),
        bounds=Bounds({"timeouts": 1, "commands": 2}),
    )

    assert (report.verdict, report.complete, report.states) == ("pass", True, worlds)
