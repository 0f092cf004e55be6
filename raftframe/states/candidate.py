"""The rules of a candidate: count votes (Raft §5.2)."""

from __future__ import annotations

from raftframe.entries import ServerId
from raftframe.marks import Mark
from raftframe.messages import RequestVoteResponse
from raftframe.server_state import CandidateData, Role, ServerState
from raftframe.states.base_state import BaseState
from raftframe.states.turn import Turn


class CandidateState(BaseState):
    """Waits for votes; leads with a majority, follows whoever leads its term, tries again when its timer fires."""

    role = Role.CANDIDATE

    def on_request_vote_response(self, turn: Turn, message: RequestVoteResponse) -> Turn:
        """Count the vote, if it is one."""
        if not message.granted:
            return turn
        votes = self.votes_with(self.votes(turn.state), message.source)
        return self.count_votes(turn.changing(data=CandidateData(votes)).marked(Mark.COUNTED_VOTE))

    def count_votes(self, turn: Turn) -> Turn:
        """Lead, if a majority has voted for this server."""
        won = self.is_quorum(self.votes(turn.state), turn.state.configuration)
        return self.states.win(turn) if won else turn

    # Rules

    def votes(self, state: ServerState) -> tuple[ServerId, ...]:
        """Who has granted a vote in this term."""
        assert isinstance(state.data, CandidateData)
        return state.data.votes
