"""A cluster that stands still until it is told to move: the books of every mode, and the `sim` mode.

Theory of operation
-------------------
A `SteeredCluster` holds one `RaftServer` value a server, the messages on their way (`post`), the clock, the pauses and
the clients. In a `SimCluster` these values are the servers; in other modes they say what the servers have come to.
Each public method of the second part is one elementary action. It carries the protocol's effects out like this:

* writes and syncs at once, inside the action; with `async_storage`, what a disk holds later, when it is released;
* messages go into the server's outbox. They stay there until something flushes it; only if the action was driven by
  `deliver`, `settle` or the scheduler (*straight*) do they go straight on to the wire;
* replies to clients leave at once, unless the server has come to a pause: then they wait in its outbox;
* timers start and stop on the logical clock, which only the scheduler moves.

A message passes four gates on its way, each of which may be a pause point: `leave` (outbox to wire), `arrive` (wire to
inbox), `handle` (the step), and the end of the step. A paused server neither sends, receives nor handles. A message
that arrives across a cut link, or at a server that is down, is lost at that moment: a link that is healed before does
no harm.

Every step is written into the journal, judged by the watch, and offered to `observers`, in that order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Literal, Protocol

from attrs import evolve, frozen

from checker.properties.base import Property
from checker.properties.raft import RAFT_PROPERTIES
from checker.properties.watch import RunWatch
from checker.raft_system import APPLY, RECEIPT, STORE, Disk, RaftServer
from checker.runs.trace import What
from checker.stepping import NO_HANDLER_ERROR, Finding, describe_error
from checker.system import Deliver, Local, Send, Step
from checker.system import Event as CheckerEvent
from raftframe import Role
from raftframe import effects as fx
from raftframe import events as ev
from raftframe.marks import Mark
from raftframe.protocol import Step as ProtocolStep
from scenarios.runner import fair
from scenarios.runner.clients import RETRY_MS, Clients, Operation
from scenarios.runner.clock import Clock
from scenarios.runner.cluster_api import ClockBook, Down, Found, Link
from scenarios.runner.disks import LATER_KINDS, Fault, LaterKind
from scenarios.runner.journal import TIMER_VERBS, Elementary, Journal, Verb, name_of
from scenarios.runner.pauses import Moment, PausePoint, Pauses
from scenarios.runner.post import Envelope, Post
from scenarios.runner.setup import Setup

MOST_REDIRECTS = 20


class TimerBook(ClockBook, Protocol):
    """What a `SteeredCluster` tells the book of its timers."""

    def carry_out(self, server: str, effect: fx.StartTimer | fx.StopTimer) -> None:
        """*server* has asked for this."""

    def forget(self, server: str) -> None:
        """*server* went down: its timers are gone."""

    def stand_still(self, server: str) -> None:
        """*server* is paused."""

    def go_on(self, server: str) -> None:
        """*server* goes on."""

    def expire(self, server: str, timer: fx.Timer) -> None:
        """*timer* fires: it runs no longer, unless the step starts it anew."""

    def latency(self) -> int:
        """How long the next message travels."""


@frozen
class Occasion:
    """On what a server takes a step: what the properties are told, and the trace's words for it. `envelope` is the
    message that it handles, if it handles one. If it is *straight*, what the server sends goes on to the wire.
    """

    happens: CheckerEvent
    label: str
    envelope: Envelope | None = None
    straight: bool = False

    @property
    def what(self) -> What:
        """The kind of step that the trace shows."""
        return What.LOCAL if self.envelope is None else What.DELIVER


class SteeredCluster(ABC):
    """The servers and all that lies between them: implements `scenarios.runner.cluster_api.Cluster`, but for what takes
    the steps and how time passes, which each mode has of its own.
    """

    mode: str

    def __init__(
        self, setup: Setup, clock: TimerBook, *, title: str = "", properties: Iterable[Property] = RAFT_PROPERTIES
    ) -> None:
        self.setup = setup
        self.system = setup.system()
        self.servers = {name: self.system.initial(name) for name in setup.servers}
        self.servers |= {name: RaftServer(None, Disk()) for name in setup.joining}
        self.down: dict[str, Down] = dict.fromkeys(setup.joining, "not started")
        self.cut: set[Link] = set()
        self.post = Post()
        self.clock = clock
        self.pauses = Pauses()
        self.clients = Clients()
        self.replies: dict[str, list[fx.Reply]] = {}
        self.marks: dict[str, set[str]] = {name: set() for name in self.servers}
        self.watch = RunWatch(properties)
        self.ignored: dict[str, int] = {}  # property: the line that says so
        self.ignored_found: set[str] = set()
        self.found: list[Found] = []
        self.journal = Journal(self.system, title)
        self.observers: list[Callable[[], None]] = []
        self.journal.begin(self.servers)

    @abstractmethod
    def _take(self, name: str, event: ev.Event, occasion: Occasion) -> tuple[str, ...]:
        """One step of *name*; its marks."""

    @abstractmethod
    def _begin_again(self, name: str, before: RaftServer) -> RaftServer:
        """*name*, started from the disk of *before*."""

    @abstractmethod
    def close(self) -> None:
        """The run is over: end whatever runs."""

    def _departs(self, envelope: Envelope) -> None:  # noqa: B027  # a hook: where only books move, nothing is to be done
        """*envelope*, which may be a copy, has come onto the wire."""

    # What there is

    @property
    def names(self) -> tuple[str, ...]:
        """Every server, in order, down or not."""
        return (*self.setup.servers, *self.setup.joining)

    @property
    def step_count(self) -> int:
        """How many steps were taken."""
        return len(self.journal.steps)

    def is_up(self, name: str) -> bool:
        """Whether the process of *name* runs, paused or not."""
        return name not in self.down

    def is_running(self, name: str) -> bool:
        """Whether *name* may take a step: up, and not paused."""
        return name not in self.down and name not in self.pauses.paused

    def may_move(self, envelope: Envelope) -> bool:
        """Whether *envelope* can take its next gate: nobody holds it, and the server at the gate is not paused."""
        if envelope.stage == "sent":
            return self.is_running(envelope.source)
        return not envelope.held_by and envelope.target not in self.pauses.paused

    # Elementary actions: timers and clients

    def fire(self, name: str, timer: fx.Timer) -> None:
        """*timer* of the running *name* fires."""
        point = self.pauses.at_timer(name, timer)
        if point is not None:
            self.clock.start(name, timer, 0)
            self.pause(name, point.text)
            return
        self.clock.expire(name, timer)
        verb = self._has_fired(name, timer)
        self._take(name, ev.TIMEOUTS[timer], Occasion(Local(verb), verb))

    def order(self, name: str, event: ev.Event, text: str) -> None:
        """Whoever operates the running *name* orders *event*; *text* is the line of a scenario that does so."""
        self.journal.elementary.append(Elementary("order", name, text, order=event, line=self.journal.line))
        self._take(name, event, Occasion(Local("order"), text))

    def _has_fired(self, name: str, timer: fx.Timer) -> Verb:
        """Write down that *timer* of *name* has fired; what the books call that."""
        verb = TIMER_VERBS[timer]
        self._log(verb, name)
        return verb

    def ask(self, operation: Operation, name: str) -> None:
        """The client of *operation* hands its command to *name*, which runs."""
        operation.server, operation.retry_at = name, None
        operation.asked += 1
        if (operation.client, name) in self.cut:
            self.clients.lose(operation)
            return
        happens = Local("command", operation.serial - 1)
        label = f"client {operation.client} {operation.text} to {name}"
        known = len(self.journal.elementary)
        self._log("client", name, client=operation.client, operation=operation.text, serial=operation.serial)
        marks = self._take(name, self.setup.states.asking(operation.command), Occasion(happens, label))
        if Mark.REDIRECTED_CLIENT in marks:
            del self.journal.elementary[known]  # it changed nothing, and nobody needs to do it again

    # Elementary actions: messages

    def deliver(self, envelope: Envelope, *, straight: bool = True) -> None:
        """Move *envelope* from wherever it is through its handler, up to a pause point.

        Unless *straight*, what the handler sends stays in the outbox.
        """
        if envelope.stage == "sent" and not self.leave(envelope):
            return
        if envelope.stage == "in-flight" and not self.arrive(envelope):
            return
        self.handle(envelope, straight=straight)

    def leave(self, envelope: Envelope) -> bool:
        """From outbox to wire; False when a pause point stopped it before or right after."""
        point = self.pauses.at_message(envelope.source, ("before", "sending"), envelope)
        if point is not None:
            self.pause(envelope.source, point.text)
            return False
        envelope.stage, envelope.due = "in-flight", self.clock.now + self.clock.latency() + envelope.delay_ms
        self._departs(envelope)
        return not self._stops(envelope.source, ("after", "sending"), envelope)

    def arrive(self, envelope: Envelope) -> bool:
        """From wire to inbox; False when it was lost, or a pause point stopped it."""
        link = (envelope.source, envelope.target)
        if link in self.cut or not self.is_up(envelope.target):
            self.drop(envelope)
            return False
        if self._stops(envelope.target, ("before", "receiving"), envelope):
            return False
        envelope.stage = "arrived"
        return not self._stops(envelope.target, ("after", "receiving"), envelope)

    def handle(self, envelope: Envelope, *, straight: bool = True) -> None:
        """Let the target take the step for *envelope*, which is in its inbox."""
        if self._stops(envelope.target, ("before", "handling"), envelope):
            return
        happens, event = self._is_handled(envelope), ev.MessageReceived(envelope.message)
        self._take(envelope.target, event, Occasion(happens, "deliver", envelope, straight))

    def _is_handled(self, envelope: Envelope) -> CheckerEvent:
        """Write down that *envelope* has left the inbox for its handler; the event that the step is of."""
        self._log_message("deliver", envelope)
        self.post.end(envelope, "handled")
        return Deliver(envelope.source, envelope.message)

    def drop(self, envelope: Envelope) -> None:
        """Lose *envelope*, wherever it is."""
        self._log_message("drop", envelope)
        self.post.end(envelope, "dropped")
        self.journal.step(What.DROP, "drop", message=envelope)
        self._observe()

    def duplicate(self, envelope: Envelope) -> None:
        """Put a copy of *envelope* on the wire."""
        self._log_message("duplicate", envelope)
        copy = self.post.put(envelope.message, copy_of=envelope)
        copy.stage, copy.due = "in-flight", self.clock.now + self.clock.latency()
        self._departs(copy)
        self.journal.step(What.DUPLICATE, "duplicate", message=envelope, sent=[copy])
        self._observe()

    def flush(self, name: str) -> bool:
        """Hand the outbox of the running *name* to wire and clients, up to a pause point; whether anything moved."""
        moved = False
        for envelope in self.post.of(name, "sent"):
            if not self.is_running(name):
                return moved
            self.leave(envelope)
            moved = True
        waiting = self.replies.pop(name, [])
        self._tell(name, waiting)
        return moved or bool(waiting)

    # Elementary actions: faults

    def crash(self, name: str, *, losing_unsynced: bool = False) -> None:
        """Kill *name*: outbox and inbox are lost, and with *losing_unsynced* what was not synced."""
        flushes = any(each.source == name and each.stage == "in-flight" for each in self.post.live)
        if flushes:
            self._log("flush", name)  # whoever repeats this run must let those messages leave first
        self._go_down(
            name,
            "crashed",
            self.system.crashed(self.servers[name], losing_unsynced=losing_unsynced),
            detail="losing unsynced" if losing_unsynced else "",
            flushed=flushes,
        )

    def stop(self, name: str) -> None:
        """Stop *name* in good order: what is in its outbox still leaves."""
        if self.is_running(name):
            self.flush(name)
        self._go_down(name, "stopped", self.system.crashed(self.servers[name], losing_unsynced=False), flushed=True)

    def start(self, name: str, *, verb: Literal["start", "restart"] = "restart", empty: bool = False) -> None:
        """Start *name*, which is down, from its disk, or with an *empty* one."""
        self._log(verb, name, detail="empty" if empty else "")
        before = RaftServer(None, Disk()) if empty else self.servers[name]
        del self.down[name]
        after = self._begin_again(name, before)
        self.journal.step(What.RESTART, verb, name, marks=("restarted",), after=after)
        self._settle_step(name, Local("restart"), Step(after, marks=("restarted",)))
        self._observe()

    def wipe(self, name: str) -> None:
        """Empty the disk of *name*, which is down."""
        self._log("wipe", name)
        self.servers[name] = RaftServer(None, Disk())
        self.journal.step(What.NOTE, f"wipe {name}", name, after=self.servers[name])
        self._observe()

    def pause(self, name: str, why: str = "") -> None:
        """Let *name*, which runs, stand still."""
        self.pauses.paused[name] = why
        self.clock.stand_still(name)
        self.journal.step(What.PAUSE, f"pause {name} {why}".strip(), name)

    def resume(self, name: str) -> None:
        """Let *name*, which is paused, go on with the time that its timers had left."""
        del self.pauses.paused[name]
        self.clock.go_on(name)
        self.journal.step(What.RESUME, "resume", name)

    def change_links(self, cut: Collection[Link], text: str) -> None:
        """From now on exactly *cut* are cut."""
        self.cut = set(cut)
        self.journal.step(What.NETWORK, text)

    def inject(self, name: str, server: RaftServer, text: str) -> None:
        """Replace the state of *name*, by no step of the protocol. Who does it writes down the elementary event."""
        before, self.servers[name] = self.servers[name], server
        self.journal.step(What.NOTE, text, name, after=server)
        self._record(self.watch.begin(dict(self.servers.items())))
        if before.state is not None and server.state is not None:
            self._watch_office(name, before.state.role, server.state.role)

    def note(self, text: str) -> None:
        """A remark in the trace."""
        self.journal.step(What.NOTE, text)

    # Steps

    def _write_down(
        self, name: str, after: RaftServer, step: ProtocolStep, occasion: Occasion
    ) -> tuple[list[Envelope], list[fx.Reply]]:
        """*name* has taken *step*, to *after*: the books, the watch, the pauses. What it sent, and its replies."""
        before, envelope = self.servers[name], occasion.envelope
        fresh, replies = self._carry_out(name, step, straight=envelope is not None)
        marks = tuple(str(mark) for mark in step.marks)
        self.marks[name].update(marks)
        changed = after if after != before else None
        outputs = tuple(f"{reply.client} {reply.serial}: {reply.outcome}" for reply in replies)
        what, label = occasion.what, occasion.label
        self.journal.step(what, label, name, message=envelope, sent=fresh, marks=marks, outputs=outputs, after=changed)
        sends = tuple(Send(each.target, each.message) for each in fresh)
        self._settle_step(name, occasion.happens, Step(after, sends, marks, tuple(replies)))
        self._pause_after(name, before, after, marks, envelope)
        self._observe()
        return fresh, replies

    def _write_down_raised(self, name: str, reason: str, what: What, label: str, envelope: Envelope | None) -> None:
        """*name* has ended in *reason*, `raised ...` in most cases, in place of a step."""
        self.journal.step(what, label, name, message=envelope, marks=("raised",))
        self._record([Finding(NO_HANDLER_ERROR, f"{name} {reason}")])
        self._observe()

    def _carry_out(self, name: str, step: ProtocolStep, *, straight: bool) -> tuple[list[Envelope], list[fx.Reply]]:
        """The effects that are not storage's: the messages, now in the outbox, and the replies."""
        fresh, replies = [], []
        for effect in step.effects:
            match effect:
                case fx.Send(message):
                    fresh.append(self.post.put(message, straight=straight))
                case fx.Reply():
                    replies.append(effect)
                case fx.StartTimer() | fx.StopTimer():
                    self.clock.carry_out(name, effect)
        return fresh, replies

    def _settle_step(self, name: str, happens: CheckerEvent, step: Step) -> None:
        """Make *step* the state of *name*, and judge it."""
        before = self.servers[name]
        assert isinstance(step.state, RaftServer)
        self.servers[name] = step.state
        self._record(self.watch.after(name, before, happens, step, dict(self.servers.items())))

    def _pause_after(
        self, name: str, before: RaftServer, after: RaftServer, marks: tuple[str, ...], envelope: Envelope | None
    ) -> None:
        point = self.pauses.at_message(name, ("after", "handling"), envelope) if envelope is not None else None
        point = point or self.pauses.after_step(name, before, after, marks)
        if point is not None and self.is_running(name):
            self.pause(name, point.text)

    def _pass_on(self, name: str, fresh: Collection[Envelope], replies: list[fx.Reply]) -> None:
        for envelope in fresh:
            if self.is_running(name) and envelope.stage == "sent":
                self.leave(envelope)
        if self.is_running(name):
            self._tell(name, replies)
        else:
            self.replies.setdefault(name, []).extend(replies)

    def _tell(self, name: str, replies: Iterable[fx.Reply]) -> None:
        """Replies reach their clients, which follow redirects."""
        for reply in replies:
            if (name, reply.client) in self.cut:
                for operation in self.clients.pending():
                    if (operation.client, operation.serial) == (reply.client, reply.serial):
                        self.clients.lose(operation)
                continue
            for operation, leader in self.clients.told(reply, name):
                if leader is not None:
                    self._follow(operation, leader)

    def _follow(self, operation: Operation, leader: str) -> None:
        if self.is_running(leader) and leader in self.servers and operation.asked < MOST_REDIRECTS:
            self.ask(operation, leader)
            return
        operation.server, operation.asked = None, operation.asked % MOST_REDIRECTS
        operation.retry_at = self.clock.now + RETRY_MS

    def _stops(self, name: str, moment: Moment, envelope: Envelope) -> bool:
        point: PausePoint | None = self.pauses.at_message(name, moment, envelope)
        if point is None:
            return False
        if self.is_running(name):
            self.pause(name, point.text)
        return True

    def _go_down(
        self, name: str, how: Literal["crashed", "stopped"], after: RaftServer, *, detail: str = "", flushed: bool
    ) -> None:
        """*name* dies; its inbox and outbox with it, as a part of the same step."""
        lost = [*self.post.of(name, "arrived"), *self.post.of(name, "sent")]
        for envelope in lost:
            if flushed or envelope.straight or envelope.stage == "arrived":
                self._log_message("drop", envelope)  # when this run is repeated it is on the wire, and would stay there
            self.post.end(envelope, "dropped")
        self._log("crash" if how == "crashed" else "stop", name, detail=detail)
        self.replies.pop(name, None)
        self.clients.lose_all_at(name)
        self.clock.forget(name)
        self.pauses.crashed(name)
        self.down[name] = how
        label = "crash" if how == "crashed" else "stop"
        self.journal.step(What.CRASH, label, name, marks=(how,), after=after, lost=lost)
        self._settle_step(name, Local("crash"), Step(after, marks=(how,)))
        self._observe()

    def _observe(self) -> None:
        for point in self.pauses.conditional(self.is_running):
            self.pause(point.server, point.text)
        for observe in self.observers:
            observe()

    def _record(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding.property in self.ignored:
                self.ignored_found.add(finding.property)
            if finding.property not in {found.property for found in self.found} | set(self.ignored):
                self.found.append(Found(finding.property, finding.reason, self.step_count, self.journal.line))

    def _watch_office(self, name: str, then: Role, now: Role) -> None:
        """Timers follow a role that was changed by hand."""
        if then is not now and Role.LEADER in (then, now):
            leads = now is Role.LEADER
            on, off = (fx.Timer.HEARTBEAT, fx.Timer.ELECTION) if leads else (fx.Timer.ELECTION, fx.Timer.HEARTBEAT)
            self.clock.carry_out(name, fx.StopTimer(off))
            self.clock.carry_out(name, fx.StartTimer(on))

    def _log(
        self,
        verb: Verb,
        name: str,
        detail: str = "",
        *,
        client: str | None = None,
        operation: str = "",
        serial: int = 0,
    ) -> None:
        line = self.journal.line
        event = Elementary(verb, name, detail, client=client, operation=operation, line=line, serial=serial)
        self.journal.elementary.append(event)

    def _log_message(self, verb: Verb, envelope: Envelope) -> None:
        named = name_of(envelope, (e for e in self.post.live if not e.held_by or e is envelope))
        self.journal.elementary.append(Elementary(verb, message=named, line=self.journal.line))


class OrderedCluster(SteeredCluster):
    """Time is a number, and one thing happens after the other, the earliest first: see `fair`."""

    clock: Clock

    def run_until(
        self, condition: Callable[[], bool], *, steps: int | None = None, milliseconds: int | None = None
    ) -> bool:
        """Run the fair scheduler until *condition* holds; False when a limit came first, or nothing is left to do."""
        return fair.run_until(self, condition, steps=steps, milliseconds=milliseconds)

    def advance(self, milliseconds: int) -> None:
        """Let *milliseconds* pass for everyone."""
        fair.advance(self, milliseconds)


class SimCluster(OrderedCluster):
    """Servers that are values."""

    mode = "sim"

    def __init__(self, setup: Setup, *, title: str = "", properties: Iterable[Property] = RAFT_PROPERTIES) -> None:
        self.disks: dict[str, Fault] = {}
        self.held_disks: set[tuple[str, LaterKind]] = set()
        super().__init__(setup, Clock(setup.timing, setup.seed), title=title, properties=properties)
        for name in setup.servers:
            self.clock.carry_out(name, fx.StartTimer(fx.Timer.ELECTION))

    def close(self) -> None:
        """There is nothing to end."""

    def _take(self, name: str, event: ev.Event, occasion: Occasion) -> tuple[str, ...]:
        """One step of *name*, and what it left for later, as far as its disk does not hold it; the marks of the step
        itself.
        """
        taking = partial(self.system.take, self.servers[name], event)
        marks = self._take_by(taking, name, occasion)
        self.catch_up(name, straight=occasion.straight)
        return marks

    def _take_by(
        self, taking: Callable[[], tuple[RaftServer, ProtocolStep]], name: str, occasion: Occasion
    ) -> tuple[str, ...]:
        try:
            after, step = taking()
        except (Exception, SystemExit) as error:  # whatever the rules or the application raise is a finding
            reason = f"raised {describe_error(error)}"
            self._write_down_raised(name, reason, occasion.what, occasion.label, occasion.envelope)
            return ()
        fault = self.disks.get(name)
        problem = fault.problem_with(step.effects) if fault is not None else None
        if problem is not None:
            self._fail(name, problem, occasion)
            return ()
        fresh, replies = self._write_down(name, after, step, occasion)
        for sent in fresh:
            sent.delay_ms = fault.delay_ms(step.effects) if fault is not None else 0
        self._pass_on(name, fresh if occasion.straight else [], replies)
        return tuple(map(str, step.marks))

    # What was left for later (option `async_storage`)

    def complete(self, name: str, kind: LaterKind, *, straight: bool = False) -> bool:
        """Do the oldest of what the running *name* has left for later; False if there is nothing."""
        server, system = self.servers[name], self.system
        match kind:
            case "append":
                waiting, taking, event = bool(server.stores), system.complete_store, STORE
            case "sync":
                waiting, taking, event = bool(server.receipts), system.complete_receipt, RECEIPT
            case "apply":
                waiting, taking, event = bool(server.applies), system.complete_apply, APPLY
        if waiting:
            self._take_by(partial(taking, server), name, Occasion(Local(event), event, straight=straight))
        return waiting

    def catch_up(self, name: str, *, straight: bool = False) -> None:
        """Let *name* do what it has left for later, as far as nothing holds it."""
        if self.servers[name].state is None or not self.setup.states.options.async_storage:
            return
        free = [kind for kind in LATER_KINDS if (name, kind) not in self.held_disks]
        while self.is_running(name) and any(self.complete(name, kind, straight=straight) for kind in free):
            pass

    def hold_disk(self, name: str, kind: LaterKind) -> None:
        """From now on *name* stores, or applies, only what is released."""
        self._log("disk", name, f"hold {kind}")
        self.held_disks.add((name, kind))
        self.note(f"disk {name} hold {kind}")

    def release_disk(self, name: str, kind: LaterKind, count: int | None = None) -> bool:
        """Let *name* do *count* of what it has left for later, or all, and hold no more. False if that is nothing."""
        self._log("disk", name, f"release {kind}" if count is None else f"release {kind} {count}")
        if count is None:
            held = (name, kind) in self.held_disks
            self.held_disks.discard((name, kind))
            self.note(f"disk {name} release {kind}")
            self.catch_up(name)
            return held
        done = sum(self.complete(name, kind) for _ in range(count))
        self.catch_up(name)
        return done == count

    def resume(self, name: str) -> None:
        """As always; then what could not be done meanwhile."""
        super().resume(name)
        self.catch_up(name)

    def set_disk(self, name: str, fault: Fault | None) -> None:
        """From now on, *fault* is what is wrong with the disk of *name*; None: nothing."""
        self.disks.pop(name, None)
        if fault is not None:
            self.disks[name] = fault
        words = "ok" if fault is None else " ".join(filter(None, (fault.action, fault.kind)))
        self.note(f"disk {name} {words}")

    def _fail(self, name: str, problem: str, occasion: Occasion) -> None:
        """A write has failed: *name* ends before it takes the step, as `raftframe.server` does."""
        told = self.journal.elementary.pop()
        if told.verb == "deliver":
            self.journal.elementary.append(evolve(told, verb="drop"))  # whoever repeats this run has a disk that works
        marks = ("disk_failed",)
        self.journal.step(occasion.what, occasion.label, name, message=occasion.envelope, marks=marks)
        self.note(f"{name} ends: {problem}")
        self._go_down(name, "crashed", self.system.crashed(self.servers[name], losing_unsynced=False), flushed=True)

    def _begin_again(self, name: str, before: RaftServer) -> RaftServer:
        """*name*, started from the disk of *before*."""
        self.clock.carry_out(name, fx.StartTimer(fx.Timer.ELECTION))
        return self.system.restarted(name, before)
