"""What is stored, and what comes back after a restart (Raft figure 2, persistent state)."""

from __future__ import annotations

from collections.abc import Collection

from raftframe.effects import (
    AppendToLog,
    CompactLog,
    StoreSnapshot,
    TruncateLog,
    Write,
    WriteTermAndVote,
    log_behind,
)
from raftframe.entries import Index
from raftframe.log import Log
from raftframe.server_state import DurableState, ServerState, Snapshot
from raftframe.states.rules.base import Rules


class Storing(Rules):
    """Writes follow from the change of durable state that a step has made."""

    def writes(self, before: ServerState, after: ServerState) -> tuple[Write, ...]:
        """What must be stored for *after* to survive (figure 2: persistent state is stored before answering)."""
        writes: list[Write] = []
        if (before.term, before.voted_for) != (after.term, after.voted_for):
            writes.append(self.write_of_term_and_vote(after))
        stored = before.log
        if after.snapshot is not None:
            writes += self.writes_of_snapshot(before, after.snapshot, after.log)
            stored = log_behind(stored, after.snapshot).behind(after.log.base_index)
        kept = self.common_prefix(stored, after.log)
        if kept < stored.last_index:
            writes.append(TruncateLog(kept))
        if kept < after.log.last_index:
            writes.append(AppendToLog(kept + 1, after.log.between(kept + 1, after.log.last_index)))
        return tuple(writes)

    def writes_of_snapshot(self, before: ServerState, snapshot: Snapshot, log: Log) -> list[Write]:
        """First the snapshot, then the entries that it covers go, up to where *log* begins: a crash in between must
        leave them in one of the two (§7).
        """
        writes: list[Write] = [] if before.snapshot is snapshot else [StoreSnapshot(snapshot)]
        if log_behind(before.log, snapshot).base_index < log.base_index:
            writes.append(CompactLog(log.base_index))
        return writes

    def write_of_term_and_vote(self, state: ServerState) -> WriteTermAndVote:
        """Term and vote are one write."""
        return WriteTermAndVote(state.term, state.voted_for)

    def must_sync(self, writes: Collection[Write]) -> bool:
        """Whether a sync must follow *writes*: nothing leaves before what it speaks of is safe on disk."""
        return len(writes) > 0

    def recovered(self, stored: DurableState) -> DurableState:
        """What a restarted server takes from its storage: all of it."""
        return stored

    @staticmethod
    def common_prefix(one: Log, other: Log) -> Index:
        """The last index up to which the two logs are equal."""
        return one.common_prefix(other)
