"""A cluster of processes: what can be seen of it, done to it, and what survives that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank_app.app import Balance, Credit, Query
from bank_app.client import is_repeatable
from bank_app.udp_server import udp_bank
from raftframe.client import Client
from raftframe.clusters import processes
from raftframe.clusters.gates import AtMessage, OnRole
from raftframe.clusters.processes import ProcessCluster
from raftframe.comms.memory import MessagePattern, Moment, Verdict
from raftframe.effects import Done, Redirected, Timer, Unknown
from raftframe.messages import AppendEntries, RequestVote
from raftframe.server import Phase, ServerError
from raftframe.server_state import Role

SOON_S = 15.0  # the machine may be busy; as a rule it takes milliseconds


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessCluster]:
    """Three servers with logs on disk, for all tests of this module."""
    with udp_bank(3, data=tmp_path_factory.mktemp("logs")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: ProcessCluster) -> ProcessCluster:
    """The shared cluster, whole again: every server runs, no link is cut, somebody leads."""
    shared.heal()
    for name in shared.names:
        if shared.is_up(name) and shared.phase(name) is Phase.FAILED:
            shared.crash(name)
    shared.start_all()
    shared.resume_all()
    shared.wait_for_leader()
    return shared


@pytest.fixture
def client(cluster: ProcessCluster) -> Iterator[Client]:
    """A client that repeats queries."""
    with cluster.client(repeatable=is_repeatable) as made:
        yield made


def balance(client: Client) -> int:
    """What the bank says, with all the patience there is."""
    outcome = client.ask(Query(), timeout_s=SOON_S)
    assert isinstance(outcome, Done), outcome
    assert isinstance(outcome.answer, Balance)
    return outcome.answer.amount


def followers(cluster: ProcessCluster) -> list[str]:
    """Everybody but the leader."""
    leader = cluster.wait_for_leader()
    return [name for name in cluster.names if name != leader]


def test_what_was_acknowledged_survives_kill_9(cluster: ProcessCluster, client: Client) -> None:
    """The leader dies: the others go on; all die: the disks remember."""
    before = balance(client)
    assert client.ask(Credit(10), timeout_s=SOON_S) == Done(Balance(before + 10))

    leader = cluster.wait_for_leader()
    cluster.crash(leader)
    assert balance(client) == before + 10
    assert cluster.status(leader).phase is Phase.CRASHED
    for name in cluster.names:
        if cluster.is_up(name):
            cluster.crash(name)
    assert [cluster.pid(name) for name in cluster.names] == [None] * 3
    cluster.start_all()
    assert balance(client) == before + 10


def test_with_a_session_every_credit_counts_once_though_leaders_are_killed(cluster: ProcessCluster) -> None:
    """The client sends again what was not answered; no credit is lost, none counts twice, none is unknown."""
    with cluster.client(opening=Query()) as client:
        before = balance(client)
        for number in range(1, 7):
            leader = cluster.wait_for_leader()
            killer = threading.Timer(0.002 * number, cluster.crash, [leader])
            killer.start()
            assert isinstance(client.ask(Credit(1), timeout_s=SOON_S), Done)
            killer.join()
            cluster.restart(leader)

        assert balance(client) == before + 6


def test_the_state_is_seen_from_outside(cluster: ProcessCluster, client: Client) -> None:
    """Status and state of every server agree with each other once all is quiet."""
    balance(client)
    leader = cluster.wait_for_leader()
    last = cluster.state(leader).log.last_index

    cluster.wait_until(
        lambda: all(status.applied_index >= last for status in cluster.statuses().values()), timeout_s=SOON_S
    )
    state = cluster.state(leader)
    assert {cluster.state(name).app_state for name in cluster.names} == {state.app_state}
    assert cluster.status(leader).last_index >= last
    assert cluster.comms_stats(leader).sent > 0


def test_scripted_requests_go_to_the_server_that_is_named(cluster: ProcessCluster) -> None:
    """A follower redirects."""
    leader = cluster.wait_for_leader()

    answers = [cluster.submit(name, Query(), client="script", serial=1).result(SOON_S) for name in followers(cluster)]

    assert answers == [Redirected(leader)] * 2


def test_a_paused_server_takes_no_step(cluster: ProcessCluster, client: Client) -> None:
    """Others lead meanwhile; when it goes on, it follows them."""
    paused = cluster.wait_for_leader()
    cluster.pause(paused)
    steps = cluster.status(paused).counters.steps

    balance(client)
    assert cluster.status(paused).phase is Phase.PAUSED
    assert cluster.status(paused).counters.steps == steps
    with pytest.raises(ServerError, match="only a running server"):
        cluster.pause(paused)
    assert cluster.resume_all() == (paused,)
    cluster.wait_until(lambda: cluster.status(paused).role is Role.FOLLOWER, timeout_s=SOON_S)


def test_a_frozen_server_is_deposed(cluster: ProcessCluster, client: Client) -> None:
    """SIGSTOP: it says nothing, and cannot be asked, until SIGCONT."""
    frozen = cluster.wait_for_leader()
    cluster.freeze(frozen)

    balance(client)
    assert cluster.status(frozen).reason == "frozen by SIGSTOP"
    with pytest.raises(ServerError, match="thaw it first"):
        cluster.state(frozen)
    cluster.thaw(frozen)
    cluster.wait_until(lambda: cluster.status(frozen).role is Role.FOLLOWER, timeout_s=SOON_S)


def test_a_partition_deposes_the_leader_on_the_smaller_side(cluster: ProcessCluster) -> None:
    """It takes a command that it can never commit; the outcome is unknown, and the command is lost."""
    leader = cluster.wait_for_leader()
    others = followers(cluster)
    cluster.partition([leader], others)
    hopeless = cluster.submit(leader, Credit(1_000), client="minority", serial=1)

    cluster.wait_until(lambda: cluster.leader() in others, timeout_s=SOON_S, what="the larger side elects a leader")
    assert not hopeless.done()
    cluster.heal()
    assert hopeless.result(SOON_S) == Unknown()


def test_cut_links_stay_cut_over_a_restart(cluster: ProcessCluster) -> None:
    """A server that comes back is still alone."""
    alone, *_ = followers(cluster)
    cluster.partition([alone], [name for name in cluster.names if name != alone])
    cluster.crash(alone)
    cluster.restart(alone)

    cluster.wait_until(lambda: cluster.status(alone).role is Role.CANDIDATE, timeout_s=SOON_S)


def test_messages_are_held_looked_at_and_dropped_one_by_one(cluster: ProcessCluster) -> None:
    """What waits at its target arrives when told to, or never."""
    target = followers(cluster)[0]
    cluster.hold("entries", MessagePattern(AppendEntries, target=target))
    cluster.wait_until(lambda: len(cluster.wire(target)) >= 2, timeout_s=SOON_S)
    first, second, *_ = cluster.wire(target)

    assert first.held == {"entries"}
    assert isinstance(first.message, AppendEntries)
    assert cluster.deliver(first)
    assert cluster.duplicate(second)
    assert cluster.drop(second)
    assert not cluster.drop(second)
    assert not cluster.deliver(first)
    cluster.release("entries")
    cluster.wait_until(lambda: not cluster.wire(target), timeout_s=SOON_S)


def test_rules_drop_what_comes_in(cluster: ProcessCluster) -> None:
    """A follower that hears no leader stands for election; the rule ends, and it is heard no more."""
    deaf = followers(cluster)[0]
    cluster.rule("deaf", MessagePattern(AppendEntries, target=deaf), Verdict.DROP)
    term = cluster.status(deaf).term

    cluster.wait_until(lambda: cluster.status(deaf).term > term, timeout_s=SOON_S)
    cluster.end_rule("deaf")
    with pytest.raises(KeyError):
        cluster.end_rule("deaf")


def test_a_server_pauses_where_it_is_told(cluster: ProcessCluster) -> None:
    """On a role, and at a message; with the whole cluster if so wanted."""
    follower = followers(cluster)[0]
    point = cluster.pause_on(OnRole(Role.CANDIDATE), follower, scope="all")
    cluster.fire(follower, Timer.ELECTION)

    assert point.wait(SOON_S).server == follower
    assert {cluster.phase(name) for name in cluster.names} == {Phase.PAUSED}
    assert cluster.status(follower).role is Role.CANDIDATE
    voter = next(name for name in cluster.names if name != follower)
    asked = cluster.pause_on(AtMessage(Moment.BEFORE_HANDLING, MessagePattern(RequestVote)), voter)
    cluster.resume_all()
    cluster.fire(follower, Timer.ELECTION)
    assert asked.wait(SOON_S).server == voter


def test_starting_and_stopping_twice_is_refused(cluster: ProcessCluster) -> None:
    """With what to do instead, or what is the matter."""
    name = cluster.names[0]
    with pytest.raises(ServerError, match="cannot be started"):
        cluster.start(name)
    with pytest.raises(ServerError, match="before its disk is emptied"):
        cluster.wipe(name)
    cluster.stop(name)
    with pytest.raises(ServerError, match=f"{name} is stopped: there is nothing to stop"):
        cluster.stop(name)
    with pytest.raises(ServerError, match="nothing to crash"):
        cluster.crash(name)


def test_a_process_that_dies_by_itself_is_noticed(cluster: ProcessCluster) -> None:
    """Nobody told the cluster; whoever asks is told with what it ended."""
    name = cluster.names[0]
    pid = cluster.pid(name)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    cluster.wait_until(lambda: not cluster.is_up(name), timeout_s=SOON_S)
    assert cluster.status(name).phase is Phase.CRASHED
    assert "its process ended with -9" in cluster.describe()


def test_a_damaged_log_is_told_by_start(cluster: ProcessCluster) -> None:
    """The error of the storage comes out of the process as it is; emptied, the server comes back."""
    name = followers(cluster)[0]
    cluster.stop(name)
    assert cluster.data is not None
    file = cluster.data / f"{name}.sqlite"
    file.write_bytes(file.read_bytes()[:100])

    with pytest.raises(Exception, match=str(file)):
        cluster.start(name)
    assert not cluster.is_up(name)
    cluster.start(name, empty=True)


def test_a_log_in_memory_ends_with_its_process() -> None:
    """A server that has forgotten its vote does not come back unless told to; stopping all ends every process."""
    with udp_bank(1) as alone:
        alone.start_all()
        pid = alone.pid("s1")
        assert pid is not None
        alone.crash("s1")
        with pytest.raises(ServerError, match="forget its vote"):
            alone.restart("s1")
        alone.restart("s1", empty=True)
        pid = alone.pid("s1")
        assert pid is not None

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


ORPHANS = """
import sys, time
from bank_app.udp_server import udp_bank

if __name__ == "__main__":
    cluster = udp_bank(2)
    cluster.start_all()
    cluster.freeze("s2")
    print(*(cluster.pid(name) for name in cluster.names), flush=True)
    sys.stdin.read()
"""


def test_no_process_outlives_who_started_it(tmp_path: Path, shared: ProcessCluster) -> None:
    """Not even when that one is killed, and one of them is stopped by SIGSTOP."""
    program = tmp_path / "program.py"
    program.write_text(ORPHANS, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            pids = [int(pid) for pid in parent.stdout.readline().split()]
        finally:
            parent.kill()

    assert len(pids) == 2
    shared.wait_until(lambda: not any(is_running(pid) for pid in pids), timeout_s=SOON_S)


def test_a_process_that_cannot_be_asked_to_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by a signal behind the cluster's back, it answers nobody: it ends all the same, and nothing is raised."""
    monkeypatch.setattr(processes, "END_TIMEOUT_S", 0.2)
    with udp_bank(3) as servers:
        servers.start_all()
        pids = [pid for name in servers.names if (pid := servers.pid(name)) is not None]
        os.kill(pids[1], signal.SIGSTOP)

        servers.stop_all()

        assert len(pids) == 3 and not any(map(is_running, pids))


def is_running(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
