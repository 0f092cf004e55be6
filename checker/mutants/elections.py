"""Bugs in elections: votes, terms, and what must survive a restart."""

# The rules that a mixin replaces are typed where they are defined: checker/mutants is checked against them by the
# tests.
from __future__ import annotations

from collections.abc import Collection, Iterable

from attrs import evolve

from checker.mutants.base import Mutant
from checker.properties.base import StepRule
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import RaftServer
from checker.system import ActorId, Deliver, Event, State, Step
from raftframe import Configuration, DurableState, Log, ServerState, quorum
from raftframe.effects import WriteTermAndVote
from raftframe.entries import ServerId, Term
from raftframe.messages import Message, PreVote, RequestVote, RequestVoteResponse
from raftframe.server_state import CandidateData
from raftframe.states import BaseState, CandidateState
from raftframe.states.turn import Turn


class CountsStaleVotes(BaseState):
    """A vote of an earlier term counts in this one."""

    def is_stale(self, state: ServerState, message: Message) -> bool:
        return not isinstance(message, RequestVoteResponse) and super().is_stale(state, message)


class CountsDuplicateVotes(CandidateState):
    """Votes are counted, not voters."""

    def votes_with(self, votes: Iterable[ServerId], voter: ServerId) -> tuple[ServerId, ...]:
        return (*votes, voter)

    def is_quorum(self, servers: Collection[ServerId], configuration: Configuration) -> bool:
        return len(servers) > len(configuration.voters) // 2


class ForgetsVoteOnStepDown(BaseState):
    """Whoever becomes a follower may vote again, even in the same term."""

    def vote_after_step_down(self, state: ServerState, term: Term) -> ServerId | None:
        return None


class ForgetsVoteOnRestart(BaseState):
    """The term is stored, the vote is not."""

    def write_of_term_and_vote(self, state: ServerState) -> WriteTermAndVote:
        return WriteTermAndVote(state.term, None)


class ForgetsOwnVoteOnRestart(BaseState):
    """Votes for others are stored, the vote that a candidate gives itself is not."""

    def write_of_term_and_vote(self, state: ServerState) -> WriteTermAndVote:
        return WriteTermAndVote(state.term, None if state.voted_for == state.identity else state.voted_for)


class ForgetsTermOnRestart(BaseState):
    """A restarted server begins again with term 0, whatever its log says."""

    def recovered(self, stored: DurableState) -> DurableState:
        return evolve(stored, term=0, voted_for=None)


class IgnoresCandidateLog(BaseState):
    """Whoever asks first gets the vote, however old its log."""

    def candidate_log_is_up_to_date(self, log: Log, message: RequestVote | PreVote) -> bool:
        return True


class ComparesLogLengthOnly(BaseState):
    """The longer log wins, whatever its last term."""

    def candidate_log_is_up_to_date(self, log: Log, message: RequestVote | PreVote) -> bool:
        return message.last_log_index >= log.last_index


class VotesForEverybody(BaseState):
    """A second candidate of the same term gets a vote too."""

    def may_vote_for(self, state: ServerState, candidate: ServerId) -> bool:
        return True


class BoastsOfItsLog(BaseState):
    """A candidate claims that its log ends in its own, new term."""

    def request_for(self, state: ServerState, voter: ServerId) -> RequestVote:
        return evolve(
            super().request_for(state, voter), last_log_index=state.log.last_index + 1, last_log_term=state.term
        )


class LeadsWithHalf(BaseState):
    """Half of the servers are taken for a majority."""

    def is_quorum(self, servers: Collection[ServerId], configuration: Configuration) -> bool:
        return len(servers) >= len(configuration.voters) // 2


class CountsRefusals(CandidateState):
    """Any answer to a RequestVote is taken for a vote."""

    def on_request_vote_response(self, turn: Turn, message: RequestVoteResponse) -> Turn:
        return super().on_request_vote_response(turn, evolve(message, granted=True))


def _won_by_a_majority(actor: ActorId, before: State, event: Event, step: Step) -> str | None:
    assert isinstance(before, RaftServer)
    server = before.state
    if server is None or not isinstance(server.data, CandidateData) or "became_leader" not in step.marks:
        return None
    voters = {*server.data.votes, *((event.source,) if isinstance(event, Deliver) else ())}
    if quorum.is_joint_quorum({str(voter) for voter in voters}, server.configuration.electorates):
        return None
    return f"{actor} leads term {server.term} by the votes of {', '.join(sorted(map(str, voters)))}"


leads_by_a_majority = StepRule("leads_by_a_majority", _won_by_a_majority)

ELECTION_MUTANTS = (
    Mutant(
        name="counts_stale_votes",
        catalogue="A1",
        summary="a candidate counts a vote that was granted to it in an earlier term",
        rules=CountsStaleVotes,
        breaks="election_safety",
        steps=7,
        bounds={"timeouts": 3},
    ),
    Mutant(
        name="counts_duplicate_votes",
        catalogue="A2",
        summary="a candidate counts a duplicated vote twice",
        rules=CountsDuplicateVotes,
        breaks="leads_by_a_majority",
        steps=4,
        bounds={"timeouts": 1},
        servers=4,
        network="ever-sent",
        properties=(*RAFT_PROPERTIES, leads_by_a_majority),
    ),
    Mutant(
        name="forgets_vote_on_step_down",
        catalogue="A3",
        summary="a candidate that concedes to the leader of its term forgets its vote for itself",
        rules=ForgetsVoteOnStepDown,
        breaks="one_vote_per_term",
        steps=6,
        bounds={"timeouts": 2},
    ),
    Mutant(
        name="forgets_vote_on_restart",
        catalogue="A4",
        summary="a restarted server has forgotten whom it voted for",
        rules=ForgetsVoteOnRestart,
        breaks="one_vote_per_term",
        steps=5,
        bounds={"timeouts": 2, "crashes": 1, "restarts": 1},
    ),
    Mutant(
        name="forgets_own_vote_on_restart",
        catalogue="A5",
        summary="a restarted candidate has forgotten that it voted for itself",
        rules=ForgetsOwnVoteOnRestart,
        breaks="one_vote_per_term",
        steps=5,
        bounds={"timeouts": 2, "crashes": 1, "restarts": 1},
    ),
    Mutant(
        name="forgets_term_on_restart",
        catalogue="A6",
        summary="a restarted server begins with term 0",
        rules=ForgetsTermOnRestart,
        breaks="monotonic_term",
        steps=3,
        bounds={"timeouts": 1, "crashes": 1, "restarts": 1},
    ),
    Mutant(
        name="ignores_candidate_log",
        catalogue="A7",
        summary="a candidate without the committed entries is elected",
        rules=IgnoresCandidateLog,
        breaks="leader_completeness",
        steps=9,
        bounds={"timeouts": 2, "commands": 1},
    ),
    Mutant(
        name="compares_log_length_only",
        catalogue="A8",
        summary="a longer log of an older term beats a shorter one with committed entries",
        rules=ComparesLogLengthOnly,
        breaks="leader_completeness",
        steps=10,
        bounds={"timeouts": 2, "commands": 1},
        given={"s1": (1, 1)},
        given_term=1,
    ),
    Mutant(
        name="votes_for_everybody",
        summary="a server votes for two candidates of one term",
        rules=VotesForEverybody,
        breaks="one_vote_per_term",
        steps=3,
        bounds={"timeouts": 2},
    ),
    Mutant(
        name="boasts_of_its_log",
        summary="a candidate claims a newer log than it has",
        rules=BoastsOfItsLog,
        breaks="leader_completeness",
        steps=9,
        bounds={"timeouts": 2, "commands": 1},
    ),
    Mutant(
        name="leads_with_half",
        catalogue="A12",
        summary="two of four are taken for a majority",
        rules=LeadsWithHalf,
        breaks="election_safety",
        steps=6,
        bounds={"timeouts": 2},
        servers=4,
    ),
    Mutant(
        name="counts_refusals",
        summary="a refused vote counts as granted",
        rules=CountsRefusals,
        breaks="election_safety",
        steps=6,
        bounds={"timeouts": 2},
    ),
)
