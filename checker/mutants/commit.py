"""Bugs of leaders: what they know of their followers, and what they commit."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve

from checker.mutants.base import Mutant
from checker.properties.raft import match_index_is_true
from raftframe import Command, Configuration, ServerState
from raftframe.effects import AppendToLog, Write
from raftframe.entries import Index, Noop, ServerId
from raftframe.messages import Acknowledgement, AppendEntriesResponse, Message
from raftframe.server_state import Progress
from raftframe.states import BaseState, LeaderState
from raftframe.states.turn import Turn


class CommitsOldTermByCounting(LeaderState):
    """An entry on a majority is committed, whatever its term."""

    def may_commit(self, state: ServerState, index: Index) -> bool:
        return True


class MatchIndexGoesBack(LeaderState):
    """A late acknowledgement replaces a higher one."""

    def match_index_after(self, progress: Progress, message: Acknowledgement) -> Index:
        return message.index


class CountsStaleAcknowledgements(BaseState):
    """An acknowledgement of an earlier leadership counts in this one."""

    def is_stale(self, state: ServerState, message: Message) -> bool:
        return not isinstance(message, AppendEntriesResponse) and super().is_stale(state, message)


class BacksUpWithoutFloor(LeaderState):
    """Every rejection lowers the next index, also a late one, and nothing stops it at 1."""

    def is_fresh_rejection(self, progress: Progress, message: AppendEntriesResponse) -> bool:
        return True


class BelievesLateRejections(LeaderState):
    """A late rejection lowers the next index below what the follower has acknowledged."""

    def is_fresh_rejection(self, progress: Progress, message: AppendEntriesResponse) -> bool:
        return message.index == progress.next_index - 1


class CountsEntriesNotCarried(LeaderState):
    """Any success is taken to acknowledge the next entry, carried or not."""

    def match_index_after(self, progress: Progress, message: Acknowledgement) -> Index:
        return max(progress.match_index, progress.next_index)


class CountsOwnEntryBeforeSync(LeaderState):
    """The leader counts its own copy of an entry that is not yet on its disk."""

    def must_sync(self, writes: Collection[Write]) -> bool:
        return any(not isinstance(write, AppendToLog) for write in writes)


class AssumesFollowersAreEqual(LeaderState):
    """A new leader takes it that every follower has what it has."""

    def initial_progress(self, state: ServerState, follower: ServerId) -> Progress:
        return evolve(super().initial_progress(state, follower), match_index=state.log.last_index)


class CommitsAlone(LeaderState):
    """What the leader has stored counts as stored by a majority."""

    def index_on_quorum(self, state: ServerState) -> Index:
        return self.own_acknowledged_index(state)


class OverwritesItsOwnLog(LeaderState):
    """A leader puts a new command in the place of one that is not committed yet."""

    def append(self, turn: Turn, *commands: Command | Noop | Configuration) -> Turn:
        committed = turn.state.log.up_to(turn.state.commit_index)
        return super().append(turn.storing(log=committed), *commands)


COMMIT_MUTANTS = (
    Mutant(
        name="commits_old_term_by_counting",
        catalogue="C1",
        summary="an entry of an older term is committed by counting, then overwritten (figure 8)",
        rules=CommitsOldTermByCounting,
        breaks="leader_completeness",
        steps=11,
        bounds={"timeouts": 2},
        given={"s1": (1,), "s2": (2,)},
        given_term=2,
    ),
    Mutant(
        name="match_index_goes_back",
        catalogue="C4",
        summary="a late acknowledgement lowers a match index",
        rules=MatchIndexGoesBack,
        breaks="monotonic_match",
        steps=8,
        bounds={"timeouts": 1, "commands": 1},
    ),
    Mutant(
        name="counts_stale_acknowledgements",
        catalogue="C7",
        summary="an acknowledgement from an earlier term counts for an entry that the follower has lost since",
        rules=CountsStaleAcknowledgements,
        breaks="match_index_is_true",
        steps=5,
        bounds={},
        servers=5,
        properties=(match_index_is_true,),
        prelude=(
            "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1; RequestVote s1 s3; RequestVoteResponse s3 s1",
            "command s1; AppendEntries s1 s2 1",  # s2 has the entry; its acknowledgement is late
            "timeout s5; timeout s5; RequestVote s5 s4 1; RequestVoteResponse s4 s5",
            "RequestVote s5 s3 1; RequestVoteResponse s3 s5",
            "command s5; AppendEntries s5 s2 1",  # s2 has lost it again
            "RequestVote s5 s1 1; timeout s1",  # s1 stands for election once more
        ),
    ),
    Mutant(
        name="backs_up_without_floor",
        catalogue="C8",
        summary="the next index falls to 0, and the entry before it does not exist",
        rules=BacksUpWithoutFloor,
        breaks="no_handler_error",
        steps=8,
        bounds={"timeouts": 1, "heartbeats": 2},
        given={"s1": (1,)},
        given_term=1,
    ),
    Mutant(
        name="believes_late_rejections",
        summary="a late rejection lowers the next index to what is already acknowledged",
        rules=BelievesLateRejections,
        breaks="progress_in_order",
        steps=10,
        bounds={"timeouts": 1, "heartbeats": 1},
        given={"s1": (1,)},
        given_term=1,
    ),
    Mutant(
        name="counts_entries_not_carried",
        catalogue="C9",
        summary="the answer to a heartbeat commits an entry that was not in it",
        rules=CountsEntriesNotCarried,
        breaks="commit_on_majority",
        steps=6,
        bounds={"timeouts": 1, "commands": 1},
    ),
    Mutant(
        name="counts_own_entry_before_sync",
        catalogue="H2",
        summary="a leader commits an entry that is on the disks of a minority",
        rules=CountsOwnEntryBeforeSync,
        breaks="commit_on_majority",
        steps=6,
        bounds={"timeouts": 1, "commands": 1},
    ),
    Mutant(
        name="assumes_followers_are_equal",
        summary="a new leader takes it that its followers have what it has",
        rules=AssumesFollowersAreEqual,
        breaks="match_index_is_true",
        steps=3,
        bounds={"timeouts": 1},
        properties=(match_index_is_true,),
        given={"s1": (1,)},
        given_term=1,
    ),
    Mutant(
        name="commits_alone",
        summary="a leader commits what only it has stored",
        rules=CommitsAlone,
        breaks="commit_on_majority",
        steps=4,
        bounds={"timeouts": 1, "commands": 1},
    ),
    Mutant(
        name="overwrites_its_own_log",
        summary="a leader replaces an entry of its own log",
        rules=OverwritesItsOwnLog,
        breaks="leader_append_only",
        steps=5,
        bounds={"timeouts": 1, "commands": 2},
    ),
)
