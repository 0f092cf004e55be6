"""Whole spaces of Raft with its options, explored: a table of named configurations, each with its exact size.

A size that changes without a reason is a finding: either the protocol does something else, or the search does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from attrs import field, frozen

from checker.explore import check
from checker.properties.clients import linearizable
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import RaftSystem, Request
from checker.system import Bounds
from raftframe import Options, StandardStateMap
from raftframe.api.app import RecordingApp


@frozen(kw_only=True)
class Configuration:
    """A cluster of *servers* with *options*, whose clients may ask for *requests*, explored from its start within
    *bounds*: it has *states* reachable states, and in all of them Raft's promises hold, and what clients see is
    linearizable.
    """

    name: str
    options: Options
    bounds: Mapping[str, int]
    states: int
    requests: tuple[Request, ...] = ()
    servers: int = 3
    marks: tuple[str, ...] = field(default=())
    """What must happen somewhere in the space, or the row shows nothing."""


_READ: Final = Request("c2", "read", "read")
_WRITE: Final = Request("c1", "x", "x")
_READS: Final = Options(announce_commit=False, linearizable_reads=True)
_LEASES: Final = Options(announce_commit=False, check_quorum=True, linearizable_reads=True, lease_reads=True)
_SESSIONS: Final = Options(noop=False, announce_commit=False, sessions=True)
_TRY: Final = Request("c1", "x", "again 1", serial=1)  # the same command every time it comes

CONFIGURATIONS: Final = (
    Configuration(
        name="reads at leaders and followers, with a crash",
        options=_READS,
        bounds={"timeouts": 1, "commands": 1, "crashes": 1, "restarts": 1},
        requests=(_READ,),
        states=56_503,
        marks=("held_read", "started_read_round", "forwarded_read", "confirmed_read", "answered_read"),
    ),
    Configuration(
        name="reads inside a lease and outside",
        options=_LEASES,
        bounds={"timeouts": 1, "heartbeats": 1, "commands": 1},
        requests=(_READ,),
        states=160_766,
        marks=("started_read_round", "read_in_lease", "answered_read"),
    ),
    Configuration(
        name="a command that is sent again",
        options=_SESSIONS,
        bounds={"timeouts": 1, "commands": 2},
        requests=(_TRY,),
        states=591_508,
        marks=("repeated_answer", "passed_over_repetition"),
    ),
)
SLOW: Final = (
    Configuration(
        name="a read beside a write",
        options=_READS,
        bounds={"timeouts": 1, "commands": 2},
        requests=(_WRITE, _READ),
        states=3_619_746,
        marks=("confirmed_read", "answered_read"),
    ),
    Configuration(
        name="a read between two elections",
        options=_READS,
        bounds={"timeouts": 2, "commands": 1},
        requests=(_READ,),
        states=4_141_055,
        marks=("redirected_read", "answered_read"),
    ),
    Configuration(
        name="a command that is sent again, beside another client's",
        options=_SESSIONS,
        bounds={"timeouts": 1, "commands": 2},
        requests=(_TRY, Request("c2", "y", "y")),
        states=2_776_399,
        marks=("repeated_answer", "passed_over_repetition"),
    ),
)


@pytest.mark.parametrize("row", CONFIGURATIONS, ids=lambda row: row.name)
def test_the_whole_space_is_sound(row: Configuration) -> None:
    """Explored to the end: nothing breaks, what is to happen happens, and the size is the one in the table."""
    _explore(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", SLOW, ids=lambda row: row.name)
def test_the_whole_larger_space_is_sound(row: Configuration) -> None:
    """The same, for spaces of millions."""
    _explore(row)


def _explore(row: Configuration) -> None:
    states = StandardStateMap(RecordingApp(), row.options)
    system = RaftSystem(states, servers=row.servers, requests=row.requests)

    report = check(system, properties=(*RAFT_PROPERTIES, linearizable(system)), bounds=Bounds(dict(row.bounds)))

    assert (report.verdict, report.complete) == ("pass", True), report.violations
    assert {*row.marks} <= {*map(str, report.marks)}
    assert report.states == row.states
