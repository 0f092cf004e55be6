"""Who gets a vote: one a term, and only a log that is up to date (Raft §5.2, §5.4.1)."""

from __future__ import annotations

import pytest

from raftframe.marks import Mark
from raftframe.messages import RequestVoteResponse

from .support import candidate, follower, leader, request_vote, sent, take

# The voter's log ends at index 2 with term 2. The later last term wins; with equal terms, the longer log.
MATRIX = [
    pytest.param((1, 1), False, id="lower term, shorter"),
    pytest.param((2, 1), False, id="lower term, equally long"),
    pytest.param((3, 1), False, id="lower term, longer"),
    pytest.param((1, 2), False, id="equal term, shorter"),
    pytest.param((2, 2), True, id="equal term, equally long"),
    pytest.param((3, 2), True, id="equal term, longer"),
    pytest.param((1, 3), True, id="higher term, shorter"),
    pytest.param((2, 3), True, id="higher term, equally long"),
    pytest.param((3, 3), True, id="higher term, longer"),
]


@pytest.mark.parametrize(("last", "granted"), MATRIX)
def test_a_vote_goes_to_a_log_that_is_at_least_as_up_to_date(last: tuple[int, int], granted: bool) -> None:
    """All nine ways in which two logs' last entries compare (§5.4.1)."""
    step = take(follower(1, 2, term=4), request_vote("s3", term=4, last=last))

    assert sent(step) == (RequestVoteResponse("s1", "s3", 4, granted),)
    assert step.state.voted_for == ("s3" if granted else None)
    assert step.marks == (Mark.GRANTED_VOTE if granted else Mark.REFUSED_STALE_LOG,)


@pytest.mark.parametrize(("last", "granted"), MATRIX)
def test_the_log_decides_in_a_later_term_too(last: tuple[int, int], granted: bool) -> None:
    """The later term is taken over in any case; whether the vote is granted is another matter."""
    step = take(leader(1, 2, term=4), request_vote("s3", term=5, last=last))

    assert (step.state.term, step.state.voted_for) == (5, "s3" if granted else None)
    assert sent(step) == (RequestVoteResponse("s1", "s3", 5, granted),)


@pytest.mark.parametrize("last", [(0, 0), (1, 1), (7, 3)])
def test_an_empty_log_finds_every_log_up_to_date(last: tuple[int, int]) -> None:
    """Nothing is older than nothing."""
    step = take(follower(term=3), request_vote(term=3, last=last))

    assert step.marks == (Mark.GRANTED_VOTE,)


def test_first_come_first_served() -> None:
    """Whoever asks second in a term is refused, however good its log."""
    step = take(follower(term=3, voted_for="s2"), request_vote("s3", term=3, last=(9, 3)))

    assert step.state.voted_for == "s2"
    assert sent(step) == (RequestVoteResponse("s1", "s3", 3, False),)
    assert step.marks == (Mark.REFUSED_SECOND_VOTE,)


def test_the_same_candidate_is_told_again() -> None:
    """Its first answer may be lost; nothing is stored a second time."""
    before = follower(term=3, voted_for="s2")
    step = take(before, request_vote("s2", term=3))

    assert step.state == before
    assert sent(step) == (RequestVoteResponse("s1", "s2", 3, True),)


@pytest.mark.parametrize("before", [candidate(term=3), leader(term=3)], ids=lambda state: str(state.role))
def test_a_candidate_has_voted_for_itself(before) -> None:  # type: ignore[no-untyped-def]
    """So it refuses everybody else in its term, and so does the leader that it may have become."""
    step = take(before, request_vote("s2", term=3, last=(9, 3)))

    assert step.state == before
    assert step.marks == (Mark.REFUSED_SECOND_VOTE,)


@pytest.mark.parametrize("before", [follower(term=3), candidate(term=3), leader(term=3)], ids=lambda s: str(s.role))
def test_a_request_of_a_finished_term_is_rejected_with_the_current_one(before) -> None:  # type: ignore[no-untyped-def]
    """The candidate learns from the answer that its term is over (§5.1); the rejecting server doesn't change."""
    step = take(before, request_vote("s2", term=2, last=(9, 2)))

    assert step.state == before
    assert sent(step) == (RequestVoteResponse("s1", "s2", 3, False),)
    assert step.marks == (Mark.REJECTED_STALE_TERM,)
