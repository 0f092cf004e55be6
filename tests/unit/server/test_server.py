"""A server carries effects out in their order, answers its clients, and ends in a state that is defined."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable

import pytest

from raftframe import Command, Configuration, DurableState, Entry, Log, Options, Role, StandardStateMap
from raftframe import effects as fx
from raftframe import server as server_module
from raftframe.api.app import RecordingApp
from raftframe.api.storage import StorageError
from raftframe.batches import Taken, outgoing
from raftframe.comms.memory import MemoryNetwork
from raftframe.events import Event
from raftframe.messages import AppendEntries, AppendEntriesResponse, RequestVote, RequestVoteResponse
from raftframe.protocol import Step
from raftframe.server import Phase, Server, ServerError, Timing
from raftframe.server_state import ServerState
from raftframe.storage.memory import MemoryLogStore
from raftframe.timers import ThreadTimers

from .support import PATIENCE_S, Bench, FailingApp, eventually


class Unmoved:
    """A monitor."""

    def stepped(self, before: ServerState, event: Event, step: Step) -> None:
        """Watch."""


class Sharing(Unmoved):
    """A monitor to which several commands may be one step."""

    shares_steps = True


def my_server() -> Server:
    """A server of one's own, as the README shows it: every part can be another one."""
    from raftframe import Configuration, StandardStateMap
    from raftframe.api.app import RecordingApp
    from raftframe.comms.memory import MemoryNetwork
    from raftframe.server import Server
    from raftframe.storage.memory import MemoryLogStore
    from raftframe.timers import ThreadTimers

    return Server(
        "s1",
        Configuration(("s1",)),
        StandardStateMap(RecordingApp()),
        store=MemoryLogStore(),
        comms=MemoryNetwork().comms("s1"),
        timers=ThreadTimers(),
    )


def test_a_server_refuses_to_store_later() -> None:
    """The option is for simulations; silently storing at once would be another protocol than the one chosen."""
    with pytest.raises(ValueError, match="async_storage=on is for simulations"):
        Server(
            "s1",
            Configuration(("s1",)),
            StandardStateMap(RecordingApp(), Options(async_storage=True)),
            store=MemoryLogStore(),
            comms=MemoryNetwork().comms("s1"),
            timers=ThreadTimers(),
        )


def test_a_server_of_ones_own_takes_less_than_thirty_lines() -> None:
    """Built, started, asked, stopped: in real time, without a line that is not shown."""
    assert len(inspect.getsource(my_server).splitlines()) < 30
    server = my_server()
    server.start()
    assert eventually(lambda: server.status().role is Role.LEADER)

    outcome = server.submit("hello", client="c1", serial=1).result(PATIENCE_S)
    server.stop()

    assert outcome == fx.Done(1)
    assert server.status().phase is Phase.STOPPED


# --- effects ---------------------------------------------------------------------------------------------------------


def test_what_is_written_is_synced_before_anything_leaves() -> None:
    """A candidate stores its vote, syncs, and only then asks for others'; the timer comes last."""
    with Bench(3) as bench:
        bench.journal.lines.clear()
        bench.timers.fires[fx.Timer.ELECTION]()
        bench.settle()

        assert bench.journal.words == ["write", "sync", "send", "send", "start"]
        assert bench.store.synced.voted_for == "s1"


@pytest.mark.parametrize(
    ("monitors", "writes"),
    [((), 1), ((Unmoved(),), 3), ((Sharing(),), 1), ((Sharing(), Unmoved()), 3)],
    ids=["nobody watches", "watched", "by one who shares", "by one who does not"],
)
def test_commands_that_wait_share_one_sync(monitors: tuple[Unmoved, ...], writes: int) -> None:
    """Three that wait together are one step, or three if somebody watches: written, then one sync, then answered."""
    with Bench(monitors=monitors) as bench:
        bench.lead()
        answered: list[bool] = []
        with bench.busy():
            asked = [bench.server.submit(word, client="c", serial=n) for n, word in enumerate("abc", start=1)]
            for future in asked:
                future.add_done_callback(lambda _: answered.append(bench.store.synced.log.last_index == 3))

        assert [future.result(PATIENCE_S) for future in asked] == [fx.Done(1), fx.Done(2), fx.Done(3)]
        assert bench.journal.words == ["write"] * writes + ["sync"]
        assert answered == [True, True, True]


def test_a_message_that_a_later_one_repeats_is_not_sent() -> None:
    """Of three AppendEntries in one batch to the same follower the last one carries everything."""
    with Bench(3) as bench:
        bench.server.fire(fx.Timer.ELECTION)
        bench.settle()
        bench.comms.receive(RequestVoteResponse("s2", "s1", 1, granted=True))
        bench.settle()
        bench.journal.lines.clear()
        with bench.busy():
            for serial in (1, 2, 3):
                bench.server.submit("x", client="c", serial=serial)
        bench.settle()

        sent = bench.journal.about("send")
        assert [(m.target, len(m.entries)) for m in sent] == [("s2", 3), ("s3", 3)]


def test_only_the_same_subject_is_left_out() -> None:
    """Votes, answers and other previous entries all leave; of a timer, the last order."""
    state = Bench().server.state

    def taken(*effects: fx.Effect) -> Taken:
        return Taken(state, fx.Sync(), Step(state, effects, ()))  # type: ignore[arg-type]

    heartbeat = fx.Send(AppendEntries("s1", "s2", 1, 0, 0, (), 0))
    later = fx.Send(AppendEntries("s1", "s2", 1, 1, 1, (), 0))
    vote = fx.Send(RequestVoteResponse("s1", "s2", 1, granted=True))
    start, stop = fx.StartTimer(fx.Timer.ELECTION), fx.StopTimer(fx.Timer.ELECTION)

    assert outgoing([taken(heartbeat, vote, start, stop)]) == [heartbeat, vote, start, stop]
    assert outgoing([taken(heartbeat, start), taken(vote, vote), taken(heartbeat, later, stop)]) == [
        vote,
        vote,
        heartbeat,
        later,
        stop,
    ]


def test_entries_that_follow_one_another_go_in_one_message_up_to_the_limit() -> None:
    """A pipelining leader's; those of another term, to another follower, or behind a gap go by themselves."""
    state = Bench().server.state

    def carrying(previous: int, *serials: int, target: str = "s2", commit: int = 0) -> fx.Send:
        entries = tuple(Entry(1, Command("c", serial, "x")) for serial in serials)
        return fx.Send(AppendEntries("s1", target, 1, previous, min(previous, 1), entries, commit))

    sent = [carrying(0, 1), carrying(0, 1, target="s3"), carrying(1, 2, 3), carrying(3, commit=2), carrying(7, 8)]
    steps = [Taken(state, fx.Sync(), Step(state, (effect,), ())) for effect in sent]  # type: ignore[arg-type]

    assert outgoing(steps) == [sent[1], carrying(0, 1, 2, 3, commit=2), sent[4]]
    assert outgoing(steps, 2) == [sent[0], sent[1], carrying(1, 2, 3, commit=2), sent[4]]


def test_a_timeout_of_a_timer_that_was_started_anew_is_dropped() -> None:
    """The leader's message was in the queue before the timeout: there is no election."""
    with Bench(3) as bench:
        with bench.busy():
            bench.comms.receive(AppendEntries("s2", "s1", 1, 0, 0, (), 0))
            bench.timers.fires[fx.Timer.ELECTION]()
        bench.settle()

        assert bench.server.state.role is Role.FOLLOWER
        assert bench.server.status().counters.timeouts == 0


def test_a_malformed_message_does_no_harm() -> None:
    """It is a step like any other, without effects."""
    with Bench(3) as bench:
        bench.comms.receive(AppendEntriesResponse("stranger", "s1", 1, success=True, index=1))
        bench.settle()

        assert bench.server.status().phase is Phase.RUNNING
        assert bench.server.status().counters.messages_received == 1


def test_a_server_begins_from_what_it_stored() -> None:
    """Term, vote and log come back; the commit index is learnt anew."""
    stored = DurableState(4, "s2", Log((Entry(3, Command("c", 1, "x")),)))
    with Bench(3, stored=stored) as bench:
        assert bench.server.state.durable == stored
        assert bench.journal.words == ["start"]
        status = bench.server.status()
        assert (status.term, status.last_index, status.commit_index) == (4, 1, 0)


# --- clients ---------------------------------------------------------------------------------------------------------


def test_a_follower_redirects() -> None:
    """It says who leads, as far as it knows."""
    with Bench(3) as bench:
        assert bench.server.submit("x", client="c", serial=1).result(PATIENCE_S) == fx.Redirected(None)
        bench.comms.receive(AppendEntries("s2", "s1", 1, 0, 0, (), 0))
        assert bench.server.submit("x", client="c", serial=2).result(PATIENCE_S) == fx.Redirected("s2")


def test_a_request_that_waits_is_not_taken_twice() -> None:
    """The same one again gets the same future; another under its name is a mistake."""
    with Bench() as bench:
        bench.lead()
        with bench.busy():
            first = bench.server.submit("x", client="c", serial=1)
            assert bench.server.submit("x", client="c", serial=1) is first
            with pytest.raises(ValueError, match="a serial of its own"):
                bench.server.submit("y", client="c", serial=1)

        assert first.result(PATIENCE_S) == fx.Done(1)
        assert bench.server.state.app_state == ("x",)
        assert not first.cancel()


def test_whoever_asks_without_a_future_is_told_once() -> None:
    """So is everybody who asks the same again, be it with a future; another command under its name is a mistake."""
    told: list[fx.Outcome] = []
    with Bench() as bench:
        bench.lead()
        with bench.busy():
            bench.server.ask(Command("c", 1, "x"), told.append)
            bench.server.ask(Command("c", 1, "x"), told.append)
            future = bench.server.submit("x", client="c", serial=1)
            with pytest.raises(ValueError, match="a serial of its own"):
                bench.server.ask(Command("c", 1, "y"), told.append)

        assert future.result(PATIENCE_S) == fx.Done(1)
        assert told == [fx.Done(1), fx.Done(1)]
        assert bench.server.state.app_state == ("x",)


def test_a_server_that_takes_no_commands_says_so_at_once() -> None:
    """Before `ask` returns, for no thread is there to say it later."""
    told: list[fx.Outcome] = []
    Bench().server.ask(Command("c", 1, "x"), told.append)

    assert told == [fx.Refused("s1 is new")]


def test_what_is_told_and_raises_stops_the_server() -> None:
    """It is the server's own code by then; the step is stored all the same."""

    def raises(outcome: fx.Outcome) -> None:
        raise RuntimeError("told too much")

    bench = Bench()
    with bench:
        bench.lead()
        bench.server.ask(Command("c", 1, "x"), raises)
        assert eventually(lambda: bench.server.phase is Phase.FAILED)

    assert bench.server.reason == "sending: RuntimeError: told too much"
    assert bench.store.synced.log.last_index == 1


def test_a_leader_that_falls_tells_its_clients() -> None:
    """What becomes of the command, it cannot know."""
    with Bench(3) as bench:
        bench.server.fire(fx.Timer.ELECTION)
        bench.settle()
        bench.comms.receive(RequestVoteResponse("s2", "s1", 1, granted=True))
        waiting = bench.server.submit("x", client="c", serial=1)
        bench.comms.receive(RequestVote("s3", "s1", 7, 9, 6))

        assert waiting.result(PATIENCE_S) == fx.Unknown()


def test_a_flood_is_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are told so; messages may be lost anyway."""
    monkeypatch.setattr(server_module, "MOST_WAITING", 5)
    with Bench(3) as bench:
        with bench.busy():
            for _ in range(8):
                bench.comms.receive(AppendEntries("s2", "s1", 1, 0, 0, (), 0))
            refused = bench.server.submit("x", client="c", serial=1).result(PATIENCE_S)
        bench.settle()

        assert refused == fx.Refused("s1 is busy")
        counters = bench.server.status().counters
        assert (counters.messages_received, counters.messages_dropped) == (5, 3)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_stopping_answers_everybody_and_closes_everything() -> None:
    """A command that no step took is refused; one that waits for a majority is unknown."""
    bench = Bench(3)
    bench.server.start()
    bench.server.fire(fx.Timer.ELECTION)
    bench.settle()
    bench.comms.receive(RequestVoteResponse("s2", "s1", 1, granted=True))
    bench.settle()
    taken = bench.server.submit("x", client="c", serial=1)
    bench.settle()
    with bench.busy():
        bench.server._ending = True  # as `stop` does, which would wait here
        untaken = [bench.server.submit("y", client="c", serial=serial) for serial in range(2, 300)]
    bench.server.stop()
    late = bench.server.submit("z", client="c", serial=301)

    assert taken.result(0) == fx.Unknown()
    assert untaken[-1].result(0) == fx.Refused("s1 stopped before it took the command")
    assert late.result(0) == fx.Refused("s1 is stopped")
    assert bench.journal.words[-3:] == ["stop comms", "stop timers", "close store"]
    assert not [thread for thread in threading.enumerate() if thread.name == "raftframe s1"]
    bench.server.stop()
    with pytest.raises(ServerError, match="make a new Server"):
        bench.server.start()


def test_what_never_ran_can_be_stopped() -> None:
    """Its parts are closed all the same."""
    bench = Bench()
    bench.server.stop()

    assert bench.server.status().phase is Phase.STOPPED
    assert bench.journal.words == ["stop comms", "stop timers", "close store"]


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_disk_that_fails_stops_the_server_before_anything_leaves(operation: str) -> None:
    """The state that is shown is the last one that is stored; the client's command is unknown."""
    with Bench() as bench:
        bench.lead()
        before = bench.server.state
        bench.store.fails = fails_at(operation, StorageError("the disk is full"))

        outcome = bench.server.submit("x", client="c", serial=1).result(PATIENCE_S)
        assert outcome == fx.Unknown()
        assert eventually(lambda: bench.server.phase is Phase.FAILED)
        assert bench.server.status().reason == "storing: StorageError: the disk is full"
        assert bench.server.state == before
        assert isinstance(bench.server.error, StorageError)
        assert "send" not in bench.journal.words
        assert bench.journal.words[-3:] == ["stop comms", "stop timers", "close store"]
        assert bench.server.submit("x", client="c", serial=2).result(0) == fx.Refused("s1 is failed")


def test_a_server_does_not_start_from_a_broken_disk() -> None:
    """Whoever starts it is told, and so is whoever asks for its status."""
    bench = Bench()
    bench.store.fails = fails_at("load", StorageError("the log is torn"))

    with pytest.raises(StorageError, match="the log is torn"):
        bench.server.start()
    assert bench.server.status().phase is Phase.FAILED
    assert bench.server.status().reason == "starting: StorageError: the log is torn"
    bench.server.stop()


@pytest.mark.parametrize("raised", [ZeroDivisionError, SystemExit])
def test_an_application_that_raises_stops_the_server_between_two_steps(raised: type[BaseException]) -> None:
    """What came before in the same batch is stored and answered; the step that raised leaves no trace."""
    with Bench(app=FailingApp()) as bench:
        bench.lead()
        with bench.busy():
            asked = [bench.server.submit(op, client="c", serial=n) for n, op in enumerate(["a", raised, "b"], start=1)]

        assert [future.result(PATIENCE_S) for future in asked] == [
            fx.Done(1),
            fx.Unknown(),
            fx.Refused("s1 failed before it took the command"),
        ]
        assert eventually(lambda: bench.server.phase is Phase.FAILED)
        assert bench.server.status().reason == f"stepping: {raised.__name__}: as asked"
        assert bench.store.synced.log.last_index == bench.server.state.log.last_index == 1


def test_a_monitor_that_raises_stops_the_server() -> None:
    """After the effects: whoever asked has the answer."""

    class Strict:
        def stepped(self, before: ServerState, event: Event, step: Step) -> None:
            assert not step.state.app_state, "somebody asked"

    with Bench(monitors=[Strict()]) as bench:
        bench.lead()

        assert bench.server.submit("x", client="c", serial=1).result(PATIENCE_S) == fx.Done(1)
        assert eventually(lambda: bench.server.phase is Phase.FAILED)
        assert bench.server.status().reason.startswith("telling the monitors: AssertionError: somebody asked")


def test_monitors_are_told_every_step_in_order() -> None:
    """Each from where the one before ended, also when steps are taken together."""
    told: list[tuple[ServerState, ServerState]] = []

    class Watching:
        def stepped(self, before: ServerState, event: Event, step: Step) -> None:
            told.append((before, step.state))

    with Bench(monitors=[Watching()]) as bench:
        bench.lead()
        with bench.busy():
            for serial in range(1, 20):
                bench.server.submit("x", client="c", serial=serial)
        bench.settle()

    assert len(told) == 20
    assert [after for _, after in told[:-1]] == [before for before, _ in told[1:]]


def test_a_part_that_cannot_be_closed_is_told() -> None:
    """The others are closed all the same, and the thread ends."""
    bench = Bench()

    def fail() -> None:
        raise OSError("no such socket")

    bench.comms.stop = fail  # type: ignore[method-assign]
    bench.server.start()
    bench.server.stop()

    assert bench.server.status().phase is Phase.FAILED
    assert bench.server.status().reason == "closing: OSError: no such socket"
    assert bench.journal.words[-2:] == ["stop timers", "close store"]


# --- calls, timing ---------------------------------------------------------------------------------------------------


def test_functions_run_on_the_servers_thread() -> None:
    """Their exceptions are the caller's; after the end they are cancelled."""
    with Bench() as bench:
        assert bench.server.call(lambda: threading.current_thread().name).result(PATIENCE_S) == "raftframe s1"
        with pytest.raises(ZeroDivisionError):
            bench.server.call(lambda: 1 // 0).result(PATIENCE_S)
        assert bench.server.status().phase is Phase.RUNNING

    assert bench.server.call(lambda: None).cancelled()


def test_who_is_no_member_is_no_server() -> None:
    """The configuration says who is."""
    bench = Bench()
    with pytest.raises(ValueError, match="s9 is not one of the servers"):
        Server(
            "s9",
            Configuration(("s1",)),
            StandardStateMap(RecordingApp(), Options()),
            store=bench.store,
            comms=bench.comms,
            timers=bench.timers,
        )


@pytest.mark.parametrize(("election", "heartbeat"), [((0.1, 0.2), 0.1), ((0.3, 0.2), 0.1), ((0.1, 0.2), 0.0)])
def test_heartbeats_must_hold_off_elections(election: tuple[float, float], heartbeat: float) -> None:
    """Timing that cannot work is refused."""
    with pytest.raises(ValueError, match="must be shorter than the shortest election timeout"):
        Timing(election, heartbeat)


def fails_at(operation: str, error: Exception) -> Callable[[str], None]:
    """What a store asks before each operation: fails at *operation*."""

    def fails(asked: str) -> None:
        if asked == operation:
            raise error

    return fails
