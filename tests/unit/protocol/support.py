"""Servers, logs and messages in one line each.

Logs are given by their terms, as the paper draws them. Equal index and term mean the equal entry, as log matching
demands: the entry at index 3 of term 2 always holds the operation "3.2".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from attrs import evolve

from raftframe import Command, Configuration, DurableState, Entry, Log, Options, ServerState, StandardStateMap, Step
from raftframe import step as protocol_step
from raftframe.api.app import RecordingApp
from raftframe.effects import Effect, Reply, Send
from raftframe.entries import Index, ServerId, Term
from raftframe.events import (
    ClientRead,
    ClientRequest,
    ElectionTimeout,
    Event,
    HeartbeatTimeout,
    LeaseTimeout,
    MessageReceived,
    Reconfigure,
    TakeSnapshot,
)
from raftframe.membership import Change, Transition
from raftframe.messages import (
    MESSAGE_TYPES,
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    Message,
    PreVote,
    PreVoteResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from raftframe.server_state import (
    CandidateData,
    FollowerData,
    LeaderData,
    PreCandidateData,
    Progress,
    RoleData,
)

PLAIN = Options(noop=False, announce_commit=False)
ELECTION_TIMEOUT = ElectionTimeout()
HEARTBEAT_TIMEOUT = HeartbeatTimeout()
LEASE_TIMEOUT = LeaseTimeout()
ELECTIONS = evolve(PLAIN, prevote=True, check_quorum=True, transfer=True, forget_leader=True)
"""Everything that an election can have."""
E = TypeVar("E", bound=Effect)


def states_of(options: Options = PLAIN, *, mixin: type | None = None) -> StandardStateMap:
    """The rules, with the application that remembers everything."""
    return StandardStateMap(RecordingApp(), options, mixin=mixin)


STATES = states_of()


def servers(count: int = 3) -> Configuration:
    """The configuration of s1 to s<count>."""
    return Configuration(f"s{number}" for number in range(1, count + 1))


def entry(index: Index, term: Term) -> Entry:
    """The entry at *index* of *term*."""
    return Entry(term, Command("c1", index, f"{index}.{term}"))


def entries(terms: Iterable[Term], first: Index = 1) -> tuple[Entry, ...]:
    """The entries at *first* and on, with these *terms*."""
    return tuple(entry(index, term) for index, term in enumerate(terms, start=first))


def log_of(*terms: Term) -> Log:
    """The log with an entry of each of *terms*."""
    return Log(entries(terms))


def _server(
    identity: ServerId, data: RoleData, term: Term, voted_for: ServerId | None, log: Log, commit: Index, count: int
) -> ServerState:
    operations = tuple(e.command.operation for e in log.between(1, commit) if isinstance(e.command, Command))
    durable = DurableState(term=term, voted_for=voted_for, log=log)
    return ServerState(identity, servers(count), durable, data, operations, commit, commit)


def follower(
    *terms: Term,
    term: Term = 1,
    voted_for: ServerId | None = None,
    leader: ServerId | None = None,
    commit: Index = 0,
    identity: ServerId = "s1",
    count: int = 3,
) -> ServerState:
    """A follower in *term* whose log has these *terms*."""
    return _server(identity, FollowerData(leader), term, voted_for, log_of(*terms), commit, count)


def candidate(
    *terms: Term,
    term: Term = 1,
    votes: tuple[ServerId, ...] = ("s1",),
    commit: Index = 0,
    identity: ServerId = "s1",
    count: int = 3,
) -> ServerState:
    """A candidate in *term* that has these *votes*."""
    return _server(identity, CandidateData(votes), term, identity, log_of(*terms), commit, count)


def pre_candidate(
    *terms: Term,
    term: Term = 1,
    votes: tuple[ServerId, ...] = ("s1",),
    voted_for: ServerId | None = None,
    identity: ServerId = "s1",
    count: int = 3,
) -> ServerState:
    """A pre-candidate in *term* that has these pre-*votes*."""
    return _server(identity, PreCandidateData(votes), term, voted_for, log_of(*terms), 0, count)


def leader(
    *terms: Term,
    term: Term = 1,
    progress: Mapping[ServerId, tuple[Index, Index]] | None = None,
    heard: tuple[ServerId, ...] = (),
    successor: ServerId | None = None,
    commit: Index = 0,
    identity: ServerId = "s1",
    count: int = 3,
) -> ServerState:
    """A leader of *term*; *progress* has next and match index of the followers that differ from a new leader's view,
    *heard* who has answered since the last check, *successor* to whom it hands over.
    """
    known = progress or {}
    others = servers(count).others(identity)
    books = tuple(Progress(other, *known.get(other, (len(terms) + 1, 0))) for other in others)
    data = LeaderData(books, heard, successor)
    return _server(identity, data, term, identity, log_of(*terms), commit, count)


MEMBERSHIP = states_of(Options(noop=False, announce_commit=False, membership=True))


def configured(state: ServerState, index: Index, configuration: Configuration) -> ServerState:
    """*state* with *configuration* in place of the command at *index* of its log, and so in effect."""
    before = state.log.up_to(index - 1)
    changed = Entry(state.log.term_at(index), configuration)
    log = before.followed_by([changed, *state.log.between(index + 1, state.log.last_index)])
    after = evolve(
        state, durable=evolve(state.durable, log=log), configuration=configuration, configuration_index=index
    )
    if not isinstance(after.data, LeaderData):
        return after
    return evolve(after, data=LeaderData(tuple(Progress(peer, log.last_index + 1, 0) for peer in after.peers)))


SNAPSHOTS = states_of(Options(noop=False, announce_commit=False, snapshots=True))


def compacted(state: ServerState, index: Index, *, keep: int = 0, states: StandardStateMap = SNAPSHOTS) -> ServerState:
    """*state*, which has applied more or less, with a snapshot up to *index* and the log behind it, *keep* entries
    more.
    """
    before = evolve(state, commit_index=index, applied_index=index, app_state=state.app_state[:index])
    after = protocol_step(before, TakeSnapshot(index - keep), states).state
    return evolve(state, durable=after.durable)


def install(
    *operations: str,
    last: tuple[Index, Term] = (2, 1),
    source: ServerId = "s2",
    term: Term = 1,
    offset: int = 0,
    done: bool = True,
    target: ServerId = "s1",
    configuration: Configuration | None = None,
) -> InstallSnapshot:
    """The leader *source* sends a part of its snapshot, in which the application has done *operations*."""
    members = configuration or servers(3)
    return InstallSnapshot(source, target, term, *last, members, 0, offset, operations, done)


def installed(
    index: Index, source: ServerId = "s2", term: Term = 1, target: ServerId = "s1"
) -> InstallSnapshotResponse:
    """*source* has the snapshot that ends at *index*."""
    return InstallSnapshotResponse(source, target, term, True, index)


def wants(offset: int, index: Index, source: ServerId = "s2", term: Term = 1) -> InstallSnapshotResponse:
    """*source* wants the part *offset* of the snapshot that ends at *index*."""
    return InstallSnapshotResponse(source, "s1", term, False, index, offset)


def change(
    *, add: str = "", learner: str = "", remove: str = "", transition: Transition = Transition.AUTO
) -> Reconfigure:
    """An operator asks for a change."""
    return Reconfigure("operator", 1, Change(add.split(), learner.split(), remove.split()), transition)


def take(state: ServerState, what: Event | Message, states: StandardStateMap = STATES) -> Step:
    """The step on an event, or on a message that arrives."""
    if isinstance(what, MESSAGE_TYPES):
        what = MessageReceived(what)
    return protocol_step(state, what, states)


def ask(operation: str = "x", serial: int = 1, client: str = "c1") -> ClientRequest:
    """A client's request."""
    return ClientRequest(Command(client, serial, operation))


def read(serial: int = 1, client: str = "c2", operation: str = "read") -> ClientRead:
    """A client's request that only reads."""
    return ClientRead(Command(client, serial, operation))


def heard(
    number: int, index: Index = 0, source: ServerId = "s2", term: Term = 1, target: ServerId = "s1"
) -> AppendEntriesResponse:
    """*source* answers the round *number* of heartbeats."""
    return AppendEntriesResponse(source, target, term, True, index, number)


def read_index(source: ServerId = "s2", term: Term = 1, serial: int = 1, target: ServerId = "s1") -> ReadIndex:
    """*source* asks for the index of a read of c2."""
    return ReadIndex(source, target, term, "c2", serial)


def read_from(
    index: Index,
    source: ServerId = "s2",
    term: Term = 1,
    success: bool = True,
    serial: int = 1,
    target: ServerId = "s1",
) -> ReadIndexResponse:
    """The leader *source* names the index of a read of c2, or says that it does not lead."""
    return ReadIndexResponse(source, target, term, "c2", serial, success, index)


def request_vote(
    source: ServerId = "s2", term: Term = 1, last: tuple[Index, Term] = (0, 0), target: ServerId = "s1"
) -> RequestVote:
    """*source* stands in *term*; its log ends with *last*, as (index, term)."""
    return RequestVote(source, target, term, *last)


def vote(source: ServerId = "s2", term: Term = 1, granted: bool = True, target: ServerId = "s1") -> RequestVoteResponse:
    """*source* grants or refuses its vote."""
    return RequestVoteResponse(source, target, term, granted)


def pre_vote(
    source: ServerId = "s2", term: Term = 2, last: tuple[Index, Term] = (0, 0), target: ServerId = "s1"
) -> PreVote:
    """*source* asks who would vote for it in *term*; its log ends with *last*, as (index, term)."""
    return PreVote(source, target, term, *last)


def pre_voted(
    source: ServerId = "s2", term: Term = 2, granted: bool = True, target: ServerId = "s1"
) -> PreVoteResponse:
    """*source* would vote for the server that asked, or would not."""
    return PreVoteResponse(source, target, term, granted)


def timeout_now(source: ServerId = "s2", term: Term = 1, target: ServerId = "s1") -> TimeoutNow:
    """*source* hands its office over."""
    return TimeoutNow(source, target, term)


def append(
    *terms: Term,
    source: ServerId = "s2",
    term: Term = 1,
    previous: tuple[Index, Term] = (0, 0),
    commit: Index = 0,
    target: ServerId = "s1",
) -> AppendEntries:
    """The leader *source* sends the entries of *terms* that follow *previous*, as (index, term)."""
    return AppendEntries(source, target, term, *previous, entries(terms, previous[0] + 1), commit)


def stored(index: Index, source: ServerId = "s2", term: Term = 1, target: ServerId = "s1") -> AppendEntriesResponse:
    """*source* has stored everything up to *index*."""
    return AppendEntriesResponse(source, target, term, True, index)


def rejected(index: Index, source: ServerId = "s2", term: Term = 1, target: ServerId = "s1") -> AppendEntriesResponse:
    """*source* lacks the entry at *index*, which came before those that were sent."""
    return AppendEntriesResponse(source, target, term, False, index)


def of_type(step: Step, kind: type[E]) -> tuple[E, ...]:
    """The effects of one kind, in order."""
    return tuple(effect for effect in step.effects if isinstance(effect, kind))


def sent(step: Step) -> tuple[Message, ...]:
    """The messages that the step sends, in order."""
    return tuple(effect.message for effect in of_type(step, Send))


def replies(step: Step) -> tuple[Reply, ...]:
    """The answers to clients, in order."""
    return of_type(step, Reply)
