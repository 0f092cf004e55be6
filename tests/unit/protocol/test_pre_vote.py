"""Pre-votes: who would stand asks first, and asking changes nothing (dissertation §9.6)."""

from __future__ import annotations

import pytest
from attrs import evolve

from raftframe import Role, ServerState
from raftframe.effects import Send, StartTimer, Timer
from raftframe.marks import Mark
from raftframe.messages import PreVote, PreVoteResponse, RequestVote
from raftframe.server_state import PreCandidateData

from .support import (
    ELECTION_TIMEOUT,
    PLAIN,
    append,
    candidate,
    follower,
    leader,
    pre_candidate,
    pre_vote,
    pre_voted,
    request_vote,
    sent,
    states_of,
    take,
    vote,
)

PREVOTE = states_of(evolve(PLAIN, prevote=True))
LOYAL = states_of(evolve(PLAIN, prevote=True, check_quorum=True))


@pytest.mark.parametrize(
    "before",
    [follower(1, 2, term=3), pre_candidate(1, 2, term=3, votes=("s1", "s4"), count=5), candidate(1, 2, term=3)],
    ids=lambda state: str(state.role),
)
def test_an_election_timeout_asks_and_changes_nothing(before: ServerState) -> None:
    """Neither term nor vote: only the role, with the own pre-vote and no other, whatever there was before."""
    step = take(before, ELECTION_TIMEOUT, PREVOTE)

    assert step.state.durable == before.durable
    assert step.state.data == PreCandidateData(votes=("s1",))
    assert sent(step) == tuple(PreVote("s1", voter, 4, 2, 2) for voter in before.peers)
    assert step.effects[-1] == StartTimer(Timer.ELECTION)


def test_a_majority_of_pre_votes_makes_a_candidate() -> None:
    """Only then the term rises, the own vote is stored, and real votes are asked for."""
    step = take(pre_candidate(1, term=1), pre_voted("s3"), PREVOTE)

    assert (step.state.role, step.state.term, step.state.voted_for) == (Role.CANDIDATE, 2, "s1")
    assert sent(step) == tuple(RequestVote("s1", voter, 2, 1, 1) for voter in ("s2", "s3"))


def test_pre_votes_are_no_votes() -> None:
    """A candidate begins with its own vote: those who would vote for it have not done so."""
    step = take(pre_candidate(count=5, votes=("s1", "s2")), pre_voted("s3"), PREVOTE)

    assert step.state.role is Role.CANDIDATE
    assert step.state.data.votes == ("s1",)  # type: ignore[union-attr]  # a candidate has votes


def test_a_lone_server_leads_at_once() -> None:
    """It is the majority of both."""
    step = take(follower(count=1), ELECTION_TIMEOUT, PREVOTE)

    assert (step.state.role, step.state.term) == (Role.LEADER, 2)
    assert step.marks == (Mark.BECAME_PRECANDIDATE, Mark.BECAME_CANDIDATE, Mark.BECAME_LEADER)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (pre_voted(granted=False, term=1), "refused"),
        (pre_voted(term=1), "of the round before"),
        (pre_voted(term=3), "of a term in which this server does not want to stand"),
        (vote(term=1), "a vote, and no pre-vote"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_does_not_count(message: PreVoteResponse, why: str) -> None:
    """A pre-candidate waits on, unchanged."""
    before = pre_candidate(term=1)
    step = take(before, message, PREVOTE)

    assert (step.state, sent(step)) == (before, ()), why


def test_the_same_pre_vote_counts_once() -> None:
    """However often it arrives."""
    before = pre_candidate(count=5, votes=("s1", "s2"))

    assert take(before, pre_voted("s2"), PREVOTE).state == before


def test_a_refusal_brings_the_later_term() -> None:
    """Whoever is behind in term learns the current one, and can win next time: else it would ask in vain for ever."""
    refusal = take(follower(term=5), pre_vote(term=2), PREVOTE)
    step = take(pre_candidate(term=1), pre_voted(term=5, granted=False), PREVOTE)

    assert sent(refusal) == (PreVoteResponse("s1", "s2", 5, False),)
    assert (step.state.role, step.state.term) == (Role.FOLLOWER, 5)


# Who gets a pre-vote: (log of the voter, its state) against the candidate's


@pytest.mark.parametrize(
    ("last", "granted"),
    [((1, 1), False), ((3, 1), False), ((1, 2), False), ((2, 2), True), ((3, 2), True), ((1, 3), True)],
)
@pytest.mark.parametrize(
    "voter",
    [follower(1, 2, term=3, leader="s3"), pre_candidate(1, 2, term=3), candidate(1, 2, term=3)],
    ids=lambda state: str(state.role),
)
def test_the_log_decides(voter: ServerState, last: tuple[int, int], granted: bool) -> None:
    """As for a vote (§5.4.1). Nothing is stored, no timer started, no role changed: nothing is promised."""
    step = take(voter, pre_vote(term=4, last=last), PREVOTE)

    assert step.state == voter
    assert step.effects == (Send(PreVoteResponse("s1", "s2", 4 if granted else 3, granted)),)


@pytest.mark.parametrize(("voted_for", "granted"), [(None, True), ("s2", True), ("s3", False), ("s1", False)])
def test_in_the_voters_own_term_its_vote_decides(voted_for: str | None, granted: bool) -> None:
    """A candidate that is one term behind asks for a term that has a vote already."""
    step = take(follower(term=2, voted_for=voted_for), pre_vote(term=2), PREVOTE)

    assert sent(step) == (PreVoteResponse("s1", "s2", 2, granted),)


def test_several_may_get_a_pre_vote() -> None:
    """It is no promise: another pre-candidate gets one for the same term."""
    voter = take(follower(), pre_vote("s2"), PREVOTE).state

    assert sent(take(voter, pre_vote("s3"), PREVOTE)) == (PreVoteResponse("s1", "s3", 2, True),)


@pytest.mark.parametrize("term", [2, 9])
def test_a_pre_vote_is_followed_into_no_term(term: int) -> None:
    """Nobody is in the term that it speaks of: a leader stays one, also when it hears its own pre-vote granted late."""
    for message in (pre_vote(term=term), pre_voted(term=term)):
        assert take(leader(term=1), message, PREVOTE).state == leader(term=1)


@pytest.mark.parametrize("states", [PREVOTE, LOYAL], ids=["prevote", "with check_quorum"])
def test_a_leader_gives_no_pre_vote(states) -> None:  # type: ignore[no-untyped-def]
    """Not even to the better log, in whatever term: it lives."""
    step = take(leader(1, term=1), pre_vote(term=7, last=(9, 1)), states)

    assert sent(step) == (PreVoteResponse("s1", "s2", 1, False),)
    assert step.marks == (Mark.STAYED_LOYAL,)


@pytest.mark.parametrize(
    ("states", "known", "granted"),
    [(PREVOTE, "s3", True), (LOYAL, "s3", False), (LOYAL, None, True), (LOYAL, "s2", True)],
    ids=["no check_quorum", "a leader lives", "no leader is known", "the leader itself asks"],
)
def test_loyalty_is_a_matter_of_check_quorum(states, known: str | None, granted: bool) -> None:  # type: ignore[no-untyped-def]
    """Without that option nobody makes a leader that reaches no majority step down, so nobody must be loyal to it."""
    step = take(follower(leader=known), pre_vote("s2"), states)

    assert sent(step)[0].granted is granted  # type: ignore[union-attr]


def test_a_server_without_the_option_answers_too() -> None:
    """So a cluster can be upgraded server by server; the other half still stands without asking."""
    assert sent(take(follower(), pre_vote())) == (PreVoteResponse("s1", "s2", 2, True),)
    assert take(follower(), ELECTION_TIMEOUT).state.role is Role.CANDIDATE


def test_a_pre_candidate_follows_the_leader_of_its_term() -> None:
    """It has lost nothing by asking."""
    step = take(pre_candidate(term=1), append(1), PREVOTE)

    assert (step.state.role, step.state.leader, step.state.log.last_index) == (Role.FOLLOWER, "s2", 1)


def test_a_pre_candidate_still_has_its_vote() -> None:
    """Somebody who is a candidate already gets it, unless it was given in this term."""
    first, second = (take(pre_candidate(term=2, voted_for=v), request_vote(term=2), PREVOTE) for v in (None, "s3"))

    assert (first.state.voted_for, first.state.role) == ("s2", Role.PRE_CANDIDATE)
    assert second.marks == (Mark.REFUSED_SECOND_VOTE,)
