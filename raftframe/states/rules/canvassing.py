"""Pre-votes: who would stand for election first asks whether it would win (dissertation §9.6).

Asking changes nothing: no term rises, no vote is stored, no promise given. So a server that cannot win, because its log
is behind or nobody misses the leader, cannot disturb those who get on without it, however long it was cut off.

§9.6 lets a server refuse while it hears from a leader. That is loyalty, and belongs to the option `check_quorum`:
refusing without that option's other half, the leader that steps down when it reaches nobody, can leave a cluster
without a leader for ever.
"""

from __future__ import annotations

from raftframe.effects import Timer
from raftframe.entries import ServerId
from raftframe.marks import Mark
from raftframe.messages import PreVote, PreVoteResponse
from raftframe.server_state import ServerState
from raftframe.states.rules.loyalty import Loyalty
from raftframe.states.rules.voting import Voting
from raftframe.states.turn import Turn


class Canvassing(Voting, Loyalty):
    """Every server answers pre-votes, whatever its role and its own options: a cluster may be half upgraded."""

    def canvass(self, turn: Turn) -> Turn:
        """Ask everybody for a pre-vote; who is a majority by itself stands at once (dissertation §9.6)."""
        turn = self.states.canvass(turn).starting(Timer.ELECTION)
        turn = turn.sending(*(self.pre_vote_for(turn.state, peer) for peer in turn.state.electors))
        return self.states.pre_candidate.count_pre_votes(turn)

    def on_pre_vote(self, turn: Turn, message: PreVote) -> Turn:
        """Say whether the candidate would get this server's vote; whoever is refused learns the current term."""
        objection = self.objection_to(turn.state, message)
        granted = objection is None
        term = message.term if granted else turn.term
        turn = turn.marked(objection or Mark.GRANTED_PREVOTE)
        return turn.sending(PreVoteResponse(turn.state.identity, message.source, term, granted))

    def on_pre_vote_response(self, turn: Turn, message: PreVoteResponse) -> Turn:
        """Only a pre-candidate counts pre-votes."""
        return turn.marked(Mark.IGNORED_RESPONSE)

    # Rules

    def objection_to(self, state: ServerState, message: PreVote) -> Mark | None:
        """Why this server would not vote for the candidate in the term that it asks for; None if it would."""
        if self.is_loyal(state, message.source):
            return Mark.STAYED_LOYAL
        if message.term == state.term and not self.may_vote_for(state, message.source):
            return Mark.REFUSED_SECOND_VOTE
        return None if self.candidate_log_is_up_to_date(state.log, message) else Mark.REFUSED_STALE_LOG

    def pre_vote_for(self, state: ServerState, voter: ServerId) -> PreVote:
        """The request for *voter*'s pre-vote: for the term in which this server would stand (dissertation §9.6)."""
        return PreVote(state.identity, voter, state.term + 1, state.log.last_index, state.log.last_term)
