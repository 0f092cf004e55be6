"""How many commands a second a cluster of three processes commits, and how long one takes, beside PySyncObj.

    python -m benchmarks.cluster                 every system at 1, 8 and 64 clients (four minutes)
    python -m benchmarks.cluster --rounds 5      all of it five times over, each row the one in the middle
    python -m benchmarks.cluster --seconds 10    longer, as logs grow

Each row is a fresh cluster on this machine. Clients are closed loops: each asks, waits for its answer, and asks again.
*network* clients are outside, over authenticated TCP, as real ones are. *inside* means that they call the leader in its
own process: PySyncObj knows no other clients, so that is what its rows are to be compared with. SQLite syncs to the
disk before anything is answered; PySyncObj's journal is written, not synced. So memory is to be compared with memory,
and SQLite with a journal, which promises less. Systems take turns within a round, so that what else the machine does
hits all of them; of several rounds the one in the middle, by commands a second, is shown. `CPU us` is the processor
time of all processes for each command, clients included, which depends less on what else the machine does; `log` is
the length of the log at the end. A system that does not end, or elects nobody, in time loses that round, and the row
says so.

Our servers keep sessions, so that no command is carried out twice, and run with the options for throughput: they send
what comes next without waiting for answers (`pipelining`, `reject_hint`), and tell followers what is committed along
with what comes next, or with the next heartbeat (`announce_commit=False`).

PySyncObj waits for its next tick by default; `no batching` (appendEntriesUseBatch=False) is its own advice for low
latency. It is not among the requirements: `pip install pysyncobj` into the environment that this runs in.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import logging
import multiprocessing
import os
import selectors
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from attrs import define, evolve, field, frozen

from bank_app.app import BANK_OPTIONS, Credit
from bank_app.udp_server import udp_bank
from bank_app.wire import BANK_CODEC
from benchmarks.running import machine
from benchmarks.spaces import table
from raftframe.client.requests import Answer, request_bytes, response_from
from raftframe.client.stream import ClientStream, Credentials
from raftframe.clusters.addresses import free_addresses
from raftframe.clusters.agent import Agent
from raftframe.clusters.processes import ProcessCluster
from raftframe.effects import Done, Outcome
from raftframe.entries import Command

SERVERS: Final = 3
OPTIONS: Final = evolve(BANK_OPTIONS, pipelining=True, reject_hint=True, announce_commit=False)
CLIENTS: Final = (1, 8, 64)
WARM_S: Final = 0.5
END_S: Final = 15.0  # for answers that are still on their way at the end
READY_S: Final = 30.0
HEADER: Final = (
    *("system", "storage", "clients", "number"),
    *("committed/s", "median ms", "p99 ms", "CPU us", "log", "remarks"),
)
Begin = Callable[[Callable[[bool], None]], None]
"""Begins a command of one client, and calls what it is given with whether it was committed."""


@frozen
class Sample:
    """What one load has seen: the latency of each command that was committed in *seconds*."""

    latencies_s: tuple[float, ...]
    seconds: float
    failures: int
    log_length: int
    committed: int  # also before and after the measured time
    warnings: int = 0  # that PySyncObj's servers logged
    cpu_s: float = 0.0  # of all processes, over the whole load

    @property
    def per_second(self) -> float:
        """Commands committed a second."""
        return len(self.latencies_s) / self.seconds

    @property
    def median_s(self) -> float:
        """Of all latencies."""
        return statistics.median(self.latencies_s)

    @property
    def cpu_us(self) -> float:
        """Processor time that a committed command takes, of all processes together, in microseconds."""
        return self.cpu_s / self.committed * 1e6

    def cells(self) -> tuple[str, ...]:
        """The right half of a row."""
        if not self.latencies_s:
            return ("0", "-", "-", "-", f"{self.log_length:,}", f"{self.failures} failed")
        p99_s = sorted(self.latencies_s)[int(len(self.latencies_s) * 0.99)]
        remarks = [f"{self.failures} failed"] if self.failures else []
        remarks += [f"{self.warnings} warnings logged"] if self.warnings else []
        return (
            f"{self.per_second:,.0f}",
            f"{self.median_s * 1e3:.2f}",
            f"{p99_s * 1e3:.2f}",
            f"{self.cpu_us:,.0f}",
            f"{self.log_length:,}",
            ", ".join(remarks),
        )


@define(eq=False)
class Window:
    """Collects latencies; those that end outside of the measured time do not count."""

    seconds: float
    begins_s: float = field(factory=lambda: time.perf_counter() + WARM_S)
    latencies_s: list[float] = field(factory=list)
    committed: int = 0
    failures: int = 0

    @property
    def ends_s(self) -> float:
        """When the load is to end."""
        return self.begins_s + self.seconds

    def note(self, begun_s: float, committed: bool) -> bool:
        """A command has ended; whether its client goes on."""
        now_s = time.perf_counter()
        self.committed += committed
        if not committed:
            self.failures += 1
        elif self.begins_s <= now_s < self.ends_s:
            self.latencies_s.append(now_s - begun_s)
        return committed and now_s < self.ends_s

    def sample(self, log_length: int) -> Sample:
        """What was seen."""
        return Sample(tuple(self.latencies_s), self.seconds, self.failures, log_length, self.committed)


# Clients inside the leader's process


def closed_loops(begins: Sequence[Begin], seconds: float) -> Window:
    """Run one client for each of *begins*, all on the threads that their answers come on."""
    window, idle = Window(seconds), threading.Semaphore(0)

    def go_on(begin: Begin) -> None:
        begin(partial(ended, begin, time.perf_counter()))

    def ended(begin: Begin, begun_s: float, committed: bool) -> None:
        if window.note(begun_s, committed):
            go_on(begin)
        else:
            idle.release()

    for begin in begins:
        go_on(begin)
    for _ in begins:
        idle.acquire(timeout=max(0.0, window.ends_s - time.perf_counter()) + END_S)
    return window


def drive(agent: Agent, clients: int, seconds: float) -> Future[Sample]:
    """In the process of a server: *clients* of it, for *seconds*."""
    future: Future[Sample] = Future()

    def client(name: str) -> Begin:
        serials = itertools.count(1)

        def begin(done: Callable[[bool], None]) -> None:
            agent.server.ask(Command(name, next(serials), Credit(1)), lambda outcome: done(_committed(outcome)))

        return begin

    def run() -> None:
        window = closed_loops([client(f"c{number}") for number in range(clients)], seconds)
        future.set_result(window.sample(agent.server.state.log.last_index))

    threading.Thread(target=run, daemon=True).start()
    return future


def _committed(outcome: object) -> bool:
    return isinstance(outcome, Done)


# Clients over the network


@define(eq=False)
class Outside:
    """One client with a connection of its own."""

    name: str
    socket: socket.socket
    stream: ClientStream
    serial: int = 0
    begun_s: float = 0.0

    def begin(self) -> None:
        """Ask."""
        self.serial += 1
        self.begun_s = time.perf_counter()
        payload = request_bytes(Command(self.name, self.serial, Credit(1)), BANK_CODEC)
        self.socket.sendall(self.stream.seal(payload))

    def outcomes(self) -> Iterator[Outcome | object]:
        """What the bytes that wait complete."""
        reply, payloads = self.stream.feed(self.socket.recv(1 << 16))
        if reply:
            self.socket.sendall(reply)
            self.begin()
        for payload in payloads:
            response = response_from(payload, BANK_CODEC)
            yield response.outcome if isinstance(response, Answer) else response


def over_network(cluster: ProcessCluster, leader: str, clients: int, seconds: float) -> Sample:
    """*clients* of *leader*, for *seconds*, on this thread."""
    credentials = Credentials(cluster.cluster, cluster.key)
    with ExitStack() as ends, selectors.DefaultSelector() as selector:
        for number in range(clients):
            opened = ends.enter_context(socket.create_connection(cluster.addresses[leader], timeout=END_S))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(opened, selectors.EVENT_READ, Outside(f"c{number}", opened, ClientStream(credentials)))
        window, busy = Window(seconds), clients
        while busy and time.perf_counter() < window.ends_s + END_S:
            for key, _ in selector.select(END_S):
                for outcome in key.data.outcomes():
                    if window.note(key.data.begun_s, _committed(outcome)):
                        key.data.begin()
                    else:
                        busy -= 1
    return window.sample(cluster.status(leader).last_index)


def measure_raftframe(storage: str, place: str, clients: int, seconds: float) -> Sample:
    """One row of ours."""
    with ExitStack() as ends:
        data = ends.enter_context(tempfile.TemporaryDirectory()) if storage == "SQLite" else None
        cluster = ends.enter_context(udp_bank(SERVERS, data=data, options=OPTIONS))
        cluster.start_all()
        with cluster.client() as first:
            first.ask(Credit(1), timeout_s=READY_S)
        leader = cluster.wait_for_leader(timeout_s=READY_S)
        before_s = time.process_time() + cpu_s_of(cluster)
        if place == "network":
            sample = over_network(cluster, leader, clients, seconds)
        else:
            sample = cluster.begin(leader, drive, clients, seconds).result(WARM_S + seconds + END_S + READY_S)
        return evolve(sample, cpu_s=time.process_time() + cpu_s_of(cluster) - before_s)


def cpu_s_of(cluster: ProcessCluster) -> float:
    """Processor time that its servers have taken so far."""
    return sum(cluster.ask(server, _own_cpu_s) for server in cluster.addresses)


def _own_cpu_s(agent: Agent) -> float:
    return time.process_time()


# PySyncObj


class Counting(logging.Handler):
    """Counts what PySyncObj has to complain about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One more."""
        self.count += 1


def serve_pysyncobj(
    address: str, others: list[str], options: dict[str, Any], clients: int, seconds: float, pipe: Connection
) -> None:
    """A process: one server of PySyncObj; if it comes to lead, its clients too. Ends when the pipe does."""
    import pysyncobj  # type: ignore[import-not-found,unused-ignore]

    class Bank(pysyncobj.SyncObj):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__(address, others, pysyncobj.SyncObjConf(**options))
            self.balance = 0

        @pysyncobj.replicated  # type: ignore[untyped-decorator,unused-ignore]
        def credit(self, amount: int) -> int:
            self.balance += amount
            return self.balance

    complaints = Counting()
    logging.getLogger().addHandler(complaints)
    bank = Bank()

    def begin(done: Callable[[bool], None]) -> None:
        bank.credit(1, callback=lambda _, error: done(error == pysyncobj.FAIL_REASON.SUCCESS))

    def load() -> Sample:
        return closed_loops([begin] * clients, seconds).sample(bank.raftLastApplied)

    answers: dict[str, Callable[[], object]] = {
        "leads?": lambda: bank.isReady() and bank._isLeader(),
        "load": load,
        "complaints?": lambda: complaints.count,
        "cpu?": time.process_time,
    }
    with suppress(EOFError):
        while True:
            pipe.send(answers[pipe.recv()]())
    os._exit(0)


def measure_pysyncobj(options: dict[str, Any], journal: bool, clients: int, seconds: float) -> Sample:
    """One row of theirs."""
    context = multiprocessing.get_context("spawn")
    addresses = [f"{host}:{port}" for host, port in free_addresses(str(n) for n in range(SERVERS)).values()]
    with ExitStack() as ends:
        directory = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        pipes = []
        for number, address in enumerate(addresses):
            more = {"journalFile": str(directory / str(number))} if journal else {}
            ours, theirs = context.Pipe()
            others = [other for other in addresses if other != address]
            process = context.Process(
                target=serve_pysyncobj,
                args=(address, others, {**options, **more}, clients, seconds, theirs),
                daemon=True,
            )
            process.start()
            ends.callback(process.join, END_S)
            ends.callback(process.kill)
            theirs.close()
            pipes.append(ours)
        leader = _leading(pipes)
        before_s = sum(_asked(pipes, "cpu?"))
        leader.send("load")
        if not leader.poll(WARM_S + seconds + END_S + READY_S):
            raise TimeoutError("PySyncObj has not ended")
        sample: Sample = leader.recv()
        cpu_s = sum(_asked(pipes, "cpu?")) - before_s
        return evolve(sample, warnings=sum(_asked(pipes, "complaints?")), cpu_s=cpu_s)


def _asked(pipes: Sequence[Connection], question: str) -> list[Any]:
    """What each process answers. Raises TimeoutError if one does not."""
    for pipe in pipes:
        pipe.send(question)
    end_s = time.monotonic() + READY_S
    for pipe in pipes:
        if not pipe.poll(max(0.0, end_s - time.monotonic())):
            raise TimeoutError(f"PySyncObj does not answer within {READY_S:g} s")
    return [pipe.recv() for pipe in pipes]


def _leading(pipes: Sequence[Connection]) -> Connection:
    """The pipe of the server that leads, when it has done so for a while. Raises TimeoutError."""
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s:
        answers = _asked(pipes, "leads?")
        leading = [pipe for pipe, leads in zip(pipes, answers, strict=True) if leads]
        time.sleep(0.5)
        if leading:
            return leading[0]
    raise TimeoutError(f"PySyncObj has elected nobody in {READY_S:g} s")


# All of it


def main() -> None:
    """Print the table, and what it says about the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each row is measured")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--rounds", type=int, default=1, help="how often each row is measured")
    arguments = parser.parse_args()
    print(machine())
    samples: dict[tuple[str, str, str, int], list[Sample]] = {}
    for _ in range(arguments.rounds):
        for (system, storage, place), measure in systems().items():
            for clients in arguments.clients:
                rounds = samples.setdefault((system, storage, place, clients), [])
                try:
                    rounds.append(measure(clients, arguments.seconds))
                except TimeoutError as error:
                    print(f"\n{system} {storage} {place}, {clients} clients: {error}: this round is lost")
                print(".", end="", flush=True)
    found = {key: middle(several) for key, several in samples.items() if several}
    rows = [(*key[:3], str(key[3]), *_cells(several, arguments.rounds)) for key, several in samples.items()]
    print(f"\n{table(HEADER, rows)}\n")
    for line in verdicts(found):
        print(line)


def _cells(samples: Sequence[Sample], rounds: int) -> tuple[str, ...]:
    """The right half of a row, of the sample in the middle; the remarks say how many rounds were lost."""
    lost = f"{rounds - len(samples)} of {rounds} rounds lost" if len(samples) < rounds else ""
    *cells, remarks = middle(samples).cells() if samples else ("-",) * 5 + ("",)
    return (*cells, ", ".join(filter(None, (remarks, lost))))


def middle(samples: Sequence[Sample]) -> Sample:
    """The one in the middle, by commands a second; of an even number, the slower of the two."""
    return sorted(samples, key=lambda sample: sample.per_second)[(len(samples) - 1) // 2]


def systems() -> dict[tuple[str, str, str], Callable[[int, float], Sample]]:
    """What can be measured here, by system, storage and where its clients are."""
    ours = {
        ("raftframe", storage, place): partial(measure_raftframe, storage, place)
        for storage in ("memory", "SQLite")
        for place in ("network", "inside")
    }
    if importlib.util.find_spec("pysyncobj") is None:
        print("PySyncObj is missing: `pip install pysyncobj` to have it measured beside")
        return dict(ours)
    no_batching = {"appendEntriesUseBatch": False}
    return {
        **ours,
        ("PySyncObj", "memory", "inside"): partial(measure_pysyncobj, {}, False),
        ("PySyncObj, no batching", "memory", "inside"): partial(measure_pysyncobj, no_batching, False),
        ("PySyncObj", "journal", "inside"): partial(measure_pysyncobj, {}, True),
        ("PySyncObj, no batching", "journal", "inside"): partial(measure_pysyncobj, no_batching, True),
    }


def verdicts(found: dict[tuple[str, str, str, int], Sample]) -> Iterator[str]:
    """Ours beside each of theirs, at the highest number of clients: the factor, and who is faster."""
    highest = max((clients for *_, clients in found), default=0)
    theirs = {key: one for key, one in found.items() if key[0] != "raftframe" and key[3] == highest and one.latencies_s}
    for key, ours in found.items():
        if key[0] != "raftframe" or key[3] != highest or not ours.latencies_s:
            continue
        for other, their in theirs.items():
            factor = ours.per_second / their.per_second
            faster = "lower" if ours.median_s < their.median_s else "HIGHER"
            yield (
                f"{highest} clients: {' '.join(key[:3])} commits {factor:.2f} times what {' '.join(other[:3])} does,"
                f" at a {faster} median latency"
            )


if __name__ == "__main__":
    from benchmarks import cluster  # under its own name, so that other processes find its functions

    cluster.main()
