"""Bugs of snapshots: what is in them, what they take the place of, and what goes on behind them (Raft §7)."""

# The rules that a mixin replaces are typed where they are defined: checker/mutants is checked against them by the
# tests.
from __future__ import annotations

from collections.abc import Hashable, Mapping

from attrs import evolve

from checker.mutants.base import Mutant
from checker.mutants.liveness import s1_commits_again, s2_takes_over
from checker.mutants.membership import configuration_is_of_the_log
from checker.properties.base import Invariant
from checker.properties.raft import RAFT_PROPERTIES, applied_states_match
from checker.raft_system import Order, RaftServer, Request
from checker.system import ActorId, State
from raftframe import Configuration, Log, Options, Role, ServerState
from raftframe.api.app import RecordingInParts
from raftframe.effects import Write
from raftframe.entries import Index, ServerId
from raftframe.events import Reconfigure, SendSnapshot
from raftframe.membership import Change
from raftframe.messages import AppendEntries, InstallSnapshot, PreVote, RequestVote
from raftframe.server_state import Arriving, Progress, Snapshot
from raftframe.sessions import NO_SESSIONS, Sessions
from raftframe.states import BaseState, FollowerState, LeaderState
from raftframe.states.turn import Turn


class DiscardsALongerLog(FollowerState):
    """A snapshot takes the place of the log, whatever that has."""

    def has_last_entry(self, log: Log, message: InstallSnapshot) -> bool:
        return False

    def log_after_installing(self, log: Log, snapshot: Snapshot) -> Log:
        return Log((), snapshot.last_index, snapshot.last_term)


class TakesOlderSnapshots(FollowerState):
    """What a snapshot covers is taken for all that is committed, though more is."""

    def is_covered(self, state: ServerState, message: InstallSnapshot) -> bool:
        return False


class SendsEntriesItHasNoMore(LeaderState):
    """The snapshot is sent to whom it is longer than one entry ahead of."""

    def is_fed(self, state: ServerState, progress: Progress) -> bool:
        return progress.next_index < state.log.base_index or progress.snapshot > 0


class TakesTheSnapshotsTerm(FollowerState):
    """The term becomes that of the snapshot's last entry."""

    def install(self, turn: Turn, snapshot: Snapshot) -> Turn:
        return super().install(turn, snapshot).storing(term=snapshot.last_term)


class SnapshotsWithoutSessions(BaseState):
    """What is remembered of clients is left out of the snapshot."""

    def sessions_in_snapshot(self, state: ServerState) -> Sessions:
        return NO_SESSIONS


class SnapshotsWithUncommittedMembers(BaseState):
    """The members in the snapshot are those in effect, though their entry comes after it."""

    def configuration_in_snapshot(self, state: ServerState) -> tuple[Index, Configuration]:
        return state.configuration_index, state.configuration


class TakesTheMembersOfItsSnapshot(BaseState):
    """A server begins again with the members of its snapshot, whatever the log behind it says."""

    def with_recovered_configuration(self, state: ServerState) -> ServerState:
        if state.snapshot is None:
            return super().with_recovered_configuration(state)
        index, configuration = state.snapshot.configuration_index, state.snapshot.configuration
        return evolve(state, configuration_index=index, configuration=configuration)


class BeginsBeforeItsSnapshot(BaseState):
    """A restarted server has the application of its snapshot, and takes it that nothing is applied."""

    def recovered_from_snapshot(self, state: ServerState) -> ServerState:
        return evolve(super().recovered_from_snapshot(state), commit_index=0, applied_index=0)


class MixesParts(FollowerState):
    """Parts are put together whichever snapshot they are of."""

    def parts_at_hand(self, arriving: Arriving | None, message: InstallSnapshot) -> tuple[Hashable, ...]:
        return () if arriving is None else arriving.parts


class TakesPartsTwice(FollowerState):
    """A part that comes again is put behind itself."""

    def is_next_part(self, parts: tuple[Hashable, ...], message: InstallSnapshot) -> bool:
        return message.offset <= len(parts)


class SnapshotsWhatIsNotApplied(BaseState):
    """A snapshot is said to reach as far as the log does."""

    def snapshot_index(self, state: ServerState) -> Index:
        return state.log.last_index


class AppendsCoveredEntries(FollowerState):
    """Entries that the snapshot covers are appended behind it."""

    def without_covered(self, log: Log, message: AppendEntries) -> AppendEntries:
        return evolve(message, previous_index=log.base_index, previous_term=log.base_term)


class StandsWithoutItsSnapshot(BaseState):
    """A candidate whose log is empty behind a snapshot says that its last term is 0."""

    def request_for(self, state: ServerState, voter: ServerId) -> RequestVote:
        return evolve(super().request_for(state, voter), last_log_term=state.log.terms[-1] if state.log.terms else 0)


class ComparesWithoutItsSnapshot(BaseState):
    """A voter whose log is empty behind a snapshot takes it for empty."""

    def candidate_log_is_up_to_date(self, log: Log, message: RequestVote | PreVote) -> bool:
        return not log.terms or super().candidate_log_is_up_to_date(log, message)


class CutsWhatIsNotCovered(BaseState):
    """All entries leave the log, whether the snapshot has them or not."""

    def log_after_compaction(self, log: Log, snapshot: Snapshot, compact_to: Index | None) -> Log:
        return log.behind(log.last_index)


class CutsBeforeItStores(BaseState):
    """The entries leave the log before the snapshot that covers them is stored."""

    def writes_of_snapshot(self, before: ServerState, snapshot: Snapshot, log: Log) -> list[Write]:
        return super().writes_of_snapshot(before, snapshot, log)[::-1]


class StopsAtASnapshot(LeaderState):
    """Whoever comes behind a follower that needs a snapshot gets nothing."""

    def replicate(self, turn: Turn) -> Turn:
        for peer in turn.state.peers:
            message = self.message_for(turn.state, peer)
            turn = self.sent(turn, message)
            if isinstance(message, InstallSnapshot):
                break
        return turn


# What must be


def _place(_actor: ActorId, state: State) -> tuple[Index, Index] | None:
    assert isinstance(state, RaftServer)
    snapshot = state.durable.snapshot
    return None if snapshot is None else (snapshot.last_index, snapshot.configuration_index)


def _members_are_of_the_snapshot(views: Mapping[ActorId, tuple[Index, Index] | None], _history: object) -> str | None:
    for actor, place in views.items():
        if place is not None and place[1] > place[0]:
            return f"the snapshot of {actor} ends at {place[0]}, and has the members of the entry at {place[1]}"
    return None


members_are_of_the_snapshot = Invariant("members_are_of_the_snapshot", _members_are_of_the_snapshot, _place)

LEADER = frozenset({Role.LEADER})
SEND: tuple[Order, ...] = tuple(
    Order(f"feed-{server}", SendSnapshot(server), "snapshots", LEADER, f"snapshot {{actor}} -> {server}")
    for server in ("s2", "s3")
)
OPTIONS = Options(noop=False, announce_commit=False, snapshots=True)
_S1_HAS_COMMITTED = (
    "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1",
    "command s1; AppendEntries s1 s2 -1; AppendEntriesResponse s2 s1 -1",
)
_SHRINK = Order(
    "shrink",
    Reconfigure("operator", 1, Change(removed=("s3",))),
    "changes",
    LEADER,
    "reconfigure remove s3 to {actor}",
)

SNAPSHOT_MUTANTS = (
    Mutant(
        name="discards_a_longer_log",
        catalogue="D1",
        summary="a late snapshot takes entries from a follower that it has acknowledged",
        rules=DiscardsALongerLog,
        breaks="commit_on_majority",
        steps=7,
        bounds={"commands": 2, "snapshots": 1},
        options=OPTIONS,
        orders=SEND,
        prelude=("timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1; command s1",),
    ),
    Mutant(
        name="takes_older_snapshots",
        summary="a late snapshot takes a follower back to what it had long ago",
        rules=TakesOlderSnapshots,
        breaks="monotonic_commit",
        steps=8,
        bounds={"commands": 1, "snapshots": 1},
        options=OPTIONS,
        orders=SEND,
        prelude=_S1_HAS_COMMITTED,
    ),
    Mutant(
        name="sends_entries_it_has_no_more",
        catalogue="D3",
        summary="a follower that lacks the snapshot's last entry, and no other, gets entries behind what is gone",
        rules=SendsEntriesItHasNoMore,
        breaks="no_handler_error",
        steps=8,
        bounds={"timeouts": 1, "commands": 1, "snapshots": 1, "heartbeats": 1},
        options=OPTIONS,
    ),
    Mutant(
        name="takes_the_snapshots_term",
        catalogue="D4",
        summary="a server goes back to the term in which the snapshot's last entry was made",
        rules=TakesTheSnapshotsTerm,
        breaks="monotonic_term",
        steps=9,
        bounds={"timeouts": 1, "snapshots": 1, "heartbeats": 1},
        options=OPTIONS,
        prelude=_S1_HAS_COMMITTED,
    ),
    Mutant(
        name="snapshots_without_sessions",
        catalogue="D7",
        summary="a command that is sent again after a snapshot is applied again",
        rules=SnapshotsWithoutSessions,
        breaks="linearizable",
        steps=5,
        bounds={"snapshots": 1, "crashes": 1, "restarts": 1, "timeouts": 1, "commands": 1},
        options=evolve(OPTIONS, sessions=True),
        servers=1,
        requests=(Request("c1", "x", "again 1", 1),),
        prelude=("timeout s1; client c1 again 1 s1",),
    ),
    Mutant(
        name="snapshots_with_uncommitted_members",
        catalogue="D6",
        summary="a change of members that is not committed is in the snapshot",
        rules=SnapshotsWithUncommittedMembers,
        breaks="members_are_of_the_snapshot",
        steps=2,
        bounds={"snapshots": 1, "changes": 1, "timeouts": 1},
        options=evolve(OPTIONS, membership=True),
        orders=(_SHRINK,),
        prelude=_S1_HAS_COMMITTED,
        properties=(*RAFT_PROPERTIES, members_are_of_the_snapshot),
    ),
    Mutant(
        name="takes_the_members_of_its_snapshot",
        summary="a server that begins again forgets a change of members that is in its log",
        rules=TakesTheMembersOfItsSnapshot,
        breaks="configuration_is_of_the_log",
        steps=4,
        bounds={"snapshots": 1, "changes": 1, "crashes": 1, "restarts": 1},
        options=evolve(OPTIONS, membership=True),
        orders=(_SHRINK,),
        prelude=_S1_HAS_COMMITTED,
        properties=(*RAFT_PROPERTIES, configuration_is_of_the_log),
    ),
    Mutant(
        name="begins_before_its_snapshot",
        catalogue="D8",
        summary="a restarted server would apply again what is in its snapshot, and has it no more",
        rules=BeginsBeforeItsSnapshot,
        breaks="no_handler_error",
        steps=7,
        bounds={"snapshots": 1, "timeouts": 1, "crashes": 1, "restarts": 1, "commands": 1},
        options=OPTIONS,
        prelude=_S1_HAS_COMMITTED,
    ),
    Mutant(
        name="mixes_parts",
        summary="parts of two snapshots are put together",
        rules=MixesParts,
        breaks="applied_states_match",
        steps=6,
        bounds={"snapshots": 1, "heartbeats": 1},
        options=OPTIONS,
        app=RecordingInParts,
        prelude=(
            *_S1_HAS_COMMITTED,
            "command s1; AppendEntries s1 s2 -1; AppendEntriesResponse s2 s1 -1",
            "compact s1; heartbeat s1; InstallSnapshot s1 s3",
            "command s1; AppendEntries s1 s2 -1; AppendEntriesResponse s2 s1 -1",
        ),
        properties=(*RAFT_PROPERTIES, applied_states_match),
    ),
    Mutant(
        name="takes_parts_twice",
        summary="a part that comes twice is put together with itself",
        rules=TakesPartsTwice,
        breaks="applied_states_match",
        steps=7,
        bounds={"snapshots": 1, "heartbeats": 2},
        options=OPTIONS,
        app=RecordingInParts,
        prelude=(
            *_S1_HAS_COMMITTED,
            "command s1; AppendEntries s1 s2 -1; AppendEntriesResponse s2 s1 -1",
        ),
        properties=(*RAFT_PROPERTIES, applied_states_match),
    ),
    Mutant(
        name="snapshots_what_is_not_applied",
        summary="entries that nobody has committed leave the log with those that are in the snapshot",
        rules=SnapshotsWhatIsNotApplied,
        breaks="no_handler_error",
        steps=4,
        bounds={"commands": 1, "snapshots": 1},
        options=OPTIONS,
        servers=2,
        prelude=(*_S1_HAS_COMMITTED, "heartbeat s1; AppendEntries s1 s2 -1"),
    ),
    Mutant(
        name="appends_covered_entries",
        catalogue="B7",
        summary="entries that a snapshot covers are appended behind it",
        rules=AppendsCoveredEntries,
        breaks="log_matching",
        steps=5,
        bounds={"snapshots": 1, "commands": 1, "heartbeats": 1},
        options=OPTIONS,
        prelude=_S1_HAS_COMMITTED,
    ),
    Mutant(
        name="cuts_what_is_not_covered",
        catalogue="D11",
        summary="entries that the snapshot does not have leave the log with those that it has",
        rules=CutsWhatIsNotCovered,
        breaks="no_handler_error",
        steps=2,
        bounds={"commands": 1, "snapshots": 1},
        options=OPTIONS,
        prelude=_S1_HAS_COMMITTED,
    ),
    Mutant(
        name="cuts_before_it_stores",
        catalogue="D10",
        summary="the log is cut before the snapshot is stored: a crash between the two would lose the entries",
        rules=CutsBeforeItStores,
        breaks="no_handler_error",
        steps=1,
        bounds={"commands": 1, "snapshots": 1},
        options=OPTIONS,
        prelude=_S1_HAS_COMMITTED,
    ),
    Mutant(
        name="stops_at_a_snapshot",
        catalogue="C13",
        summary="a follower that needs a snapshot and is down keeps entries from all that come behind it",
        rules=StopsAtASnapshot,
        breaks="s1_commits_again",
        goal=s1_commits_again,
        steps=3,
        bounds={"commands": 1, "heartbeats": 1},
        options=OPTIONS,
        prelude=(
            "timeout s1; RequestVote s1 s3; RequestVoteResponse s3 s1",
            "AppendEntries s1 s3; AppendEntriesResponse s3 s1",
            "command s1; AppendEntries s1 s3; AppendEntriesResponse s3 s1; compact s1",
            "crash s2; RequestVote s1 s2; AppendEntries s1 s2; AppendEntries s1 s2",
        ),
    ),
    Mutant(
        name="stands_without_its_snapshot",
        catalogue="F15",
        summary="a candidate whose log is empty behind a snapshot gets no vote",
        rules=StandsWithoutItsSnapshot,
        breaks="s2_takes_over",
        goal=s2_takes_over,
        steps=3,
        servers=2,
        bounds={"timeouts": 2},
        options=OPTIONS,
        prelude=(*_S1_HAS_COMMITTED, "heartbeat s1; AppendEntries s1 s2 -1; compact s2"),
    ),
    Mutant(
        name="compares_without_its_snapshot",
        summary="a voter whose log is empty behind a snapshot votes for whoever asks",
        rules=ComparesWithoutItsSnapshot,
        breaks="leader_completeness",
        steps=5,
        bounds={"timeouts": 1, "snapshots": 1},
        options=OPTIONS,
        prelude=_S1_HAS_COMMITTED,
    ),
)
