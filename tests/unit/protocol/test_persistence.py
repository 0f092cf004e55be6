"""What survives a crash, and that nobody was told what does not (Raft figure 2, persistent state)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checker.raft_system import Disk
from raftframe import DurableState, Options, Role, ServerState, StandardStateMap, recover, start
from raftframe.effects import AppendToLog, Effect, Sync, TruncateLog, Write, WriteTermAndVote, written
from raftframe.events import Event
from raftframe.messages import Message
from raftframe.server_state import FollowerData

from .cluster import check_effects
from .support import (
    ELECTION_TIMEOUT,
    STATES,
    append,
    ask,
    candidate,
    entries,
    entry,
    follower,
    leader,
    log_of,
    of_type,
    request_vote,
    servers,
    states_of,
    stored,
    take,
    vote,
)

NOOP_STATES = states_of(Options(noop=True))
STEPS: dict[str, tuple[ServerState, Event | Message, StandardStateMap]] = {
    "stands for election": (follower(1, term=1), ELECTION_TIMEOUT, STATES),
    "votes": (follower(1, term=1), request_vote(last=(1, 1)), STATES),
    "votes in a new term": (leader(1, term=1), request_vote(term=2, last=(1, 1)), STATES),
    "steps down": (leader(1, term=1), vote(term=2, granted=False), STATES),
    "concedes and takes entries": (candidate(1, term=2), append(2, term=2, previous=(1, 1)), STATES),
    "takes entries of a new term": (follower(1, term=1, voted_for="s3"), append(1, 2, term=2, commit=2), STATES),
    "replaces entries": (follower(1, 1, 1, term=1), append(2, 2, term=2, previous=(1, 1), commit=9), STATES),
    "takes a command": (leader(1, term=1), ask(), STATES),
    "takes office": (candidate(1, term=2), vote(term=2), NOOP_STATES),
    "commits": (leader(1, 1, term=1), stored(2), STATES),
    "leads alone": (follower(1, term=1, count=1), ELECTION_TIMEOUT, NOOP_STATES),
    "serves alone": (leader(1, term=1, count=1), ask(), STATES),
}
EVERY_STEP = pytest.mark.parametrize(("before", "event", "states"), STEPS.values(), ids=STEPS.keys())


def recoveries(before: ServerState, effects: tuple[Effect, ...]) -> Iterator[tuple[int, DurableState]]:
    """After each number of effects: what a crash may leave, of the process or of the machine."""
    disk = Disk(before.durable, before.durable)
    for done in range(len(effects) + 1):
        yield done, disk.written
        yield done, disk.synced
        disk = disk.after(effects[done]) if done < len(effects) else disk


@EVERY_STEP
def test_a_crash_between_any_two_effects_leaves_a_legal_state(
    before: ServerState, event: Event | Message, states: StandardStateMap
) -> None:
    """The term never falls, a vote is never exchanged, and what was committed is never lost."""
    step = take(before, event, states)

    for done, left in recoveries(before, step.effects):
        after = recover("s1", before.configuration, left, states)
        assert after.role is Role.FOLLOWER
        assert (after.commit_index, after.applied_index, after.data) == (0, 0, FollowerData())
        assert before.term <= after.term <= step.state.term, f"after {done} effects"
        if after.term == before.term and before.voted_for is not None:
            assert after.voted_for == before.voted_for, f"after {done} effects"
        if after.term == step.state.term and after.voted_for is not None:
            assert after.voted_for == step.state.voted_for, f"after {done} effects"
        assert after.log.starts_with(before.log.up_to(before.commit_index)), f"after {done} effects"
        assert after.log.last_term <= after.term, f"after {done} effects"


@EVERY_STEP
def test_nothing_that_was_said_can_be_taken_back_by_a_crash(
    before: ServerState, event: Event | Message, states: StandardStateMap
) -> None:
    """Whatever is sent, applied or answered speaks only of what was synced before it."""
    problems: list[str] = []
    check_effects(Disk(before.durable, before.durable), take(before, event, states).effects, problems)

    assert problems == []


@EVERY_STEP
def test_a_step_that_was_carried_out_is_on_disk(
    before: ServerState, event: Event | Message, states: StandardStateMap
) -> None:
    """When all effects are done, the disk holds exactly what the server believes."""
    step = take(before, event, states)

    *_, (_, left) = recoveries(before, step.effects)
    assert left == step.state.durable


def test_the_check_itself_notices_what_is_said_too_early() -> None:
    """The same effects with the sync behind the message would be a lie after a crash."""
    before = follower(1, term=1)
    effects = take(before, request_vote(last=(1, 1))).effects
    too_early = tuple(sorted(effects, key=lambda effect: isinstance(effect, Sync)))
    problems: list[str] = []

    check_effects(Disk(before.durable, before.durable), too_early, problems)

    assert len(problems) == 1
    assert problems[0].startswith("sent before it was safe: RequestVoteResponse")


def test_a_recovered_server_keeps_its_vote() -> None:
    """After a restart it refuses the second candidate of the term in which it has voted."""
    voted = take(follower(term=1), request_vote("s2", term=2)).state
    again = recover("s1", voted.configuration, voted.durable, STATES)

    assert take(again, request_vote("s3", term=2)).state.voted_for == "s2"


def test_a_recovered_leader_is_a_follower_that_may_catch_up() -> None:
    """Its office, its commit index and its application are gone; they come back with the leader's next message."""
    again = recover("s1", servers(), leader(1, 1, term=1, commit=2).durable, STATES)
    step = take(again, append(source="s2", term=2, previous=(2, 1), commit=2))

    assert again.app_state == ()
    assert step.state.app_state == ("1.1", "2.1")


def test_a_new_server_has_stored_nothing() -> None:
    """It is a follower of term 0."""
    assert start("s2", servers(), STATES) == follower(term=0, identity="s2")


@pytest.mark.parametrize(
    "begin", [lambda i: start(i, servers(), STATES), lambda i: recover(i, servers(), DurableState(), STATES)]
)
def test_a_stranger_cannot_begin(begin) -> None:  # type: ignore[no-untyped-def]
    """A server belongs to its configuration."""
    with pytest.raises(ValueError, match="s9 is not one of the servers s1, s2, s3"):
        begin("s9")


@pytest.mark.parametrize(
    ("before", "event", "writes"),
    [
        pytest.param(follower(term=1), ELECTION_TIMEOUT, (WriteTermAndVote(2, "s1"),), id="term and vote in one"),
        pytest.param(
            follower(1, 1, term=1),
            append(2, term=2, previous=(1, 1)),
            (WriteTermAndVote(2, None), TruncateLog(1), AppendToLog(2, entries((2,), 2))),
            id="term, cut, entries",
        ),
        pytest.param(follower(1, term=1), append(1, 1, term=1), (AppendToLog(2, entries((1,), 2)),), id="only the new"),
        pytest.param(follower(1, 1, term=1), append(1, term=1), (), id="nothing new"),
        pytest.param(follower(term=1, voted_for="s2"), request_vote("s2"), (), id="the same vote again"),
        pytest.param(leader(1, 1, term=1), stored(2), (), id="commit index is not stored"),
    ],
)
def test_what_is_written(before: ServerState, event: Event | Message, writes: tuple[Write, ...]) -> None:
    """Only what changed: term and vote together, then what is cut, then what is new; a sync follows if anything."""
    step = take(before, event)

    assert tuple(e for e in step.effects if isinstance(e, WriteTermAndVote | TruncateLog | AppendToLog)) == writes
    assert of_type(step, Sync) == ((Sync(),) if writes else ())


def test_the_meaning_of_a_write() -> None:
    """`written` is what every store and model must agree with."""
    before = DurableState(1, "s2", log_of(1, 1))

    assert written(before, WriteTermAndVote(2, None)) == DurableState(2, None, log_of(1, 1))
    assert written(before, TruncateLog(1)).log == log_of(1)
    assert written(before, AppendToLog(3, (entry(3, 1),))).log == log_of(1, 1, 1)


@pytest.mark.parametrize("first", [1, 2, 4])
def test_entries_are_written_behind_the_last_one(first: int) -> None:
    """A write that leaves a gap or overwrites is a bug of the driver."""
    with pytest.raises(ValueError, match=f"entries at {first} do not follow the stored 2"):
        written(DurableState(log=log_of(1, 1)), AppendToLog(first, (entry(first, 1),)))
