"""Pause points: each gate that a message passes, and everything else that a server can be stopped at."""

from __future__ import annotations

import pytest

from .support import fails, passes

QUIET = "servers: 3\noptions: noop=off\n"

POINTS = {
    "before sending": "pause s1 before sending RequestVote to s3\ntimeout s1\nsettle\n"
    "expect s1 is paused and RequestVote s1 -> s3 is sent and RequestVote s1 -> s2 is handled\n"
    "resume s1\nsettle\nexpect s1 is leader",
    "after sending": "pause s1 after sending RequestVote to s2\ntimeout s1\nflush s1\n"
    "expect s1 is paused and RequestVote s1 -> s2 is in-flight and RequestVote s1 -> s3 is sent",
    "before receiving": "pause s2 before receiving RequestVote\ntimeout s1\ndeliver RequestVote s1 -> s2\n"
    "expect s2 is paused and RequestVote s1 -> s2 is in-flight\ncrash s2\nrestart s2\n"
    "deliver RequestVote s1 -> s2\nexpect s2.voted_for == s1",
    "after receiving": "pause s2 after receiving RequestVote\ntimeout s1\nsettle\n"
    "expect s2 is paused and RequestVote s1 -> s2 is arrived\nresume s2\ndeliver RequestVote s1 -> s2",
    "before handling": "pause s2 before handling RequestVote\ntimeout s1\ndeliver RequestVote s1 -> s2\n"
    "expect s2 is paused and RequestVote s1 -> s2 is arrived and s2.term == 0\ncrash s2\n"
    "expect RequestVote s1 -> s2 is dropped",
    "after handling": "pause s2 after handling RequestVote\ntimeout s1\ndeliver RequestVote s1 -> s2\n"
    "expect s2 is paused and s2.voted_for == s1 and RequestVoteResponse s2 -> s1 is sent\ncrash s2\n"
    "expect RequestVoteResponse s2 -> s1 is dropped",
    "on role": "pause s1 on role leader\ntimeout s1\nsettle\n"
    "expect s1 is paused and s1 is leader and AppendEntries s1 -> s2 is sent",
    "on substate": "pause s2 on substate granted_vote\ntimeout s1\nsettle\nexpect s2 is paused and s2.voted_for == s1",
    "on timer": "pause s1 on timer election\ntimeout s1\nexpect s1 is paused and s1.term == 0\nresume s1\n"
    "advance 1ms\nexpect s1.term == 1",
    "when": "pause s3 when s1 is leader\ntimeout s1\nsettle\nexpect s3 is paused and s1 is leader",
}


@pytest.mark.parametrize("steps", POINTS.values(), ids=POINTS)
def test_pause_point(steps: str) -> None:
    """The server stops just there, and the message is where the life cycle says."""
    passes(steps)


def test_commit_and_apply() -> None:
    """A pause on commit or apply bites when the index gets there; answers to clients wait with the server."""
    steps = "elect s1\npause s1 on {} 2\nclient c1 credit 1 as a\nclient c1 credit 2 as b\nsettle\n"
    steps += "expect s1 is paused and s1.commit == 2 and b is pending\nresume s1\nsettle\nexpect b is ok"

    for kind in ("commit", "apply"):
        passes(steps.format(kind), header=QUIET)


def test_a_paused_server_stands_still() -> None:
    """It takes no step, its timers keep the time they had left, and resuming causes no timeout."""
    passes("pause s1\nadvance 5s\nexpect s1.term == 0\nresume s1\nexpect s1.term == 0 and s1 is follower")
    passes("timeout s1\npause s2\nsettle\nexpect RequestVote s1 -> s2 is in-flight and s1 is leader")


def test_a_point_bites_once() -> None:
    """After resume the same point does not bite again."""
    passes(
        "pause s2 before handling RequestVote\ntimeout s1\nsettle\nresume s2\ntimeout s1\nsettle\nexpect s2 is running"
    )


def test_a_paused_outbox_cannot_be_delivered_from() -> None:
    """deliver says why the message stays."""
    fails("timeout s1\npause s1\ndeliver RequestVote s1 -> s2", "action", "s1 is paused")
