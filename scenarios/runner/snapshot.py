"""The servers at one moment, and what can be read of them: the fields of `s1.term`.

Conditions are judged on a `Snapshot`, be it of a running cluster or of a world that an exploration has reached. Taking
one costs nothing: the servers in it are immutable values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from attrs import frozen

from checker.raft_system import RaftServer
from raftframe import Command, Log, Role
from raftframe.effects import Timer
from raftframe.server_state import CandidateData, LeaderData, PreCandidateData
from scenarios.runner.cluster_api import Cluster
from scenarios.runner.errors import Unresolved

Plain: TypeAlias = int | str | Log | Command | tuple["Plain", ...] | None
"""What fields and values are: None is written `none`."""


@frozen
class Snapshot:
    """All servers. `down` says how each server that does not run went down, `paused` who stands still."""

    servers: Mapping[str, RaftServer]
    down: Mapping[str, str]
    paused: Collection[str]
    timeouts: Mapping[str, int | None]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.servers)

    def is_running(self, name: str) -> bool:
        """Up and not paused."""
        return name not in self.down and name not in self.paused

    def is_learner(self, name: str) -> bool:
        """Whether *name* is up and belongs to the cluster without a vote, as far as it knows."""
        state = self.servers[name].state
        return state is not None and name in state.configuration.learners

    def role(self, name: str) -> Role | None:
        """The role of *name*; None when it is down."""
        state = self.servers[name].state
        return None if state is None else state.role


def snapshot_of(cluster: Cluster) -> Snapshot:
    """*cluster* now."""
    timeouts = {name: cluster.clock.duration(name, Timer.ELECTION) for name in cluster.names}
    return Snapshot(dict(cluster.servers), dict(cluster.down), tuple(cluster.pauses.paused), timeouts)


def read(snapshot: Snapshot, name: str, field: str) -> Plain:
    """The value of *field* at server *name*. What is only in memory is none while the server is down."""
    server = snapshot.servers[name]
    durable = server.durable
    match field:
        case "term":
            return durable.term
        case "voted_for":
            return durable.voted_for
        case "log":
            return durable.log
        case "last":
            return durable.log.last_index
        case "last_term":
            return durable.log.last_term
        case "first":
            return durable.log.base_index + 1 if durable.log.last_index else 0
        case "snapshot":
            return durable.snapshot.last_index if durable.snapshot is not None else 0
        case "role":
            return snapshot.down.get(name) or str(snapshot.role(name))
        case "timeout":
            return snapshot.timeouts.get(name)
    return _volatile(server, field)


def _volatile(server: RaftServer, field: str) -> Plain:
    state = server.state
    if state is None:
        return None
    match field:
        case "commit":
            return state.commit_index
        case "applied":
            return state.applied_index
        case "stable":
            return state.log.last_index if state.stable is None else state.stable.index
        case "leader":
            return state.leader
        case "config":
            halves = state.configuration.electorates
            return halves if len(halves) > 1 else halves[0]
        case "learners":
            return tuple(sorted((*state.configuration.learners, *state.configuration.next_learners)))
        case "votes":
            return state.data.votes if isinstance(state.data, CandidateData | PreCandidateData) else ()
        case "match_index" | "next_index":
            progress = state.data.progress if isinstance(state.data, LeaderData) else ()
            return tuple(getattr(one, field) for one in progress)
        case "balance" | "state":
            return state.app_state if isinstance(state.app_state, int) else str(state.app_state)
    found = getattr(state.app_state, field, None)
    if found is None or callable(found):
        raise Unresolved(f"a server has no field {field!r}, and neither has the application's state")
    return found if isinstance(found, int) else str(found)


def shown(value: Plain) -> str:
    """*value* as a scenario writes it."""
    match value:
        case None:
            return "none"
        case Log():
            return "[" + " ".join(map(str, value.terms)) + "]"
        case tuple():
            return "[" + " ".join(map(shown, value)) + "]"
        case Command():
            return f"{value.client} {value.operation}"
    return str(value)
