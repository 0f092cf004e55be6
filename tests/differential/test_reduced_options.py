"""Raft with every option: the reduced space has the verdicts of the full one, and shows the same views."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import attrs
import pytest

from checker.raft_system import Order, RaftServer, Request
from checker.reductions.choice import REDUCTIONS
from checker.spaces import Space
from checker.system import ActorId, State
from raftframe import Options, Role
from raftframe.events import Reconfigure
from raftframe.membership import Change

from .test_reduced_is_full import Seen, assert_same_verdicts, explore

QUIET = {"noop": False, "announce_commit": False}  # no message more than is needed
ONE_COMMAND = {"timeouts": 1, "commands": 1}
READS = (Request("c2", "read", "read"),)
AGAIN = (Request("c1", "x", "again", 1),)


def changing(change: Change) -> dict[str, Any]:
    """A space of two servers, whose leader may be asked for *change*, and one that may join."""
    order = Order("change", Reconfigure("operator", 1, change), "changes", frozenset({Role.LEADER}))
    return {"servers": 2, "joining": ("s3",), "orders": (order,), "bounds": {"timeouts": 1, "changes": 1}}


GROWING, SHRINKING = changing(Change(voters=("s3",))), changing(Change(removed=("s1",)))
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # by option: the options, and the space but for these
    "nothing": ({}, {"bounds": {"timeouts": 1}}),
    "noop": ({"noop": False}, {"bounds": ONE_COMMAND}),
    "announce_commit": ({"announce_commit": False}, {"bounds": {"timeouts": 1}}),
    "batch": ({**QUIET, "batch": 1}, {"bounds": ONE_COMMAND}),
    "prevote": ({**QUIET, "prevote": True}, {"bounds": ONE_COMMAND}),
    "check_quorum": ({**QUIET, "check_quorum": True}, {"bounds": {"timeouts": 1, "leases": 1}}),
    "transfer": ({**QUIET, "transfer": True}, {"bounds": {"timeouts": 1, "transfers": 1}}),
    "forget_leader": ({**QUIET, "forget_leader": True}, {"bounds": {"timeouts": 1, "forgets": 1, "heartbeats": 1}}),
    "linearizable_reads": ({**QUIET, "linearizable_reads": True}, {"bounds": ONE_COMMAND, "requests": READS}),
    "lease_reads": (
        {**QUIET, "linearizable_reads": True, "check_quorum": True, "lease_reads": True},
        {"bounds": ONE_COMMAND, "requests": READS},
    ),
    "sessions": ({**QUIET, "sessions": True}, {"bounds": ONE_COMMAND, "requests": AGAIN}),
    "most_sessions": ({**QUIET, "sessions": True, "most_sessions": 1}, {"bounds": ONE_COMMAND, "requests": AGAIN}),
    "progress": ({**QUIET, "progress": True}, {"bounds": ONE_COMMAND}),
    "pipelining": ({**QUIET, "pipelining": True}, {"bounds": ONE_COMMAND}),
    "inflight": ({**QUIET, "pipelining": True, "inflight": 1}, {"bounds": ONE_COMMAND}),
    "reject_hint": ({**QUIET, "reject_hint": True}, {"bounds": {"timeouts": 1}, "given": {"s1": (1, 1), "s2": (1,)}}),
    "membership": ({"announce_commit": False, "membership": True}, GROWING),
    "removed_leader_stays": ({"announce_commit": False, "membership": True, "removed_leader_stays": True}, SHRINKING),
    "catch_up": ({"announce_commit": False, "membership": True, "catch_up": True}, GROWING),
    "disable_conf_change_validation": (
        {"announce_commit": False, "membership": True, "disable_conf_change_validation": True},
        GROWING,
    ),
    "snapshots": ({**QUIET, "snapshots": True}, {"bounds": {**ONE_COMMAND, "snapshots": 1}}),
    "snapshot_every": ({**QUIET, "snapshot_every": 1}, {"bounds": ONE_COMMAND}),
    "snapshot_keeps": ({**QUIET, "snapshot_every": 1, "snapshot_keeps": 1}, {"bounds": ONE_COMMAND}),
    "async_storage": ({**QUIET, "async_storage": True}, {"bounds": {"timeouts": 1, "stores": 2}}),
}
ASYMMETRIC = {"reject_hint", "removed_leader_stays"}  # logs at the start, or an order that only one server is given
EACH = [(name,) for name in REDUCTIONS] + [REDUCTIONS]


def shown(_actor: ActorId, state: State) -> Hashable:
    """What Raft's safety speaks of, and what an application has come to."""
    assert isinstance(state, RaftServer)
    server, durable = state.state, state.durable
    volatile = None if server is None else (server.role, server.commit_index, server.app_state, server.configuration)
    return durable.term, durable.log, volatile


def kept(_actor: ActorId, state: State) -> Hashable:
    """What a server has when it begins again."""
    assert isinstance(state, RaftServer)
    return state.durable.term, state.durable.log


def search(name: str, reduce: tuple[str, ...], view: Any = shown, crashes: int = 0) -> Seen:
    """Explore the space of an option, with so many *crashes*, and restarts."""
    options, more = CASES[name]
    bounds = {**more["bounds"], "crashes": crashes, "restarts": crashes}
    space = Space(options=Options(**options), **{**more, "bounds": bounds})
    system = space.cluster()
    return explore(
        system,
        view,
        properties=space.properties_of(system),
        bounds=space.bound,
        initial=space.start(system),
        reduce=reduce,
    )


def test_every_option_has_a_case() -> None:
    """A new option needs one."""
    assert set(CASES) == {field.name for field in attrs.fields(Options)} | {"nothing"}


@pytest.mark.parametrize("name", CASES)
def test_reduced_is_full(name: str) -> None:
    """By each reduction alone and by all of them; symmetry is refused where somebody is named."""
    full = search(name, ())

    for kinds in EACH:
        reduced = search(name, kinds)
        assert_same_verdicts(reduced, full)
        assert set(reduced.report.not_reduced) == ({"symmetry"} & set(kinds) if name in ASYMMETRIC else set())
        assert reduced.report.states <= full.report.states


@pytest.mark.parametrize("name", CASES)
def test_with_a_crash(name: str) -> None:
    """Restarts are fused, whatever the option; by that alone and with all others."""
    full = search(name, (), kept, 1)

    for kinds in (("fused",), REDUCTIONS):
        reduced = search(name, kinds, kept, 1)
        assert_same_verdicts(reduced, full)
        assert "fused" in reduced.report.reduced_by
        assert reduced.report.states < full.report.states
