"""Servers as threads stop where they are told to, all together, and go on as if nothing had been."""

from __future__ import annotations

import threading

import pytest
from attrs import evolve

from raftframe import Command, Entry, Log, Role
from raftframe.clusters.gates import AtMessage, OnApply, OnCommit, OnMark, OnRole, OnTimer, Pause, When, Where
from raftframe.clusters.pausing import PausingCluster
from raftframe.comms.memory import PASS, Decision, MessagePattern, Moment, Verdict
from raftframe.effects import Done, Timer, Unknown
from raftframe.entries import ServerId
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, AppendEntriesResponse, Message, RequestVote
from raftframe.server import Phase, ServerError
from raftframe.server_state import FollowerData, LeaderData

from .support import PATIENCE_S, agree, do, elect, still_cluster

NEW_ENTRIES = MessagePattern(AppendEntries, where=lambda m: isinstance(m, AppendEntries) and bool(m.entries))


# --- pausing by hand -------------------------------------------------------------------------------------------------


def test_a_paused_server_stands_still_and_the_others_go_on() -> None:
    """Messages to it wait on the wire; when it is resumed it catches up."""
    with still_cluster() as cluster:
        elect(cluster, "s1")
        cluster.pause("s3")
        steps = cluster.status("s3").counters.steps

        do(cluster, "s1", "x", 1)
        assert cluster.phase("s3") is Phase.PAUSED
        assert cluster.status("s3").reason == "pause"
        assert cluster.status("s3").counters.steps == steps
        assert len(cluster.network.wire("s3")) > 0

        cluster.resume("s3")
        cluster.wait_until(lambda: cluster.state("s3").app_state == ("x",), timeout_s=PATIENCE_S)


def test_what_has_nothing_to_act_on_is_a_mistake() -> None:
    """Silent no-ops are how tests rot."""
    with still_cluster() as cluster:
        cluster.pause("s1")
        with pytest.raises(ServerError, match="s1 is paused: only a running server can be paused"):
            cluster.pause("s1")
        with pytest.raises(ServerError, match="s2 is running: only a paused server can be resumed"):
            cluster.resume("s2")
        with pytest.raises(ServerError, match="s2 is running: it cannot be started"):
            cluster.start("s2")
        with pytest.raises(ServerError, match="pause it before its state is changed"):
            cluster.set_state("s2", cluster.state("s2"))
        with pytest.raises(ServerError, match="crash or stop it before its disk is emptied"):
            cluster.wipe("s2")
        cluster.stop("s2")
        for verb in (cluster.stop, cluster.crash):
            with pytest.raises(ServerError, match="s2 is stopped: there is nothing to"):
                verb("s2")
        with pytest.raises(KeyError):
            cluster.pause_on(OnRole(Role.LEADER), "s9")
    unstarted = PausingCluster(["a"], cluster.states)
    with pytest.raises(ServerError, match="a was never started"):
        unstarted.state("a")
    assert unstarted.describe() == "a new"


def test_a_paused_server_still_takes_requests_and_answers_later() -> None:
    """As a process that is stopped: its clients wait."""
    with still_cluster(1) as cluster:
        elect(cluster, "s1")
        cluster.pause_all()
        asked = cluster.submit("s1", "x", client="c", serial=1)
        cluster.call("s1", lambda server: None)
        assert not asked.done()

        cluster.resume_all()
        assert asked.result(PATIENCE_S) == Done(1)


def test_timers_stand_still_in_a_pause_and_go_on_with_what_they_had_left() -> None:
    """An hour of pause costs no time at all."""
    with still_cluster() as cluster:
        clock = cluster._clock
        assert clock is not None
        clock.advance(0.5)  # type: ignore[attr-defined]
        cluster.pause_all()
        left = {name: cluster.left_s(name, Timer.ELECTION) for name in cluster.names}
        clock.advance(3600.0)  # type: ignore[attr-defined]
        assert {name: cluster.left_s(name, Timer.ELECTION) for name in cluster.names} == left

        cluster.resume_all()
        now = {name: cluster.left_s(name, Timer.ELECTION) for name in cluster.names}
        assert now == {name: pytest.approx(seconds) for name, seconds in left.items()}
        assert all(cluster.status(name).counters.timeouts == 0 for name in cluster.names)
        assert all(0.4 < seconds < 1.6 for seconds in now.values() if seconds is not None)


# --- pause points ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "server", "places"),
    [
        (Moment.BEFORE_SENDING, "s1", {"outbox": 1, "wire": 0, "inbox": 0, "log": 0}),
        (Moment.AFTER_SENDING, "s1", {"outbox": 0, "wire": 1, "inbox": 0, "log": 0}),
        (Moment.BEFORE_RECEIVING, "s2", {"outbox": 0, "wire": 1, "inbox": 0, "log": 0}),
        (Moment.AFTER_RECEIVING, "s2", {"outbox": 0, "wire": 0, "inbox": 1, "log": 0}),
        (Moment.BEFORE_HANDLING, "s2", {"outbox": 0, "wire": 0, "inbox": 1, "log": 0}),
        (Moment.AFTER_HANDLING, "s2", {"outbox": 0, "wire": 0, "inbox": 0, "log": 1}),
    ],
)
def test_a_message_can_be_stopped_at_all_six_moments(moment: Moment, server: ServerId, places: dict[str, int]) -> None:
    """It is where it should be and nowhere else, and after resuming it takes effect once."""
    with still_cluster() as cluster:
        elect(cluster, "s1")
        cluster.network.cut("s3", "s1", both_ways=False)  # or its answer makes s1 send the entry once more
        entries_to_s2 = MessagePattern(AppendEntries, target="s2", where=NEW_ENTRIES.where)
        point = cluster.pause_on(AtMessage(moment, entries_to_s2), server, scope="all")
        asked = cluster.submit("s1", "x", client="c", serial=1)
        pause = point.wait(PATIENCE_S)

        assert pause.why == f"{server} {moment} AppendEntries to s2"
        assert {cluster.phase(name) for name in cluster.names} == {Phase.PAUSED}
        assert places == {
            "outbox": sum(map(entries_to_s2, cluster.outbox("s1"))),
            "wire": sum(entries_to_s2(envelope.message) for envelope in cluster.network.wire("s2")),
            "inbox": sum(map(entries_to_s2, cluster.inbox("s2"))),
            "log": cluster.state("s2").log.last_index,
        }
        answers = [type(message) for message in cluster.outbox("s2")]
        assert answers == ([AppendEntriesResponse] if moment is Moment.AFTER_HANDLING else [])
        if moment is not Moment.BEFORE_HANDLING and moment is not Moment.AFTER_HANDLING:
            assert [message.target for message in cluster.outbox("s1")][-1] == "s3"  # did not leave any more

        cluster.network.heal()
        cluster.resume_all()
        assert asked.result(PATIENCE_S) == Done(1)
        cluster.wait_until(lambda: agree(cluster), timeout_s=PATIENCE_S)
        assert cluster.state("s2").app_state == ("x",)


@pytest.mark.parametrize(
    ("where", "server"),
    [
        (OnRole(Role.LEADER), "s1"),
        (OnMark(Mark.BECAME_LEADER), "s1"),
        (OnMark(Mark.GRANTED_VOTE), "s2"),
        (OnTimer(Timer.ELECTION), "s1"),
        (When(lambda state: state.role is Role.CANDIDATE), "s1"),
    ],
    ids=str,
)
def test_servers_stop_on_role_substate_timer_and_condition(where: Where, server: ServerId) -> None:
    """After the step that gets there, or before the timeout is handled; then the election goes on."""
    with still_cluster() as cluster:
        point = cluster.pause_on(where, server, scope="all")
        cluster.fire("s1", Timer.ELECTION)
        point.wait(PATIENCE_S)

        state = cluster.state(server)
        match where:
            case OnRole() | OnMark(Mark.BECAME_LEADER):
                assert state.role is Role.LEADER
            case OnMark():
                assert state.voted_for == "s1"
            case OnTimer():
                assert state.term == 0
            case When():
                assert state.role is Role.CANDIDATE
        cluster.resume_all()
        cluster.wait_until(lambda: cluster.leader() == "s1", timeout_s=PATIENCE_S)
        assert cluster.points() == ()


def test_a_pause_that_is_undone_before_it_is_complete_says_so() -> None:
    """Whoever waits for it hears that a server went on."""
    with still_cluster() as cluster:
        busy, leave = threading.Event(), threading.Event()

        def hold() -> None:
            busy.set()
            leave.wait(PATIENCE_S)

        cluster.server("s1").call(hold)
        assert busy.wait(PATIENCE_S)
        pause = cluster.gates.close(cluster.names, "pause all")
        cluster.resume("s1")
        leave.set()

        with pytest.raises(ServerError, match="s1 went on before everybody stood still: pause all"):
            pause.wait(PATIENCE_S)
        assert not pause.complete


@pytest.mark.parametrize("where", [OnCommit(2), OnApply(2)], ids=str)
def test_any_server_may_be_the_one_that_stops(where: Where) -> None:
    """No server named: whichever gets there first, which is the leader; the others do not know of it yet."""
    with still_cluster() as cluster:
        elect(cluster, "s2")
        point = cluster.pause_on(where, scope="all")
        do(cluster, "s2", "x", 1)
        cluster.wait_until(lambda: agree(cluster), timeout_s=PATIENCE_S)
        cluster.submit("s2", "y", client="c", serial=2)
        pause = point.wait(PATIENCE_S)

        assert pause.why.startswith("s2 on ")
        assert [cluster.state(name).applied_index for name in ("s1", "s3")] == [1, 1]
        assert len(cluster.outbox("s2")) > 0


def test_a_point_bites_once_and_can_be_forgotten() -> None:
    """One that was not reached says so."""
    with still_cluster() as cluster:
        reached = cluster.pause_on(OnTimer(Timer.ELECTION), "s1", text="at the first timeout")
        missed = cluster.pause_on(OnCommit(99), "s2")
        elect_paused = cluster.fire
        elect_paused("s1", Timer.ELECTION)
        reached.wait(PATIENCE_S)
        assert cluster.points() == (missed,)
        with pytest.raises(TimeoutError, match="no server has come to the pause point 'on commit 99'"):
            missed.wait(0.01)

        assert cluster.forget_points("s1") == ()
        assert cluster.forget_points() == (missed,)
        cluster.resume("s1")
        cluster.wait_until(lambda: cluster.leader() == "s1", timeout_s=PATIENCE_S)
        cluster.fire("s2", Timer.ELECTION)
        cluster.wait_until(lambda: cluster.leader() == "s2", timeout_s=PATIENCE_S)


def test_several_points_at_once_all_count() -> None:
    """Two servers that stop at the same message, and a third that stops on its own account."""
    with still_cluster() as cluster:
        points = [
            cluster.pause_on(AtMessage(Moment.AFTER_HANDLING, MessagePattern(RequestVote)), name)
            for name in ("s2", "s3")
        ]
        same = cluster.pause_on(OnMark(Mark.GRANTED_VOTE), "s2")
        cluster.fire("s1", Timer.ELECTION)
        for point in [*points, same]:
            point.wait(PATIENCE_S)

        assert cluster.phase("s1") is Phase.RUNNING
        assert cluster.state("s1").role is Role.CANDIDATE
        cluster.resume_all()
        cluster.wait_until(lambda: cluster.leader() == "s1", timeout_s=PATIENCE_S)


def test_callbacks_see_a_cluster_in_which_nothing_moves() -> None:
    """On pausing and on resuming; a callback may resume, on a server's own thread."""
    seen: list[tuple[str, str, set[Phase], str]] = []
    with still_cluster() as cluster:

        def look(what: str, why: str) -> None:
            phases = {cluster.phase(name) for name in cluster.names}
            seen.append((what, why, phases, threading.current_thread().name))

        def paused(pause: Pause) -> None:
            look("pause", pause.why)
            cluster.resume_all()

        cluster.on_pause(paused)
        cluster.on_resume(lambda names: look("resume", " ".join(names)))
        cluster.pause_on(OnRole(Role.LEADER), "s1", scope="all")
        elect(cluster, "s1")

    assert [line[:3] for line in seen] == [
        ("pause", "s1 on role leader", {Phase.PAUSED}),
        ("resume", "s1 s2 s3", {Phase.PAUSED}),
    ]
    assert all(line[3].startswith("raftframe s") for line in seen)


# --- looking in, and changing ----------------------------------------------------------------------------------------


def test_the_outbox_and_the_inbox_of_a_paused_server_can_be_changed() -> None:
    """What is dropped from them never happened."""
    with still_cluster() as cluster:
        point = cluster.pause_on(AtMessage(Moment.BEFORE_SENDING, MessagePattern(RequestVote)), "s1")
        cluster.fire("s1", Timer.ELECTION)
        point.wait(PATIENCE_S)
        first, second = cluster.outbox("s1")
        assert cluster.call("s1", lambda server: server.drop_from_outbox(first))
        assert not cluster.call("s1", lambda server: server.drop_from_outbox(first))
        received = cluster.pause_on(AtMessage(Moment.BEFORE_HANDLING, MessagePattern(RequestVote)), "s3")
        cluster.resume("s1")
        received.wait(PATIENCE_S)
        assert cluster.inbox("s3") == (second,)
        assert cluster.call("s3", lambda server: server.drop_from_inbox(second))
        assert not cluster.call("s3", lambda server: server.drop_from_inbox(second))
        cluster.resume("s3")
        cluster.call("s3", lambda server: None)

        assert [cluster.state(name).term for name in cluster.names] == [1, 0, 0]


def test_the_state_of_a_paused_server_can_be_changed() -> None:
    """It is stored, and the server goes on from it; a new leader's timers are a leader's."""
    entry = Entry(1, Command("c", 1, "x"))
    with still_cluster() as cluster:
        cluster.pause("s1")
        state = cluster.state("s1")
        durable = evolve(state.durable, term=1, voted_for="s1", log=Log((entry,)))
        progress = tuple(cluster.states.leader.initial_progress(state, peer) for peer in state.peers)
        cluster.set_state("s1", evolve(state, durable=durable, data=LeaderData(progress)))

        assert cluster.state("s1").role is Role.LEADER
        assert cluster.disk("s1") == durable
        assert cluster.left_s("s1", Timer.ELECTION) is None
        assert cluster.left_s("s1", Timer.HEARTBEAT) == pytest.approx(0.1)
        with pytest.raises(ValueError, match="the state of s1, not of s2"):
            cluster.pause("s2")
            cluster.set_state("s2", cluster.state("s1"))

        cluster.resume_all()
        cluster.fire("s1", Timer.HEARTBEAT)
        cluster.wait_until(lambda: agree(cluster) and cluster.state("s2").app_state == ("x",), timeout_s=PATIENCE_S)
        cluster.pause("s1")
        cluster.set_state("s1", evolve(cluster.state("s1"), data=FollowerData()))
        assert cluster.left_s("s1", Timer.HEARTBEAT) is None
        assert 1.0 <= (cluster.left_s("s1", Timer.ELECTION) or 0) <= 2.0


def test_functions_run_in_a_servers_thread_paused_or_not() -> None:
    """Called from the thread itself, at once."""
    with still_cluster() as cluster:

        def nested(_: object) -> str:
            return cluster.call("s1", lambda server: threading.current_thread().name)

        assert cluster.call("s1", nested) == "raftframe s1"
        cluster.pause_all()
        assert cluster.call("s1", nested) == "raftframe s1"
        with pytest.raises(ZeroDivisionError):
            cluster.call("s1", lambda server: 1 // 0)


def test_an_interceptor_sees_handling_too() -> None:
    """And may keep a message from being handled: dropped, or back on the wire."""
    seen: list[Moment] = []

    class Watching:
        decision: Decision = PASS

        def intercept(self, moment: Moment, message: Message) -> Decision:
            if isinstance(message, RequestVote) and message.target == "s2":
                seen.append(moment)
                if moment is Moment.BEFORE_HANDLING:
                    return self.decision
            return PASS

    watching = Watching()
    with still_cluster(interceptor=watching) as cluster:
        elect(cluster, "s1")
        assert seen == list(Moment)

        watching.decision = Verdict.HOLD
        cluster.fire("s1", Timer.ELECTION)  # a leader ignores it
        cluster.fire("s3", Timer.ELECTION)
        cluster.wait_until(lambda: cluster.network.wire("s2"), timeout_s=PATIENCE_S)
        assert cluster.state("s2").term in (1, 2)  # 2 as soon as the new leader's entries arrive
        cluster.gates.set_interceptor(None)


# --- crashes ---------------------------------------------------------------------------------------------------------


def test_a_crash_loses_outbox_and_inbox_and_keeps_the_disk() -> None:
    """A candidate that crashes before its requests leave has voted for itself, and knows it."""
    with still_cluster() as cluster:
        point = cluster.pause_on(AtMessage(Moment.BEFORE_SENDING, MessagePattern(RequestVote)), "s1")
        cluster.fire("s1", Timer.ELECTION)
        point.wait(PATIENCE_S)
        cluster.crash("s1")
        assert cluster.phase("s1") is Phase.CRASHED
        assert cluster.state("s2").term == 0

        cluster.restart("s1")
        state = cluster.state("s1")
        assert (state.role, state.term, state.voted_for) == (Role.FOLLOWER, 1, "s1")
        assert [cluster.state(name).term for name in ("s2", "s3")] == [0, 0]


def test_a_crash_may_lose_what_was_not_synced() -> None:
    """Between write and sync; without a power failure, it is on the disk."""
    for losing, entries in ((True, 0), (False, 1)):
        with still_cluster(1) as cluster:
            elect(cluster, "s1")
            server = cluster.server("s1")
            reached, leave = threading.Event(), threading.Event()
            sync = server._sync

            def stuck(reached=reached, leave=leave, sync=sync) -> None:  # type: ignore[no-untyped-def]
                reached.set()
                leave.wait(PATIENCE_S)
                sync()

            server._sync = stuck  # type: ignore[method-assign]
            asked = cluster.submit("s1", "x", client="c", serial=1)
            assert reached.wait(PATIENCE_S)
            crashing = threading.Thread(target=cluster.crash, args=("s1",), kwargs={"losing_unsynced": losing})
            crashing.start()
            cluster.wait_until(lambda server=server: server.gate.ending, timeout_s=PATIENCE_S)  # type: ignore[misc]
            leave.set()
            crashing.join(PATIENCE_S)

            assert asked.result(PATIENCE_S) == Unknown()
            cluster.restart("s1")
            assert cluster.state("s1").log.last_index == entries
            cluster.crash("s1")
            cluster.wipe("s1")
            cluster.restart("s1")
            assert cluster.state("s1").term == 0


def test_a_server_is_regenerated_from_its_storage() -> None:
    """Paused, it stays paused; what is on the wire to it is still there."""
    with still_cluster() as cluster:
        elect(cluster, "s1")
        do(cluster, "s1", "x", 1)
        cluster.wait_until(lambda: agree(cluster), timeout_s=PATIENCE_S)
        cluster.pause("s3")
        do(cluster, "s1", "y", 2)
        wire = cluster.network.wire("s3")
        old = cluster.server("s3")
        cluster.regenerate("s3")

        assert cluster.server("s3") is not old
        assert old.phase is Phase.CRASHED
        assert cluster.phase("s3") is Phase.PAUSED
        state = cluster.state("s3")
        assert (state.log.last_index, state.commit_index, state.app_state) == (1, 0, ())
        assert cluster.network.wire("s3") == wire
        cluster.resume("s3")
        cluster.wait_until(lambda: cluster.state("s3").app_state == ("x", "y"), timeout_s=PATIENCE_S)

        cluster.regenerate("s2")
        assert cluster.phase("s2") is Phase.RUNNING
        assert cluster.state("s2").log.last_index == 2


def test_a_cluster_that_stands_still_can_be_stopped_and_started_again() -> None:
    """Stopping waits for nobody's pause; the disks stay."""
    with still_cluster() as cluster:
        elect(cluster, "s1")
        do(cluster, "s1", "x", 1)
        cluster.wait_until(lambda: agree(cluster), timeout_s=PATIENCE_S)  # or s2 might not be electable
        cluster.pause_all()
        cluster.stop_all()
        assert {cluster.phase(name) for name in cluster.names} == {Phase.STOPPED}
        assert cluster.leader() is None

        cluster.start_all()
        assert cluster.state("s1").log.last_index == 1
        elect(cluster, "s2")


def test_a_server_that_goes_down_is_not_waited_for() -> None:
    """A pause is complete when all that are still up rest."""
    with still_cluster() as cluster:
        busy, leave = threading.Event(), threading.Event()

        def hold() -> None:
            busy.set()
            leave.wait(PATIENCE_S)

        cluster.server("s1").call(hold)
        assert busy.wait(PATIENCE_S)
        with pytest.raises(TimeoutError, match="s1 still moved: pause all"):
            cluster.pause_all(timeout_s=0.05)
        crashing = threading.Thread(target=cluster.crash, args=("s1",))
        crashing.start()
        leave.set()
        crashing.join(PATIENCE_S)

        assert cluster.pause_all(timeout_s=PATIENCE_S).servers == ("s2", "s3")


def test_a_cluster_settles_when_nothing_moves_any_more() -> None:
    """After an election and a hundred commands; what is held, or paused, is not waited for."""
    with still_cluster() as cluster:
        cluster.fire("s1", Timer.ELECTION)
        cluster.settle(timeout_s=PATIENCE_S)
        assert [cluster.state(name).leader for name in cluster.names] == ["s1"] * 3

        cluster.network.hold("answers", MessagePattern(AppendEntriesResponse, source="s2"))
        cluster.pause("s3")
        asked = [cluster.submit("s1", "x", client="c", serial=serial) for serial in range(1, 101)]
        cluster.settle(timeout_s=PATIENCE_S)
        assert cluster.state("s2").log.last_index == 100
        assert not any(future.done() for future in asked)

        cluster.network.release("answers")
        cluster.settle(timeout_s=PATIENCE_S)
        assert all(future.done() for future in asked)
        cluster.resume("s3")
        cluster.settle(timeout_s=PATIENCE_S)
        assert agree(cluster)


def test_waiting_in_vain_shows_how_the_servers_stand() -> None:
    """The error is what one would have printed next."""
    with still_cluster(1) as cluster, pytest.raises(TimeoutError, match=r"(?s)not in .*s1 running: follower of term 0"):
        cluster.wait_until(cluster.leader, timeout_s=0.01)
