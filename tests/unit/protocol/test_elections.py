"""Elections (Raft §5.2): who stands, who leads, who steps down."""

from __future__ import annotations

import pytest

from raftframe import NOOP, Entry, Options, Role
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, RequestVote
from raftframe.server_state import CandidateData, FollowerData, LeaderData, Progress

from .support import (
    ELECTION_TIMEOUT,
    append,
    candidate,
    follower,
    leader,
    log_of,
    rejected,
    request_vote,
    sent,
    states_of,
    stored,
    take,
    vote,
)


def test_a_follower_that_hears_from_nobody_stands_for_election() -> None:
    """It goes to a new term, votes for itself, and asks everybody else, saying where its log ends."""
    step = take(follower(1, 2, term=3, voted_for="s2"), ELECTION_TIMEOUT)

    assert (step.state.role, step.state.term, step.state.voted_for) == (Role.CANDIDATE, 4, "s1")
    assert step.state.data == CandidateData(votes=("s1",))
    assert sent(step) == tuple(RequestVote("s1", voter, 4, 2, 2) for voter in ("s2", "s3"))
    assert step.marks == (Mark.BECAME_CANDIDATE,)


def test_a_candidate_without_a_majority_tries_again_in_a_new_term() -> None:
    """A split vote ends by another timeout; votes of the earlier term are forgotten."""
    step = take(candidate(term=2, votes=("s1", "s2"), count=5), ELECTION_TIMEOUT)

    assert (step.state.role, step.state.term) == (Role.CANDIDATE, 3)
    assert step.state.data == CandidateData(votes=("s1",))


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_a_candidate_leads_with_a_majority_and_not_before(count: int, needed: int) -> None:
    """More than half of the servers must vote: of an even number, half is not enough."""
    step = take(follower(term=0, count=count), ELECTION_TIMEOUT)
    votes, roles = 1, [step.state.role]

    while step.state.role is Role.CANDIDATE:
        votes += 1
        step = take(step.state, vote(f"s{votes}"))
        roles.append(step.state.role)

    assert votes == needed
    assert roles == [Role.CANDIDATE] * (needed - 1) + [Role.LEADER]


def test_the_same_vote_counts_once() -> None:
    """The network may deliver a vote twice; voters are counted, not messages."""
    once = take(candidate(count=4), vote("s2"))
    twice = take(once.state, vote("s2"))

    assert twice.state == once.state
    assert twice.state.role is Role.CANDIDATE


def test_a_refusal_is_no_vote() -> None:
    """A candidate that is refused stays one, with the votes it had."""
    before = candidate()
    step = take(before, vote("s2", granted=False))

    assert step.state == before
    assert step.effects == ()


@pytest.mark.parametrize("before", [follower(term=3), leader(term=3)], ids=["follower", "leader"])
def test_a_vote_that_comes_late_changes_nothing(before) -> None:  # type: ignore[no-untyped-def]
    """Only a candidate counts votes."""
    step = take(before, vote("s2", term=3))

    assert (step.state, step.effects) == (before, ())
    assert step.marks == (Mark.IGNORED_RESPONSE,)


def test_a_vote_of_an_earlier_term_does_not_count() -> None:
    """A vote belongs to its term."""
    before = candidate(term=3)
    step = take(before, vote("s2", term=2))

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.IGNORED_RESPONSE,))


def test_a_new_leader_speaks_up_at_once() -> None:
    """It knows nothing of the others' logs, hopes that they equal its own, and tells everybody that it leads."""
    step = take(candidate(1, 1, term=2, commit=1), vote("s3", term=2))

    assert step.state.data == LeaderData((Progress("s2", 3, 0), Progress("s3", 3, 0)))
    assert sent(step) == tuple(AppendEntries("s1", peer, 2, 2, 1, (), 1) for peer in ("s2", "s3"))
    assert step.marks == (Mark.COUNTED_VOTE, Mark.BECAME_LEADER)


def test_a_new_leader_may_begin_with_a_no_op() -> None:
    """With the option, the first message carries an entry of the new term (dissertation §6.4)."""
    step = take(candidate(1, term=2), vote("s3", term=2), states_of(Options(noop=True)))

    assert step.state.log.entries == (*log_of(1).entries, Entry(2, NOOP))
    assert sent(step) == tuple(AppendEntries("s1", peer, 2, 1, 1, (Entry(2, NOOP),), 0) for peer in ("s2", "s3"))
    assert Mark.SENT_NEW_ENTRIES in step.marks


def test_a_candidate_follows_the_leader_of_its_term() -> None:
    """Another won: it keeps its vote for itself, for the term is the same."""
    step = take(candidate(term=2), append(source="s3", term=2))

    assert step.state.data == FollowerData(leader="s3")
    assert (step.state.term, step.state.voted_for) == (2, "s1")
    assert step.marks == (Mark.CONCEDED_TO_LEADER, Mark.BECAME_FOLLOWER)


def test_a_candidate_does_not_follow_the_leader_of_a_finished_term() -> None:
    """The old leader is told the new term instead."""
    before = candidate(term=2)
    step = take(before, append(source="s3", term=1))

    assert step.state == before
    assert sent(step) == (rejected(0, source="s1", term=2, target="s3"),)


@pytest.mark.parametrize(
    "message",
    [request_vote(term=5), vote(term=5), append(term=5), stored(0, term=5), rejected(0, term=5)],
    ids=["request", "vote", "entries", "stored", "rejected"],
)
@pytest.mark.parametrize("before", [follower(term=3), candidate(term=3), leader(term=3)], ids=lambda s: str(s.role))
def test_a_higher_term_in_any_message_makes_a_follower(before, message) -> None:  # type: ignore[no-untyped-def]
    """Terms are exchanged whenever servers communicate; whoever is behind follows into the later one (§5.1)."""
    step = take(before, message)

    assert (step.state.role, step.state.term) == (Role.FOLLOWER, 5)
    assert step.marks[0] is Mark.SAW_HIGHER_TERM
    assert (Mark.BECAME_FOLLOWER in step.marks) == (before.role is not Role.FOLLOWER)


def test_a_response_of_a_higher_term_gives_no_vote_away() -> None:
    """A new term has a new vote, which nobody has asked for yet."""
    step = take(candidate(term=3), vote(term=4, granted=False))

    assert (step.state.term, step.state.voted_for, step.state.leader) == (4, None, None)


def test_nobody_else_leads_the_term_of_a_leader() -> None:
    """A message from a second leader of the term breaks election safety; it is the peer's mistake, and dropped."""
    before = leader(1, term=2)
    step = take(before, append(1, source="s3", term=2))

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.DROPPED_MALFORMED,))


def test_a_server_alone_leads_at_once() -> None:
    """Its own vote is the majority of one, its own log that of the cluster: the no-op is committed in the same step."""
    step = take(follower(1, term=1, count=1), ELECTION_TIMEOUT, states_of(Options(noop=True)))

    assert (step.state.role, step.state.term, step.state.commit_index) == (Role.LEADER, 2, 2)
    assert sent(step) == ()
    assert step.marks == (Mark.BECAME_CANDIDATE, Mark.BECAME_LEADER, Mark.COMMITTED)


def test_a_server_alone_without_a_no_op_holds_back_what_an_earlier_term_left() -> None:
    """The rule of §5.4.2 has no exception for a cluster of one."""
    step = take(follower(1, term=1, count=1), ELECTION_TIMEOUT)

    assert (step.state.role, step.state.commit_index) == (Role.LEADER, 0)
    assert step.marks[-1] is Mark.HELD_OLD_TERM_ENTRY
