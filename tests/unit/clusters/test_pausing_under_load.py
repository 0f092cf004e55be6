"""Real time, clients, and somebody who stops everything a hundred times: nothing is lost, doubled, or too early."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial

import pytest

from bank_app.app import BankingApp, Credit
from raftframe import Command, StandardStateMap
from raftframe.clusters.gates import AtMessage, OnMark, Pause, PausePoint
from raftframe.clusters.pausing import PausingCluster
from raftframe.comms.memory import MessagePattern, Moment
from raftframe.effects import Done, Outcome, Timer
from raftframe.entries import Index, ServerId
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, AppendEntriesResponse
from raftframe.server import Phase, ServerError, ServerStatus, Timing

from .support import PATIENCE_S, elect

TIMING = Timing(election_timeout_s=(10.0, 20.0), heartbeat_s=0.01)  # many heartbeats, and an election only if all fails
PAUSES = 100
CLIENTS, WINDOW = 3, 8


class Load:
    """Clients that credit one coin at a time, each with a few requests on their way."""

    def __init__(self, cluster: PausingCluster, leader: ServerId) -> None:
        self.cluster, self.leader = cluster, leader
        self.outcomes: list[Outcome] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(f"c{n}",)) for n in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_S)
            assert not thread.is_alive()

    def wait_for_more(self) -> None:
        """Return when another request was answered: the cluster works."""
        answered = len(self.outcomes)
        self.cluster.wait_until(lambda: len(self.outcomes) > answered, timeout_s=PATIENCE_S)

    def _run(self, client: str) -> None:
        waiting: list[Future[Outcome]] = []
        for serial in itertools.count(1):
            if self._over.is_set():
                break
            waiting.append(self.cluster.submit(self.leader, Credit(1), client=client, serial=serial))
            if len(waiting) == WINDOW:
                self.outcomes.append(waiting.pop(0).result(PATIENCE_S))
        self.outcomes += [future.result(PATIENCE_S) for future in waiting]


@contextmanager
def loaded_cluster() -> Iterator[tuple[PausingCluster, Load]]:
    """Three servers that s1 leads, and clients that keep it busy. No thread is left at the end."""
    before = set(threading.enumerate())
    with PausingCluster(3, StandardStateMap(BankingApp()), timing=TIMING) as cluster:
        cluster.start_all()
        elect(cluster, "s1")
        with Load(cluster, "s1") as load:
            yield cluster, load
    assert set(threading.enumerate()) <= before  # a thread of an earlier test may have ended meanwhile


def look(cluster: PausingCluster) -> dict[ServerId, ServerStatus]:
    """Everything that must not change in a pause."""
    return {name: cluster.status(name) for name in cluster.names}


def check_consistent(cluster: PausingCluster) -> None:
    """Logs match, commits agree, and every message that left has arrived once, or is on its way."""
    states = [cluster.state(name) for name in cluster.names]
    committed: Index = min(state.commit_index for state in states)
    assert len({state.log.up_to(committed) for state in states}) == 1
    for state in states:
        assert state.app_state == sum(
            isinstance(entry.command, Command) for entry in state.log.up_to(state.applied_index)
        )
    sent = sum(cluster.status(name).counters.messages_sent for name in cluster.names)
    handled = sum(cluster.status(name).counters.messages_received for name in cluster.names)
    waiting = sum(len(cluster.inbox(name)) for name in cluster.names) + len(cluster.network.wire())
    assert sent == handled + waiting


def some_point(cluster: PausingCluster, rng: random.Random) -> PausePoint:
    """One of the ways to stop everybody in the middle of something."""
    message = rng.choice([MessagePattern(AppendEntries), MessagePattern(AppendEntriesResponse)])
    where = rng.choice([AtMessage(moment, message) for moment in Moment] + [OnMark(Mark.COMMITTED)])
    return cluster.pause_on(where, scope="all")


def test_a_hundred_pauses_under_load_change_nothing() -> None:
    """By hand and at points, all servers stop together: nothing moves in a pause, no timer fires in it or is brought
    about by its end, nothing is lost or doubled, everybody gets an answer, and nobody was ever deposed.
    """
    rng = random.Random(7)
    with loaded_cluster() as (cluster, load):
        for number in range(PAUSES):
            pause = some_point(cluster, rng).wait(PATIENCE_S) if number % 2 else cluster.pause_all()
            assert set(pause.servers) == set(cluster.names)
            then = look(cluster)
            left = {name: cluster.left_s(name, Timer.ELECTION) for name in cluster.names}
            check_consistent(cluster)
            if number % 10 == 0:
                time.sleep(3 * TIMING.heartbeat_s)  # a timer that ran on would fire now

            assert look(cluster) == then
            assert {name: cluster.left_s(name, Timer.ELECTION) for name in cluster.names} == left
            assert {status.phase for status in then.values()} == {Phase.PAUSED}
            assert cluster.resume_all() == cluster.names
            load.wait_for_more()

    assert set(map(type, load.outcomes)) == {Done}
    assert {state.term for state in map(cluster.state, cluster.names)} == {1}
    balances = sorted(outcome.answer.amount for outcome in load.outcomes if isinstance(outcome, Done))  # type: ignore[attr-defined]
    assert balances == list(range(1, len(load.outcomes) + 1))


def test_no_server_takes_more_than_the_step_that_it_is_in() -> None:
    """From the moment at which the gates are closed: one step and one message at most, which goes nowhere."""
    with loaded_cluster() as (cluster, _):
        close, moved = cluster.gates.close, []

        def closing(servers: object, why: str, point: PausePoint | None = None) -> Pause:
            pause = close(servers, why, point)  # type: ignore[arg-type]
            moved.append(look(cluster))
            return pause

        cluster.gates.close = closing  # type: ignore[method-assign]
        for _ in range(30):
            point = cluster.pause_on(AtMessage(Moment.AFTER_HANDLING, MessagePattern(AppendEntries)), scope="all")
            point.wait(PATIENCE_S)
            for name, then in moved.pop().items():
                now = cluster.status(name)
                assert now.counters.steps - then.counters.steps <= 1
                assert now.counters.messages_sent - then.counters.messages_sent <= 1
                assert now.counters.messages_received - then.counters.messages_received <= 1
            cluster.resume_all()


def test_many_may_pause_resume_and_replace_servers_at_once() -> None:
    """Whoever comes second hears that there is nothing to do; nobody waits for ever, and in the end all agree."""
    over = threading.Event()
    failures: list[BaseException] = []

    def disturb(seed: int) -> None:
        rng = random.Random(seed)
        while not over.is_set():
            anyone, follower = rng.choice(cluster.names), rng.choice(["s2", "s3"])
            verbs: list[Callable[[], object]] = [
                cluster.pause_all,
                cluster.resume_all,
                partial(cluster.pause, anyone),
                partial(cluster.resume, anyone),
                partial(cluster.regenerate, follower),
                lambda: some_point(cluster, rng) if len(cluster.points()) < 5 else None,
            ]
            try:
                rng.choice(verbs)()
                cluster.resume_all()
            except ServerError:
                pass
            except BaseException as error:
                failures.append(error)
                return

    with loaded_cluster() as (cluster, load):
        threads = [threading.Thread(target=disturb, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        cluster.wait_until(lambda: len(load.outcomes) > 600 or failures, timeout_s=2 * PATIENCE_S)
        over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        cluster.forget_points()
        cluster.resume_all()

    assert not failures, failures
    assert set(map(type, load.outcomes)) == {Done}


@pytest.mark.parametrize("moment", list(Moment))
def test_a_message_held_up_by_a_pause_is_handled_once(moment: Moment) -> None:
    """One server at a time, at every stage of a message's way, while the others go on."""
    with loaded_cluster() as (cluster, load):
        for _ in range(5):
            point = cluster.pause_on(AtMessage(moment, MessagePattern(AppendEntries)))
            (name,) = point.wait(PATIENCE_S).servers
            cluster.resume(name)
    assert set(map(type, load.outcomes)) == {Done}
