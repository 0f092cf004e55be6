"""Changes of members, explored whole: every order of every message, with a change at any moment that the rules allow.

Each row is a cluster, the servers that may join, the change, and the bounds; all of the default properties hold in
every world. The numbers of worlds and transitions are exact: other numbers mean that the protocol has changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from checker.explore import check
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import Order, RaftSystem
from checker.system import Bounds
from raftframe import Options, Role, StandardStateMap
from raftframe.api.app import RecordingApp
from raftframe.events import Reconfigure
from raftframe.membership import Change

OPTIONS = Options(announce_commit=False, membership=True)
ONE = {"timeouts": 1, "changes": 1}
TWO = {"timeouts": 2, "changes": 1}


@pytest.mark.parametrize(
    ("servers", "joining", "change", "bounds", "states", "transitions"),
    [
        pytest.param(2, (), Change(removed=("s2",)), TWO, 246, 396, id="2 to 1"),
        pytest.param(2, ("s3",), Change(voters=("s3",)), TWO, 7_912, 23_014, id="2 to 3"),
        pytest.param(3, ("s4",), Change(voters=("s4",)), ONE, 7_798, 25_764, id="3 to 4"),
        pytest.param(2, ("s3",), Change(("s3",), (), ("s2",)), TWO, 1_841, 4_341, id="one of two swapped"),
        pytest.param(2, ("s3", "s4"), Change(("s3", "s4"), (), ("s1", "s2")), TWO, 30_202, 118_032, id="both swapped"),
        pytest.param(3, ("s4",), Change(("s4",), (), ("s3",)), ONE, 99_787, 409_788, id="one of three swapped"),
    ],
)
def test_no_order_of_events_breaks_a_promise(
    servers: int, joining: tuple[str, ...], change: Change, bounds: Mapping[str, int], states: int, transitions: int
) -> None:
    """The whole space, with the exact numbers."""
    order = Order("change", Reconfigure("operator", 1, change), "changes", frozenset({Role.LEADER}))
    rules = StandardStateMap(RecordingApp(), OPTIONS)
    system = RaftSystem(rules, servers=servers, joining=joining, orders=(order,))

    report = check(system, properties=RAFT_PROPERTIES, bounds=Bounds(dict(bounds)))

    assert report.verdict == "pass", report.violations
    assert (report.states, report.transitions) == (states, transitions)
