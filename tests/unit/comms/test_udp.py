"""What the socket adds: addresses, limits, counters, and an end."""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from raftframe import Command, Entry
from raftframe.api.comms import CommsError
from raftframe.comms.frames import Drop
from raftframe.comms.keys import ClusterKey
from raftframe.comms.udp import LOOPBACK_DATAGRAM_BYTES, Address, UDPComms, loopback_addresses
from raftframe.messages import AppendEntries, Message, RequestVoteResponse
from tests.contract.comms_contract import Inbox, eventually

KEY = ClusterKey(b"a key for tests of sockets")
VOTE = RequestVoteResponse("s1", "s2", 3, granted=True)
ADDRESSES: dict[str, Address] = {"s1": ("127.0.0.1", 7001), "s2": ("127.0.0.1", 7002)}


def comms(identity: str, addresses: dict[str, Any], **options: Any) -> UDPComms:
    """The comms of *identity*, not started."""
    return UDPComms(identity, addresses, **{"cluster": "bank", "key": KEY, **options})


@pytest.fixture
def pair() -> Iterator[tuple[UDPComms, UDPComms]]:
    """s1 and s2, not started."""
    addresses = loopback_addresses(["s1", "s2"])
    made = comms("s1", addresses), comms("s2", addresses)
    yield made
    for one in made:
        one.stop()


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ({}, "s1 has no address among those of nobody"),
        ({"s2": ("127.0.0.1", 7002)}, "s1 has no address among those of s2"),
        ({"s1": "127.0.0.1:7001"}, "not an IP address and a port, as in"),
        ({"s1": ("127.0.0.1", "7001")}, "not an IP address and a port"),
        ({"s1": ("127.0.0.1", True)}, "not an IP address and a port"),
        ({"s1": ("127.0.0.1", 0)}, "a port is a number from 1 to 65535, not 0"),
        ({"s1": ("127.0.0.1", 65536)}, "a port is a number from 1 to 65535, not 65536"),
        ({"s1": ("localhost", 7001)}, "'localhost' is not an IP address; names are not looked up"),
        ({"s1": ("224.0.0.1", 7001)}, "no single machine's address"),
        ({"s1": ("0.0.0.0", 7001)}, "no single machine's address"),
        ({"s1": ("127.0.0.1", 7001), "s2": ("127.0.0.1", 7001)}, "s1 and s2 have the same address 127.0.0.1:7001"),
        ({"s1": ("127.0.0.1", 7001), "s2": ("::1", 7001)}, "some addresses are IPv4 and some IPv6"),
        ({"s1": ("127.0.0.1", 7001), "": ("127.0.0.1", 7002)}, "a server's name is text"),
        ({"s1": ("127.0.0.1", 7001), "s" * 65: ("127.0.0.1", 7002)}, "has at most 64 bytes"),
    ],
)
def test_addresses_are_checked(addresses: dict[str, Any], message: str) -> None:
    """Before a socket is opened, with the server and what to write instead."""
    with pytest.raises(ValueError, match=message):
        comms("s1", addresses)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"datagram_bytes": 511}, "datagram_bytes is from 512 to 65507, not 511"),
        ({"datagram_bytes": 65508}, "not 65508"),
        ({"datagram_bytes": 1400, "message_bytes": 1399}, "message_bytes is 1400, the size of a datagram, or more"),
        ({"cluster": ""}, "a cluster has a name"),
    ],
)
def test_limits_are_checked(options: dict[str, Any], message: str) -> None:
    """With the numbers that are allowed."""
    with pytest.raises(ValueError, match=message):
        comms("s1", ADDRESSES, **options)


def test_an_address_that_is_taken_is_named() -> None:
    """And so is who wanted it."""
    addresses = loopback_addresses(["s1"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(addresses["s1"])
        with pytest.raises(CommsError, match=rf"s1 cannot listen at 127.0.0.1:{addresses['s1'][1]}: Address already"):
            comms("s1", addresses)


def test_a_bound_socket_can_be_given(pair: tuple[UDPComms, UDPComms]) -> None:
    """By whoever has to know that nobody took the port."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    addresses = {"s1": listening.getsockname(), **loopback_addresses(["s2"])}
    one, other, inbox = comms("s1", addresses, listening=listening), comms("s2", addresses), Inbox()
    other.start(inbox)
    one.start(lambda _: None)

    assert eventually(lambda: bool(inbox.messages), again=lambda: one.send(VOTE))
    one.stop()
    other.stop()
    assert listening.fileno() == -1


def test_everything_is_counted(pair: tuple[UDPComms, UDPComms]) -> None:
    """What was sent, what came, and why the rest did not."""
    one, other = pair
    inbox = Inbox()
    one.send(VOTE)
    other.start(inbox)
    one.start(lambda _: None)
    assert eventually(lambda: bool(inbox.messages), again=lambda: one.send(VOTE))
    one.send(RequestVoteResponse("s1", "s9", 3, granted=True))
    one.send(AppendEntries("s1", "s2", 1, 0, 0, (Entry(1, Command("c", 1, "x" * (17 << 20))),), 0))

    sent, got = one.stats(), other.stats()
    assert sent.unsent[Drop.STOPPED] == sent.unsent[Drop.STRANGER] == sent.unsent[Drop.TOO_LARGE] == 1
    assert sent.sent >= got.received == len(inbox.messages) == 1
    assert sent.sent_datagrams >= sent.sent
    assert got.received_datagrams >= 2
    assert set(got.dropped) == set(got.unsent) == set(Drop)


@pytest.mark.parametrize(
    ("number", "drop"),
    [(errno.EAGAIN, Drop.CONGESTED), (errno.ENOBUFS, Drop.CONGESTED), (errno.EHOSTUNREACH, Drop.UNREACHABLE)],
)
def test_what_the_system_does_not_take_is_lost(pair: tuple[UDPComms, UDPComms], number: int, drop: Drop) -> None:
    """And counted; the server's thread does not wait."""

    class Refusing:
        def __init__(self, real: socket.socket) -> None:
            self.real = real

        def sendto(self, data: bytes, address: Address) -> int:
            raise OSError(number, "no")

    one, other = pair
    inbox = Inbox()
    other.start(inbox)
    one.start(lambda _: None)
    assert eventually(lambda: bool(inbox.messages), again=lambda: one.send(VOTE))
    real, one._socket = one._socket, Refusing(one._socket)  # type: ignore[assignment]
    one.send(VOTE)
    one._socket = real

    assert one.stats().unsent[drop] == 1


def test_datagrams_are_large_only_on_one_machine() -> None:
    """Between machines they would be cut up, and lost when any piece is."""
    local, remote = comms("s1", loopback_addresses(["s1"])), None
    try:
        assert local._link._peers == {}
        addresses = {**loopback_addresses(["s1"]), "s2": ("192.0.2.7", 7002)}
        remote = comms("s1", addresses)
        assert remote._link._peers["s2"].chunk_bytes < 1_400 < LOOPBACK_DATAGRAM_BYTES
    finally:
        for one in (local, remote):
            if one:
                one.stop()


def test_one_life_only(pair: tuple[UDPComms, UDPComms]) -> None:
    """A second start would have the first one's sequence numbers."""
    one, other = pair
    one.start(lambda _: None)
    other.stop()

    for again in pair:
        with pytest.raises(RuntimeError, match="make a new UDPComms"):
            again.start(lambda _: None)


def test_a_receiver_that_fails_is_reported_and_goes_on(
    pair: tuple[UDPComms, UDPComms], caplog: pytest.LogCaptureFixture
) -> None:
    """The thread lives; the log says what happened, and not what the key is."""
    one, other = pair
    calls: list[Message] = []

    def fail(message: Message) -> None:
        calls.append(message)
        raise RuntimeError("no room for this message")

    other.start(fail)
    one.start(lambda _: None)
    with caplog.at_level(logging.DEBUG):
        assert eventually(lambda: len(calls) > 2, again=lambda: one.send(VOTE))

    assert "no room for this message" in caplog.text
    assert "a key for tests" not in caplog.text


def test_stopping_within_receive(pair: tuple[UDPComms, UDPComms]) -> None:
    """It cannot wait for its own thread, but that ends, and closes the socket."""
    one, other = pair
    stop: Callable[[Message], None] = lambda _: other.stop()  # noqa: E731 - it refers to itself
    other.start(stop)
    one.start(lambda _: None)

    assert eventually(lambda: other._socket.fileno() < 0, again=lambda: one.send(VOTE))


def test_sending_takes_no_time(pair: tuple[UDPComms, UDPComms]) -> None:
    """A thousand messages to one that does not read."""
    one, _ = pair
    one.start(lambda _: None)

    begun = time.monotonic()
    for _ in range(1000):
        one.send(VOTE)

    assert time.monotonic() - begun < 5
