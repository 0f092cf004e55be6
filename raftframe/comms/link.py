"""One server's side of all its conversations: messages into datagrams, datagrams into messages. No sockets, no threads.

A valid HMAC proves that a member made a frame, not when. Three things keep an old frame from being taken for a new one:

* **Boots.** Each life of a server has a number, its *boot*: the time at which it began, in nanoseconds. A frame carries
  the boot of its sender, and the boot of its receiver as its sender knows it. A frame that carries another boot than
  the receiver's own was made for an earlier life of it, and is dropped: after a restart nothing from before is
  accepted, although the restarted server remembers nothing.
* **The latest life.** Of each peer only the latest known boot is listened to.
* **Windows.** In one life of its sender, a sequence number is accepted once. A window of 1024 bits remembers which of
  the latest numbers came, so that reordered datagrams are fine; what is older than the window is dropped.

Servers learn each other's boots by *greetings*, whose payload is the boot that the greeter knows of the greeted:

    s1 starts (boot 7)                                    s2 has boot 5, and knows nothing of s1
       ── greeting  boot 7, for 0, "I know 0" ──────────▶   not for 5, so nothing is learnt from it; but it is answered
       ◀─ greeting  boot 5, for 7, "I know 0" ───────────   for 7: fresh. s1 learns 5, and that s2 does not know it
       ── greeting  boot 7, for 5, "I know 5" ──────────▶   for 5: fresh. s2 learns 7

A frame for the wrong boot is answered with a greeting too, so a restart costs one lost message. Greetings go to the
address that the peer is known to have, never to where a datagram came from. Those that answer a frame which may be a
replay are limited to a few a second for each peer; a fresh greeting cannot be replayed, and is always answered if it
has to be. So whoever replays old frames at a server makes it send little, and keeps nobody from getting acquainted. A
greeting that tells a server of a later boot of its own (the clock went back while it was down) makes it take a later
one still.

Messages above the size of a datagram are cut into fragments with consecutive sequence numbers, so that the first of
them names the message. Of each peer at most a few messages, and no more bytes than twice the largest message, wait for
their rest, for at most a few seconds. Nothing that is not authentic is ever remembered.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from attrs import define, field, frozen

from raftframe.comms.frames import MOST_FRAGMENTS, Drop, Frame, FrameFormat, Kind, overhead_bytes
from raftframe.comms.wire import Codec, WireError
from raftframe.entries import ServerId
from raftframe.messages import Message

WINDOW: Final = 1024  # sequence numbers
GREETINGS_AT_ONCE: Final = 8
GREETINGS_A_SECOND: Final = 20.0
MOST_UNFINISHED: Final = 4  # messages of one peer
UNFINISHED_S: Final = 2.0

_KNOWN = struct.Struct(">Q")
_WINDOW_MASK = (1 << WINDOW) - 1
_LATEST_BOOT = 1 << 62


@define
class ReplayWindow:
    """Which sequence numbers of one life were seen. Bit n of `seen` stands for the number `highest` - n."""

    highest: int = 0
    seen: int = 0

    def accept(self, sequence: int) -> bool:
        """Whether *sequence*, 1 or more, is new; from now on it is not. What is older than the window is not new."""
        ahead = sequence - self.highest
        if ahead > 0:
            self.seen = ((self.seen << ahead) | 1) & _WINDOW_MASK if ahead < WINDOW else 1
            self.highest = sequence
            return True
        if -ahead >= WINDOW or self.seen >> -ahead & 1:
            return False
        self.seen |= 1 << -ahead
        return True


@define
class Unfinished:
    """A message of which fragments are missing."""

    count: int
    deadline_s: float
    parts: dict[int, bytes] = field(factory=dict)
    size: int = 0


@define
class Reassembly:
    """The unfinished messages of one peer, by the sequence number of their first fragment, oldest first."""

    largest_bytes: int
    waiting: dict[int, Unfinished] = field(factory=dict)
    lost: int = 0  # messages given up

    @property
    def size(self) -> int:
        """The bytes that wait."""
        return sum(unfinished.size for unfinished in self.waiting.values())

    def add(self, frame: Frame, now_s: float) -> bytes | Drop | None:
        """The whole message that *frame* completes, None if more is missing, or why it is dropped."""
        first = frame.sequence - frame.fragment
        unfinished = self.waiting.get(first, Unfinished(frame.fragments, now_s + UNFINISHED_S))
        if frame.fragments != unfinished.count or frame.fragment in unfinished.parts or not frame.payload:
            return Drop.MALFORMED
        self.waiting[first] = unfinished
        unfinished.parts[frame.fragment] = frame.payload
        unfinished.size += len(frame.payload)
        if unfinished.size > self.largest_bytes:
            del self.waiting[first]
            return Drop.TOO_LARGE
        if len(unfinished.parts) == unfinished.count:
            del self.waiting[first]
            return b"".join(unfinished.parts[number] for number in range(unfinished.count))
        self._give_up(now_s)
        return None

    def forget(self) -> None:
        """Give up all of them: their sender has begun anew."""
        self.lost += len(self.waiting)
        self.waiting.clear()

    def _give_up(self, now_s: float) -> None:
        """Forget what is too old, and the oldest while it is too much."""
        for first, unfinished in list(self.waiting.items()):
            crowded = len(self.waiting) > MOST_UNFINISHED or self.size > 2 * self.largest_bytes
            if not crowded and unfinished.deadline_s > now_s:
                return
            del self.waiting[first]
            self.lost += 1


@define
class Peer:
    """What is known of another server. `boot` is 0 until it has greeted."""

    name: ServerId
    chunk_bytes: int  # the most of a message that fits into one datagram
    reassembly: Reassembly
    boot: int = 0
    window: ReplayWindow = field(factory=ReplayWindow)
    greetings: float = GREETINGS_AT_ONCE  # that may be sent now
    counted_at_s: float = 0.0

    def may_be_greeted(self, now_s: float) -> bool:
        """Whether one more greeting is within the limit; it is counted."""
        earned = (now_s - self.counted_at_s) * GREETINGS_A_SECOND
        self.greetings, self.counted_at_s = min(GREETINGS_AT_ONCE, self.greetings + earned), now_s
        if self.greetings < 1:
            return False
        self.greetings -= 1
        return True


@frozen
class Arrival:
    """What became of a datagram: at most one of a whole message and a reason to drop it, and perhaps a greeting that
    should go to `answered`. All three are None for a fragment, and for a greeting that needs no answer.
    """

    message: Message | None = None
    drop: Drop | None = None
    answered: ServerId | None = None
    answer: bytes | None = None


@frozen
class Departure:
    """The datagrams to send to the target of a message, and why the message is not in them, if it is not."""

    datagrams: tuple[bytes, ...] = ()
    drop: Drop | None = None


class Link:
    """All conversations of *identity* with *peers*. One thread may call `outgoing` while another calls `incoming`.

    *datagram_bytes* is the size of the largest datagram to send, *message_bytes* that of the largest message in either
    direction. *boot* and *clock_s* are for tests: the number of this life, and a clock that never goes back.
    """

    def __init__(
        self,
        identity: ServerId,
        peers: Iterable[ServerId],
        frames: FrameFormat,
        codec: Codec,
        *,
        datagram_bytes: int,
        message_bytes: int,
        boot: int | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity, self._frames, self._codec = identity, frames, codec
        self._boot = time.time_ns() if boot is None else boot
        self._clock_s = clock_s
        self._message_bytes = message_bytes
        self._numbering = threading.Lock()
        self._last_sequence = 0
        self._peers: Mapping[ServerId, Peer] = {
            name: Peer(name, datagram_bytes - overhead_bytes(identity, name), Reassembly(message_bytes))
            for name in peers
            if name != identity
        }

    @property
    def boot(self) -> int:
        """The number of this life."""
        return self._boot

    @property
    def given_up(self) -> int:
        """Messages of which some fragments came, and the rest not in time."""
        return sum(peer.reassembly.lost for peer in self._peers.values())

    @property
    def waiting_bytes(self) -> int:
        """The size of the fragments whose messages are not whole yet."""
        return sum(peer.reassembly.size for peer in self._peers.values())

    def boot_of(self, peer: ServerId) -> int:
        """The number of the life of *peer* that has greeted last; 0 before that."""
        return self._peers[peer].boot if peer in self._peers else 0

    def knows(self, peer: ServerId) -> bool:
        """Whether *peer* has greeted, so that messages can go there."""
        return peer in self._peers and self._peers[peer].boot > 0

    def greetings(self) -> dict[ServerId, bytes]:
        """One for each peer: what to send at the start."""
        return {name: self._greeting(peer, peer.boot) for name, peer in self._peers.items()}

    def outgoing(self, message: Message) -> Departure:
        """What to send to the target of *message*; if the two are not acquainted, a greeting instead."""
        peer = self._peers.get(message.target)
        if peer is None:
            return Departure(drop=Drop.STRANGER)
        if message.source != self._identity:
            return Departure(drop=Drop.MISDIRECTED)
        if not peer.boot:
            greets = peer.may_be_greeted(self._clock_s())
            return Departure((self._greeting(peer, 0),) if greets else (), Drop.UNACQUAINTED)
        try:
            payload = self._codec.encode_message(message)
        except WireError:
            return Departure(drop=Drop.MALFORMED)
        count = max(1, -(-len(payload) // peer.chunk_bytes))
        if len(payload) > self._message_bytes or count > MOST_FRAGMENTS:
            return Departure(drop=Drop.TOO_LARGE)
        return Departure(self._fragments(peer, payload, count))

    def incoming(self, datagram: bytes) -> Arrival:
        """What becomes of *datagram*. Never raises, whatever it is."""
        frame = self._frames.open(datagram)
        if isinstance(frame, Drop):
            return Arrival(drop=frame)
        peer = self._peers.get(frame.sender)
        if frame.receiver != self._identity:
            return Arrival(drop=Drop.MISDIRECTED)
        if peer is None:
            return Arrival(drop=Drop.STRANGER)
        if frame.receiver_boot != self._boot or frame.boot < peer.boot:
            return self._outdated(peer, frame)
        if frame.boot > peer.boot:
            self._begin_anew(peer, frame.boot)
        if not peer.window.accept(frame.sequence):
            return Arrival(drop=Drop.REPLAYED)
        return self._greeted(peer, frame) if frame.kind is Kind.GREETING else self._received(peer, frame)

    def _outdated(self, peer: Peer, frame: Frame) -> Arrival:
        """*frame* belongs to an earlier life of its sender or of this server; its sender may have to be told."""
        first_contact = frame.kind is Kind.GREETING and not frame.receiver_boot
        drop: Drop | None = None if first_contact else Drop.UNACQUAINTED
        if frame.receiver_boot == self._boot:
            drop = Drop.REPLAYED
        if not peer.may_be_greeted(self._clock_s()):
            return Arrival(drop=drop)
        return Arrival(None, drop, peer.name, self._greeting(peer, frame.boot))

    def _begin_anew(self, peer: Peer, boot: int) -> None:
        peer.window = ReplayWindow()
        peer.reassembly.forget()
        peer.boot = boot

    def _greeted(self, peer: Peer, frame: Frame) -> Arrival:
        """Learn from a fresh greeting what *peer* knows of this server, and put it right."""
        if len(frame.payload) != _KNOWN.size or frame.fragments != 1:
            return Arrival(drop=Drop.MALFORMED)
        known: int = _KNOWN.unpack(frame.payload)[0]
        if known == self._boot:
            return Arrival()
        if self._boot < known < _LATEST_BOOT:
            self._boot = known + 1
        return Arrival(answered=peer.name, answer=self._greeting(peer, peer.boot))

    def _received(self, peer: Peer, frame: Frame) -> Arrival:
        payload: bytes | Drop | None = frame.payload
        if frame.fragments > 1:
            payload = peer.reassembly.add(frame, self._clock_s())
        if payload is None:
            return Arrival()
        if isinstance(payload, Drop):
            return Arrival(drop=payload)
        if len(payload) > self._message_bytes:
            return Arrival(drop=Drop.TOO_LARGE)
        try:
            message = self._codec.decode_message(payload)
        except WireError:
            return Arrival(drop=Drop.MALFORMED)
        if (message.source, message.target) != (peer.name, self._identity):
            return Arrival(drop=Drop.MISDIRECTED)
        return Arrival(message)

    def _greeting(self, peer: Peer, receiver_boot: int) -> bytes:
        payload = _KNOWN.pack(peer.boot)
        frame = Frame(Kind.GREETING, self._identity, peer.name, self._boot, receiver_boot, self._numbers(1), payload)
        return self._frames.seal(frame)

    def _fragments(self, peer: Peer, payload: bytes, count: int) -> tuple[bytes, ...]:
        first, size = self._numbers(count), peer.chunk_bytes
        return tuple(
            self._frames.seal(
                Frame(
                    Kind.MESSAGE,
                    self._identity,
                    peer.name,
                    self._boot,
                    peer.boot,
                    first + number,
                    payload[number * size : (number + 1) * size],
                    number,
                    count,
                )
            )
            for number in range(count)
        )

    def _numbers(self, count: int) -> int:
        """The first of *count* sequence numbers that follow one another and belong to the caller alone."""
        with self._numbering:
            first = self._last_sequence + 1
            self._last_sequence += count
        return first
