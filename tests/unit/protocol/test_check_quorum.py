"""A leader without a majority steps down; who hears from a leader is loyal to it (dissertation §6.2, §4.2.3)."""

from __future__ import annotations

import pytest
from attrs import evolve

from raftframe import Role, ServerState
from raftframe.effects import Reply, StartTimer, StopTimer, Timer, Unknown
from raftframe.entries import ServerId
from raftframe.events import ForgetLeader
from raftframe.marks import Mark
from raftframe.messages import AppendEntriesResponse, RequestVoteResponse
from raftframe.server_state import FollowerData

from .support import (
    ELECTION_TIMEOUT,
    LEASE_TIMEOUT,
    PLAIN,
    append,
    candidate,
    follower,
    leader,
    rejected,
    replies,
    request_vote,
    sent,
    states_of,
    stored,
    take,
    vote,
)

CHECKED = states_of(evolve(PLAIN, check_quorum=True))
FORGETFUL = states_of(evolve(PLAIN, check_quorum=True, forget_leader=True))
START_LEASE, STOP_LEASE = StartTimer(Timer.LEASE), StopTimer(Timer.LEASE)
START_ELECTION, NEXT_CHECK = StartTimer(Timer.ELECTION), StartTimer(Timer.ELECTION, longest=True)

# The leader's half


@pytest.mark.parametrize(
    ("count", "heard", "stays"),
    [
        (1, (), True),
        (2, (), False),
        (2, ("s2",), True),
        (3, (), False),
        (3, ("s3",), True),
        (4, ("s2",), False),
        (4, ("s2", "s4"), True),
        (5, ("s2",), False),
        (5, ("s2", "s5"), True),
    ],
)
def test_a_leader_stays_with_the_answers_of_a_majority(count: int, heard: tuple[ServerId, ...], stays: bool) -> None:
    """It counts itself; afterwards it counts anew."""
    step = take(leader(term=2, heard=heard, count=count), ELECTION_TIMEOUT, CHECKED)

    assert step.state.durable == leader(term=2).durable
    if stays:
        assert step.state == leader(term=2, count=count)
        assert step.effects == (NEXT_CHECK,)
    else:
        assert step.state.data == FollowerData(leader=None)
        assert step.effects[-2:] == (StopTimer(Timer.HEARTBEAT), START_ELECTION)


def test_a_new_leader_is_checked_after_the_longest_election_timeout() -> None:
    """It has no rival to be kept apart from by chance, and the longest deposes nobody in haste."""
    assert take(candidate(), vote(), CHECKED).effects[-2:] == (NEXT_CHECK, StartTimer(Timer.HEARTBEAT))


@pytest.mark.parametrize("answer", [stored(1), rejected(1), stored(0)], ids=["success", "rejection", "late answer"])
def test_every_answer_counts_once(answer: AppendEntriesResponse) -> None:
    """What it says of the log is another matter."""
    once = take(leader(1, 1), answer, CHECKED).state

    assert once.data.heard == ("s2",)  # type: ignore[union-attr]  # a leader's
    assert take(once, answer, CHECKED).state.data.heard == ("s2",)  # type: ignore[union-attr]


def test_what_is_malformed_or_of_another_term_is_no_answer() -> None:
    """A leader that only hears from its past hears from nobody."""
    for answer in (stored(9), stored(0, term=1)):
        assert take(leader(1, term=2), answer, CHECKED).state.data.heard == ()  # type: ignore[union-attr]


def test_a_leader_that_steps_down_tells_its_clients() -> None:
    """What becomes of their commands is for the next leader to decide."""
    step = take(leader(1, term=1), ELECTION_TIMEOUT, CHECKED)

    assert replies(step) == (Reply("c1", 1, Unknown()),)
    assert step.state.voted_for == "s1"  # the vote belongs to its term


def test_without_the_option_nobody_counts() -> None:
    """Not one field of a leader's state differs from what it was."""
    step = take(leader(1), stored(1))

    assert step.state.data.heard == ()  # type: ignore[union-attr]
    assert take(leader(), ELECTION_TIMEOUT).marks == (Mark.IGNORED_TIMEOUT,)


# The followers' half


@pytest.mark.parametrize(
    ("voter", "source", "loyal"),
    [
        (follower(term=1), "s2", False),
        (follower(term=1, leader="s3"), "s2", True),
        (follower(term=1, leader="s2"), "s2", False),
        (candidate(term=1), "s2", False),
        (leader(term=1), "s2", True),
    ],
    ids=["knows no leader", "knows a leader", "the leader itself asks", "a candidate", "a leader"],
)
def test_who_knows_a_leader_ignores_requests_for_votes(voter: ServerState, source: ServerId, loyal: bool) -> None:
    """It neither follows into the later term nor answers: as if it had not heard (dissertation §4.2.3)."""
    step = take(voter, request_vote(source, term=2), CHECKED)

    if loyal:
        assert (step.state, step.effects, step.marks) == (voter, (), (Mark.STAYED_LOYAL,))
    else:
        assert (step.state.term, step.state.voted_for) == (2, source)


def test_a_leaders_wish_to_be_replaced_outweighs_loyalty() -> None:
    """Its successor's requests say that it was told to stand (dissertation §3.10)."""
    wish = evolve(request_vote("s2", term=2), transfer=True)

    for voter in (follower(leader="s3"), leader()):
        assert take(voter, wish, CHECKED).state.voted_for == "s2"


def test_a_request_of_the_own_term_or_before_is_answered() -> None:
    """Loyalty is about later terms; whoever is behind must learn the current one."""
    before = follower(term=2, voted_for="s3", leader="s3")

    assert sent(take(before, request_vote(term=1), CHECKED)) == (RequestVoteResponse("s1", "s2", 2, False),)
    assert sent(take(before, request_vote(term=2), CHECKED)) == (RequestVoteResponse("s1", "s2", 2, False),)


def test_a_stuck_candidate_is_freed_by_the_leaders_next_word() -> None:
    """Nobody follows into its term while the leader lives; so it tells the leader, which then steps down."""
    answer = sent(take(candidate(term=2), append(term=1), CHECKED))
    step = take(leader(term=1), answer_to_leader(answer), CHECKED)

    assert (step.state.role, step.state.term) == (Role.FOLLOWER, 2)


def answer_to_leader(answer: tuple[object, ...]) -> AppendEntriesResponse:
    """The one rejection that was sent, as if s2 had sent it to s1."""
    (message,) = answer
    assert isinstance(message, AppendEntriesResponse)
    return evolve(message, source="s2", target="s1")


def test_the_lease_is_a_followers_and_starts_with_every_word_of_the_leader() -> None:
    """Its timer runs exactly while a leader is known."""
    follows = follower(leader="s2")
    heard = take(follower(), append(), CHECKED)

    assert heard.state.leader == "s2"
    assert heard.effects[-2:] == (START_ELECTION, START_LEASE)
    for event, known in ((LEASE_TIMEOUT, None), (ELECTION_TIMEOUT, None), (append(term=2), "s2")):
        step = take(follows, event, CHECKED)
        assert step.state.leader == known
        assert STOP_LEASE in step.effects
    for before in (candidate(), leader(), follower()):
        assert take(before, LEASE_TIMEOUT, CHECKED).state == before


def test_without_the_option_there_is_no_lease() -> None:
    """No timer, no loyalty."""
    effects = [*take(follower(), append()).effects, *take(follower(leader="s2"), ELECTION_TIMEOUT).effects]

    assert not [e for e in effects if isinstance(e, StartTimer | StopTimer) and e.timer is Timer.LEASE]
    assert take(follower(leader="s3"), request_vote(term=2)).state.voted_for == "s2"


# Forgetting a leader


def test_a_follower_forgets_its_leader_and_nothing_else() -> None:
    """Term, vote and election timer stay; the leader's next word makes it known again."""
    before = follower(1, term=3, voted_for="s2", leader="s2")
    step = take(before, ForgetLeader(), FORGETFUL)

    assert step.state == follower(1, term=3, voted_for="s2")
    assert step.effects == (STOP_LEASE,)
    assert take(step.state, append(term=3), FORGETFUL).state.leader == "s2"


@pytest.mark.parametrize("before", [follower(), candidate(), leader()], ids=lambda state: str(state.role))
def test_who_knows_no_leader_has_none_to_forget(before: ServerState) -> None:
    """A leader knows itself, which it cannot forget."""
    step = take(before, ForgetLeader(), FORGETFUL)

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.IGNORED_ORDER,))


def test_without_the_option_a_follower_does_not_forget() -> None:
    """Off is off."""
    before = follower(leader="s2")

    assert take(before, ForgetLeader(), CHECKED).state == before
