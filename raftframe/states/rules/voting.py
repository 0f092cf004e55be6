"""Whom a server votes for, and what makes a majority (Raft §5.2, §5.4.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from raftframe import quorum
from raftframe.configuration import Configuration
from raftframe.effects import Timer
from raftframe.entries import ServerId, Term
from raftframe.log import Log
from raftframe.marks import Mark
from raftframe.messages import PreVote, RequestVote, RequestVoteResponse
from raftframe.server_state import ServerState
from raftframe.states.rules.base import Rules
from raftframe.states.turn import Turn


class Voting(Rules):
    """Every server votes, whatever its role."""

    def on_request_vote(self, turn: Turn, message: RequestVote) -> Turn:
        """Grant the vote or refuse it (§5.2, §5.4.1)."""
        granted = self.may_vote_for(turn.state, message.source)
        if not granted:
            turn = turn.marked(Mark.REFUSED_SECOND_VOTE)
        elif not self.candidate_log_is_up_to_date(turn.state.log, message):
            granted, turn = False, turn.marked(Mark.REFUSED_STALE_LOG)
        if granted:
            turn = turn.storing(voted_for=message.source).starting(Timer.ELECTION).marked(Mark.GRANTED_VOTE)
        return turn.sending(RequestVoteResponse(turn.state.identity, message.source, turn.term, granted))

    def may_vote_for(self, state: ServerState, candidate: ServerId) -> bool:
        """One vote a term, first come, first served; the same candidate may be told again (§5.2)."""
        return state.voted_for in (None, candidate)

    def candidate_log_is_up_to_date(self, log: Log, message: RequestVote | PreVote) -> bool:
        """The later last term wins; with equal last terms, the longer log (§5.4.1)."""
        return (message.last_log_term, message.last_log_index) >= (log.last_term, log.last_index)

    def is_quorum(self, servers: Collection[ServerId], configuration: Configuration) -> bool:
        """Whether *servers* are a majority (§5.2), in a joint configuration of both halves (dissertation §4.3)."""
        return quorum.is_joint_quorum(servers, configuration.electorates)

    def vote_after_step_down(self, state: ServerState, term: Term) -> ServerId | None:
        """The vote belongs to its term: a new term has a new one, the same term keeps it (§5.2)."""
        return None if term > state.term else state.voted_for

    def first_votes(self, state: ServerState) -> tuple[ServerId, ...]:
        """Whose vote a candidate, or pre-candidate, begins with: its own, whatever it had before (§5.2)."""
        return (state.identity,)

    def votes_with(self, votes: Iterable[ServerId], voter: ServerId) -> tuple[ServerId, ...]:
        """*votes* with that of *voter*, which counts once however often it arrives."""
        return tuple(sorted({*votes, voter}))

    def request_for(self, state: ServerState, voter: ServerId) -> RequestVote:
        """The request for *voter*'s vote."""
        return RequestVote(state.identity, voter, state.term, state.log.last_index, state.log.last_term)
