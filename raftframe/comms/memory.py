"""A network in memory, between the servers of one process, with a place for somebody who interferes.

    handler emits        leaves server          reaches server            handler runs
    ------|------------------|--------------------|----------------------|---------->
          |      sent        |     in-flight      |       arrived        |   handled
          |   (in outbox)    |    (on the wire)   |     (in inbox)       |
    before sending    after sending     before receiving   after receiving, before handling    after handling

The wire is here; outbox and inbox are the servers' own. An interceptor is asked at each of these moments, and its
verdict may drop the message, hold it, delay it, or put copies of it on the wire. Sending and receiving are seen here;
handling is seen by servers of a `raftframe.clusters.pausing.PausingCluster` only, which ask their interceptor
themselves.

Theory of operation
-------------------
`send` runs on the sender's thread. As long as the network is *quiet* (no interceptor, no cut link, no stalled server,
nothing on the wire) it calls the receiver straight away, without a lock: that is all that a message costs.

Otherwise the message goes onto the wire of its target, and `_move` carries what may move to the target, in order. One
thread at a time moves the messages of one target (`_movers`); a thread that comes second leaves its message on the
wire and goes away, for the first looks again before it goes. So messages to one server arrive in the order in which
they were sent, unless somebody interferes, and whichever thread moves them.

`_lock` guards everything that the network knows, and is held only between the moments: interceptors are called without
it, so they may call the network, and may take as long as they like; nobody but the sender waits for them. A receiver is
called under the lock, and must only queue what it gets. `_quiet` is changed under the lock and read without: a message
that saw the network quiet a moment before a link was cut is one that was sent a moment before.

Delayed messages are moved by a thread of the network's own, which is started by the first delay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, StrEnum
from typing import Final, Protocol, TypeAlias, runtime_checkable

from attrs import define, evolve, field, frozen

from raftframe.entries import ServerId
from raftframe.messages import Message
from raftframe.timers import Alarms, ClockAPI

Predicate: TypeAlias = Callable[[Message], bool]


class Moment(StrEnum):
    """Where on its way a message is seen."""

    BEFORE_SENDING = "before sending"
    AFTER_SENDING = "after sending"
    BEFORE_RECEIVING = "before receiving"
    AFTER_RECEIVING = "after receiving"
    BEFORE_HANDLING = "before handling"
    AFTER_HANDLING = "after handling"


class Verdict(Enum):
    """What becomes of a message, when it takes no number to say so."""

    PASS = "pass"
    DROP = "drop"
    HOLD = "hold"  # it stays on the wire until `MemoryNetwork.deliver`, `drop` or `release`
    ARRIVE = "arrive"  # it arrives even at a server that is stalled


PASS: Final = Verdict.PASS


@frozen
class Delay:
    """It goes on in *seconds*; those behind it may overtake it."""

    seconds: float


@frozen
class Duplicate:
    """It goes on, with *copies* more of it right behind."""

    copies: int = 1


Decision: TypeAlias = Verdict | Delay | Duplicate


@runtime_checkable
class InterceptorAPI(Protocol):
    """Somebody who sees every message and may interfere."""

    def intercept(self, moment: Moment, message: Message) -> Decision:
        """What becomes of *message*, which is at *moment*. Called on whichever thread moves it, by several at a time.

        Before sending and before receiving every decision counts; before handling all but `Duplicate`: what is not
        passed or dropped goes back onto the wire. At the other moments the answer is ignored. A message that could not
        arrive at once is asked about again before it does.
        """


@frozen
class MessagePattern:
    """Which messages are meant. None restricts nothing; *where* is asked last."""

    type: type[Message] | None = None
    source: ServerId | None = None
    target: ServerId | None = None
    where: Predicate | None = None

    def __call__(self, message: Message) -> bool:
        return (
            (self.type is None or isinstance(message, self.type))
            and (self.source is None or message.source == self.source)
            and (self.target is None or message.target == self.target)
            and (self.where is None or self.where(message))
        )

    def __str__(self) -> str:
        name = "any message" if self.type is None else self.type.__name__
        return name + (f" from {self.source}" if self.source else "") + (f" to {self.target}" if self.target else "")


@define(eq=False)
class Envelope:
    """A message on the wire. `number` counts the envelopes of a network; `held` names who keeps it there."""

    number: int
    message: Message
    held: set[str] = field(factory=set)


@frozen
class NetworkCounters:
    """What has become of the messages that did not go straight through, since the network was made."""

    sent: int
    dropped: int
    duplicated: int
    arrived: int


_INTERCEPTOR: Final = "interceptor"  # who holds a message that the interceptor's verdict holds
_DELAY: Final = "delay"


class MemoryNetwork:
    """The wires between all servers of a process. Every method may be called from any thread, and returns at once."""

    def __init__(self, interceptor: InterceptorAPI | None = None, *, clock: ClockAPI | None = None) -> None:
        self._lock = threading.Lock()
        self._interceptor = interceptor
        self._clock = clock
        self._receivers: dict[ServerId, Callable[[Message], None]] = {}
        self._wires: dict[ServerId, list[Envelope]] = {}
        self._movers: set[ServerId] = set()
        self._cut: frozenset[tuple[ServerId, ServerId]] = frozenset()
        self._stalled: set[ServerId] = set()
        self._holds: dict[str, Predicate] = {}
        self._delays: Alarms[int] | None = None
        self._numbers = 0
        self._sent = self._dropped = self._duplicated = self._arrived = 0
        self._quiet = False
        with self._lock:
            self._settle()

    def comms(self, identity: ServerId) -> MemoryComms:
        """The way of *identity* to the others. A restarted server gets a new one; what is on the wire stays there."""
        return MemoryComms(self, identity)

    # Links, servers

    @property
    def cut_links(self) -> frozenset[tuple[ServerId, ServerId]]:
        """Every link that is cut, as (from, to)."""
        return self._cut

    def cut(self, source: ServerId, target: ServerId, *, both_ways: bool = True) -> None:
        """From now on messages from *source* that reach *target* are lost there, and the other way round, too."""
        links = {(source, target), (target, source)} if both_ways else {(source, target)}
        self.cut_exactly(self._cut | links)

    def partition(self, *sides: Iterable[ServerId]) -> None:
        """Cut every link between servers of different *sides*."""
        groups = [tuple(side) for side in sides]
        links = {(a, b) for one in groups for other in groups if one is not other for a in one for b in other}
        self.cut_exactly(self._cut | links)

    def heal(self) -> None:
        """Cut nothing any more. What was lost stays lost."""
        self.cut_exactly(())

    def cut_exactly(self, links: Iterable[tuple[ServerId, ServerId]]) -> None:
        """From now on exactly *links*, given as (from, to), are cut."""
        with self._lock:
            self._cut = frozenset(links)
            self._settle()

    def stall(self, target: ServerId) -> None:
        """Nothing reaches *target* until `unstall`: it waits on the wire."""
        with self._lock:
            self._stalled.add(target)
            self._settle()

    def unstall(self, target: ServerId) -> None:
        """*target* can be reached again. What waits for it arrives with the next message, or at `flush`."""
        with self._lock:
            self._stalled.discard(target)
            self._settle()

    def flush(self, target: ServerId) -> None:
        """What waits for *target*, and is kept by nobody, arrives now, in order."""
        self._move(target)

    def set_interceptor(self, interceptor: InterceptorAPI | None) -> None:
        """From now on ask *interceptor*; None: nobody."""
        with self._lock:
            self._interceptor = interceptor
            self._settle()

    # Messages on the wire

    def wire(self, target: ServerId | None = None) -> tuple[Envelope, ...]:
        """What is on the wire to *target* (None: to anybody), in the order in which it would arrive."""
        with self._lock:
            wires = self._wires.values() if target is None else [self._wires.get(target, [])]
            return tuple(envelope for wire in wires for envelope in wire)

    def may_move(self) -> bool:
        """Whether anything is on the wire that neither a hold nor a stalled server keeps there."""
        with self._lock:
            return any(
                not envelope.held and envelope.message.target not in self._stalled for envelope in self._everything()
            )

    def hold(self, name: str, matches: Predicate) -> None:
        """A standing order: until `release`, keep what *matches* on the wire, what is there already included."""
        with self._lock:
            self._holds[name] = matches
            for envelope in self._everything():
                if matches(envelope.message):
                    envelope.held.add(name)
            self._settle()

    def release(self, name: str) -> None:
        """End the hold *name*. Raises KeyError when there is none."""
        with self._lock:
            del self._holds[name]
            for envelope in self._everything():
                envelope.held.discard(name)
            targets = tuple(self._wires)
            self._settle()
        for target in targets:
            self._move(target)

    def deliver(self, envelope: Envelope) -> bool:
        """Let *envelope* arrive now, whoever holds it and whatever is before it; whether it was on the wire.

        A stalled server still gets nothing: then it stays, held by nobody.
        """
        with self._lock:
            wire = self._wires.get(envelope.message.target, [])
            if envelope not in wire:
                return False
            envelope.held.clear()
            wire.remove(envelope)
            wire.insert(0, envelope)
        self._move(envelope.message.target)
        return True

    def drop(self, envelope: Envelope) -> bool:
        """Lose *envelope*; whether it was on the wire."""
        with self._lock:
            lost = self._take_off(envelope)
            self._dropped += lost
            self._settle()
        return lost

    def duplicate(self, envelope: Envelope) -> Envelope:
        """Put a copy of *envelope* right behind it on the wire, held as it is; at its end if it has arrived."""
        with self._lock:
            wire = self._wires.setdefault(envelope.message.target, [])
            copy = self._envelope(evolve(envelope.message), envelope.held)
            wire.insert(wire.index(envelope) + 1 if envelope in wire else len(wire), copy)
            self._duplicated += 1
            self._settle()
        self._move(envelope.message.target)
        return copy

    def delay(self, envelope: Envelope, seconds: float) -> None:
        """Keep *envelope* on the wire for *seconds* from now."""
        with self._lock:
            self._delay(envelope, seconds)

    def reorder(self, target: ServerId, order: Sequence[Envelope]) -> None:
        """Put the envelopes *order*, all on the wire to *target*, into this order, before all others to it."""
        with self._lock:
            wire = self._wires.get(target, [])
            if any(envelope not in wire for envelope in order):
                raise ValueError(f"not all of these {len(order)} messages are on the wire to {target}")
            wire[:] = [*order, *(envelope for envelope in wire if envelope not in order)]

    def counters(self) -> NetworkCounters:
        """What has become of the messages so far; a quiet network counts none."""
        with self._lock:
            return NetworkCounters(self._sent, self._dropped, self._duplicated, self._arrived)

    def close(self) -> None:
        """Stop delaying: what is delayed stays on the wire. Closing twice is allowed."""
        with self._lock:
            delays, self._delays = self._delays, None
        if delays is not None:
            delays.stop()

    # The way of a message

    def send(self, message: Message) -> None:
        """Take *message* from its sender, on whose thread this runs."""
        if self._quiet:
            receive = self._receivers.get(message.target)
            if receive is not None:
                receive(message)
            return
        interceptor = self._interceptor
        decision = PASS if interceptor is None else interceptor.intercept(Moment.BEFORE_SENDING, message)
        with self._lock:
            self._sent += 1
            self._put(message, decision)
        if interceptor is not None and decision is not Verdict.DROP:
            interceptor.intercept(Moment.AFTER_SENDING, message)
        self._move(message.target)

    def put_back(self, message: Message, decision: Decision) -> None:
        """Put *message*, which has arrived but shall not be handled, onto the wire again, and there do as decided."""
        with self._lock:
            self._put(message, decision)

    def _put(self, message: Message, decision: Decision) -> None:
        if decision is Verdict.DROP:
            self._dropped += 1
            return
        wire = self._wires.setdefault(message.target, [])
        held = {name for name, matches in self._holds.items() if matches(message)}
        if decision is Verdict.HOLD:
            held.add(_INTERCEPTOR)
        envelope = self._envelope(message, held)
        wire.append(envelope)
        if isinstance(decision, Delay):
            self._delay(envelope, decision.seconds)
        if isinstance(decision, Duplicate):
            wire += [self._envelope(evolve(message), held) for _ in range(decision.copies)]
            self._duplicated += decision.copies
        self._settle()

    def _move(self, target: ServerId) -> None:
        """Let what may move arrive at *target*, unless another thread is at it."""
        with self._lock:
            if target in self._movers:
                return
            self._movers.add(target)
            self._settle()
        try:
            while (envelope := self._next(target)) is not None:
                interceptor = self._interceptor
                message = envelope.message
                decision = PASS if interceptor is None else interceptor.intercept(Moment.BEFORE_RECEIVING, message)
                if self._arrive(envelope, decision) and interceptor is not None:
                    interceptor.intercept(Moment.AFTER_RECEIVING, message)
        except BaseException:  # an interceptor's: others must be able to move on
            self._movers.discard(target)
            raise

    def _next(self, target: ServerId) -> Envelope | None:
        """The first envelope that may move; None when there is none, and then this thread has left off moving."""
        with self._lock:
            if target not in self._stalled:
                for envelope in self._wires.get(target, []):
                    if not envelope.held:
                        return envelope
            self._movers.discard(target)
            self._settle()
            return None

    def _arrive(self, envelope: Envelope, decision: Decision) -> bool:
        """Whether *envelope* has arrived; it may stay on the wire, or be lost."""
        message = envelope.message
        with self._lock:
            match decision:
                case Verdict.HOLD:
                    envelope.held.add(_INTERCEPTOR)
                    return False
                case Delay(seconds):
                    self._delay(envelope, seconds)
                    return False
                case _ if message.target in self._stalled and decision is not Verdict.ARRIVE:
                    return False
            if not self._take_off(envelope):
                return False  # somebody else has dropped it meanwhile
            receive = self._receivers.get(message.target)
            lost = decision is Verdict.DROP or receive is None or (message.source, message.target) in self._cut
            self._dropped += lost
            if lost or receive is None:
                return False
            for _ in range(1 + (decision.copies if isinstance(decision, Duplicate) else 0)):
                self._arrived += 1
                receive(message)
            return True

    # Under the lock

    def _delay(self, envelope: Envelope, seconds: float) -> None:
        envelope.held.add(_DELAY)
        if self._delays is None:
            self._delays = Alarms(self._clock, name="raftframe delayed messages")
        self._delays.start(envelope.number, seconds, lambda: self._delayed(envelope))

    def _delayed(self, envelope: Envelope) -> None:
        """On the delays' thread, without the lock."""
        with self._lock:
            envelope.held.discard(_DELAY)
        self._move(envelope.message.target)

    def _envelope(self, message: Message, held: Iterable[str]) -> Envelope:
        self._numbers += 1
        return Envelope(self._numbers, message, set(held))

    def _everything(self) -> list[Envelope]:
        return [envelope for wire in self._wires.values() for envelope in wire]

    def _take_off(self, envelope: Envelope) -> bool:
        wire = self._wires.get(envelope.message.target, [])
        if envelope not in wire:
            return False
        wire.remove(envelope)
        return True

    def _settle(self) -> None:
        """Find out whether the network is quiet."""
        self._quiet = not (
            self._interceptor or self._cut or self._stalled or self._holds or self._movers or any(self._wires.values())
        )

    # The servers' side

    def _join(self, identity: ServerId, receive: Callable[[Message], None]) -> None:
        with self._lock:
            self._receivers[identity] = receive
        self._move(identity)

    def _leave(self, identity: ServerId, receive: Callable[[Message], None]) -> None:
        with self._lock:
            if self._receivers.get(identity) == receive:
                del self._receivers[identity]


class MemoryComms:
    """One server's end of a `MemoryNetwork`: implements `raftframe.api.comms.CommsAPI`."""

    def __init__(self, network: MemoryNetwork, identity: ServerId) -> None:
        self._network, self._identity = network, identity
        self._receive: Callable[[Message], None] | None = None
        self.send: Callable[[Message], None] = network.send

    def start(self, receive: Callable[[Message], None]) -> None:
        """Pass every message for this server to *receive*, on the thread of whoever sends it."""
        self._receive = receive
        self._network._join(self._identity, receive)

    def stop(self) -> None:
        """Leave the network: what reaches this server from now on is lost. Stopping twice is allowed.

        Another server that is in the middle of sending at this moment may still call *receive* once.
        """
        self.send = _nowhere
        if self._receive is not None:
            self._network._leave(self._identity, self._receive)


def _nowhere(message: Message) -> None:
    """Where the messages of a server go that has left the network."""
