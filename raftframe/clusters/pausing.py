"""A cluster of real servers in one process, which can be stopped as a whole or in part, looked into, and changed.

    with PausingCluster(3, StandardStateMap(BankingApp())) as cluster:
        cluster.start_all()
        cluster.wait_until(cluster.leader, timeout_s=5)
        point = cluster.pause_on(AtMessage(Moment.BEFORE_HANDLING, MessagePattern(AppendEntries)), scope="all")
        asked = cluster.submit(cluster.leader(), Credit(10), client="c1", serial=1)
        pause = point.wait(timeout_s=5)              # now nothing moves
        print(pause.why, cluster.status(pause.servers[0]))
        cluster.resume_all()
        assert asked.result(timeout=5) == Done(Balance(10))

Theory of operation
-------------------
Every server is a thread (`GatedServer`), with a thread for its timers; all are daemons, and end with `stop_all`. The
network, the gates and the clock are shared. `raftframe.clusters.gates` says how servers stop and what is true then.

The verbs here are for threads that are none of the servers' (`_verbs` lets one of them change who is up at a time; it
is held while servers start and end, never while anybody waits for a pause). Callbacks and functions that run on a
server's thread may read everything, close gates and open them (`pause`, `pause_all`, `resume`, `resume_all`: from a
server's thread the first two return at once, since that thread rests only when it is left alone); they must not start
or end servers. Every wait has a timeout.

A server that goes down leaves its disk: the next one of its name begins from it. `wipe` empties the disk.

Time is real, or that of a `ManualClock`: then no timer fires until the clock is advanced, or `fire` is called.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Protocol, Self, TypeVar

from attrs import define, field

from raftframe.api.monitor import StateChangeMonitorAPI
from raftframe.api.storage import LogStoreAPI
from raftframe.clusters.gates import GatedServer, Gates, Pause, PausePoint, Scope, Where
from raftframe.comms.memory import InterceptorAPI, MemoryNetwork
from raftframe.configuration import Configuration
from raftframe.effects import Outcome, Timer
from raftframe.entries import ClientId, ServerId
from raftframe.messages import Message
from raftframe.server import END_TIMEOUT_S, Order, Phase, Server, ServerError, ServerStatus, Timing
from raftframe.server_state import DurableState, Role, ServerState
from raftframe.states.state_map import StandardStateMap
from raftframe.storage.memory import MemoryLogStore
from raftframe.timers import ClockAPI, PausableTimers

T = TypeVar("T")

PAUSE_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 0.001


class StoreMaker(Protocol):
    """Where the servers of a cluster find their disks."""

    def __call__(self, server: ServerId, before: LogStoreAPI | None, *, losing_unsynced: bool) -> LogStoreAPI:
        """A store for *server*, which is about to start, with what its last store, *before*, has kept; None: empty.

        *before* is closed. With *losing_unsynced* what was written to it and not synced is gone.
        """


def memory_stores(server: ServerId, before: LogStoreAPI | None, *, losing_unsynced: bool) -> MemoryLogStore:
    """A `StoreMaker`: disks in memory."""
    if not isinstance(before, MemoryLogStore):
        return MemoryLogStore()
    return MemoryLogStore(before.synced if losing_unsynced else before.written)


@define(eq=False)
class _Place:
    """What stays of a server when it goes down."""

    monitors: tuple[StateChangeMonitorAPI, ...]
    server: GatedServer | None = None
    store: LogStoreAPI | None = None
    loses_unsynced: bool = False
    lives: int = 0
    rng: random.Random = field(factory=random.Random)


class PausingCluster:
    """Servers as threads over a network in memory; see the module. *servers* is their number (`s1`, `s2`, ...), or
    their names.

    Every server gets its own generator of election timeouts, from *seed*; *stores* gives the disks, *monitors* who is
    told of each server's steps, *interceptor* who sees, and may change, the way of each message, at all six moments.
    """

    def __init__(
        self,
        servers: int | Sequence[ServerId],
        states: StandardStateMap,
        *,
        timing: Timing | None = None,
        seed: int = 0,
        clock: ClockAPI | None = None,
        stores: StoreMaker = memory_stores,
        interceptor: InterceptorAPI | None = None,
        monitors: Callable[[ServerId], Iterable[StateChangeMonitorAPI]] = lambda _: (),
    ) -> None:
        named = [f"s{number}" for number in range(1, servers + 1)] if isinstance(servers, int) else servers
        self.configuration = Configuration(named)
        self.states = states
        self.network = MemoryNetwork(clock=clock)
        self.gates = Gates(self.network, interceptor)
        self._timing, self._clock, self._stores = timing, clock, stores
        self._verbs = threading.Lock()
        self._places = {
            name: _Place(tuple(monitors(name)), rng=random.Random(f"{seed} {name}"))
            for name in self.configuration.voters
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()

    # Who there is

    @property
    def names(self) -> tuple[ServerId, ...]:
        """Every server, in order, up or down."""
        return tuple(self._places)

    def server(self, name: ServerId) -> GatedServer:
        """The server *name* as it is now, or as it ended. Raises ServerError if it was never started, KeyError if
        there is none of this name.
        """
        server = self._places[name].server
        if server is None:
            raise ServerError(f"{name} was never started: start it first")
        return server

    def phase(self, name: ServerId) -> Phase:
        """What has become of *name*."""
        server = self._places[name].server
        return Phase.NEW if server is None else server.phase

    def status(self, name: ServerId) -> ServerStatus:
        """The server *name* at this moment."""
        return self.server(name).status()

    def leader(self) -> ServerId | None:
        """The running server that believes it leads, with the highest term; None when there is none."""
        leading = [
            (server.state.term, name)
            for name in self.names
            if (server := self._places[name].server) is not None
            and server.phase is Phase.RUNNING
            and server.state.role is Role.LEADER
        ]
        return max(leading)[1] if leading else None

    # Up and down

    def start(self, name: ServerId, *, paused: bool = False) -> None:
        """Start *name*, which is not up, from its disk; if *paused*, it takes no step before it is resumed.

        Raises ServerError if it is up, and what its storage raises.
        """
        with self._verbs:
            self._start(name, paused=paused)

    restart = start

    def start_all(self) -> None:
        """Start every server that is not up."""
        for name in self.names:
            if not self.phase(name).is_up:
                self.start(name)

    def stop(self, name: ServerId) -> None:
        """Stop *name* in good order; if it is paused, what is in its outbox is lost. Raises ServerError if it is not
        up.
        """
        with self._verbs:
            self._up(name, "stop").stop(END_TIMEOUT_S)
            self._places[name].loses_unsynced = False

    def stop_all(self) -> None:
        """Stop every server that is up, and the network. Allowed in any state; a new start makes it go on."""
        failure: Exception | None = None
        for name in self.names:
            server = self._places[name].server
            if server is not None:
                try:
                    server.stop(END_TIMEOUT_S)
                except TimeoutError as error:  # stop the others before it is told
                    failure = error
        self.network.close()
        if failure is not None:
            raise failure

    def crash(self, name: ServerId, *, losing_unsynced: bool = False) -> None:
        """Kill *name*: outbox and inbox are lost; with *losing_unsynced*, so is what was written and not synced.

        What is on the wire to it stays there if it was paused. Raises ServerError if it is not up.
        """
        with self._verbs:
            self._crash(name, losing_unsynced=losing_unsynced)

    def regenerate(self, name: ServerId) -> None:
        """A new server in place of *name*, from what its storage holds, as after a crash; paused if it was paused."""
        with self._verbs:
            phase = self.phase(name)
            if phase.is_up:
                self._crash(name, losing_unsynced=False)
            self._start(name, paused=phase is Phase.PAUSED)

    def wipe(self, name: ServerId) -> None:
        """Empty the disk of *name*, which is down. Raises ServerError if it is up."""
        with self._verbs:
            if self.phase(name).is_up:
                raise ServerError(f"{name} is {self.phase(name)}: crash or stop it before its disk is emptied")
            self._places[name].store = None

    def _start(self, name: ServerId, *, paused: bool) -> None:
        place = self._places[name]
        if self.phase(name).is_up:
            raise ServerError(f"{name} is {self.phase(name)}: it cannot be started")
        place.store = self._stores(name, place.store, losing_unsynced=place.loses_unsynced)
        place.lives += 1
        place.loses_unsynced = False
        place.server = GatedServer(
            name,
            self.configuration,
            self.states,
            store=place.store,
            comms=self.network.comms(name),
            timers=PausableTimers(self._clock, name=f"raftframe timers of {name}"),
            gates=self.gates,
            monitors=place.monitors,
            timing=self._timing,
            rng=place.rng,
        )
        self.gates.add(place.server, paused=paused)
        place.server.start()

    def _crash(self, name: ServerId, *, losing_unsynced: bool) -> None:
        self._up(name, "crash").crash(END_TIMEOUT_S)
        self._places[name].loses_unsynced = losing_unsynced

    def _up(self, name: ServerId, verb: str) -> GatedServer:
        if not self.phase(name).is_up:
            raise ServerError(f"{name} is {self.phase(name)}: there is nothing to {verb}")
        return self.server(name)

    # Standing still

    def pause(self, name: ServerId, *, timeout_s: float = PAUSE_TIMEOUT_S) -> Pause:
        """Let *name* stand still; returns when it does. Raises ServerError unless it runs, and TimeoutError."""
        if self.phase(name) is not Phase.RUNNING:
            raise ServerError(f"{name} is {self.phase(name)}: only a running server can be paused")
        return self._waited(self.gates.close([name], "pause"), timeout_s)

    def pause_all(self, *, timeout_s: float = PAUSE_TIMEOUT_S) -> Pause:
        """Let every server that is up stand still; returns when all do. Raises TimeoutError that names who does not."""
        return self._waited(self.gates.close(self.names, "pause all"), timeout_s)

    def resume(self, name: ServerId) -> None:
        """Let *name* go on, with the time that its timers had left. Raises ServerError unless it is paused."""
        if self.phase(name) is not Phase.PAUSED:
            raise ServerError(f"{name} is {self.phase(name)}: only a paused server can be resumed")
        self.gates.open([name])

    def resume_all(self) -> tuple[ServerId, ...]:
        """Let every paused server go on; who they are."""
        return self.gates.open(self.names)

    def pause_on(
        self, where: Where, server: ServerId | None = None, *, scope: Scope = "server", text: str | None = None
    ) -> PausePoint:
        """From now on *server* (None: whichever comes first) pauses when it gets to *where*, once; with scope "all",
        every other server pauses with it. Raises KeyError for an unknown server.
        """
        if server is not None:
            self._places[server]
        point = PausePoint(where, server, scope, text if text is not None else str(where))
        self.gates.arm(point)
        return point

    def points(self) -> tuple[PausePoint, ...]:
        """The pause points that nobody has reached."""
        return self.gates.points

    def forget_points(self, server: ServerId | None = None) -> tuple[PausePoint, ...]:
        """Disarm the points of *server* (None: all points) that were not reached; which they were."""
        points = tuple(point for point in self.gates.points if server is None or point.server == server)
        self.gates.disarm(points)
        return points

    def on_pause(self, callback: Callable[[Pause], None]) -> None:
        """Call *callback* whenever a pause is complete: all that it is about stand still. It runs on the thread of the
        last server that came to rest (or of whoever pauses servers that rest already), and an exception from it is that
        thread's.
        """
        self.gates.on_pause.append(callback)

    def on_resume(self, callback: Callable[[tuple[ServerId, ...]], None]) -> None:
        """Call *callback* with who is about to go on, on the resuming thread, while they still stand still."""
        self.gates.on_resume.append(callback)

    def _waited(self, pause: Pause, timeout_s: float) -> Pause:
        threads = {server._thread for place in self._places.values() if (server := place.server) is not None}
        return pause if threading.current_thread() in threads else pause.wait(timeout_s)

    # Looking into servers, and changing them

    def state(self, name: ServerId) -> ServerState:
        """The state of *name*: the latest one whose writes are synced."""
        return self.server(name).state

    def disk(self, name: ServerId) -> DurableState | None:
        """What the disk of *name* holds, synced or not; None if it is not one in memory."""
        store = self._places[name].store
        return store.written if isinstance(store, MemoryLogStore) else None

    def set_state(self, name: ServerId, state: ServerState) -> None:
        """Let *name*, which is paused, go on from *state*: stored and synced; timers follow the role.

        Raises ServerError unless it is paused, and ValueError if *state* is another server's.
        """
        if self.phase(name) is not Phase.PAUSED:
            raise ServerError(f"{name} is {self.phase(name)}: pause it before its state is changed")
        self.call(name, lambda server: server.replace_state(state))

    def call(self, name: ServerId, function: Callable[[GatedServer], T], *, timeout_s: float = PAUSE_TIMEOUT_S) -> T:
        """What *function* returns when it is called with the server *name*, on its thread, between two steps.

        It raises what *function* raises, ServerError if *name* is not up, and TimeoutError.
        """
        server = self._up(name, "call")
        if server._thread is threading.current_thread():
            return function(server)
        return server.call(lambda: function(server)).result(timeout_s)

    def outbox(self, name: ServerId) -> tuple[Message, ...]:
        """What *name* has sent and what did not leave it yet. Empty unless it is paused."""
        return self.call(name, GatedServer.outbox)

    def inbox(self, name: ServerId) -> tuple[Message, ...]:
        """What has arrived at *name* and was not handled yet."""
        return self.call(name, GatedServer.inbox)

    def left_s(self, name: ServerId, timer: Timer) -> float | None:
        """How many seconds *timer* of *name* has left; None when it is idle."""
        return self.server(name).timers.left_s(timer)

    # Making things happen

    def fire(self, name: ServerId, timer: Timer) -> None:
        """Let *timer* of *name* time out now, whether it runs or not. Raises ServerError if *name* is not up."""
        self._up(name, f"let {timer} time out on").fire(timer)

    def order(self, name: ServerId, order: Order) -> None:
        """Hand *order* to *name*: `Server.order`. Raises ServerError if *name* is not up."""
        self._up(name, "order anything of").order(order)

    def submit(self, name: ServerId, operation: Hashable, *, client: ClientId, serial: int) -> Future[Outcome]:
        """Hand request *serial* of *client* to *name*: `Server.submit`."""
        return self.server(name).submit(operation, client=client, serial=serial)

    def wait_until(self, condition: Callable[[], object], *, timeout_s: float, what: str = "") -> None:
        """Return when *condition* gives something true. Raises TimeoutError, with every server's status."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end_s:
                raise TimeoutError(f"not in {timeout_s:g} s: {what or _name(condition)}\n{self.describe()}")
            time.sleep(_LOOK_EVERY_S)

    def settle(self, *, timeout_s: float) -> None:
        """Return when nothing moves any more: every server that runs has handled all that it got, and nothing is on
        the wire but what is held, or is for paused servers. Timers that fire start it all again, so with them at work
        the moment soon passes. Raises TimeoutError.
        """
        self.wait_until(self._is_settled, timeout_s=timeout_s, what="everything stands still")

    def _is_settled(self) -> bool:
        """No step was counted while each thread came by, and nobody has anything left to do."""
        running = [server for name in self.names if self.phase(name) is Phase.RUNNING for server in [self.server(name)]]
        before = [server.status().counters for server in running]
        for server in running:
            wait([server.call(lambda: None)], PAUSE_TIMEOUT_S)
        idle = all(server.is_idle for server in running) and not self.network.may_move()
        return idle and [server.status().counters for server in running] == before

    def describe(self) -> str:
        """One line a server: who it is and how it stands."""
        return "\n".join(_line(self._places[name].server, name) for name in self.names)


def _name(condition: Callable[[], object]) -> str:
    return getattr(condition, "__name__", repr(condition))


def _line(server: Server | None, name: ServerId) -> str:
    if server is None:
        return f"{name} new"
    s = server.status()
    about = f" ({s.reason})" if s.reason else ""
    return (
        f"{name} {s.phase}{about}: {s.role} of term {s.term}, log to {s.last_index}, committed {s.commit_index},"
        f" applied {s.applied_index}, {s.counters.steps} steps"
    )
