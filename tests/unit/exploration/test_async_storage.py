"""Servers that store later, as actors: what is done when, and what a crash leaves."""

from __future__ import annotations

from attrs import evolve

from checker.raft_system import TORN, RaftServer, RaftSystem
from checker.system import Local, Step
from raftframe import Options, Role, StandardStateMap
from raftframe.api.app import RecordingApp
from raftframe.messages import RequestVote

SYSTEM = RaftSystem(StandardStateMap(RecordingApp(), Options(noop=False, async_storage=True)))


def after(server: RaftServer, *kinds: str) -> RaftServer:
    """s1 after these local events."""
    for kind in kinds:
        step = step_of(server, kind)
        assert step is not None
        assert isinstance(step.state, RaftServer)
        server = step.state
    return server


def step_of(server: RaftServer, kind: str) -> Step | None:
    """What s1 does."""
    return SYSTEM.step("s1", server, Local(kind))


def test_nothing_is_sent_before_it_is_stored() -> None:
    """The candidate's requests leave with the write of its vote; the server hears of that later."""
    standing = after(SYSTEM.initial("s1"), "timeout")
    stored = step_of(standing, "store")

    standing_step = step_of(SYSTEM.initial("s1"), "timeout")
    assert standing_step is not None and standing_step.sends == ()
    assert stored is not None
    assert {type(send.message) for send in stored.sends} == {RequestVote}
    assert standing.disk.synced.term == 0
    assert after(standing, "store").disk.synced.voted_for == "s1"
    assert after(standing, "store").receipts == (standing.stores[0].receipt,)


def test_what_is_not_there_cannot_happen() -> None:
    """No completion without something that was left for later."""
    server = SYSTEM.initial("s1")

    assert [step_of(server, kind) for kind in ("store", "receipt", "apply", *TORN)] == [None] * 6


def test_a_crash_loses_what_is_not_stored() -> None:
    """And what was left for later with it."""
    crashed = after(SYSTEM.initial("s1"), "timeout", "crash")

    assert crashed == RaftServer(None, SYSTEM.initial("s1").disk)


def test_a_torn_crash_leaves_the_first_writes() -> None:
    """The machine dies between the write of the term and whatever comes next."""
    standing = after(SYSTEM.initial("s1"), "timeout")

    torn = after(standing, TORN[0])

    assert torn.durable.term == 1
    assert (torn.stores, torn.receipts) == ((), ())
    assert step_of(standing, TORN[1]) is None


def test_what_waits_only_goes_with_the_last_write() -> None:
    """Heartbeats do not make the queue of the disk longer."""
    standing = after(SYSTEM.initial("s1"), "timeout")
    waiting = evolve(standing.stores[0], writes=(), messages=standing.stores[0].messages[:1])

    both, _ = SYSTEM.complete_store(evolve(standing, stores=(standing.stores[0], waiting)))

    assert both.stores == (waiting,)
    assert len(after(standing, "timeout").stores) == 2
    assert after(standing, "timeout", "store", "store").disk.synced.term == 2


def test_others_may_rely_on_what_is_stored_only() -> None:
    """While anything is still to be stored, memory promises nothing."""
    standing = after(SYSTEM.initial("s1"), "timeout")

    assert (standing.durable.term, standing.promised.term) == (1, 0)
    assert after(standing, "store").promised.term == 1
    assert standing.state is not None
    assert standing.state.role is Role.CANDIDATE
