"""What the pause machinery costs when it is not used: commands a second of a 3-server cluster in memory.

    python -m benchmarks.pause_cost              five rounds of each kind, taking turns
    python -m benchmarks.pause_cost --rounds 9

Kinds, all of the same protocol, storage in memory, and the bank as application:

    plain        `Server`, `ThreadTimers`: no gate anywhere
    pausing      `PausingCluster`: gates, pausable timers, nothing armed
    intercepted  the same, with an interceptor that passes everything at all six moments
    armed        the same, with one pause point that is never reached: one step at a time

The kinds take turns, so that what else the machine does hits all of them; the medians are compared. Each round is a new
cluster, and one client with 32 commands on their way. `cpu` is the processor time of all threads for one command, which
a busy machine changes least: compare that.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from attrs import frozen

from bank_app.app import BankingApp, Credit
from benchmarks.spaces import table
from raftframe import Configuration, Role, StandardStateMap
from raftframe.clusters.gates import OnCommit
from raftframe.clusters.pausing import PausingCluster
from raftframe.comms.memory import PASS, Decision, MemoryNetwork, Moment
from raftframe.effects import Done, Outcome, Timer
from raftframe.messages import Message
from raftframe.server import Server, Timing
from raftframe.storage.memory import MemoryLogStore
from raftframe.timers import ThreadTimers

TIMING: Final = Timing(election_timeout_s=(5.0, 10.0))  # nobody but the one who is told to stands for election
COMMANDS, WINDOW = 600, 32
PATIENCE_S = 60.0


class PassEverything:
    """The cheapest interceptor."""

    def intercept(self, moment: Moment, message: Message) -> Decision:
        """Interfere with nothing."""
        return PASS


@contextmanager
def plain() -> Iterator[Server]:
    """The leader of three plain servers."""
    network, configuration = MemoryNetwork(), Configuration(("s1", "s2", "s3"))
    servers = [
        Server(
            name,
            configuration,
            StandardStateMap(BankingApp()),
            store=MemoryLogStore(),
            comms=network.comms(name),
            timers=ThreadTimers(),
            timing=TIMING,
        )
        for name in configuration.voters
    ]
    for server in servers:
        server.start()
    yield leading(servers[0])
    for server in servers:
        server.stop()


@contextmanager
def pausing(*, intercepted: bool = False, armed: bool = False) -> Iterator[Server]:
    """The leader of three servers that can be paused."""
    interceptor = PassEverything() if intercepted else None
    with PausingCluster(3, StandardStateMap(BankingApp()), timing=TIMING, interceptor=interceptor) as cluster:
        cluster.start_all()
        if armed:
            cluster.pause_on(OnCommit(10 * COMMANDS))
        yield leading(cluster.server("s1"))


def leading(server: Server) -> Server:
    """*server*, when it leads."""
    end_s = time.monotonic() + PATIENCE_S
    server.fire(Timer.ELECTION)
    while server.state.role is not Role.LEADER:
        assert time.monotonic() < end_s, server.status()
        time.sleep(0.001)
    return server


@frozen
class Figure:
    """One round: commands a second, and microseconds of processor time a command."""

    commands_per_s: float
    cpu_us: float


def work(leader: Server) -> Figure:
    """Let *leader* answer all commands."""
    waiting: deque[Future[Outcome]] = deque()
    begun, begun_cpu = time.perf_counter(), time.process_time()
    for serial in range(1, COMMANDS + 1):
        waiting.append(leader.submit(Credit(1), client="bench", serial=serial))
        if len(waiting) == WINDOW:
            assert isinstance(waiting.popleft().result(PATIENCE_S), Done)
    for future in waiting:
        assert isinstance(future.result(PATIENCE_S), Done)
    return Figure(COMMANDS / (time.perf_counter() - begun), (time.process_time() - begun_cpu) / COMMANDS * 1e6)


KINDS: Final[dict[str, Callable[[], AbstractContextManager[Server]]]] = {
    "plain": plain,
    "pausing": pausing,
    "intercepted": lambda: pausing(intercepted=True),
    "armed": lambda: pausing(armed=True),
}


def measure(rounds: int) -> dict[str, list[Figure]]:
    """The figures of each kind, one a round; the kinds take turns."""
    figures: dict[str, list[Figure]] = {kind: [] for kind in KINDS}
    for number in range(rounds + 1):
        for kind, cluster in KINDS.items():
            gc.collect()  # nobody pays for what the kind before left behind
            with cluster() as leader:
                figure = work(leader)
            if number > 0:  # the first round warms up
                figures[kind].append(figure)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the pause machinery costs when it is not used.")
    parser.add_argument("--rounds", type=int, default=5)
    figures = measure(parser.parse_args().rounds)
    base = statistics.median(each.cpu_us for each in figures["plain"])
    rows = []
    for kind, each in figures.items():
        rates, cpu_us = [one.commands_per_s for one in each], statistics.median(one.cpu_us for one in each)
        cells = (statistics.median(rates), min(rates), max(rates), cpu_us)
        rows.append((kind, *(f"{cell:,.0f}" for cell in cells), f"{cpu_us / base:.2f}"))
    print(table(("kind", "commands/s", "least", "most", "cpu us", "of plain"), rows))


if __name__ == "__main__":
    main()
