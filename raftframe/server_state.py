"""The state of one server, as an immutable value (Raft figure 2, "State")."""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum
from typing import Final, TypeAlias

from attrs import evolve, field, frozen

from raftframe.configuration import Configuration
from raftframe.entries import ClientId, Command, Index, ServerId, Term
from raftframe.log import Log
from raftframe.sessions import NO_SESSIONS, Sessions


class Role(StrEnum):
    """What a server is at the moment."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "precandidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


@frozen
class Snapshot:
    """What the entries 1 to `last_index` have come to, in their place (Raft §7).

    parts, sessions: the application, in parts (see `api.ComesInParts`), and what is remembered of clients, after
        exactly these entries.
    configuration, configuration_index: the one in effect there, and where it stood in the log.
    """

    last_index: Index
    last_term: Term
    parts: tuple[Hashable, ...]
    sessions: Sessions
    configuration: Configuration
    configuration_index: Index


@frozen
class DurableState:
    """What survives a crash. `voted_for` is who got this server's vote in `term`. The log begins no later than behind
    the snapshot; without one it is whole.
    """

    term: Term = 0
    voted_for: ServerId | None = None
    log: Log = field(factory=Log)
    snapshot: Snapshot | None = None


@frozen
class Arriving:
    """A snapshot of which some parts are here: which one, and its first parts (Raft §7)."""

    last_index: Index
    last_term: Term
    parts: tuple[Hashable, ...]


@frozen
class FollowerData:
    """A follower's own: the leader of its term, once it has heard from it, and the snapshot that is coming from it."""

    leader: ServerId | None = None
    arriving: Arriving | None = None


@frozen
class PreCandidateData:
    """A pre-candidate's own: who would vote for it in the next term, itself included, sorted (dissertation §9.6)."""

    votes: tuple[ServerId, ...]


@frozen
class CandidateData:
    """A candidate's own: who has granted it a vote in this term, itself included, sorted."""

    votes: tuple[ServerId, ...]


class FollowerProgress(StrEnum):
    """How a leader sends to a follower, with the option `progress` or `pipelining` (see `rules.flow`)."""

    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


@frozen
class Progress:
    """What a leader knows of one follower's log. Always 0 <= match_index < next_index.

    state, held_back, in_flight: how it is sent to; held back is a probe that was not answered, in flight are the last
    indexes of messages with entries. Without flow control they never change.
    snapshot, parts: which snapshot it is being sent, by its last index, and how many parts it has; 0 and 0 if none.
    """

    server: ServerId
    next_index: Index  # the next entry to send
    match_index: Index  # the highest entry known to be stored there
    state: FollowerProgress = FollowerProgress.REPLICATE
    held_back: bool = False
    in_flight: tuple[Index, ...] = ()
    snapshot: Index = 0
    parts: int = 0


@frozen
class ReadRound:
    """A read that a leader has still to confirm (dissertation §6.4).

    asker: the server whose client it is, the leader itself or a follower.
    number: of the round of heartbeats that confirms it; 0 while the leader has committed no entry of its own term.
    index: the commit index when the round began, from which on the read may be answered.
    acks: who has answered that round or a later one, without the leader, sorted.
    """

    asker: ServerId
    client: ClientId
    serial: int
    number: int = 0
    index: Index = 0
    acks: tuple[ServerId, ...] = ()


@frozen
class Lease:
    """How long a leader may answer reads at once (option `lease_reads`): while a majority has answered the round
    *number*, that of its latest heartbeat; 0 before the first. *acks* has who did, sorted. Once revoked, it has none
    for the rest of its term.
    """

    number: int = 0
    acks: tuple[ServerId, ...] = ()
    is_revoked: bool = False


NO_LEASE: Final = Lease()


@frozen
class WaitingOperator:
    """Who asked for the change of members that is not committed yet: the request's name."""

    client: ClientId
    serial: int


@frozen
class LeaderData:
    """A leader's own: the progress of every other server, in the order of the configuration.

    heard: who has answered since the leader last checked its quorum, sorted; always empty without `check_quorum`.
    successor: to whom the leader is handing over its office; None if to nobody.
    rounds: the reads that it has to confirm, in the order of their rounds.
    last_round: the number of the latest round, which a leader never uses twice.
    lease: whether it may answer reads without a round.
    waiting: who asked for the change of members that is under way; None if nobody did.
    """

    progress: tuple[Progress, ...]
    heard: tuple[ServerId, ...] = ()
    successor: ServerId | None = None
    rounds: tuple[ReadRound, ...] = ()
    last_round: int = 0
    lease: Lease = NO_LEASE
    waiting: WaitingOperator | None = None

    def of(self, server: ServerId) -> Progress:
        """The progress of *server*; KeyError when it is not a follower of this leader."""
        for progress in self.progress:
            if progress.server == server:
                return progress
        raise KeyError(server)

    def having(self, changed: Progress) -> LeaderData:
        """The same, with *changed* in place of what was known of its server."""
        return evolve(self, progress=tuple(changed if p.server == changed.server else p for p in self.progress))


RoleData: TypeAlias = FollowerData | PreCandidateData | CandidateData | LeaderData
_ROLES: dict[type, Role] = {
    FollowerData: Role.FOLLOWER,
    PreCandidateData: Role.PRE_CANDIDATE,
    CandidateData: Role.CANDIDATE,
    LeaderData: Role.LEADER,
}


@frozen
class AwaitedRead:
    """A read of a client of this server. It may be answered once the application has come to *index*; None: its leader
    has not said yet.
    """

    command: Command
    index: Index | None = None


@frozen
class Stable:
    """What of a server's durable state is known to be stored, with the option `async_storage`.

    term, voted_for: what storage holds of the two.
    index: up to which entry the log is stored as it is.
    applying: up to which entry the application has been asked to come.
    """

    term: Term
    voted_for: ServerId | None
    index: Index
    applying: Index


@frozen(cache_hash=True)
class ServerState:
    """Everything that one server knows. `app_state` is the application after the entries 1 to `applied_index`, and
    `sessions` what is remembered of the clients of these entries; `reads` are those of its clients that have no answer
    yet, in the order in which they came.

    `configuration` is the latest in the log, committed or not, which stands at `configuration_index`; with none in the
    log it is that of the snapshot, and without one `bootstrap`, with which the cluster began, and the index is 0.

    `stable` is what is known to be stored; None if all of `durable` is, before anything else happens.
    """

    identity: ServerId
    configuration: Configuration
    durable: DurableState
    data: RoleData
    app_state: Hashable
    commit_index: Index = 0
    applied_index: Index = 0
    reads: tuple[AwaitedRead, ...] = ()
    sessions: Sessions = NO_SESSIONS
    configuration_index: Index = 0
    bootstrap: Configuration = field()

    @bootstrap.default
    def _as_it_began(self) -> Configuration:
        return self.configuration

    stable: Stable | None = None

    @property
    def role(self) -> Role:
        """Follower, pre-candidate, candidate or leader."""
        return _ROLES[type(self.data)]

    @property
    def term(self) -> Term:
        """The latest term this server has seen."""
        return self.durable.term

    @property
    def voted_for(self) -> ServerId | None:
        """Who got this server's vote in `term`."""
        return self.durable.voted_for

    @property
    def log(self) -> Log:
        """The log, committed or not."""
        return self.durable.log

    @property
    def snapshot(self) -> Snapshot | None:
        """What has taken the place of the beginning of the log, if anything has."""
        return self.durable.snapshot

    @property
    def leader(self) -> ServerId | None:
        """Who leads `term`, as far as this server knows."""
        match self.data:
            case FollowerData(leader=leader):
                return leader
            case LeaderData():
                return self.identity
        return None

    @property
    def peers(self) -> tuple[ServerId, ...]:
        """Every other server of the configuration."""
        return self.configuration.others(self.identity)

    @property
    def electors(self) -> tuple[ServerId, ...]:
        """Every other server that has a vote."""
        return self.configuration.electors(self.identity)
