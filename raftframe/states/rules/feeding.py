"""How a leader brings a follower its snapshot, when it has no more the entries that the follower needs (Raft §7).

One part at a time, in the place of the AppendEntries that it would send otherwise. Which part comes next is what the
follower says; until it does, the same part goes out with every heartbeat. With a snapshot that covers more, taken in
the meantime, it begins anew. Flow control calls the time of it the state `snapshot`; it ends when the follower has
stored what the leader's log can go on from, whether the snapshot has brought it there or not.
"""

from __future__ import annotations

from raftframe.changing import changed
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, InstallSnapshot, InstallSnapshotResponse
from raftframe.server_state import Progress, ServerState, Snapshot
from raftframe.sessions import NO_SESSIONS
from raftframe.states.rules.commitment import Commitment
from raftframe.states.turn import Turn


class Feeding(Commitment):
    """A leader sends snapshots to those whom its log cannot help."""

    def sent(self, turn: Turn, *messages: AppendEntries | InstallSnapshot) -> Turn:
        """With *messages* to followers."""
        turn = turn.sending(*messages)
        if turn.state.snapshot is None or not any(isinstance(one, InstallSnapshot) for one in messages):
            return turn
        return turn.marked(Mark.SENT_SNAPSHOT)

    def part_for(self, state: ServerState, progress: Progress, read_round: int) -> InstallSnapshot:
        """The part of the snapshot that the follower lacks next, as far as known (figure 13)."""
        snapshot = state.snapshot
        assert snapshot is not None, "a log that begins later than 1 has a snapshot before it"
        offset = self.parts_there(progress, snapshot)
        done = offset == len(snapshot.parts) - 1
        return InstallSnapshot(
            state.identity,
            progress.server,
            state.term,
            snapshot.last_index,
            snapshot.last_term,
            snapshot.configuration,
            snapshot.configuration_index,
            offset,
            snapshot.parts[offset],
            done,
            read_round,
            snapshot.sessions if done else NO_SESSIONS,
        )

    def fed(self, state: ServerState, progress: Progress) -> Progress:
        """*progress* of a follower that has just stored something: entries again, if the log can go on from there."""
        if not self.needs_no_snapshot(state, progress):
            return progress
        return changed(progress, snapshot=0, parts=0)

    # Rules

    def is_fed(self, state: ServerState, progress: Progress) -> bool:
        """Whether the follower gets the snapshot and no entries: the next one is not in the log any more (§7), or an
        operator has said so.
        """
        return progress.next_index <= state.log.base_index or progress.snapshot > 0

    def needs_no_snapshot(self, state: ServerState, progress: Progress) -> bool:
        """Whether the log has all that the follower still lacks."""
        return progress.match_index >= state.log.base_index

    def parts_there(self, progress: Progress, snapshot: Snapshot) -> int:
        """How many parts of *snapshot* the follower has, as far as known. Those of another snapshot are of no use."""
        return progress.parts if progress.snapshot == snapshot.last_index else 0

    def wants_another_part(self, state: ServerState, progress: Progress, message: InstallSnapshotResponse) -> bool:
        """Whether the follower wants another part than the one that was sent last: a repeated answer says nothing."""
        snapshot = state.snapshot
        if snapshot is None or message.index != snapshot.last_index or not self.is_fed(state, progress):
            return False
        return message.offset != self.parts_there(progress, snapshot) and message.offset < len(snapshot.parts)

    def speaks_of_unsent_snapshot(self, state: ServerState, message: InstallSnapshotResponse) -> bool:
        """Whether a response is about a snapshot that this leader cannot have sent: it ends where nothing is
        committed.
        """
        return message.index > state.commit_index
