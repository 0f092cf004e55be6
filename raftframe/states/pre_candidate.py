"""The rules of a pre-candidate: find out whether an election can be won (dissertation §9.6)."""

from __future__ import annotations

from raftframe.entries import ServerId
from raftframe.marks import Mark
from raftframe.messages import PreVoteResponse
from raftframe.server_state import PreCandidateData, Role, ServerState
from raftframe.states.base_state import BaseState
from raftframe.states.turn import Turn


class PreCandidateState(BaseState):
    """Waits for pre-votes; stands with a majority, follows whoever leads its term, asks again when its timer fires."""

    role = Role.PRE_CANDIDATE

    def on_pre_vote_response(self, turn: Turn, message: PreVoteResponse) -> Turn:
        """Count the pre-vote, if it is one."""
        if not message.granted:
            return turn
        if not self.is_about_next_term(turn.state, message):
            return turn.marked(Mark.IGNORED_RESPONSE)
        votes = self.votes_with(self.pre_votes(turn.state), message.source)
        return self.count_pre_votes(turn.changing(data=PreCandidateData(votes)).marked(Mark.COUNTED_PREVOTE))

    def count_pre_votes(self, turn: Turn) -> Turn:
        """Stand for election, if a majority would vote for this server."""
        supported = self.is_quorum(self.pre_votes(turn.state), turn.state.configuration)
        return self.campaign(self.states.stand_with_support(turn)) if supported else turn

    # Rules

    def pre_votes(self, state: ServerState) -> tuple[ServerId, ...]:
        """Who would vote for this server."""
        assert isinstance(state.data, PreCandidateData)
        return state.data.votes

    def is_about_next_term(self, state: ServerState, message: PreVoteResponse) -> bool:
        """Whether a pre-vote is for the term in which this server would stand now; it may be of an earlier round."""
        return message.term == state.term + 1
