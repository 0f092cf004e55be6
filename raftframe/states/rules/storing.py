"""What is stored, and what comes back after a restart (Raft figure 2, persistent state)."""

from __future__ import annotations

from collections.abc import Collection

from raftframe.effects import AppendToLog, TruncateLog, Write, WriteTermAndVote
from raftframe.entries import Index
from raftframe.log import Log
from raftframe.server_state import DurableState, ServerState
from raftframe.states.rules.base import Rules


class Storing(Rules):
    """Writes follow from the change of durable state that a step has made."""

    def writes(self, before: ServerState, after: ServerState) -> tuple[Write, ...]:
        """What must be stored for *after* to survive (figure 2: persistent state is stored before answering)."""
        writes: list[Write] = []
        if (before.term, before.voted_for) != (after.term, after.voted_for):
            writes.append(self.write_of_term_and_vote(after))
        kept = self.common_prefix(before.log, after.log)
        if kept < before.log.last_index:
            writes.append(TruncateLog(kept))
        if kept < after.log.last_index:
            writes.append(AppendToLog(kept + 1, after.log.between(kept + 1, after.log.last_index)))
        return tuple(writes)

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
