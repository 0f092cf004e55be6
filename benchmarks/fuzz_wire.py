"""Datagrams that nobody should send, by the million: none may raise, none may make a server remember more and more.

    python -m benchmarks.fuzz_wire                      10 million datagrams
    python -m benchmarks.fuzz_wire --count 200000       fewer
    python -m benchmarks.fuzz_wire --seed 7             others

Everything happens within one process, in `raftframe.comms.link`, which is all that a datagram goes through between the
socket and the server. Five kinds take turns: *noise* is random bytes; *mutated* is a real datagram with random changes;
*resummed* is the same with its CRC put right, so that the HMAC has to notice; *resealed* has a payload of noise or of
mutated msgpack behind a right HMAC, as from a member gone mad; *rebuilt* has random numbers, names and fragments in its
header behind a right HMAC. Only the last two reach msgpack and the codec.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence

from attrs import frozen

from bank_app import Credit, Debit, Query
from raftframe import NOOP, Command, Entry
from raftframe.comms.frames import CHECKS_BYTES, Drop, Frame, FrameFormat, Kind
from raftframe.comms.keys import ClusterKey
from raftframe.comms.link import Link
from raftframe.comms.wire import Codec
from raftframe.messages import (
    AppendEntries,
    AppendEntriesResponse,
    Message,
    PreVote,
    PreVoteResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)

COUNT = 10_000_000
MESSAGE_BYTES = 8_192
MOST_WAITING_BYTES = 3 * MESSAGE_BYTES  # twice the largest message, and the fragment that goes beyond it
OPERATIONS = (Credit(5), Debit(2), Query(), ("a", 1, None, True, 0.5, b"x"), 1 << 80)
MESSAGES: tuple[Message, ...] = (
    RequestVote("s2", "s1", 3, 2, 1),
    RequestVoteResponse("s2", "s1", 3, granted=True),
    AppendEntries("s2", "s1", 3, 0, 0, (Entry(1, NOOP), *(Entry(3, Command("c", 1, o)) for o in OPERATIONS)), 1),
    AppendEntries("s2", "s1", 3, 1, 1, (), 1),
    AppendEntriesResponse("s2", "s1", 3, success=True, index=9),
    PreVote("s2", "s1", 4, 2, 1),
    PreVoteResponse("s2", "s1", 4, granted=True),
    RequestVote("s2", "s1", 4, 2, 1, transfer=True),
    TimeoutNow("s2", "s1", 3),
)
NAMES = ("s1", "s3", "s4", "", "s2" * 40)


@frozen
class Tally:
    """What became of the datagrams: each reason to drop one, "received", or "kept" for fragments and greetings."""

    count: int
    seconds: float
    outcomes: Counter[str]
    most_waiting_bytes: int


class Fuzzer:
    """Makes datagrams for the server s1, the same ones for the same *seed*."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.codec = Codec([Credit, Debit, Query])
        self.frames = FrameFormat("fuzz", ClusterKey(b"a key for fuzzing, known to all"))
        self.boot, self.sequence = 1_000, 0
        self.target = self.link("s1", boot=500)
        self.payloads = [self.codec.encode_message(message) for message in MESSAGES]
        self.real = [self.sealed(payload) for payload in self.payloads]
        self.kinds: Sequence[Callable[[], bytes]] = (
            self.noise,
            self.mutated,
            self.resummed,
            self.resealed,
            self.rebuilt,
        )

    def link(self, identity: str, boot: int) -> Link:
        """One server's side of the conversations of s1, s2 and s3."""
        return Link(
            identity,
            ("s1", "s2", "s3"),
            self.frames,
            self.codec,
            datagram_bytes=1_400,
            message_bytes=MESSAGE_BYTES,
            boot=boot,
        )

    def sealed(self, payload: bytes) -> bytes:
        """A right frame of s2 around *payload*, never seen before."""
        self.sequence += 1
        return self.frames.seal(Frame(Kind.MESSAGE, "s2", "s1", self.boot, 500, self.sequence, payload))

    def changed(self, data: bytes) -> bytes:
        """*data* with a few random changes: bits, bytes, cuts, insertions, repetitions."""
        changed, chooser = bytearray(data), self.random
        for _ in range(chooser.randint(1, 4)):
            at, how = chooser.randrange(len(changed) + 1), chooser.randrange(6)
            if how == 0 and at < len(changed):
                changed[at] ^= 1 << chooser.randrange(8)
            elif how == 1 and at < len(changed):
                changed[at] = chooser.choice((0, 1, 0x7F, 0x80, 0xC1, 0xDD, 0xFF, chooser.randrange(256)))
            elif how == 2:
                del changed[at:]
            elif how == 3:
                changed[at:at] = chooser.randbytes(chooser.randint(1, 8))
            elif how == 4:
                del changed[at : at + chooser.randint(1, 8)]
            else:
                changed[at:at] = changed[at : at + chooser.randint(1, 40)]
        return bytes(changed)

    def noise(self) -> bytes:
        """Random bytes, half of them behind a right beginning."""
        data = self.random.randbytes(self.random.randrange(200))
        return self.real[0][: self.random.randint(1, 44)] + data if self.random.random() < 0.5 else data

    def mutated(self) -> bytes:
        """A real datagram, changed."""
        return self.changed(self.random.choice(self.real))

    def resummed(self) -> bytes:
        """The same, with the CRC that it should have."""
        body = self.changed(self.random.choice(self.real)[:-CHECKS_BYTES])
        return body + struct.pack(">I", zlib.crc32(body)) + self.random.randbytes(16)

    def resealed(self) -> bytes:
        """A payload of nonsense, from somebody who has the key."""
        noisy = self.random.random() < 0.1
        return self.sealed(
            self.random.randbytes(self.random.randrange(60))
            if noisy
            else self.changed(self.random.choice(self.payloads))
        )

    def rebuilt(self) -> bytes:
        """A header of nonsense, from somebody who has the key."""
        chooser = self.random
        self.sequence += 1
        fragments = chooser.choice((1, 1, 2, 3, 200, 65535))
        kind = Kind.GREETING if chooser.random() < 0.2 else Kind.MESSAGE
        known = struct.pack(">Q", chooser.choice((0, 499, 500, (1 << 64) - 1)))  # nothing that is a reason to rise
        frame = Frame(
            kind,
            "s2" if chooser.random() < 0.9 else chooser.choice(NAMES),
            "s1" if chooser.random() < 0.9 else chooser.choice(NAMES),
            self.boot if chooser.random() < 0.9 else chooser.choice((1, 0)),
            500 if chooser.random() < 0.9 else chooser.choice((501, 0, (1 << 64) - 1)),
            max(0, self.sequence - chooser.choice((0, 0, 1, 5, 3000))),
            known
            if kind is Kind.GREETING
            else chooser.choice((b"", known, bytes(1_200), bytes(9_000), *self.payloads)),
            chooser.randrange(fragments + 1) if fragments < 65535 else chooser.randrange(65536),
            fragments,
        )
        return self.frames.seal(frame)


def fuzz(count: int, seed: int) -> Tally:
    """Let *count* datagrams arrive. Raises whatever one of them makes the code raise, and AssertionError when more is
    remembered than the limit.
    """
    fuzzer = Fuzzer(seed)
    outcomes: Counter[str] = Counter()
    most_waiting_bytes, seconds = 0, 0.0
    for first in range(0, count, 10_000):
        made = [fuzzer.kinds[number % len(fuzzer.kinds)]() for number in range(first, min(first + 10_000, count))]
        begun = time.perf_counter()
        arrivals = [fuzzer.target.incoming(datagram) for datagram in made]
        seconds += time.perf_counter() - begun
        for arrival in arrivals:
            outcomes[arrival.drop or ("received" if arrival.message else "kept")] += 1
        most_waiting_bytes = max(most_waiting_bytes, fuzzer.target.waiting_bytes)
        assert most_waiting_bytes <= 2 * MOST_WAITING_BYTES, f"{most_waiting_bytes} bytes wait"
    return Tally(count, seconds, outcomes, most_waiting_bytes)


def main(arguments: Sequence[str]) -> None:
    """Fuzz, and print what was measured."""
    parser = argparse.ArgumentParser(description="Let millions of wrong datagrams arrive at a server.")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    begun = time.perf_counter()
    tally = fuzz(options.count, options.seed)
    print(f"{tally.count:,} datagrams, no exception; seed {options.seed}")
    print(f"{tally.seconds:.1f} s in the code under test, {tally.count / tally.seconds:,.0f} datagrams a second")
    print(f"{time.perf_counter() - begun:.1f} s with making them")
    print(f"{tally.most_waiting_bytes:,} bytes of fragments waited at most")
    for outcome, number in tally.outcomes.most_common():
        print(f"{number:>12,}  {outcome}")
    never = [str(drop) for drop in Drop if drop not in tally.outcomes]
    print(f"never: {', '.join(never)}")


if __name__ == "__main__":
    main(sys.argv[1:])
