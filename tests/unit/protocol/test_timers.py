"""The two timers: which one runs in which role, and what starts it anew (Raft §5.2)."""

from __future__ import annotations

import pytest

from raftframe import Role, ServerState
from raftframe.effects import StartTimer, StopTimer, Timer
from raftframe.events import Event
from raftframe.marks import Mark
from raftframe.messages import Message

from .cluster import Cluster
from .support import (
    ELECTION_TIMEOUT,
    HEARTBEAT_TIMEOUT,
    append,
    ask,
    candidate,
    follower,
    leader,
    request_vote,
    stored,
    take,
    vote,
)

START_ELECTION, STOP_ELECTION = StartTimer(Timer.ELECTION), StopTimer(Timer.ELECTION)
START_HEARTBEAT, STOP_HEARTBEAT = StartTimer(Timer.HEARTBEAT), StopTimer(Timer.HEARTBEAT)
TABLE = [
    pytest.param(follower(term=1), ELECTION_TIMEOUT, (START_ELECTION,), id="stands"),
    pytest.param(candidate(term=1), ELECTION_TIMEOUT, (START_ELECTION,), id="stands again"),
    pytest.param(candidate(term=1), vote(), (STOP_ELECTION, START_HEARTBEAT), id="leads"),
    pytest.param(
        follower(term=0, count=1), ELECTION_TIMEOUT, (START_ELECTION, STOP_ELECTION, START_HEARTBEAT), id="alone"
    ),
    pytest.param(leader(term=1), HEARTBEAT_TIMEOUT, (START_HEARTBEAT,), id="beats"),
    pytest.param(leader(term=1), vote(term=2), (STOP_HEARTBEAT, START_ELECTION), id="steps down"),
    pytest.param(candidate(term=1), vote(term=2), (), id="candidate steps down"),
    pytest.param(candidate(term=1), append(), (START_ELECTION,), id="concedes"),
    pytest.param(follower(term=1), append(), (START_ELECTION,), id="hears from the leader"),
    pytest.param(follower(term=1), append(previous=(9, 1)), (START_ELECTION,), id="hears, and rejects"),
    pytest.param(follower(term=2), append(), (), id="hears from an old leader"),
    pytest.param(follower(term=1), request_vote(), (START_ELECTION,), id="votes"),
    pytest.param(follower(term=1, voted_for="s3"), request_vote(), (), id="refuses a second vote"),
    pytest.param(follower(1, term=1), request_vote(term=2), (), id="refuses a stale log"),
    pytest.param(leader(1, term=1), request_vote(term=2), (STOP_HEARTBEAT, START_ELECTION), id="leader refuses"),
    pytest.param(leader(1, term=1), ask(), (), id="takes a command"),
    pytest.param(leader(1, term=1), stored(1), (), id="commits"),
]


@pytest.mark.parametrize(("before", "event", "timers"), TABLE)
def test_what_a_step_does_to_the_timers(
    before: ServerState, event: Event | Message, timers: tuple[StartTimer | StopTimer, ...]
) -> None:
    """An election timer starts anew by word from the leader or a vote given, and by nothing else (figure 2)."""
    step = take(before, event)

    assert tuple(e for e in step.effects if isinstance(e, StartTimer | StopTimer)) == timers


@pytest.mark.parametrize(
    ("before", "event"),
    [
        (leader(term=1), ELECTION_TIMEOUT),
        (follower(term=1), HEARTBEAT_TIMEOUT),
        (candidate(term=1), HEARTBEAT_TIMEOUT),
    ],
    ids=["leader", "follower", "candidate"],
)
def test_a_timer_that_fires_late_is_ignored(before: ServerState, event: Event) -> None:
    """It was stopped while its event was already waiting."""
    step = take(before, event)

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.IGNORED_TIMEOUT,))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_leaders_beat_and_the_others_wait(count: int) -> None:
    """Followed through elections and a change of leader, exactly the timer of the role is running."""
    cluster = Cluster(count=count)
    timers = {server: {Timer.ELECTION} for server in cluster.servers}  # the driver starts it

    def follow() -> None:
        for step in cluster.steps:
            for effect in step.effects:
                match effect:
                    case StartTimer(timer):
                        timers[step.state.identity].add(timer)
                    case StopTimer(timer):
                        timers[step.state.identity].discard(timer)
        cluster.steps.clear()

    for candidate_server in [*cluster.servers] * 2:
        if cluster.running(candidate_server).role is not Role.LEADER:
            cluster.do(candidate_server, ELECTION_TIMEOUT)
        cluster.settle()
        follow()

        for server, running in timers.items():
            leads = cluster.running(server).role is Role.LEADER
            assert running == {Timer.HEARTBEAT if leads else Timer.ELECTION}
