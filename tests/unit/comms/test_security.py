"""Who lacks the key can neither join, vote, append, replay nor flood; and sees the key nowhere."""

from __future__ import annotations

import logging
import random
import socket
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from raftframe import Command, Configuration, Entry, Role, StandardStateMap, start, step
from raftframe.api.app import RecordingApp
from raftframe.client.stream import ClientStream, Credentials, ServerStream
from raftframe.comms.frames import Drop, Frame, FrameFormat, Kind
from raftframe.comms.keys import ClusterKey
from raftframe.comms.link import Link
from raftframe.comms.udp import Address, UDPComms, loopback_addresses
from raftframe.comms.wire import Codec
from raftframe.effects import Send
from raftframe.events import ElectionTimeout, MessageReceived
from raftframe.messages import AppendEntries, Message, RequestVote, RequestVoteResponse
from tests.contract.comms_contract import Inbox, eventually

SECRET = b"the secret of this cluster"
VOTE = RequestVoteResponse("s1", "s2", 3, granted=True)


class Cluster:
    """s1 and s2 on real sockets, and an attacker who sees every datagram and can send any."""

    def __init__(self) -> None:
        self.addresses = loopback_addresses(["s1", "s2"])
        self.inboxes = {"s1": Inbox(), "s2": Inbox()}
        self.attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.seen: list[tuple[bytes, Address]] = []
        self.comms: dict[str, UDPComms] = {}
        for server in ("s2", "s1"):
            self.begin(server)

    def begin(self, server: str) -> None:
        """Start the comms of *server*, again if it was stopped, with a wire that is listened to."""
        comms = UDPComms(server, self.addresses, cluster="bank", key=ClusterKey(SECRET))
        transmit = comms._transmit

        def tapped(target: str, datagram: bytes) -> Drop | None:
            self.seen.append((datagram, self.addresses[target]))
            return transmit(target, datagram)

        comms._transmit = tapped  # type: ignore[method-assign]
        self.comms[server] = comms
        comms.start(self.inboxes[server])

    def attack(self, datagram: bytes, server: str = "s2") -> None:
        """Send *datagram* to *server*."""
        self.attacker.sendto(datagram, self.addresses[server])

    def works(self) -> bool:
        """Whether a new message still comes through."""
        message = RequestVoteResponse("s1", "s2", random.randrange(1, 1 << 40), granted=True)
        return eventually(lambda: message in self.inboxes["s2"].messages, again=lambda: self.comms["s1"].send(message))

    def dropped(self, server: str, drop: Drop) -> int:
        """How many datagrams *server* has dropped for this reason."""
        return self.comms[server].stats().dropped[drop]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster that works."""
    cluster = Cluster()
    assert cluster.works()
    yield cluster
    cluster.attacker.close()
    for comms in cluster.comms.values():
        comms.stop()


@pytest.mark.parametrize(
    "forged",
    [
        RequestVote("s1", "s2", term=1000, last_log_index=900, last_log_term=999),
        RequestVoteResponse("s1", "s2", term=1, granted=True),
        AppendEntries("s1", "s2", 1000, 0, 0, (Entry(1000, Command("thief", 1, "credit 1000000")),), 1),
    ],
    ids=["disturbs", "votes", "appends"],
)
def test_without_the_key_nobody_says_anything(cluster: Cluster, forged: Message) -> None:
    """The attacker knows the format, both boots and the sequence number that comes next: all but the key."""
    seen = FrameFormat("bank", ClusterKey(SECRET)).open(cluster.seen[-1][0])
    assert isinstance(seen, Frame)
    guess = FrameFormat("bank", ClusterKey(b"what the secret might be"))
    boots = {frame.sender: frame.boot for frame in (seen,)} | {seen.receiver: seen.receiver_boot}
    before = len(cluster.inboxes["s2"].messages)

    for number in range(1, 51):
        frame = Frame(
            Kind.MESSAGE, "s1", "s2", boots["s1"], boots["s2"], 10_000 + number, Codec().encode_message(forged)
        )
        cluster.attack(guess.seal(frame))

    assert eventually(lambda: cluster.dropped("s2", Drop.UNAUTHENTICATED) == 50)
    assert len(cluster.inboxes["s2"].messages) == before
    assert cluster.works()


def test_without_the_key_nobody_joins(cluster: Cluster) -> None:
    """Neither under a new name nor under a known one, however often it greets."""
    addresses = {**cluster.addresses, **loopback_addresses(["s3"])}
    stranger = UDPComms("s3", addresses, cluster="bank", key=ClusterKey.random())
    inbox = Inbox()
    stranger.start(inbox)
    for _ in range(20):
        stranger.send(RequestVote("s3", "s2", 9, 1, 1))

    assert eventually(lambda: cluster.dropped("s2", Drop.UNAUTHENTICATED) > 0)
    assert stranger.stats().received_datagrams == 0  # not even an answer
    stranger.stop()


def test_with_the_key_but_without_an_address_nobody_joins(cluster: Cluster) -> None:
    """A server that the others don't know is a stranger to them, and gets no answer."""
    addresses = {**cluster.addresses, **loopback_addresses(["s3"])}
    stranger = UDPComms("s3", addresses, cluster="bank", key=ClusterKey(SECRET))
    stranger.start(lambda _: None)

    assert eventually(lambda: cluster.dropped("s2", Drop.STRANGER) > 0)
    assert stranger.stats().received_datagrams == 0
    stranger.stop()


def test_a_forged_vote_elects_nobody() -> None:
    """The server behind the comms never hears of it: a candidate stays one."""
    states = StandardStateMap(RecordingApp())
    candidate = step(start("s2", Configuration(["s1", "s2"]), states), ElectionTimeout(), states)
    vote = RequestVoteResponse("s1", "s2", 1, granted=True)
    cluster = Cluster()
    forged = FrameFormat("bank", ClusterKey.random()).seal(
        Frame(Kind.MESSAGE, "s1", "s2", 1, 1, 1, Codec().encode_message(vote))
    )
    cluster.attack(forged)
    assert eventually(lambda: cluster.dropped("s2", Drop.UNAUTHENTICATED) == 1)
    state = candidate.state
    for message in cluster.inboxes["s2"].messages:
        state = step(state, MessageReceived(message), states).state
    cluster.attacker.close()
    for comms in cluster.comms.values():
        comms.stop()

    assert any(isinstance(effect, Send) for effect in candidate.effects)
    assert state.role is Role.CANDIDATE
    assert step(state, MessageReceived(vote), states).state.role is Role.LEADER  # a real one would have


def test_nothing_is_replayed(cluster: Cluster) -> None:
    """Every datagram ever sent, again: to its receiver, to the other one, and after a restart of its receiver."""
    recorded = [datagram for datagram, address in cluster.seen if address == cluster.addresses["s2"]]
    before = list(cluster.inboxes["s2"].messages)
    for datagram in recorded:
        cluster.attack(datagram)
        cluster.attack(datagram, "s1")
    assert eventually(lambda: cluster.dropped("s1", Drop.MISDIRECTED) == len(recorded))
    assert eventually(lambda: cluster.dropped("s2", Drop.REPLAYED) > 0)

    cluster.comms["s2"].stop()
    cluster.begin("s2")
    for datagram in recorded:
        cluster.attack(datagram)

    assert eventually(lambda: cluster.dropped("s2", Drop.UNACQUAINTED) > 0)
    assert cluster.inboxes["s2"].messages == before
    assert cluster.works()


def test_a_replay_from_another_cluster(cluster: Cluster) -> None:
    """That was given the same key and the same names, by mistake."""
    other = FrameFormat("shop", ClusterKey(SECRET))
    cluster.attack(other.seal(Frame(Kind.MESSAGE, "s1", "s2", 1, 1, 1, Codec().encode_message(VOTE))))

    assert eventually(lambda: cluster.dropped("s2", Drop.OTHER_CLUSTER) == 1)


def test_a_flood_is_survived(cluster: Cluster) -> None:
    """Noise, forgeries, replays and fragments as fast as they can be sent: memory stays, and messages come through."""
    chooser = random.Random(1)
    guess = FrameFormat("bank", ClusterKey.random())
    fragment = guess.seal(Frame(Kind.MESSAGE, "s1", "s2", 1, 1, 7, bytes(30_000), 1, 60_000))
    recorded = [datagram for datagram, address in cluster.seen if address == cluster.addresses["s2"]]
    kinds = [chooser.randbytes(1_000), fragment, *recorded[:5], b"", chooser.randbytes(60_000)]
    first = cluster.comms["s2"].stats().received_datagrams
    tracemalloc.start()
    try:
        kept_before = tracemalloc.get_traced_memory()[0]
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            for datagram in kinds:
                cluster.attack(datagram)
        kept = tracemalloc.get_traced_memory()[0] - kept_before
    finally:
        tracemalloc.stop()

    assert cluster.comms["s2"].stats().received_datagrams - first > 500
    assert kept < 1 << 20
    assert cluster.comms["s2"].waiting_bytes == 0
    assert cluster.works()


def test_the_key_is_in_no_text(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the `repr` of anything that has it, and not in a log at its most talkative."""
    with caplog.at_level(logging.DEBUG):
        assert cluster.works()
        cluster.attack(b"RFRM nonsense")
    things = [cluster.comms["s1"], cluster.comms["s1"]._link, cluster.comms["s1"]._link._frames, ClusterKey(SECRET)]

    derived = ClusterKey(SECRET).derived("raftframe frames 1 bank")
    for text in (caplog.text, *map(repr, things), repr(cluster.comms["s1"].stats())):
        assert SECRET.decode() not in text
        assert SECRET.hex() not in text
        assert derived.hex() not in text


def _forged_proof(key: ClusterKey) -> object:
    stream = ServerStream(Credentials("bank", key))
    return stream.feed(Credentials("bank", ClusterKey.random()).opening(bytes(16)) + bytes(16))


def _forged_record(key: ClusterKey) -> object:
    server, client = ServerStream(Credentials("bank", key)), ClientStream(Credentials("bank", key))
    server.feed(client.feed(server.hello())[0])
    return server.feed(bytes(4) + bytes(16))


def _received(key: ClusterKey) -> object:
    """A frame that is authentic, taken apart by a codec that fails."""

    class Failing(Codec):
        def decode_message(self, data: bytes) -> Message:
            raise RuntimeError(f"{len(data)} bytes")

    frames = FrameFormat("bank", key)
    link = Link("s2", ["s1"], frames, Failing(), datagram_bytes=1400, message_bytes=1400, boot=5)
    return link.incoming(frames.seal(Frame(Kind.MESSAGE, "s1", "s2", 7, 5, 1, b"x")))


@pytest.mark.parametrize(
    "fails",
    [
        lambda key: key.derived(None),
        lambda key: hash(key),
        lambda key: FrameFormat("", key),
        lambda key: FrameFormat("bank", key).seal(Frame(Kind.MESSAGE, "s1", "s2", -1, 1, 1, b"")),
        lambda key: Credentials("", key),
        lambda key: Credentials("bank", key).opening("no bytes"),  # type: ignore[arg-type]
        lambda key: UDPComms("s9", {"s1": ("127.0.0.1", 1)}, cluster="bank", key=key),
        _forged_proof,
        _forged_record,
        _received,
    ],
    ids=["derive", "hash", "frames", "seal", "credentials", "opening", "comms", "proof", "record", "receive"],
)
def test_the_key_is_in_no_traceback(fails: Callable[[ClusterKey], object]) -> None:
    """Not even in one that shows the local variables of every function on the way."""
    key = ClusterKey(SECRET)
    try:
        fails(key)
    except Exception as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert "key = ClusterKey(<redacted>)" in text
    purposes = ("raftframe frames 1 bank", "raftframe clients 1 bank")
    for secret in (SECRET, *(key.derived(purpose) for purpose in purposes)):
        assert repr(secret) not in text and secret.hex() not in text


@pytest.mark.parametrize("secret", [b"too short: 0815", b"z" * 32, "the secret, as text"], ids=str)
def test_what_is_no_key_is_in_no_traceback(secret: bytes) -> None:
    """Who mistypes a secret does not want to read it in a log."""

    def configured() -> ClusterKey:
        return ClusterKey(secret)

    try:
        configured()
    except (ValueError, TypeError) as error:
        last = traceback.TracebackException.from_exception(error, capture_locals=True).stack[-1]

    assert last.name == "__init__"
    assert last.locals is not None and repr(secret) not in "".join(last.locals.values()) + str(error_of(secret))


def error_of(secret: bytes) -> str:
    """What the mistake is called."""
    with pytest.raises((ValueError, TypeError)) as raised:
        ClusterKey(secret)
    return str(raised.value)


def test_datagrams_do_not_carry_the_key(cluster: Cluster) -> None:
    """Nor anything derived from it, but for the HMAC."""
    assert not any(SECRET in datagram for datagram, _ in cluster.seen)
