"""One server in a process of its own, with gates in front of its socket, and a control channel to who started it.

Theory of operation
-------------------
The process runs a `GatedServer` (`clusters.gates`) on a network in memory (`comms.memory`) that it shares with nobody:
the *switchboard*. The server is on it, and in the place of every other server, the socket:

    server ──send──▶ switchboard ──▶ socket ═══ UDP ═══▶ socket ──▶ switchboard ──▶ server
                     (the source's)                                 (the target's)

So whatever a network in memory can do to a message can be done here. Messages are kept at their target: a wire *ends*
in the target's switchboard, and that is where holds, delays, copies and rules work, each on the messages to the own
server. Links are cut on both sides. As long as nobody interferes, a message passes with one look-up.

The control channel is a pipe. What comes out of it is a `Call`: a function of a module, which the process imports by
name, and its arguments. It is called with the `Agent`; the result goes back, or the exception. Calls run on the main
thread, one after the other, and must be quick: what takes longer returns a `Future`, whose result goes back when it is
there. `Agent.tell` sends news that nobody asked for. The pipe is private to the two processes, which trust each other.

No orphans
----------
When the pipe ends, because who holds its other end has ended in whatever way, the process ends at once. Should it be
stopped by SIGSTOP then, it cannot notice: so it is the leader of its own process group, which POSIX wakes and hangs up
when it is orphaned while it is stopped, and on Linux it asks to be killed when the thread that started it ends (who
starts it does so on a thread that lives as long as the cluster does). If that is Python's fork server, it in turn ends
when nobody holds its pipe any more, so this process lets go of that. Its own group also keeps Ctrl-C for others away.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Protocol

from attrs import field, frozen

from raftframe.api.monitor import StateChangeMonitorAPI
from raftframe.api.storage import LogStoreAPI
from raftframe.client.port import ClientPort
from raftframe.clusters.gates import GatedServer, Gates, Pause, PausePoint, Where
from raftframe.comms.keys import ClusterKey
from raftframe.comms.memory import PASS, Decision, MemoryNetwork, Moment, Predicate
from raftframe.comms.udp import Address, UDPComms
from raftframe.comms.wire import Codec
from raftframe.configuration import Configuration
from raftframe.entries import ServerId
from raftframe.messages import Message
from raftframe.server import Timing
from raftframe.states.state_map import StandardStateMap
from raftframe.storage.faulty import DiskTrouble, FaultyLogStore
from raftframe.storage.memory import MemoryLogStore
from raftframe.storage.sqlite import SqliteLogStore
from raftframe.timers import ClockAPI, MonotonicClock, PausableTimers

COLLECT_AFTER: Final = (50_000, 20, 100)
"""How rarely Python looks for garbage in cycles. What a step makes is in none, and a log of a million entries, of which
nothing is garbage, would be looked through again and again.
"""
SWITCH_INTERVAL_S: Final = 0.001  # threads that only move bytes do not wait long for the one that computes
_KILLED_WITH_PARENT: Final = 1  # prctl's PR_SET_PDEATHSIG
_STOP_TIMEOUT_S: Final = 5.0
READY: Final = 0
NEWS: Final = -1


class StoreMaker(Protocol):
    """Opens the store of a server, in the server's process. A function of a module, or a `functools.partial` of one."""

    def __call__(self, spec: ServerSpec, /) -> LogStoreAPI:
        """The store of the server of *spec*."""


@frozen
class Rule:
    """What becomes of messages that match, on their way into a server: of *share* of them, chosen at random."""

    matches: Predicate
    decision: Decision
    share: float = 1.0


@frozen(kw_only=True)
class ServerSpec:
    """All that a process needs to run one server. It is pickled: functions and classes in it belong to modules."""

    identity: ServerId
    addresses: Mapping[ServerId, Address]
    cluster: str
    key: ClusterKey
    codec: Codec
    states: Callable[[], StandardStateMap]
    store: StoreMaker
    data: Path | None
    create: bool
    timing: Timing
    seed: str
    monitors: Callable[[Agent], Iterable[StateChangeMonitorAPI]] | None = None
    clock: Callable[[], ClockAPI] | None = None  # what the timers run by; None: real time
    rng: random.Random | None = None  # draws the election timeouts; None: one that begins with `seed`
    paused: bool = False
    cut: frozenset[tuple[ServerId, ServerId]] = frozenset()
    holds: Mapping[str, Predicate] = field(factory=dict)
    rules: Mapping[str, Rule] = field(factory=dict)
    disk: DiskTrouble | None = None  # for a store that minds it: see `faulty_store`

    @property
    def file(self) -> Path | None:
        """Where the server's log is, if it is in a file."""
        return None if self.data is None else self.data / f"{self.identity}.sqlite"


def standard_store(spec: ServerSpec) -> LogStoreAPI:
    """A `StoreMaker`: SQLite if the cluster has a directory for data, else memory."""
    if spec.file is None:
        return MemoryLogStore()
    return SqliteLogStore(spec.file, cluster=spec.cluster, identity=spec.identity, codec=spec.codec, create=spec.create)


def faulty_store(spec: ServerSpec, /, *, store: StoreMaker = standard_store) -> LogStoreAPI:
    """A `StoreMaker`: what *store* makes, on a disk that can be given trouble: see `ProcessCluster.set_disk`."""
    return FaultyLogStore(store(spec), trouble=spec.disk)


@frozen
class Call:
    """A question to an agent. `number` is from 1."""

    number: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@frozen
class Report:
    """What an agent says: the result of the call `number`, or what it raised; READY: how starting went; NEWS."""

    number: int
    value: Any
    failed: bool = False


class Switchboard:
    """The server's way to the others: implements `raftframe.api.comms.CommsAPI`, with *network* before *outside*."""

    def __init__(
        self, identity: ServerId, servers: Iterable[ServerId], network: MemoryNetwork, outside: UDPComms
    ) -> None:
        self._network, self._outside = network, outside
        self._inside = network.comms(identity)
        self._peers = [network.comms(server) for server in servers if server != identity]
        self.send: Callable[[Message], None] = network.send

    def start(self, receive: Callable[[Message], None]) -> None:
        """Connect the server, then the socket."""
        self._inside.start(receive)
        for peer in self._peers:
            peer.start(self._outside.send)
        self._outside.start(self._network.send)

    def stop(self) -> None:
        """Close the socket, then disconnect."""
        self._outside.stop()
        for one in (self._inside, *self._peers):
            one.stop()


class Rules:
    """Standing orders about the messages to *identity*: implements `raftframe.comms.memory.InterceptorAPI`.

    A message is asked about when it enters the switchboard, so that each rule bites once; the first that matches does.
    """

    def __init__(self, identity: ServerId, rules: Mapping[str, Rule], seed: str) -> None:
        self._identity = identity
        self._rng = random.Random(seed)
        self.rules = dict(rules)

    def intercept(self, moment: Moment, message: Message) -> Decision:
        """What the first rule says that is about *message*."""
        if moment is Moment.BEFORE_SENDING and message.target == self._identity:
            for rule in tuple(self.rules.values()):
                if rule.matches(message) and self._rng.random() < rule.share:
                    return rule.decision
        return PASS


class OwnMessages:
    """A predicate that restricts *matches* to the messages to *identity*: what another server's socket takes is past
    this switchboard.
    """

    def __init__(self, identity: ServerId, matches: Predicate) -> None:
        self._identity, self._matches = identity, matches

    def __call__(self, message: Message) -> bool:
        return message.target == self._identity and self._matches(message)


class Agent:
    """The server of this process and all around it. Functions that are called over the control channel get it.

    *tell* sends news: anything that can be pickled. Raises what the parts raise: CommsError, StorageError.
    """

    def __init__(self, spec: ServerSpec, tell: Callable[[Any], None]) -> None:
        self.spec = spec
        self.tell = tell
        self.points: dict[int, PausePoint] = {}  # not reached
        self.network = MemoryNetwork()
        self.network.cut_exactly(spec.cut)
        self.gates = Gates(self.network)
        self.rules = Rules(spec.identity, spec.rules, spec.seed)
        self.clock = MonotonicClock() if spec.clock is None else spec.clock()
        self.monitors = () if spec.monitors is None else tuple(spec.monitors(self))
        identity, addresses = spec.identity, spec.addresses
        self.store = spec.store(spec)
        self.outside = UDPComms(identity, addresses, cluster=spec.cluster, key=spec.key, codec=spec.codec)
        self.server = GatedServer(
            identity,
            Configuration(addresses),
            spec.states(),
            store=self.store,
            comms=Switchboard(identity, addresses, self.network, self.outside),
            timers=PausableTimers(self.clock, name=f"timers of {identity}"),
            gates=self.gates,
            monitors=self.monitors,
            timing=spec.timing,
            rng=random.Random(spec.seed) if spec.rng is None else spec.rng,
        )
        self.port = ClientPort(self.server, addresses[identity], cluster=spec.cluster, key=spec.key, codec=spec.codec)

    def start(self) -> None:
        """Start the server, then its port."""
        for name, matches in self.spec.holds.items():
            self.hold(name, matches)
        self._mind_rules()
        self.gates.on_pause.append(self._tell_of_pause)
        self.gates.add(self.server, paused=self.spec.paused)
        self.server.start()
        self.port.start()

    def stop(self) -> None:
        """Stop the port, then the server."""
        self.port.stop()
        self.server.stop(_STOP_TIMEOUT_S)
        self.network.close()

    def hold(self, name: str, matches: Predicate) -> None:
        """From now on keep the messages to this server that match."""
        self.network.hold(name, OwnMessages(self.spec.identity, matches))

    def set_rule(self, name: str, rule: Rule | None) -> None:
        """From now on, or no longer, keep *rule*."""
        self.rules.rules.pop(name, None)
        if rule is not None:
            self.rules.rules[name] = rule
        self._mind_rules()

    def _mind_rules(self) -> None:
        self.gates.set_interceptor(self.rules if self.rules.rules else None)

    def arm(self, number: int, where: Where, text: str) -> None:
        """From now on pause at *where*, once, and tell of it with *number*."""
        self.points[number] = PausePoint(where, self.spec.identity, "server", text)
        self.gates.arm(self.points[number])

    def disarm(self, numbers: Iterable[int]) -> None:
        """No longer pause at the points *numbers*, as far as they were not reached."""
        self.gates.disarm([self.points.pop(number) for number in numbers if number in self.points])

    def _tell_of_pause(self, pause: Pause) -> None:
        reached = [number for number, point in self.points.items() if point is pause.point]
        for number in reached:
            del self.points[number]
        self.tell(Paused(self.spec.identity, pause.why, reached[0] if reached else None))


@frozen
class Paused:
    """News: *server* stands still; *point* is the number of the pause point that it came to, if it did."""

    server: ServerId
    why: str
    point: int | None


class _Channel:
    """The process's end of the control channel. Any thread may report."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def report(self, number: int, value: object, *, failed: bool = False) -> None:
        """Send a report. What cannot be pickled is told in words; a channel that has ended takes nothing."""
        with self._sending, contextlib.suppress(OSError):
            try:
                self._connection.send(Report(number, value, failed))
            except OSError:
                raise
            except Exception as error:  # pickle raises what it likes
                told = RuntimeError(f"{value!r:.500} cannot be sent to another process: {error!r:.500}")
                self._connection.send(Report(number, told, failed=True))

    def calls(self) -> Iterable[Call]:
        """Every call, until the other end is gone."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                yield self._connection.recv()


def main(spec: ServerSpec, connection: Connection) -> None:
    """The process: runs the server of *spec* until it is told to stop, or whoever started it has ended."""
    _die_with_parent()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECT_AFTER)
    channel = _Channel(connection)
    try:
        agent = Agent(spec, partial(channel.report, NEWS))
        agent.start()
    except BaseException as error:
        channel.report(READY, error, failed=True)
        _leave(1)
    channel.report(READY, agent.server.status())
    for call in channel.calls():
        _carry_out(call, agent, channel)
    _leave(1)


def stop(agent: Agent) -> None:
    """A call: stop in good order. The process ends when this was reported."""
    agent.stop()


def _carry_out(call: Call, agent: Agent, channel: _Channel) -> None:
    try:
        value = call.function(agent, *call.arguments)
    except Exception as error:  # the caller's business
        channel.report(call.number, error, failed=True)
    else:
        if isinstance(value, Future):
            value.add_done_callback(partial(_report_future, call.number, channel))
        else:
            channel.report(call.number, value)
    if call.function is stop:
        _leave(0)


def _report_future(number: int, channel: _Channel, future: Future[Any]) -> None:
    try:
        channel.report(number, future.result())
    except (Exception, CancelledError) as error:
        channel.report(number, error, failed=True)


def _die_with_parent() -> None:
    """See "No orphans" above. If who started this process has ended already, end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_KILLED_WITH_PARENT, signal.SIGKILL)
    held = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)
    if held is not None:
        os.close(held)
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        _leave(1)


def _leave(code: int) -> None:
    """End now: whoever could want more from this process is told, or gone; threads that are stuck must not keep it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
