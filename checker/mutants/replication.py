"""Bugs in replication: what a follower does with entries, and what it answers."""

from __future__ import annotations

from collections.abc import Collection

from checker.mutants.base import Mutant
from raftframe import Entry, Log, Options, ServerState
from raftframe.effects import AppendToLog, Write
from raftframe.entries import Index
from raftframe.messages import AppendEntries, AppendEntriesResponse
from raftframe.server_state import Progress
from raftframe.states import BaseState, FollowerState


class TruncatesAlways(FollowerState):
    """Everything behind the previous entry is cut, conflict or not."""

    def merged(self, log: Log, message: AppendEntries) -> Log:
        return log.up_to(message.previous_index).followed_by(message.entries)


class ComparesWithMessageTerm(FollowerState):
    """An entry conflicts if its term is not that of the leader."""

    def conflicts_with(self, log: Log, index: Index, entry: Entry, message: AppendEntries) -> bool:
        return log.term_at(index) != message.term


class KeepsConflictingEntries(FollowerState):
    """What is in the log stays there, conflict or not."""

    def conflicts_with(self, log: Log, index: Index, entry: Entry, message: AppendEntries) -> bool:
        return False


class SkipsConsistencyCheck(FollowerState):
    """Entries are appended as long as there is no gap, whatever the term of the entry before them."""

    def previous_entry_matches(self, log: Log, message: AppendEntries) -> bool:
        return message.previous_index <= log.last_index


class CommitsUnverifiedEntries(BaseState):
    """The leader's commit index is trusted up to the own last entry.

    It takes a message that verifies less than the follower has: here the leader backs up to the first entry at
    once, which is legal.
    """

    def learned_commit_index(self, state: ServerState, message: AppendEntries) -> Index:
        return max(state.commit_index, min(message.commit_index, state.log.last_index))

    def next_index_after_rejection(self, progress: Progress, message: AppendEntriesResponse) -> Index:
        return 1


class CommitIndexGoesBack(FollowerState):
    """The commit index of a late message replaces a higher one."""

    def learned_commit_index(self, state: ServerState, message: AppendEntries) -> Index:
        return min(message.commit_index, message.last_index)


class AcknowledgesOwnLastIndex(FollowerState):
    """The answer names the end of the own log, of which the message may have verified only the beginning."""

    def acknowledged_index(self, state: ServerState, message: AppendEntries) -> Index:
        return state.log.last_index


class AcknowledgesBeforeSync(FollowerState):
    """Entries are acknowledged when written, not when synced."""

    def must_sync(self, writes: Collection[Write]) -> bool:
        return any(not isinstance(write, AppendToLog) for write in writes)


REPLICATION_MUTANTS = (
    Mutant(
        name="truncates_always",
        catalogue="B1",
        summary="a late AppendEntries erases entries that were acknowledged",
        rules=TruncatesAlways,
        breaks="commit_on_majority",
        steps=7,
        bounds={"timeouts": 1, "commands": 1},
    ),
    Mutant(
        name="compares_with_message_term",
        catalogue="B2",
        summary="entries of an older term are erased although they match",
        rules=ComparesWithMessageTerm,
        breaks="commit_on_majority",
        steps=11,
        bounds={"timeouts": 2, "commands": 1},
        options=Options(noop=False, announce_commit=False, batch=1),
        given={"s1": (1,), "s2": (1, 1), "s3": ()},
        given_term=1,
    ),
    Mutant(
        name="keeps_conflicting_entries",
        summary="a conflicting entry is kept, and the leader's dropped",
        rules=KeepsConflictingEntries,
        breaks="commit_on_majority",
        steps=10,
        bounds={"timeouts": 2, "commands": 2},
    ),
    Mutant(
        name="skips_consistency_check",
        summary="entries are appended behind one that the leader does not have",
        rules=SkipsConsistencyCheck,
        breaks="log_matching",
        steps=5,
        bounds={"timeouts": 1, "commands": 1},
        given={"s1": (1,), "s2": (2,)},
        given_term=2,
    ),
    Mutant(
        name="commits_unverified_entries",
        catalogue="B4",
        summary="a follower commits its own divergent entry because the leader's commit index covers it",
        rules=CommitsUnverifiedEntries,
        breaks="state_machine_safety",
        steps=9,
        bounds={"timeouts": 1, "commands": 1},
        options=Options(noop=False, announce_commit=True, batch=1),
        given={"s1": (1, 1), "s2": (1, 2), "s3": (1, 1)},
        given_term=2,
    ),
    Mutant(
        name="commit_index_goes_back",
        catalogue="B5",
        summary="a late AppendEntries lowers a follower's commit index",
        rules=CommitIndexGoesBack,
        breaks="monotonic_commit",
        steps=9,
        bounds={"timeouts": 1, "commands": 1, "heartbeats": 1},
    ),
    Mutant(
        name="acknowledges_own_last_index",
        catalogue="B6",
        summary="a follower acknowledges entries that the leader does not have",
        rules=AcknowledgesOwnLastIndex,
        breaks="commit_on_majority",
        steps=6,
        bounds={"timeouts": 1, "commands": 1},
        given={"s1": (1,), "s2": (1, 2)},
        given_term=2,
    ),
    Mutant(
        name="acknowledges_before_sync",
        catalogue="H3",
        summary="a follower acknowledges an entry that a crash can still take from it",
        rules=AcknowledgesBeforeSync,
        breaks="commit_on_majority",
        steps=6,
        bounds={"timeouts": 1, "commands": 1},
    ),
)
