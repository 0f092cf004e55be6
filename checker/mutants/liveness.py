"""Bugs of pre-votes, of the check of the quorum and of transfers: most of them break nothing, but something that ought
to come about never does.

Such a mutant has a goal: the correct rules reach it within the bounds, in `steps` events; by the mutant's rules it is
not reached in all of the space.
"""

# The rules that a mixin replaces are typed where they are defined: checker/mutants is checked against them by the
# tests.
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from checker.mutants.base import Mutant
from checker.properties.base import Predicate, StepRule
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import RaftServer
from checker.system import ActorId, Deliver, Event, State, Step
from raftframe import Options, Role, ServerState
from raftframe.effects import Timer
from raftframe.entries import Index, ServerId
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, Message, PreVote, PreVoteResponse, RequestVote, Response
from raftframe.server_state import PreCandidateData
from raftframe.states import BaseState, LeaderState, PreCandidateState
from raftframe.states.turn import Turn

PLAIN = Options(noop=False, announce_commit=False)
PREVOTE = evolve(PLAIN, prevote=True)
CHECKED = evolve(PLAIN, check_quorum=True)
BOTH = evolve(PLAIN, prevote=True, check_quorum=True)


class CountsPreVotesAsVotes(BaseState):
    """A candidate begins with the pre-votes that it had."""

    def first_votes(self, state: ServerState) -> tuple[ServerId, ...]:
        return state.data.votes if isinstance(state.data, PreCandidateData) else super().first_votes(state)


class IgnoresStalePreVotes(BaseState):
    """A pre-vote of a finished term gets no answer."""

    def on_stale_message(self, turn: Turn, message: Message) -> Turn:
        return turn if isinstance(message, PreVote) else super().on_stale_message(turn, message)


class RefusesAmongPreCandidates(PreCandidateState):
    """A pre-candidate goes on refusing for the sake of the leader that it has given up."""

    def objection_to(self, state: ServerState, message: PreVote) -> Mark | None:
        return Mark.STAYED_LOYAL


class IgnoresStaleAppends(BaseState):
    """A leader of a finished term gets no answer."""

    def on_stale_message(self, turn: Turn, message: Message) -> Turn:
        return turn if isinstance(message, AppendEntries) else super().on_stale_message(turn, message)


class IsLoyalToNobody(BaseState):
    """Who knows no leader refuses, too."""

    def is_loyal(self, state: ServerState, candidate: ServerId) -> bool:
        return self.states.options.check_quorum and state.leader != candidate


class IsLoyalAgainstItsLeader(BaseState):
    """Who knows a leader refuses that leader's own request as well."""

    def is_loyal(self, state: ServerState, candidate: ServerId) -> bool:
        return self.states.options.check_quorum and state.leader is not None


class IsLoyalAgainstTheSuccessor(BaseState):
    """A leader's wish to be replaced does not count."""

    def is_disruptive(self, state: ServerState, message: Message) -> bool:
        return isinstance(message, RequestVote) and self.is_loyal(state, message.source)


class NeverLosesQuorum(LeaderState):
    """A leader does not mind that nobody answers."""

    def has_been_heard(self, state: ServerState) -> bool:
        return True


class TakesCommandsMeanwhile(LeaderState):
    """A leader accepts commands while it hands over."""

    def takes_commands(self, state: ServerState) -> bool:
        return True


class LeaderGivesPreVotes(LeaderState):
    """A leader helps to replace itself."""

    def objection_to(self, state: ServerState, message: PreVote) -> Mark | None:
        return super(LeaderState, self).objection_to(state, message)


class IgnoresTheTermOfAnswers(LeaderState):
    """An answer of a later term deposes nobody."""

    def is_newer(self, state: ServerState, message: Message) -> bool:
        return not isinstance(message, Response) and super().is_newer(state, message)


class StandsWithoutItsTerm(BaseState):
    """A candidate's request does not say of which term its last entry is."""

    def request_for(self, state: ServerState, voter: ServerId) -> RequestVote:
        return evolve(super().request_for(state, voter), last_log_term=0)


class BeginsWithoutAnEntry(LeaderState):
    """A new leader waits for a command, and what earlier leaders left waits with it."""

    def on_taking_office(self, turn: Turn) -> Turn:
        return self.replicate(self.begin_tenure(turn).starting(Timer.HEARTBEAT))


class StopsAtAnOldEntry(LeaderState):
    """Entries of earlier terms keep those behind them from being committed."""

    def may_commit(self, state: ServerState, index: Index) -> bool:
        fresh = range(state.commit_index + 1, index + 1)
        return all(state.log.term_at(one) == state.term for one in fresh)


class NeverHandsOver(LeaderState):
    """A leader waits for its successor's log to be longer than its own."""

    def is_ready_to_lead(self, state: ServerState, server: ServerId) -> bool:
        return False


# What must be, step by step


def _server(state: State) -> ServerState | None:
    assert isinstance(state, RaftServer)
    return state.state


def _no_command_meanwhile(actor: ActorId, before: State, event: Event, step: Step) -> str | None:
    server = _server(before)
    hands_over = server is not None and getattr(server.data, "successor", None) is not None
    return (
        f"{actor} hands its office over, and took a command"
        if hands_over and "accepted_command" in step.marks
        else None
    )


def _no_pre_vote_of_a_leader(actor: ActorId, before: State, event: Event, step: Step) -> str | None:
    server = _server(before)
    if server is None or server.role is not Role.LEADER or not isinstance(event, Deliver):
        return None
    sent = [send.message for send in step.sends if isinstance(send.message, PreVoteResponse)]
    return f"{actor} leads, and gave a pre-vote" if any(one.granted for one in sent) else None


transfer_is_quiet = StepRule("transfer_is_quiet", _no_command_meanwhile)
leader_gives_no_pre_vote = StepRule("leader_gives_no_pre_vote", _no_pre_vote_of_a_leader)


# What must come about


def _goal(name: str, holds: Callable[[Mapping[Any, ServerState | None]], bool]) -> Predicate:
    return Predicate(name, lambda views, _history: holds(views), lambda _actor, state: _server(state))


def _is(state: ServerState | None, role: Role, term: int | None = None) -> bool:
    return state is not None and state.role is role and term in (None, state.term)


somebody_leads = _goal("somebody_leads", lambda servers: any(_is(one, Role.LEADER) for one in servers.values()))
s1_leads_again = _goal("s1_leads_again", lambda servers: _is(servers["s1"], Role.LEADER, 2))
s2_takes_over = _goal("s2_takes_over", lambda servers: _is(servers["s2"], Role.LEADER, 2))
s1_gives_up = _goal("s1_gives_up", lambda servers: _is(servers["s1"], Role.FOLLOWER, 1))
s1_learns_the_term = _goal("s1_learns_the_term", lambda servers: servers["s1"] is not None and servers["s1"].term == 2)

s1_commits_again = _goal(
    "s1_commits_again", lambda servers: servers["s1"] is not None and servers["s1"].commit_index > 1
)
s1_has_committed = _goal(
    "s1_has_committed", lambda servers: servers["s1"] is not None and servers["s1"].commit_index > 0
)

S1_LEADS = ("timeout s1 ; RequestVote s1 s2 ; RequestVoteResponse s2 s1",)
S2_FOLLOWS = (*S1_LEADS, "AppendEntries s1 s2 ; AppendEntriesResponse s2 s1")
STUCK_CANDIDATE = (
    "timeout s1 ; RequestVote s1 s2 ; RequestVote s1 s3 ; RequestVoteResponse s2 s1",
    "AppendEntries s1 s2 ; timeout s3",
)

LIVENESS_MUTANTS = (
    Mutant(
        name="counts_pre_votes_as_votes",
        catalogue="F4",
        summary="a candidate begins with the pre-votes that it had",
        rules=CountsPreVotesAsVotes,
        options=PREVOTE,
        breaks="election_safety",
        steps=6,
        bounds={"timeouts": 2},
    ),
    Mutant(
        name="ignores_stale_pre_votes",
        catalogue="F1",
        summary="a server behind in term, with the longer log, never learns the term, and nobody is elected",
        rules=IgnoresStalePreVotes,
        options=PREVOTE,
        breaks="somebody_leads",
        goal=somebody_leads,
        steps=8,
        servers=2,
        given={"s1": (), "s2": (1,)},
        given_terms={"s1": 5, "s2": 1},
        bounds={"timeouts": 4},
    ),
    Mutant(
        name="refuses_among_pre_candidates",
        catalogue="F3",
        summary="two pre-candidates refuse each other for the sake of a leader that is gone",
        rules=RefusesAmongPreCandidates,
        options=BOTH,
        breaks="somebody_leads",
        goal=somebody_leads,
        steps=4,
        servers=2,
        prelude=("timeout s1", "timeout s2"),
        bounds={"timeouts": 2},
    ),
    Mutant(
        name="ignores_stale_appends",
        catalogue="F6",
        summary="a candidate with a higher term ignores the leader, and is ignored by everybody",
        rules=IgnoresStaleAppends,
        options=CHECKED,
        breaks="s1_learns_the_term",
        goal=s1_learns_the_term,
        steps=2,
        prelude=STUCK_CANDIDATE,
        bounds={"heartbeats": 1},
    ),
    Mutant(
        name="is_loyal_to_nobody",
        catalogue="F7",
        summary="a server that has just started is loyal to a leader that never was, and nobody is elected",
        rules=IsLoyalToNobody,
        options=CHECKED,
        breaks="somebody_leads",
        goal=somebody_leads,
        steps=3,
        bounds={"timeouts": 2},
    ),
    Mutant(
        name="is_loyal_against_its_leader",
        catalogue="A19",
        summary="a leader that was restarted cannot be elected again, for its followers are loyal to it",
        rules=IsLoyalAgainstItsLeader,
        options=CHECKED,
        breaks="s1_leads_again",
        goal=s1_leads_again,
        steps=5,
        servers=2,
        prelude=S2_FOLLOWS,
        bounds={"timeouts": 1, "crashes": 1, "restarts": 1},
    ),
    Mutant(
        name="is_loyal_against_the_successor",
        catalogue="F12",
        summary="nobody votes for the successor, for everybody is loyal to the leader that hands over",
        rules=IsLoyalAgainstTheSuccessor,
        options=evolve(CHECKED, transfer=True),
        breaks="s2_takes_over",
        goal=s2_takes_over,
        steps=4,
        servers=2,
        prelude=S2_FOLLOWS,
        bounds={"transfers": 1},
    ),
    Mutant(
        name="never_loses_quorum",
        catalogue="F9",
        summary="a leader that reaches nobody stays in office",
        rules=NeverLosesQuorum,
        options=CHECKED,
        breaks="s1_gives_up",
        goal=s1_gives_up,
        steps=1,
        prelude=S1_LEADS,
        bounds={"timeouts": 1},
    ),
    Mutant(
        name="takes_commands_meanwhile",
        catalogue="F11",
        summary="a leader takes commands while it hands over, and its successor's log is behind again",
        rules=TakesCommandsMeanwhile,
        options=evolve(PLAIN, transfer=True),
        breaks="transfer_is_quiet",
        steps=5,
        bounds={"timeouts": 1, "transfers": 1, "commands": 1},
        properties=(*RAFT_PROPERTIES, transfer_is_quiet),
    ),
    Mutant(
        name="leader_gives_pre_votes",
        catalogue="F10",
        summary="a leader that lives gives somebody else its pre-vote",
        rules=LeaderGivesPreVotes,
        options=PREVOTE,
        breaks="leader_gives_no_pre_vote",
        steps=7,
        bounds={"timeouts": 2},
        properties=(*RAFT_PROPERTIES, leader_gives_no_pre_vote),
    ),
    Mutant(
        name="never_hands_over",
        summary="a leader whose successor's log is complete does not tell it to stand",
        rules=NeverHandsOver,
        options=evolve(PLAIN, transfer=True),
        breaks="s2_takes_over",
        goal=s2_takes_over,
        steps=4,
        prelude=S2_FOLLOWS,
        bounds={"transfers": 1},
    ),
    Mutant(
        name="ignores_the_term_of_answers",
        catalogue="A21",
        summary="a leader of the past is told so by every answer, and stays in office",
        rules=IgnoresTheTermOfAnswers,
        breaks="s1_learns_the_term",
        goal=s1_learns_the_term,
        options=CHECKED,
        steps=2,
        prelude=STUCK_CANDIDATE,
        bounds={"heartbeats": 1},
    ),
    Mutant(
        name="stands_without_its_term",
        catalogue="F15",
        summary="candidates claim logs that end in term 0, and nobody who has an entry votes for them",
        rules=StandsWithoutItsTerm,
        breaks="somebody_leads",
        goal=somebody_leads,
        steps=3,
        given={"s1": (1,), "s2": (1,), "s3": (1,)},
        given_term=1,
        bounds={"timeouts": 2},
    ),
    Mutant(
        name="begins_without_an_entry",
        catalogue="F14",
        summary="a new leader appends nothing, and an entry that a majority has is never committed",
        rules=BeginsWithoutAnEntry,
        options=Options(announce_commit=False),
        breaks="s1_has_committed",
        goal=s1_has_committed,
        steps=5,
        given={"s1": (1,), "s2": (1,), "s3": (1,)},
        given_term=1,
        bounds={"timeouts": 1, "heartbeats": 1},
    ),
    Mutant(
        name="stops_at_an_old_entry",
        catalogue="C3",
        summary="an entry of an earlier term keeps those of this one from being committed",
        rules=StopsAtAnOldEntry,
        breaks="s1_has_committed",
        goal=s1_has_committed,
        steps=6,
        given={"s1": (1,), "s2": (1,), "s3": (1,)},
        given_term=1,
        bounds={"timeouts": 1, "commands": 1},
    ),
)
