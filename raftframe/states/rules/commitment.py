"""What a leader may take for committed (Raft §5.3, §5.4.2)."""

from __future__ import annotations

from raftframe import quorum
from raftframe.entries import Entry, Index
from raftframe.marks import Mark
from raftframe.server_state import LeaderData, ServerState
from raftframe.states.rules.applying import Applying
from raftframe.states.turn import Turn


class Commitment(Applying):
    """A leader counts acknowledgements."""

    def advance_commit(self, turn: Turn) -> Turn:
        """Commit what a majority has stored, if the rule of §5.4.2 allows."""
        index = self.index_on_quorum(turn.state)
        if index <= turn.state.commit_index:
            return turn
        if not self.may_commit(turn.state, index):
            return turn.marked(Mark.HELD_OLD_TERM_ENTRY)
        return self.commit_to(turn, index)

    def index_on_quorum(self, state: ServerState) -> Index:
        """The highest index that a majority has stored, this server included (§5.3); in a joint configuration it takes
        a majority of each half (dissertation §4.3).
        """
        acked = {progress.server: progress.match_index for progress in leading(state).progress}
        acked[state.identity] = self.own_acknowledged_index(state)
        return quorum.jointly_committed_index(acked, state.configuration.electorates)

    def own_acknowledged_index(self, state: ServerState) -> Index:
        """The leader's own log is on disk before anything else of a step happens, so all of it counts; with
        `async_storage` only what is stored does (dissertation §10.2.1).
        """
        return state.log.last_index if state.stable is None else state.stable.index

    def may_commit(self, state: ServerState, index: Index) -> bool:
        """Only an entry of the leader's own term is committed by counting; those before it follow (§5.4.2,
        figure 8)."""
        return state.log.term_at(index) == state.term

    def answers_for(self, state: ServerState, entry: Entry) -> bool:
        """The leader that took the command answers: entries of its own term came through nobody else."""
        return entry.term == state.term


def leading(state: ServerState) -> LeaderData:
    """The leader's part of *state*."""
    assert isinstance(state.data, LeaderData), f"{state.identity} does not lead"
    return state.data
