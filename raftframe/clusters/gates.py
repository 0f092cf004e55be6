"""Where the servers of a cluster stop: pause points, gates, and a server with gates in it.

Theory of operation
-------------------
Each `GatedServer` has a gate. Its thread passes the gate before each step and before each message or reply leaves its
outbox, and nowhere else. While the gate is closed the thread rests there: it takes no step and lets nothing out, but it
runs the functions that it is called with. Between two passes it finishes the step that it is in: it computes, writes,
syncs and publishes; what the step sends waits in the outbox. So whatever a server was about to do when it was stopped,
it rests either between two steps or with a state that is published and an outbox that can be read.

`Gates` closes and opens gates, of one server or of all. Closing means, in this order: the timers stand still (all at
one instant), the gates are closed, the wires are stalled, so that nothing arrives either, and the threads are woken.
Opening is the same backwards. A `Pause` is the request; it is *complete* when every thread that it is about rests. The
last thread that comes to rest completes it: it calls the callbacks and wakes whoever waits for the pause. So callbacks,
and those who waited, see a cluster in which nothing moves. To open a gate before its server rests ends the pause
without completing it.

With points armed a server takes one step at a time; else it works in batches, and a gate that is closed ends the batch.

A pause point is *reached* on the thread that gets there: sending, handling, timers and steps on the server's own,
receiving on the thread that moves the message (it only closes the gates and goes on). For the points *after* sending
and *after* receiving the gates are closed first, and then the message takes that one stage: it ends on a stalled wire,
or in the inbox behind a closed gate. Each point bites once: `claim` gives it to one thread.

A thread looks at its gate without a lock, so one that found it open a moment before it was closed still takes the step,
or lets out the one message, that it was about to. The message ends on a stalled wire. No pause is complete before.

Locks, in the order in which they may be taken: `Gates._switch`, then a timers' condition, a gate's condition or the
network's lock. `_switch` makes closing and opening whole: nobody sees half of the gates closed. Nothing is waited for
and nothing of the user's is called under it. A thread rests on the condition of its own gate and holds nothing.

A timer that fired before a pause is a timeout that waits in the inbox like a message, and is handled after resuming. No
other timeout is caused by resuming: timers go on with what they had left.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from attrs import define, field, frozen

from raftframe.batches import Taken, outgoing
from raftframe.comms.memory import PASS, Decision, Duplicate, InterceptorAPI, MemoryNetwork, Moment, Predicate, Verdict
from raftframe.effects import Effect, Send, StartTimer, StopTimer, Timer
from raftframe.entries import Index, ServerId
from raftframe.events import MessageReceived
from raftframe.marks import Mark
from raftframe.messages import Message
from raftframe.server import Ended, Fired, Item, Phase, Server, ServerError
from raftframe.server_state import Role, ServerState
from raftframe.timers import PausableTimers, pause_together, resume_together

Scope: TypeAlias = Literal["server", "all"]

# Where to pause


@frozen
class AtMessage:
    """At *moment* of the first message that *matches*: the sender pauses at sending, the target at all others.

    *matches*, often a `MessagePattern`, is called on the thread that moves the message, and is quick.
    """

    moment: Moment
    matches: Predicate

    def __str__(self) -> str:
        return f"{self.moment} {getattr(self.matches, '__name__', self.matches)}"


@frozen
class OnRole:
    """After the step that changes the server's role into *role*."""

    role: Role

    def __str__(self) -> str:
        return f"on role {self.role}"


@frozen
class OnMark:
    """After a step with *mark*: on a substate."""

    mark: Mark

    def __str__(self) -> str:
        return f"on substate {self.mark}"


@frozen
class OnTimer:
    """When *timer* has fired, before the timeout is handled."""

    timer: Timer

    def __str__(self) -> str:
        return f"on timer {self.timer}"


@frozen
class OnCommit:
    """After the step that commits the entry at *index*."""

    index: Index

    def __str__(self) -> str:
        return f"on commit {self.index}"


@frozen
class OnApply:
    """After the step that applies the entry at *index*."""

    index: Index

    def __str__(self) -> str:
        return f"on apply {self.index}"


@frozen
class When:
    """After the first step into a state for which *condition* holds. It is called on the server's thread."""

    condition: Callable[[ServerState], bool]

    def __str__(self) -> str:
        return f"when {getattr(self.condition, '__name__', self.condition)}"


Where: TypeAlias = AtMessage | OnRole | OnMark | OnTimer | OnCommit | OnApply | When


@define(eq=False)
class PausePoint:
    """Where *server* (None: whichever comes first) is to pause, and with it, by *scope*, all others. It bites once."""

    where: Where
    server: ServerId | None
    scope: Scope
    text: str
    pause: Pause | None = None
    _claimed: threading.Event = field(factory=threading.Event)

    @property
    def reached(self) -> bool:
        """Whether a server has got here, and everything in scope stands still."""
        return self.pause is not None and self.pause.complete

    def wait(self, timeout_s: float) -> Pause:
        """The pause, when everything in scope stands still. Raises TimeoutError if nobody gets here in time."""
        if not self._claimed.wait(timeout_s) or self.pause is None:
            raise TimeoutError(f"no server has come to the pause point {self.text!r} in {timeout_s:g} s")
        return self.pause.wait(timeout_s)

    def begin(self, pause: Pause) -> None:
        """A server got here, and *pause* begins."""
        self.pause = pause
        self._claimed.set()


@define(eq=False)
class Pause:
    """One request to stand still: who, why, and whether everybody does."""

    servers: tuple[ServerId, ...]
    why: str
    point: PausePoint | None = None
    awaited: set[ServerId] = field(factory=set)
    resumed: tuple[ServerId, ...] = ()  # who was resumed before everybody stood still: then it is never complete
    _over: threading.Event = field(factory=threading.Event)

    @property
    def complete(self) -> bool:
        """Whether every one of the servers came to rest, and the callbacks have run."""
        return self._over.is_set() and not self.resumed

    def wait(self, timeout_s: float) -> Pause:
        """Itself, when complete. Raises TimeoutError that names who still moves, and ServerError if somebody was
        resumed too early.
        """
        if not self._over.wait(timeout_s):
            raise TimeoutError(f"after {timeout_s:g} s {', '.join(sorted(self.awaited))} still moved: {self.why}")
        if self.resumed:
            raise ServerError(f"{', '.join(self.resumed)} went on before everybody stood still: {self.why}")
        return self

    def end(self) -> None:
        """Everybody stands still, or never will."""
        self._over.set()


@define(eq=False)
class Gate:
    """The gate of one server. Changed under `Gates._switch`; `closed` is read without, before each step and message."""

    closed: bool = False
    resting: bool = False
    why: str = ""
    ending: Phase | None = None
    changed: threading.Condition = field(factory=threading.Condition)

    def set(self, *, closed: bool, why: str = "") -> None:
        """Close it or open it, and wake whoever rests."""
        with self.changed:
            self.closed, self.why = closed, why
            if not closed:
                self.resting = False
            self.changed.notify_all()


class Gates:
    """All gates and pause points of one cluster. Implements `InterceptorAPI`, for points at receiving."""

    def __init__(self, network: MemoryNetwork, interceptor: InterceptorAPI | None = None) -> None:
        self.network = network
        self.interceptor = interceptor
        self.points: tuple[PausePoint, ...] = ()
        self.on_pause: list[Callable[[Pause], None]] = []
        self.on_resume: list[Callable[[tuple[ServerId, ...]], None]] = []
        self._switch = threading.RLock()
        self._servers: dict[ServerId, GatedServer] = {}
        self._pauses: list[Pause] = []  # not complete
        self._watch_network()

    # Servers come and go

    def add(self, server: GatedServer, *, paused: bool) -> None:
        """*server* is about to start, with its gate closed if *paused*."""
        with self._switch:
            self._servers[server.identity] = server
            if paused:
                self.close([server.identity], "started paused")
            else:
                self.network.unstall(server.identity)

    def gone(self, server: GatedServer) -> None:
        """*server* has ended, and nobody waits for it to rest. If it was paused, what is on the wire to it stays there
        until it is restarted; else it is lost.
        """
        with self._switch:
            if self._servers.get(server.identity) is not server:
                return
            del self._servers[server.identity]
            complete = self._no_longer_awaited(server.identity)
        for pause in complete:
            self._complete(pause)

    def is_up(self, server: ServerId) -> bool:
        """Whether the thread of *server* runs, be it paused."""
        with self._switch:
            return server in self._servers

    # Closing and opening

    def close(self, servers: Iterable[ServerId], why: str, point: PausePoint | None = None) -> Pause:
        """Let *servers*, as far as they are up, stand still. Returns at once; `Pause.wait` waits."""
        with self._switch:
            stopping = [self._servers[name] for name in servers if name in self._servers]
            pause = Pause(tuple(server.identity for server in stopping), why, point)
            pause_together(server.timers for server in stopping)
            for server in stopping:
                server.gate.set(closed=True, why=why)
            for server in stopping:
                self.network.stall(server.identity)
                if not server.gate.resting:
                    pause.awaited.add(server.identity)
            if pause.awaited:
                self._pauses.append(pause)
        for server in stopping:
            server.wake()
        if point is not None:
            point.begin(pause)
        if not pause.awaited:
            self._complete(pause)
        return pause

    def close_at(self, point: PausePoint, server: ServerId) -> None:
        """*server* has reached *point*."""
        everybody = point.scope == "all"
        self.close(tuple(self._servers) if everybody else [server], f"{server} {point.text}", point)

    def open(self, servers: Iterable[ServerId]) -> tuple[ServerId, ...]:
        """Let those of *servers* that are paused go on, with the time that their timers had left; who they are."""
        with self._switch:
            going = [s for name in servers if (s := self._servers.get(name)) is not None and s.gate.closed]
        names = tuple(server.identity for server in going)
        for callback in self.on_resume:
            callback(names)
        with self._switch:
            self._give_up_pauses_of(names)
            for name in names:
                self.network.unstall(name)
            for server in going:
                server.gate.set(closed=server.gate.ending is not None)
            resume_together(server.timers for server in going)
        for name in names:
            self.network.flush(name)
        return names

    def rests(self, server: GatedServer) -> None:
        """The thread of *server*, which calls this, has come to its closed gate."""
        with self._switch:
            if not server.gate.closed:
                return
            server.gate.resting = True
            complete = self._no_longer_awaited(server.identity)
        for pause in complete:
            self._complete(pause)

    def _no_longer_awaited(self, server: ServerId) -> list[Pause]:
        """The pauses that are complete now that *server* rests."""
        for pause in self._pauses:
            pause.awaited.discard(server)
        complete = [pause for pause in self._pauses if not pause.awaited]
        self._pauses = [pause for pause in self._pauses if pause.awaited]
        return complete

    def _give_up_pauses_of(self, servers: Collection[ServerId]) -> None:
        for pause in self._pauses:
            pause.resumed = tuple(sorted(pause.awaited.intersection(servers)))
            if pause.resumed:
                pause.end()
        self._pauses = [pause for pause in self._pauses if not pause.resumed]

    def _complete(self, pause: Pause) -> None:
        try:
            for callback in self.on_pause:
                callback(pause)
        finally:
            pause.end()

    # Points

    def arm(self, point: PausePoint) -> None:
        """From now on servers stop at *point*."""
        with self._switch:
            self.points = (*self.points, point)
            self._watch_network()

    def disarm(self, points: Collection[PausePoint]) -> None:
        """Nobody stops at *points* any more."""
        with self._switch:
            self.points = tuple(point for point in self.points if point not in points)
            self._watch_network()

    def claim(self, server: ServerId, reached: Callable[[Where], bool]) -> PausePoint | None:
        """The first point of *server* that is *reached*; from now on it is used up."""
        for point in self.points:
            if point.server in (None, server) and reached(point.where):
                with self._switch:
                    if point in self.points:
                        self.disarm([point])
                        return point
        return None

    def claim_at(self, server: ServerId, moment: Moment, message: Message) -> PausePoint | None:
        """The first point of *server* at *moment* of *message*; from now on it is used up."""
        return self.claim(
            server, lambda where: isinstance(where, AtMessage) and where.moment is moment and where.matches(message)
        )

    def set_interceptor(self, interceptor: InterceptorAPI | None) -> None:
        """From now on ask *interceptor*, too, at every moment."""
        with self._switch:
            self.interceptor = interceptor
            self._watch_network()

    def intercept(self, moment: Moment, message: Message) -> Decision:
        """Called by the network: points at receiving, then the user's interceptor."""
        if moment is Moment.BEFORE_RECEIVING and self.points and self.is_up(message.target):
            before = self.claim_at(message.target, Moment.BEFORE_RECEIVING, message)
            if before is not None:
                self.close_at(before, message.target)
                return PASS  # and does not arrive: the target is stalled
        decision = PASS if self.interceptor is None else self.interceptor.intercept(moment, message)
        if moment is Moment.BEFORE_RECEIVING and decision is PASS and self.points and self.is_up(message.target):
            after = self.claim_at(message.target, Moment.AFTER_RECEIVING, message)
            if after is not None:
                self.close_at(after, message.target)
                return Verdict.ARRIVE  # behind the closed gate, so that it is not handled
        return decision

    def _watch_network(self) -> None:
        receiving = (Moment.BEFORE_RECEIVING, Moment.AFTER_RECEIVING)
        points = any(isinstance(p.where, AtMessage) and p.where.moment in receiving for p in self.points)
        self.network.set_interceptor(self if points or self.interceptor is not None else None)


class GatedServer(Server):
    """A server of a cluster that can be stopped. *gates* are the cluster's; everything else is as in `Server`."""

    # Any: the arguments are those of Server.
    def __init__(self, *args: Any, timers: PausableTimers, gates: Gates, **kwargs: Any) -> None:
        super().__init__(*args, timers=timers, **kwargs)
        self.timers = timers
        self.gate: Final = Gate()
        self._gates = gates
        self._outbox: deque[Effect] = deque()

    @property
    def phase(self) -> Phase:
        """What has become of the server; paused as soon as its gate is closed."""
        return Phase.PAUSED if self._phase is Phase.RUNNING and self.gate.closed else self._phase

    @property
    def reason(self) -> str:
        """Why it is paused, or has failed."""
        return self.gate.why if self.phase is Phase.PAUSED else self._reason

    @property
    def is_idle(self) -> bool:
        """Whether nothing has arrived that was not handled."""
        return self._queue.empty() and not self._waiting

    def wake(self) -> None:
        """Let the thread look around, wherever it waits."""
        self._queue.put(None)
        with self.gate.changed:
            self.gate.changed.notify_all()

    _wake = wake

    def crash(self, timeout_s: float) -> None:
        """End at the next gate, losing outbox and inbox. Raises TimeoutError if the thread is stuck."""
        with self.gate.changed:
            self.gate.ending, self.gate.closed = Phase.CRASHED, True
        self.wake()
        if self._thread.ident is not None:
            self._join(timeout_s)

    # On the server's thread, at rest

    def outbox(self) -> tuple[Message, ...]:
        """What the last step sent and did not leave yet, in order."""
        return tuple(effect.message for effect in self._outbox if isinstance(effect, Send))

    def inbox(self) -> tuple[Message, ...]:
        """What has arrived and was not handled yet, in order."""
        self._drain()
        return tuple(item.message for item in self._waiting if isinstance(item, MessageReceived))

    def drop_from_outbox(self, message: Message) -> bool:
        """Lose the first *message* in the outbox; whether it was there."""
        return _remove(self._outbox, Send(message))

    def drop_from_inbox(self, message: Message) -> bool:
        """Lose the first *message* in the inbox; whether it was there."""
        self._drain()
        return _remove(self._waiting, MessageReceived(message))

    def replace_state(self, state: ServerState) -> None:
        """Go on from *state*, by no step of the protocol: stored and synced; timers follow the role.

        Raises ValueError if it is another server's.
        """
        before = self._state
        if state.identity != self.identity:
            raise ValueError(f"this is the state of {state.identity}, not of {self.identity}")
        for write in self._states.rules(state).writes(before, state):
            self._store.write(write)
        self._store.sync()
        self._state = self._latest = state
        if before.role is not state.role and Role.LEADER in (before.role, state.role):
            leads = state.role is Role.LEADER
            on, off = (Timer.HEARTBEAT, Timer.ELECTION) if leads else (Timer.ELECTION, Timer.HEARTBEAT)
            self._number_timers([StopTimer(off), StartTimer(on)])
            self._stop_timer(StopTimer(off))
            self._start_timer(StartTimer(on))

    # The gates

    def _batch(self) -> None:
        if self.gate.closed:
            self._rest()
        super()._batch()

    def _take(self, item: Item) -> bool:
        gates = self._gates
        if self.gate.closed or gates.points:
            if self._steps:  # they leave first
                self._waiting.appendleft(item)
                return False
            if item is None or not self._admit(item):
                return True
        if gates.interceptor is not None and isinstance(item, MessageReceived) and not self._passes(item.message):
            return True
        return super()._take(item)

    def _takes_together(self) -> bool:
        return super()._takes_together() and not self.gate.closed and not self._gates.points

    def _admit(self, item: Item) -> bool:
        """Whether *item* is still to be handled when no gate and no point is before it any more."""
        self._waiting.appendleft(item)  # where it can be seen, and taken away, while the thread rests
        while True:
            if self.gate.closed:
                self._rest()
                if not self._waiting or self._waiting[0] is not item:
                    return False
                continue
            point = self._point_before(item)
            if point is None:
                break
            self._gates.close_at(point, self.identity)
        self._waiting.popleft()
        return True

    def _point_before(self, item: Item) -> PausePoint | None:
        if isinstance(item, MessageReceived):
            return self._gates.claim_at(self.identity, Moment.BEFORE_HANDLING, item.message)
        if isinstance(item, Fired) and item.number in (None, self._numbers[item.timer]):
            timer = item.timer
            return self._gates.claim(self.identity, lambda where: isinstance(where, OnTimer) and where.timer is timer)
        return None

    def _passes(self, message: Message) -> bool:
        interceptor = self._gates.interceptor
        decision = PASS if interceptor is None else interceptor.intercept(Moment.BEFORE_HANDLING, message)
        if decision is PASS or isinstance(decision, Duplicate):
            return True
        self._gates.network.put_back(message, decision)
        return False

    def _sync(self) -> None:
        if self.gate.ending is not None:
            raise Ended(self.gate.ending)
        super()._sync()

    def _let_out(self, steps: list[Taken]) -> None:
        gates, outbox = self._gates, self._outbox
        self._doing = "sending"
        outbox.extend(outgoing(steps, self._states.options.batch))
        if gates.points or gates.interceptor is not None:
            self._pause_after(steps)
        while outbox:
            effect = outbox[0]
            if (self.gate.closed or gates.points) and not self._may_leave(effect):
                continue  # the thread has rested, and the outbox may be another one
            outbox.popleft()
            if gates.points and isinstance(effect, Send):  # closes first: with scope "all" it stays on the wire
                self._pause_at(Moment.AFTER_SENDING, effect.message)
            self._carry_out[type(effect)](effect)
        self._tell_monitors(steps)

    def _pause_after(self, steps: Sequence[Taken]) -> None:
        for taken in steps:
            event = taken.event
            if isinstance(event, MessageReceived):
                self._pause_at(Moment.AFTER_HANDLING, event.message)
                if self._gates.interceptor is not None:
                    self._gates.interceptor.intercept(Moment.AFTER_HANDLING, event.message)
            reached = partial(is_reached, taken)
            while (point := self._gates.claim(self.identity, reached)) is not None:
                self._gates.close_at(point, self.identity)

    def _may_leave(self, effect: Effect) -> bool:
        """Whether *effect* may leave the outbox now; else the thread has rested, or is about to."""
        if self.gate.closed:
            self._rest()
            return False
        return not (isinstance(effect, Send) and self._pause_at(Moment.BEFORE_SENDING, effect.message))

    def _pause_at(self, moment: Moment, message: Message) -> bool:
        point = self._gates.claim_at(self.identity, moment, message)
        if point is not None:
            self._gates.close_at(point, self.identity)
        return point is not None

    def _rest(self) -> None:
        """Stand still until the gate is open. Raises Ended if the server is to end instead."""
        gate = self.gate
        while gate.closed:
            self._check_end()
            self._drain()
            self._gates.rests(self)
            with gate.changed:
                gate.changed.wait_for(self._has_a_reason_to_wake)
            self._check_end()
            self._run_calls()

    def _has_a_reason_to_wake(self) -> bool:
        gate = self.gate
        return bool(self._calls or self._ending or gate.ending or not (gate.closed and gate.resting))

    def _check_end(self) -> None:
        if self.gate.ending is not None or self._ending:
            raise Ended(self.gate.ending or Phase.STOPPED)

    def _end(self, phase: Phase, reason: str) -> None:
        self._outbox.clear()
        try:
            super()._end(phase, reason)
        finally:
            self._gates.gone(self)


def is_reached(taken: Taken, where: Where) -> bool:
    """Whether the step *taken* has come to *where*."""
    before, after = taken.before, taken.step.state
    match where:
        case OnRole(role):
            return before.role is not role and after.role is role
        case OnMark(mark):
            return mark in taken.step.marks
        case OnCommit(index):
            return before.commit_index < index <= after.commit_index
        case OnApply(index):
            return before.applied_index < index <= after.applied_index
        case When(condition):
            return condition(after)
    return False


def _remove(items: deque[Any], wanted: object) -> bool:  # Any: outbox and inbox hold different things
    if wanted not in items:
        return False
    items.remove(wanted)
    return True
