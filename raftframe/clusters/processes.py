"""A cluster of real servers, one process each, over UDP, which can be looked into, interfered with, and killed.

    with ProcessCluster(3, partial(StandardStateMap, BankingApp()), codec=BANK_CODEC, data=directory) as cluster:
        cluster.start_all()
        leader = cluster.wait_for_leader()
        with cluster.client() as client:
            print(client.ask(Credit(10)))
        cluster.crash(leader)                        # kill -9
        cluster.partition([leader], ["s2", "s3"])    # and so on: the verbs are those of `clusters.pausing`
        cluster.restart(leader)                      # from its disk

Theory of operation
-------------------
`clusters.agent` is what runs in a process: the server, the gates in front of its socket, and the port for clients.
`clusters.control` is the pipe to it. Everything here is a call over that pipe, or a signal. What was ordered for links,
holds and rules is kept here too, and handed to a process that starts.

A crash is SIGKILL: what the process held in memory is gone, what waited on its wire included (a message is kept at its
target); what was synced is on the disk. A pause is a gate: the server takes no step, its timers stand still, resuming
causes no timeout. `freeze` is SIGSTOP: the process stands still and time goes on, as on a machine that hangs.

With *data*, logs are SQLite files in that directory. Without, they are in memory, and end with their process: such a
server has forgotten its vote and must not come back by accident, so `restart` takes it only with `empty=True`.

`stop_all`, which leaving the `with` block calls, ends every process whatever state it is in; should this process die
before that, the others end by themselves (see `clusters.agent`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, TypeVarTuple

from attrs import define, evolve, field

from raftframe.api.monitor import StateChangeMonitorAPI
from raftframe.client import Client, nothing_is_repeatable
from raftframe.clusters import agent as on_agent
from raftframe.clusters import calls
from raftframe.clusters.addresses import free_addresses
from raftframe.clusters.agent import Agent, Paused, Rule, ServerSpec, StoreMaker, standard_store
from raftframe.clusters.calls import Waiting
from raftframe.clusters.control import CALL_TIMEOUT_S, END_TIMEOUT_S, Remote, StartMethod
from raftframe.clusters.gates import GatedServer, Scope, Where
from raftframe.comms.keys import ClusterKey
from raftframe.comms.memory import Decision, Predicate
from raftframe.comms.udp import Address, CommsStats
from raftframe.comms.wire import Codec
from raftframe.configuration import Configuration
from raftframe.effects import Outcome, Timer
from raftframe.entries import ClientId, ServerId
from raftframe.server import Order, Phase, ServerError, ServerStatus, Timing
from raftframe.server_state import Role, ServerState
from raftframe.states.state_map import StandardStateMap
from raftframe.storage.faulty import DiskTrouble

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LEADER_TIMEOUT_S: Final = 10.0
TIMING: Final = Timing(election_timeout_s=(0.3, 0.6), heartbeat_s=0.05)
"""Processes share cores with others, so they are given more time than threads."""

_LOOK_EVERY_S: Final = 0.005


@define(eq=False)
class RemotePoint:
    """A pause point of a server's process; see `ProcessCluster.pause_on`."""

    text: str
    scope: Scope
    others: tuple[Future[Any], ...] = ()
    paused: Paused | None = None
    _reached: threading.Event = field(factory=threading.Event)

    @property
    def reached(self) -> bool:
        """Whether a server has got here."""
        return self._reached.is_set()

    def reach(self, paused: Paused, others: Iterable[Future[Any]]) -> None:
        """A server got here; *others* are about to pause with it."""
        self.paused, self.others = paused, tuple(others)
        self._reached.set()

    def wait(self, timeout_s: float) -> Paused:
        """Who paused, when everybody in scope stands still. Raises TimeoutError if nobody gets here in time."""
        if not self._reached.wait(timeout_s) or self.paused is None:
            raise TimeoutError(f"no server has come to the pause point {self.text!r} in {timeout_s:g} s")
        for other in self.others:
            other.result(CALL_TIMEOUT_S)
        return self.paused


@define(eq=False)
class _Place:
    """What stays of a server when its process ends."""

    remote: Remote | None = None
    phase: Phase = Phase.NEW  # when there is no process: what has become of it
    reason: str = ""
    lives: int = 0
    last: ServerStatus | None = None


def _as_it_is(spec: ServerSpec) -> ServerSpec:
    return spec


class ProcessCluster:
    """Servers as processes; see the module. *servers* is their number (`s1`, `s2`, ...), or their names.

    states: makes the rules, with the application, in each process; a function of a module, or a `partial` of one.
    codec: knows the application's classes.
    data: the directory for the logs, or None for logs in memory.
    store: opens a server's store in its process, in place of the standard ones.
    monitors: makes, in each process, who is told of each step; what they `tell` their agent comes to *on_news*, with
    the server's name, on a thread of this cluster's.
    addresses, key: by default free ports of the loopback interface, and a random key.
    prepare: has the last word on what each process is told, before it starts.
    method: how processes are started. Those of a `forkserver` start faster, but can use nothing of the main module.
    """

    def __init__(
        self,
        servers: int | Sequence[ServerId],
        states: Callable[[], StandardStateMap],
        *,
        codec: Codec | None = None,
        data: Path | str | None = None,
        timing: Timing = TIMING,
        seed: int = 0,
        cluster: str = "raftframe",
        key: ClusterKey | None = None,
        addresses: Mapping[ServerId, Address] | None = None,
        store: StoreMaker = standard_store,
        monitors: Callable[[Agent], Iterable[StateChangeMonitorAPI]] | None = None,
        on_news: Callable[[ServerId, Any], None] | None = None,
        prepare: Callable[[ServerSpec], ServerSpec] = _as_it_is,
        method: StartMethod = "spawn",
    ) -> None:
        named = [f"s{number}" for number in range(1, servers + 1)] if isinstance(servers, int) else servers
        self.configuration = Configuration(named)
        self.addresses = dict(addresses) if addresses is not None else free_addresses(self.configuration.voters)
        self.cluster, self.key = cluster, key if key is not None else ClusterKey.random()
        self.codec = codec if codec is not None else Codec()
        self.data = None if data is None else Path(data)
        self._states, self._store, self._timing, self._seed = states, store, timing, seed
        self._monitors, self._on_news, self._prepare = monitors, on_news, prepare
        self._method: StartMethod = method
        self._places = {name: _Place() for name in self.configuration.voters}
        self._cut: frozenset[tuple[ServerId, ServerId]] = frozenset()
        self._holds: dict[str, Predicate] = {}
        self._rules: dict[str, Rule] = {}
        self._disks: dict[ServerId, DiskTrouble] = {}
        self._points: dict[int, RemotePoint] = {}
        self._numbers = 0
        self._verbs = threading.RLock()
        self._starter: ThreadPoolExecutor | None = None

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

    def pid(self, name: ServerId) -> int | None:
        """The number of the process of *name*; None when it is down."""
        remote = self._places[name].remote
        return remote.pid if remote is not None and remote.alive else None

    def is_up(self, name: ServerId) -> bool:
        """Whether *name* has a process, in whatever state."""
        return self.pid(name) is not None

    def phase(self, name: ServerId) -> Phase:
        """What has become of *name*. A process that is frozen counts as paused."""
        return self.status(name).phase

    def status(self, name: ServerId, *, timeout_s: float = CALL_TIMEOUT_S) -> ServerStatus:
        """The server *name* at this moment; of one that is down or frozen, as it was last seen. Raises ServerError if
        it was never started, and TimeoutError.
        """
        return self._status(name, self._ask_status(name), timeout_s)

    def statuses(self, *, timeout_s: float = CALL_TIMEOUT_S) -> dict[ServerId, ServerStatus]:
        """The status of every server that was ever started, asked at the same time."""
        asked = {name: self._ask_status(name) for name in self.names if self._places[name].lives}
        return {name: self._status(name, future, timeout_s) for name, future in asked.items()}

    def leader(self) -> ServerId | None:
        """The running server that believes it leads, with the highest term; None when there is none."""
        leading = [
            (status.term, name)
            for name, status in self.statuses().items()
            if status.phase is Phase.RUNNING and status.role is Role.LEADER
        ]
        return max(leading)[1] if leading else None

    def state(self, name: ServerId) -> ServerState:
        """The state of *name*, which is up: the latest one whose writes are synced."""
        return self.ask(name, calls.state)

    def comms_stats(self, name: ServerId) -> CommsStats:
        """What has passed the socket of *name*, which is up."""
        return CommsStats(*self.ask(name, calls.comms_stats))

    def client(
        self,
        *,
        name: ClientId | None = None,
        repeatable: Callable[[Hashable], bool] = nothing_is_repeatable,
        opening: Hashable | None = None,
    ) -> Client:
        """A client of this cluster, to be closed by the caller. It connects as any client does: links that are cut
        concern it not.
        """
        return Client(
            self.addresses,
            cluster=self.cluster,
            key=self.key,
            codec=self.codec,
            name=name,
            repeatable=repeatable,
            opening=opening,
        )

    # Up and down

    def start(self, name: ServerId, *, paused: bool = False, empty: bool = False) -> None:
        """Start *name*, which is down, from its disk, or with an *empty* one; if *paused*, it takes no step before it
        is resumed. Returns when it runs.

        Raises ServerError if it is up, or has lost its disk; and what its start raises: CommsError, StorageError.
        """
        with self._verbs:
            self._begin(name, paused=paused, empty=empty)
            self._wait_ready([name])

    restart = start

    def start_all(self) -> None:
        """Start every server that is down, all at the same time."""
        with self._verbs:
            down = [name for name in self.names if not self.is_up(name)]
            for name in down:
                self._begin(name, paused=False, empty=False)
            self._wait_ready(down)

    def stop(self, name: ServerId) -> None:
        """Stop *name* in good order. Raises ServerError if it is not up, and TimeoutError if it had to be killed."""
        with self._verbs:
            remote = self._up(name, "stop")
            self._places[name].last = self.status(name)
            if remote.frozen:
                remote.thaw()
            stopping = remote.ask(on_agent.stop)
            try:
                stopping.result(END_TIMEOUT_S)
                remote.join()
            finally:
                self._ended(name, Phase.STOPPED, "")

    def stop_all(self) -> None:
        """End every process: in good order if it can be, else by SIGKILL. Allowed in any state; a new start goes on."""
        with self._verbs:
            remotes = [place.remote for place in self._places.values() if place.remote is not None]
            try:
                wait([remote.ask(on_agent.stop) for remote in remotes], END_TIMEOUT_S)
            finally:
                self.kill_all()

    def kill_all(self) -> None:
        """End every process by SIGKILL: at once, whatever state it is in. A new start goes on from what is on disk."""
        with self._verbs, ExitStack() as last:
            last.callback(self._dismiss_starter)
            for name in self.names:
                if self._places[name].remote is not None:
                    last.callback(self._ended, name, Phase.STOPPED, "")

    def crash(self, name: ServerId) -> None:
        """SIGKILL, and return when the process has ended. Raises ServerError if it is not up."""
        with self._verbs:
            self._up(name, "crash")
            self._ended(name, Phase.CRASHED, "killed")

    def freeze(self, name: ServerId) -> None:
        """SIGSTOP: the process stands still, and time goes on. Raises ServerError if it is not up."""
        with self._verbs:
            self._places[name].last = self.status(name)
            self._up(name, "freeze").freeze()

    def thaw(self, name: ServerId) -> None:
        """SIGCONT. Raises ServerError unless *name* is frozen."""
        remote = self._up(name, "thaw")
        if not remote.frozen:
            raise ServerError(f"{name} is not frozen")
        remote.thaw()

    def wipe(self, name: ServerId) -> None:
        """Empty the disk of *name*, which is down. Raises ServerError if it is up."""
        with self._verbs:
            if self.is_up(name):
                raise ServerError(f"{name} is {self.phase(name)}: crash or stop it before its disk is emptied")
            self._places[name].lives = 0
            if self.data is not None:
                for file in sorted(self.data.glob(f"{name}.sqlite*")):
                    file.unlink()

    def set_disk(self, name: ServerId, trouble: DiskTrouble | None) -> None:
        """From now on, over restarts too, the disk of *name* has *trouble*, or none. Raises ServerError for a server
        that is up unless the cluster was made with `store=faulty_store`.
        """
        if self.is_up(name):
            self.ask(name, calls.set_disk, trouble)
        self._disks.pop(name, None)
        if trouble is not None:
            self._disks[name] = trouble

    # Standing still

    def pause(self, name: ServerId) -> None:
        """Let *name* stand still; returns when it does. Raises ServerError unless it runs."""
        phase = self.phase(name)
        if phase is not Phase.RUNNING:
            raise ServerError(f"{name} is {phase}: only a running server can be paused")
        self.ask(name, calls.pause)

    def pause_all(self) -> None:
        """Let every server that is up stand still; returns when all do. They stop one after the other."""
        for asked in [self._up(name, "pause").ask(calls.pause) for name in self.names if self.is_up(name)]:
            asked.result(CALL_TIMEOUT_S)

    def resume(self, name: ServerId) -> None:
        """Let *name* go on, with the time that its timers had left. Raises ServerError unless it is paused."""
        if not self.ask(name, calls.resume):
            raise ServerError(f"{name} is {self.phase(name)}: only a paused server can be resumed")

    def resume_all(self) -> tuple[ServerId, ...]:
        """Let every paused server go on; who they are."""
        asked = {name: self._up(name, "resume").ask(calls.resume) for name in self.names if self.is_up(name)}
        return tuple(name for name, going in asked.items() if going.result(CALL_TIMEOUT_S))

    def pause_on(self, where: Where, server: ServerId, *, scope: Scope = "server") -> RemotePoint:
        """From now on *server*, which is up, pauses when it gets to *where*, once. With scope "all" every other server
        is told to pause when this is known here: they may take steps in between. Predicates in *where* are pickled.
        """
        with self._verbs:
            self._numbers += 1
            number = self._numbers
            point = self._points[number] = RemotePoint(str(where), scope)
        self.ask(server, calls.arm, number, where)
        return point

    # Messages

    def cut_exactly(self, links: Iterable[tuple[ServerId, ServerId]]) -> None:
        """From now on exactly *links*, given as (from, to), are cut: what comes to their end is lost."""
        self._cut = frozenset(links)
        self._tell_all(calls.cut_exactly, self._cut)

    @property
    def cut_links(self) -> frozenset[tuple[ServerId, ServerId]]:
        """Every link that is cut."""
        return self._cut

    def cut(self, source: ServerId, target: ServerId, *, both_ways: bool = True) -> None:
        """Cut the link from *source* to *target*, and the one back."""
        self.cut_exactly(self._cut | {(source, target)} | ({(target, source)} if both_ways else set()))

    def partition(self, *sides: Iterable[ServerId]) -> None:
        """Cut every link between servers of different *sides*."""
        groups = [tuple(side) for side in sides]
        self.cut_exactly(
            self._cut | {(a, b) for one in groups for other in groups if one is not other for a in one for b in other}
        )

    def heal(self) -> None:
        """Cut nothing any more."""
        self.cut_exactly(())

    def hold(self, name: str, matches: Predicate) -> None:
        """A standing order: until `release`, keep what *matches* on the wire. *matches* is pickled."""
        self._holds[name] = matches
        self._tell_all(calls.hold, name, matches)

    def release(self, name: str) -> None:
        """End the hold *name*. Raises KeyError when there is none."""
        del self._holds[name]
        self._tell_all(calls.release, name)

    def rule(self, name: str, matches: Predicate, decision: Decision, *, share: float = 1.0) -> None:
        """A standing order: drop, delay or duplicate what *matches*, or a *share* of it. *matches* is pickled."""
        self._rules[name] = Rule(matches, decision, share)
        self._tell_all(calls.set_rule, name, self._rules[name])

    def end_rule(self, name: str) -> None:
        """End the rule *name*. Raises KeyError when there is none."""
        del self._rules[name]
        self._tell_all(calls.set_rule, name, None)

    def wire(self, *servers: ServerId) -> tuple[Waiting, ...]:
        """What waits on the wire to *servers* (none given: to any), in the order in which it would arrive."""
        return tuple(one for name in servers or self.names if self.is_up(name) for one in self.ask(name, calls.wire))

    def deliver(self, waiting: Waiting) -> bool:
        """Let *waiting* arrive now, whoever holds it; whether it was still on the wire."""
        return self.ask(waiting.server, calls.deliver, waiting.number)

    def drop(self, waiting: Waiting) -> bool:
        """Lose *waiting*; whether it was still on the wire."""
        return self.ask(waiting.server, calls.drop, waiting.number)

    def duplicate(self, waiting: Waiting) -> bool:
        """Put a copy of *waiting* right behind it; whether it was still on the wire."""
        return self.ask(waiting.server, calls.duplicate, waiting.number)

    def delay(self, waiting: Waiting, seconds: float) -> bool:
        """Keep *waiting* on the wire for *seconds*, from now; whether it was still there."""
        return self.ask(waiting.server, calls.delay, waiting.number, seconds)

    # Making things happen

    def submit(self, name: ServerId, operation: Hashable, *, client: ClientId, serial: int) -> Future[Outcome]:
        """Hand request *serial* of *client* to *name*: `Server.submit`. When the process ends before there is an answer
        the future gets a ServerError: the outcome is unknown.
        """
        return self._up(name, "ask").ask_for_future(calls.submit, operation, client, serial)

    def fire(self, name: ServerId, timer: Timer) -> None:
        """Let *timer* of *name* time out now, whether it runs or not."""
        self.ask(name, calls.fire, timer)

    def order(self, name: ServerId, order: Order) -> None:
        """Hand *order* to *name*: `Server.order`."""
        self.ask(name, calls.order, order)

    def ask(self, name: ServerId, function: Callable[[Agent, *Ts], T], *args: *Ts) -> T:
        """What *function*, of a module, returns for the agent of *name* and *args*, on the main thread of its process.

        Raises what *function* raises, ServerError if *name* is not up, and TimeoutError.
        """
        return self._up(name, "ask").ask(function, *args).result(CALL_TIMEOUT_S)

    def begin(self, name: ServerId, function: Callable[[Agent, *Ts], Future[T]], *args: *Ts) -> Future[T]:
        """As `ask`, for a *function* that returns a future, and without waiting: what that future gets."""
        return self._up(name, "ask").ask_for_future(function, *args)

    def call(self, name: ServerId, function: Callable[[GatedServer], T]) -> T:
        """What *function*, of a module, returns for the server *name*, on its thread, between two steps."""
        return self._up(name, "call").ask_for_future(calls.call, function).result(CALL_TIMEOUT_S)

    def wait_until(self, condition: Callable[[], object], *, timeout_s: float, what: str = "") -> None:
        """Return when *condition* gives something true. Raises TimeoutError, with every server's status."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end_s:
                name = what or getattr(condition, "__name__", repr(condition))
                raise TimeoutError(f"not in {timeout_s:g} s: {name}\n{self.describe()}")
            time.sleep(_LOOK_EVERY_S)

    def wait_for_leader(self, *, timeout_s: float = LEADER_TIMEOUT_S) -> ServerId:
        """Who leads, as soon as somebody does. Raises TimeoutError."""
        self.wait_until(self.leader, timeout_s=timeout_s, what="somebody leads")
        return self.leader() or self.wait_for_leader(timeout_s=timeout_s)

    def describe(self) -> str:
        """One line a server: who it is and how it stands."""
        known = self.statuses()
        return "\n".join(_line(known[name]) if name in known else f"{name} new" for name in self.names)

    # Inner parts

    def _begin(self, name: ServerId, *, paused: bool, empty: bool) -> None:
        place = self._places[name]
        if self.is_up(name):
            raise ServerError(f"{name} is {self.phase(name)}: it cannot be started")
        if place.remote is not None:
            self._note_end(name)
        if empty:
            self.wipe(name)
        if self.data is None and place.lives:
            raise ServerError(
                f"the log of {name} was in memory and is gone: only start(..., empty=True) lets it forget its vote"
            )
        if self.data is not None:
            self.data.mkdir(parents=True, exist_ok=True)
        spec = self._prepare(self._spec(name, place, paused))
        place.remote = Remote(spec, self._thread(), lambda news: self._take_news(name, news), self._method)

    def _spec(self, name: ServerId, place: _Place, paused: bool) -> ServerSpec:
        return ServerSpec(
            identity=name,
            addresses=self.addresses,
            cluster=self.cluster,
            key=self.key,
            codec=self.codec,
            states=self._states,
            store=self._store,
            data=self.data,
            create=not place.lives,
            timing=self._timing,
            seed=f"{self._seed} {name} {place.lives}",
            monitors=self._monitors,
            paused=paused,
            cut=self._cut,
            holds=dict(self._holds),
            rules=dict(self._rules),
            disk=self._disks.get(name),
        )

    def _wait_ready(self, names: Sequence[ServerId]) -> None:
        """Return when all of *names* run. If one cannot start, raise why when the others were waited for."""
        failure: BaseException | None = None
        for name in names:
            place = self._places[name]
            assert place.remote is not None
            try:
                place.last = place.remote.wait_ready()
                place.lives += 1
            except BaseException as error:
                place.remote, place.phase, place.reason = None, Phase.FAILED, str(error)
                failure = failure or error
        if failure is not None:
            raise failure

    def _thread(self) -> ThreadPoolExecutor:
        """The thread that starts processes: they are killed when it ends."""
        if self._starter is None:
            self._starter = ThreadPoolExecutor(1, thread_name_prefix="raftframe starter")
        return self._starter

    def _dismiss_starter(self) -> None:
        if self._starter is not None:
            self._starter.shutdown()
            self._starter = None

    def _up(self, name: ServerId, verb: str) -> Remote:
        remote = self._places[name].remote
        if remote is None or not remote.alive:
            self._note_end(name)
            raise ServerError(f"{name} is {self._places[name].phase}: there is nothing to {verb}")
        return remote

    def _note_end(self, name: ServerId) -> None:
        """If the process of *name* has ended by itself, say so."""
        place = self._places[name]
        if place.remote is not None and not place.remote.alive:
            code = place.remote.exit_code
            self._ended(name, Phase.CRASHED, f"its process ended with {code}")

    def _ended(self, name: ServerId, phase: Phase, reason: str) -> None:
        """The process of *name* shall be gone now."""
        place = self._places[name]
        if place.remote is not None:
            place.remote.kill()
            place.remote = None
        place.phase, place.reason = phase, reason

    def _ask_status(self, name: ServerId) -> Future[ServerStatus] | None:
        remote = self._places[name].remote
        return None if remote is None or remote.frozen or not remote.alive else remote.ask(calls.status)

    def _status(self, name: ServerId, asked: Future[ServerStatus] | None, timeout_s: float) -> ServerStatus:
        place = self._places[name]
        if asked is not None:
            try:
                place.last = asked.result(timeout_s)
                return place.last
            except ServerError:  # it ended meanwhile
                pass
        frozen_now = place.remote is not None and place.remote.frozen
        if not frozen_now:
            self._note_end(name)
        if place.last is None:
            raise ServerError(f"{name} was never started: start it first")
        phase, reason = (Phase.PAUSED, "frozen by SIGSTOP") if frozen_now else (place.phase, place.reason)
        return evolve(place.last, phase=phase, reason=reason)

    def _tell_all(self, function: Callable[[Agent, *Ts], T], *args: *Ts) -> None:
        """Call *function* in every process that is up; of one that ends meanwhile, nothing is expected."""
        asked = [(name, self._up(name, "tell").ask(function, *args)) for name in self.names if self.is_up(name)]
        for name, future in asked:
            try:
                future.result(CALL_TIMEOUT_S)
            except ServerError:
                if self.is_up(name):
                    raise

    def _take_news(self, name: ServerId, news: Any) -> None:
        """On the thread of a remote."""
        if not isinstance(news, Paused):
            if self._on_news is not None:
                self._on_news(name, news)
            return
        point = self._points.pop(news.point, None) if news.point is not None else None
        if point is not None:
            others = [other for other in self.names if other != name and point.scope == "all" and self.is_up(other)]
            point.reach(news, [self._up(other, "pause").ask(calls.pause) for other in others])


def _line(s: ServerStatus) -> str:
    about = f" ({s.reason})" if s.reason else ""
    return (
        f"{s.identity} {s.phase}{about}: {s.role} of term {s.term}, log to {s.last_index}, committed {s.commit_index},"
        f" applied {s.applied_index}"
    )
