"""A running server: one thread that drives `raftframe.step` with storage, comms, timers and clients.

    server = Server("s1", Configuration(("s1", "s2", "s3")), StandardStateMap(MyApp()),
                    store=SqliteLogStore(path), comms=UdpComms(...), timers=ThreadTimers())
    server.start()
    outcome = server.submit(operation, client="c1", serial=1).result(timeout=5)
    server.stop()

Theory of operation
-------------------
Everything that happens to a server (messages, timeouts, commands) is put into one queue, from any thread, and taken out
by the server's own thread, which alone calls the protocol, the store, the monitors, and the timers' and the comms'
`start`, `send` and `stop`. It repeats:

    1. take what waits, at most `BATCH` events, and do one `step` for each, the state of one being that before the next;
       commands that follow one another are one event, unless a monitor is to see each (`SharesSteps`);
    2. store what all of them write, in order, and sync once, if any of them asks for it (group commit);
    3. publish the state of the last: from now on `state` and `status` show it;
    4. let the messages, replies and timers of all of them out, in order;
    5. tell the monitors, step by step.

So the order of effects within a step is kept, and nothing leaves before everything that it may speak of is synced. Of
two messages of one batch of which the second says all that the first says, only the second is sent, and entries that
follow one another go in one message; only the last start or stop of a timer is carried out. Messages may be lost, so
nobody can tell.

A timeout carries the number of the start of its timer. A number that is no longer the current one is of a timer that
was started anew or stopped in the meantime, and is dropped: a leader's message that waited in the queue before the
timeout is enough to prevent the election.

`_lock` guards what clients share with the thread: the requests that have no answer yet, and whether there will be any.
It is held for a few instructions, with nothing called under it but the queue. `state` and `_phase` are replaced whole,
by the thread; whoever reads them reads immutable values.

How it ends. `stop` lets the batch at hand finish. An exception (of the store: `StorageError`; of the application; of a
monitor) ends the thread in the phase `failed`: the steps of the batch that came before it are carried out in full, that
step not at all, `state` is the last state whose writes are synced, and nothing that speaks of a later one has left.
Either way comms, timers and store are closed, commands that no step took are `Refused`, and those without an answer
`Unknown`.

The methods marked as gates are where `raftframe.clusters.gates` stops a server; a plain server pays nothing for them.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from enum import StrEnum
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeAlias, TypeVar

from attrs import define, field, frozen

from raftframe import protocol
from raftframe.api.comms import CommsAPI
from raftframe.api.monitor import SharesSteps, StateChangeMonitorAPI
from raftframe.api.storage import LogStoreAPI
from raftframe.api.timers import TimerAPI
from raftframe.batches import BATCH, Taken, outgoing, with_those_behind
from raftframe.configuration import Configuration
from raftframe.effects import (
    Effect,
    Outcome,
    Refused,
    Reply,
    Send,
    StartTimer,
    StopTimer,
    Sync,
    Timer,
    Unknown,
    Write,
)
from raftframe.entries import ClientId, Command, Index, ServerId, Term
from raftframe.events import (
    TIMEOUTS,
    ClientRead,
    ClientRequest,
    ClientRequests,
    Event,
    ForgetLeader,
    MessageReceived,
    ReportUnreachable,
    SendSnapshot,
    TakeSnapshot,
    TransferLeadership,
)
from raftframe.messages import Message
from raftframe.server_state import Role, ServerState
from raftframe.states.state_map import StandardStateMap

MOST_WAITING: Final = 20_000
"""How many events may wait. Beyond, messages are dropped and counted, and commands refused: a flood ends here."""
END_TIMEOUT_S: Final = 10.0

T = TypeVar("T")


class ServerError(Exception):
    """A server cannot do what was asked of it. The message says why, and what to do instead."""


class Phase(StrEnum):
    """What has become of a server."""

    NEW = "new"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CRASHED = "crashed"
    FAILED = "failed"

    @property
    def is_up(self) -> bool:
        """Whether the server's thread runs, be it paused."""
        return self in (Phase.RUNNING, Phase.PAUSED)


@frozen
class Timing:
    """How long timers run, in seconds. Each start of the election timer draws from between the two ends (Raft §5.2).

    Raises ValueError unless 0 < heartbeat < shortest election timeout <= longest.
    """

    election_timeout_s: tuple[float, float] = (0.15, 0.3)
    heartbeat_s: float = 0.05

    def __attrs_post_init__(self) -> None:
        low, high = self.election_timeout_s
        if not 0 < self.heartbeat_s < low <= high:
            raise ValueError(
                f"heartbeats every {self.heartbeat_s} s do not hold off elections after {low} to {high} s: the"
                " heartbeat must be shorter than the shortest election timeout"
            )

    def duration_s(self, effect: StartTimer, rng: random.Random) -> float:
        """How long the timer that *effect* starts is to run this time."""
        shortest, longest = self.election_timeout_s
        match effect:
            case StartTimer(Timer.HEARTBEAT):
                return self.heartbeat_s
            case StartTimer(Timer.LEASE):
                return shortest
            case StartTimer(longest=True):
                return longest
        return rng.uniform(shortest, longest)


@frozen
class Counters:
    """What a server has done since it was started. `messages_dropped` are those that found the queue full."""

    steps: int
    batches: int
    syncs: int
    messages_received: int
    messages_sent: int
    messages_dropped: int
    timeouts: int
    replies: int


@frozen
class ServerStatus:
    """A server at one moment. The values are of one published state. `reason` says why a server is paused or failed."""

    identity: ServerId
    phase: Phase
    reason: str
    role: Role
    term: Term
    leader: ServerId | None
    commit_index: Index
    applied_index: Index
    last_index: Index
    counters: Counters


@frozen(eq=False)
class Fired:
    """A timeout in the queue. `number` is that of the timer's start; None outweighs the timer: `Server.fire`."""

    timer: Timer
    number: int | None


Order: TypeAlias = TransferLeadership | ForgetLeader | ReportUnreachable | TakeSnapshot | SendSnapshot
"""What whoever operates the servers may tell one of them."""
Told: TypeAlias = Callable[[Outcome], None]
"""Takes what has become of a command."""
Item: TypeAlias = MessageReceived | ClientRequest | ClientRead | Fired | Order | None
"""What waits in the queue. None only wakes the thread: there is a call for it, or it shall end."""


@define
class _Counts:
    """`Counters` in the making: the server's thread counts, except for what is dropped, which `_lock` guards."""

    steps: int = 0
    batches: int = 0
    syncs: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    messages_dropped: int = 0
    timeouts: int = 0
    replies: int = 0

    def frozen(self) -> Counters:
        return Counters(
            self.steps,
            self.batches,
            self.syncs,
            self.messages_received,
            self.messages_sent,
            self.messages_dropped,
            self.timeouts,
            self.replies,
        )


def _promise() -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_running_or_notify_cancel()  # a command that is on its way cannot be called back
    return future


@define(eq=False)
class _Request:
    """A command whose client waits. `told` are called with what becomes of it."""

    command: Command
    told: list[Told] = field(factory=list)
    future: Future[Outcome] | None = None

    def promise(self) -> Future[Outcome]:
        """A future of what becomes of it, always the same."""
        if self.future is None:
            self.future = _promise()
            self.told.append(self.future.set_result)
        return self.future

    def tell(self, outcome: Outcome) -> None:
        for told in self.told:
            told(outcome)

    def check(self, command: Command) -> None:
        """Raises ValueError unless *command*, of the same name, is the same."""
        if command != self.command:
            raise ValueError(
                f"request {command.serial} of {command.client} is {self.command.operation!r} and waits for its answer:"
                f" give {command.operation!r} a serial of its own"
            )


@define(eq=False)
class _Call(Generic[T]):
    """A function to be run on the server's thread."""

    function: Callable[[], T]
    future: Future[T] = field(factory=Future)

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.function())
        except Exception as error:  # the caller's, not the server's
            self.future.set_exception(error)


class Ended(BaseException):
    """Raised by a gate, on the server's thread, to end it at once in *phase*. Nobody else catches it."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(phase)
        self.phase = phase


class Server:
    """One server of a cluster, made of the parts that it is given; see the module for what its thread does.

    *store*, *comms* and *timers* belong to the server from now on: it starts, uses and closes them. *monitors* are told
    of every step. Election timeouts are drawn from *rng*; give each server its own. Raises ValueError if *identity* is
    not in *configuration*, or with the option `async_storage`, which no server has.
    """

    def __init__(
        self,
        identity: ServerId,
        configuration: Configuration,
        states: StandardStateMap,
        *,
        store: LogStoreAPI,
        comms: CommsAPI,
        timers: TimerAPI,
        monitors: Sequence[StateChangeMonitorAPI] = (),
        timing: Timing | None = None,
        rng: random.Random | None = None,
    ) -> None:
        if states.options.async_storage:
            raise ValueError("async_storage=on is for simulations: a Server stores before it goes on. Switch it off")
        self.identity = identity
        self._states, self._store, self._comms, self._timers = states, store, comms, timers
        self._monitors = tuple(monitors)
        self._together = all(isinstance(one, SharesSteps) and one.shares_steps for one in monitors)
        self._timing = timing if timing is not None else Timing()
        self._rng = rng if rng is not None else random.Random()
        self._state = self._latest = protocol.start(identity, configuration, states)
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._waiting: deque[Item] = deque()  # taken out of the queue, not handled; the thread's own, like all below
        self._steps: list[Taken] = []  # taken, not carried out
        self._numbers = dict.fromkeys(Timer, 0)
        self._count = _Counts()
        self._calls: deque[_Call[Any]] = deque()  # Any: each returns what it likes
        self._lock = threading.Lock()
        self._pending: dict[tuple[ClientId, int], _Request] = {}
        self._phase, self._reason, self._doing = Phase.NEW, "", "starting"
        self._error: BaseException | None = None
        self._ending = False  # set by any thread: end after this batch
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"raftframe {identity}", daemon=True)
        self._carry_out: dict[type, Callable[..., None]] = {
            Send: self._send,
            Reply: self._reply,
            StartTimer: self._start_timer,
            StopTimer: self._stop_timer,
        }

    # For any thread

    @property
    def state(self) -> ServerState:
        """The latest state whose writes are synced."""
        return self._state

    @property
    def phase(self) -> Phase:
        """What has become of the server."""
        return self._phase

    @property
    def reason(self) -> str:
        """Why the server is in its phase, if there is anything to say."""
        return self._reason

    @property
    def error(self) -> BaseException | None:
        """What ended a server that has failed."""
        return self._error

    def status(self) -> ServerStatus:
        """The server at this moment."""
        state = self._state
        return ServerStatus(
            self.identity,
            self.phase,
            self.reason,
            state.role,
            state.term,
            state.leader,
            state.commit_index,
            state.applied_index,
            state.log.last_index,
            self._count.frozen(),
        )

    def start(self) -> None:
        """Read the storage and begin. Raises what the store raises (the server has then failed), and ServerError if it
        was started before: a thread starts once, so a restart is a new `Server` on the same storage.
        """
        with self._lock:
            if self._phase is not Phase.NEW:
                raise ServerError(f"{self.identity} was started before; make a new Server to start it again")
            self._phase = Phase.RUNNING
        self._thread.start()
        self._begun.wait()
        if self._error is not None:
            raise self._error

    def submit(self, operation: Hashable, *, client: ClientId, serial: int) -> Future[Outcome]:
        """Hand over request *serial* of *client* (who counts from 1). The future gets its `Outcome`, always; it is not
        to be cancelled, and its callbacks run on the server's thread, so they must be quick.

        A request that waits for its answer is not taken twice: the same one again gets the same future, another
        operation under its name a ValueError.
        """
        with self._lock:
            request, problem = self._request(Command(client, serial, operation))
            future = request.promise()
        if problem is not None:
            request.tell(Refused(problem))
        return future

    def ask(self, command: Command, told: Told) -> None:
        """As `submit`, without a future, which takes as long as all the rest: *told* is called with the outcome, once,
        always. That is on the server's thread, or within `ask` if the server takes no commands. So it must be quick; an
        exception in it stops the server.
        """
        with self._lock:
            request, problem = self._request(command)
            request.told.append(told)
        if problem is not None:
            request.tell(Refused(problem))

    def _request(self, command: Command) -> tuple[_Request, str | None]:
        """The request of *command*, old or new, and why it is not taken, if it is not. `_lock` is held."""
        name = command.client, command.serial
        known = self._pending.get(name)
        if known is not None:
            known.check(command)
            return known, None
        request, problem = _Request(command), self._problem_with_asking()
        if problem is None:
            self._pending[name] = request
            self._queue.put(self._states.asking(command))
        return request, problem

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Run *function* on the server's thread, between two batches. Cancelled when the server ends before."""
        call = _Call(function)
        with self._lock:
            if self.phase.is_up:
                self._calls.append(call)
                self._wake()
            else:
                call.future.cancel()
        return call.future

    def fire(self, timer: Timer) -> None:
        """Let *timer* time out now, whether it runs or not."""
        self._queue.put(Fired(timer, None))

    def order(self, order: Order) -> None:
        """Hand over an *order*. It is an event like any other: what comes of it is in the server's state and marks."""
        self._queue.put(order)

    def stop(self, timeout_s: float = END_TIMEOUT_S) -> None:
        """End in good order, and return when the thread has ended; from the thread itself, return at once.

        Stopping twice, or what never ran, is allowed. Raises TimeoutError if the thread is stuck.
        """
        with self._lock:
            never_ran = self._phase is Phase.NEW
            if never_ran:
                self._phase = Phase.STOPPED
        if never_ran:
            self._end(Phase.STOPPED, "")
            return
        self._ending = True
        self._wake()
        self._join(timeout_s)

    # The thread

    def _run(self) -> None:
        phase, reason = Phase.STOPPED, ""
        try:
            self._begin()
            while not self._ending:
                self._batch()
        except Ended as ended:
            phase = ended.phase
        except BaseException as error:  # whatever it is, the server must not be left half alive
            phase, reason, self._error = Phase.FAILED, f"{self._doing}: {type(error).__name__}: {error}", error
        finally:
            self._end(phase, reason)
            self._begun.set()

    def _begin(self) -> None:
        self._state = self._latest = protocol.recover(
            self.identity, self._state.configuration, self._store.load(), self._states
        )
        self._number_timers([StartTimer(Timer.ELECTION)])
        self._start_timer(StartTimer(Timer.ELECTION))
        self._comms.start(self._receive)
        self._begun.set()

    def _batch(self) -> None:
        """Gate. What waits: step by step, then carried out together."""
        self._fill()
        failure = self._take_steps()
        steps, self._steps = self._steps, []
        if steps:
            self._make_durable(steps)
            self._let_out(steps)
        if failure is not None:
            self._doing = "stepping"
            raise failure
        self._run_calls()

    def _take_steps(self) -> BaseException | None:
        """Steps for what waits; the exception that ended them, if any, for those before it are still to be carried
        out.
        """
        self._doing = "stepping"
        try:
            while self._waiting and len(self._steps) < BATCH and self._take(self._waiting.popleft()):
                pass
        except Ended:
            raise
        except BaseException as error:  # the application's: not even an exit may leave the server half alive
            return error
        return None

    def _fill(self) -> None:
        """Wait until there is anything to do."""
        if not self._waiting:
            self._waiting.append(self._queue.get())
        self._drain()

    def _drain(self) -> None:
        while not self._queue.empty():
            self._waiting.append(self._queue.get_nowait())

    def _take(self, item: Item) -> bool:
        """Gate. One step, if *item* asks for any; whether the batch may go on."""
        event = self._event(item)
        if type(event) is ClientRequest and self._waiting and self._takes_together():
            event = with_those_behind(event, self._waiting)
        if event is not None:
            self._step(event)
        return True

    def _step(self, event: Event) -> None:
        before = self._latest
        try:
            step = protocol.step(before, event, self._states)
        except BaseException:
            if not isinstance(event, ClientRequests):
                raise
            self._together = False  # one by one, it shows which of them it was
            self._waiting.extendleft(ClientRequest(command) for command in reversed(event.commands))
            return
        self._latest = step.state
        self._steps.append(Taken(before, event, step))
        self._number_timers(step.effects)

    def _takes_together(self) -> bool:
        """Gate. Whether commands that follow one another may share a step."""
        return self._together

    def _event(self, item: Item) -> Event | None:
        if not isinstance(item, Fired):
            self._count.messages_received += isinstance(item, MessageReceived)
            return item
        if item.number is None:
            self._timers.cancel(item.timer)
            self._numbers[item.timer] += 1
        elif item.number != self._numbers[item.timer]:
            return None
        self._count.timeouts += 1
        return TIMEOUTS[item.timer]

    def _number_timers(self, effects: Iterable[Effect]) -> None:
        """From the step on, not only from when its effects are carried out, older timeouts are void."""
        for effect in effects:
            if isinstance(effect, StartTimer | StopTimer):
                self._numbers[effect.timer] += 1

    def _make_durable(self, steps: list[Taken]) -> None:
        """Write, sync, publish."""
        self._doing = "storing"
        must_sync = False
        for taken in steps:
            for effect in taken.step.effects:
                if isinstance(effect, Write):
                    self._store.write(effect)
                elif isinstance(effect, Sync):
                    must_sync = True
        if must_sync:
            self._sync()
        self._count.batches += 1
        self._count.steps += len(steps)
        self._state = steps[-1].step.state

    def _sync(self) -> None:
        """Gate."""
        self._store.sync()
        self._count.syncs += 1

    def _let_out(self, steps: list[Taken]) -> None:
        """Gate. What others see, then the monitors."""
        self._doing = "sending"
        for effect in outgoing(steps, self._states.options.batch):
            self._carry_out[type(effect)](effect)
        self._tell_monitors(steps)

    def _tell_monitors(self, steps: list[Taken]) -> None:
        if self._monitors:
            self._doing = "telling the monitors"
            for taken in steps:
                for monitor in self._monitors:
                    monitor.stepped(taken.before, taken.event, taken.step)

    def _send(self, effect: Send) -> None:
        self._comms.send(effect.message)
        self._count.messages_sent += 1

    def _reply(self, effect: Reply) -> None:
        with self._lock:
            request = self._pending.pop((effect.client, effect.serial), None)
        if request is not None:
            self._count.replies += 1
            request.tell(effect.outcome)

    def _start_timer(self, effect: StartTimer) -> None:
        timer = effect.timer
        fired = Fired(timer, self._numbers[timer])
        self._timers.start(timer, self._timing.duration_s(effect, self._rng), partial(self._queue.put, fired))

    def _stop_timer(self, effect: StopTimer) -> None:
        self._timers.cancel(effect.timer)

    def _run_calls(self) -> None:
        while self._calls:
            self._calls.popleft().run()

    def _end(self, phase: Phase, reason: str) -> None:
        """Close everything and let nobody wait for an answer that will not come."""
        for close in (self._comms.stop, self._timers.stop, self._store.close):
            try:
                close()
            except Exception as error:
                phase, self._error = Phase.FAILED, self._error or error
                reason = reason or f"closing: {type(error).__name__}: {error}"
        with self._lock:
            self._phase, self._reason = phase, reason
            self._drain()
            untaken = [item.command for item in self._waiting if isinstance(item, ClientRequest | ClientRead)]
            refused = [self._pending.pop((one.client, one.serial)) for one in untaken]
            unknown, self._pending = list(self._pending.values()), {}
            calls, self._calls = self._calls, deque()
        for request in refused:
            request.tell(Refused(f"{self.identity} {phase} before it took the command"))
        for request in unknown:
            request.tell(Unknown())
        for call in calls:
            call.future.cancel()

    # Called by others

    def _receive(self, message: Message) -> None:
        if self._queue.qsize() >= MOST_WAITING:
            with self._lock:
                self._count.messages_dropped += 1
            return
        self._queue.put(MessageReceived(message))

    def _wake(self) -> None:
        self._queue.put(None)

    def _join(self, timeout_s: float) -> None:
        if self._thread is threading.current_thread():
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError(f"{self.identity} has not ended in {timeout_s:g} s: it is {self._doing}")

    def _problem_with_asking(self) -> str | None:
        if self._phase is not Phase.RUNNING:
            return f"{self.identity} is {self._phase}"
        return f"{self.identity} is busy" if self._queue.qsize() >= MOST_WAITING else None
