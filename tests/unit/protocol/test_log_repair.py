"""A new leader brings every log in line with its own: the six followers of Raft figure 7 (§5.3)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftframe import Options, ServerState, StandardStateMap
from raftframe.marks import Mark
from raftframe.server_state import Progress
from raftframe.states.leader import leading

from .support import HEARTBEAT_TIMEOUT, follower, leader, log_of, sent, states_of, take

LEADER = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
FIGURE_7 = {
    "a, lacks the last": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b, lacks many": (1, 1, 1, 4),
    "c, one too many": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d, two of a later term": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e, lacks some, has others": (1, 1, 1, 4, 4, 4, 4),
    "f, has a history of its own": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}


def repair(
    leading_server: ServerState, following: ServerState, states: StandardStateMap
) -> tuple[ServerState, ServerState, list[Mark]]:
    """Both servers after the leader beat once and all of their messages to each other were delivered, and the marks."""
    both = {leading_server.identity: leading_server, following.identity: following}
    step = take(leading_server, HEARTBEAT_TIMEOUT, states)
    waiting, marks = list(sent(step)), list(step.marks)
    while waiting:
        message = waiting.pop(0)
        if message.target in both:
            step = take(both[message.target], message, states)
            both[message.target] = step.state
            waiting.extend(sent(step))
            marks.extend(step.marks)
    return both[leading_server.identity], both[following.identity], marks


@pytest.mark.parametrize("batch", [1, 3, None])
@pytest.mark.parametrize("terms", FIGURE_7.values(), ids=FIGURE_7.keys())
def test_a_leader_repairs_the_logs_of_figure_7(terms: tuple[int, ...], batch: int | None) -> None:
    """It backs up to where the logs agree and sends its own from there; what an heir to its term adds comes on top."""
    states = states_of(Options(noop=False, announce_commit=False, batch=batch))
    before = leader(*LEADER, 8, term=8)

    after, repaired, marks = repair(before, follower(*terms, term=7, identity="s2"), states)

    assert repaired.log == after.log == log_of(*LEADER, 8)
    assert leading(after).of("s2") == Progress("s2", 12, 11)
    assert (Mark.TRUNCATED_SUFFIX in marks) == (terms != LEADER[: len(terms)])
    assert after.commit_index == 11


@pytest.mark.parametrize(
    ("terms", "kept"),
    [
        (FIGURE_7["c, one too many"], True),
        (FIGURE_7["d, two of a later term"], True),
        (FIGURE_7["b, lacks many"], False),
    ],
    ids=["c", "d", "b"],
)
def test_what_lies_behind_the_leaders_log_stays_until_it_conflicts(terms: tuple[int, ...], kept: bool) -> None:
    """A leader that sends nothing there cuts nothing there, nor does it count what it does not have."""
    after, repaired, _marks = repair(leader(*LEADER, term=8), follower(*terms, term=7, identity="s2"), states_of())

    assert repaired.log == (log_of(*terms) if kept else log_of(*LEADER))
    assert leading(after).of("s2") == Progress("s2", 11, 10)
    assert after.commit_index == 0


@settings(deadline=None)
@given(
    common=st.lists(st.integers(1, 3), max_size=4).map(sorted),
    ahead=st.lists(st.integers(4, 6), max_size=4).map(sorted),
    behind=st.lists(st.integers(7, 9), max_size=4).map(sorted),
    batch=st.sampled_from([1, 2, None]),
)
def test_any_two_logs_are_brought_in_line(
    common: list[int], ahead: list[int], behind: list[int], batch: int | None
) -> None:
    """However the logs differ, the follower's ends up with the leader's as its beginning, and the leader knows it."""
    states = states_of(Options(noop=False, announce_commit=False, batch=batch))
    before = leader(*common, *ahead, term=10)

    after, repaired, _marks = repair(before, follower(*common, *behind, term=9, identity="s2"), states)

    assert after.log == before.log
    assert repaired.log.starts_with(before.log)
    assert leading(after).of("s2").match_index == before.log.last_index
