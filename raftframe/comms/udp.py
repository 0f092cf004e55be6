"""Servers that reach each other over UDP.

`UDPComms` owns one socket and one thread. The thread waits for datagrams and hands what `link` makes of them to the
server; `send` writes to the socket at once, on the caller's thread, without waiting: what the operating system has no
room for is lost, as on any network, and counted. All that concerns bytes, keys and replays is in `frames` and `link`,
all that concerns sockets is here.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import selectors
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import frozen

from raftframe.api.comms import CommsError
from raftframe.comms.frames import LARGEST_DATAGRAM_BYTES, LONGEST_NAME_BYTES, Drop, FrameFormat
from raftframe.comms.keys import ClusterKey
from raftframe.comms.link import Link
from raftframe.comms.wire import Codec
from raftframe.entries import ServerId
from raftframe.messages import Message

Address: TypeAlias = tuple[str, int]
"""An IP address and a port from 1 to 65535."""

DATAGRAM_BYTES: Final = 1_400  # passes through almost any network in one piece
LOOPBACK_DATAGRAM_BYTES: Final = 60_000
LEAST_DATAGRAM_BYTES: Final = 512
MESSAGE_BYTES: Final = 16 << 20
SOCKET_BUFFER_BYTES: Final = 4 << 20  # asked for; the operating system may give less
AT_ONCE: Final = 64  # datagrams read before looking whether to stop

_log = logging.getLogger(__name__)
_NO_ROOM = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS}


@frozen
class CommsStats:
    """What has passed since the start. Each Drop is a key of both mappings, most with 0.

    sent, received: whole messages.
    sent_datagrams, received_datagrams: of any kind and quality.
    unsent: messages that were not sent, by reason.
    dropped: datagrams that were not passed on, by reason; INCOMPLETE counts messages.
    """

    sent: int
    received: int
    sent_datagrams: int
    received_datagrams: int
    unsent: Mapping[Drop, int]
    dropped: Mapping[Drop, int]


class UDPComms:
    """Implements `raftframe.api.CommsAPI` for the server *identity*, which listens at its own address of *addresses*.

    addresses: every server of the cluster, this one included: IP address and port.
    cluster: the name of the cluster; whatever another cluster sends is dropped.
    key: the secret of the cluster; whatever was made without it is dropped.
    codec: knows the application's classes.
    datagram_bytes: the largest datagram to send, 512 to 65507. By default, what fits into the packets of almost any
    network, or far more if all servers are on one machine.
    message_bytes: the largest message, sent or received.
    listening: a UDP socket that is already bound, in place of a new one; it is closed by `stop`.

    Raises ValueError for arguments that cannot work, and CommsError if the address cannot be listened at.
    """

    def __init__(
        self,
        identity: ServerId,
        addresses: Mapping[ServerId, Address],
        *,
        cluster: str,
        key: ClusterKey,
        codec: Codec | None = None,
        datagram_bytes: int | None = None,
        message_bytes: int = MESSAGE_BYTES,
        listening: socket.socket | None = None,
    ) -> None:
        self._identity, self._addresses = identity, dict(addresses)  # first: an error's traceback may show this object
        _check_addresses(identity, addresses)
        datagram_bytes = _datagram_bytes(addresses) if datagram_bytes is None else datagram_bytes
        _check_limits(datagram_bytes, message_bytes)
        self._link = Link(
            identity,
            addresses,
            FrameFormat(cluster, key),
            codec or Codec(),
            datagram_bytes=datagram_bytes,
            message_bytes=message_bytes,
        )
        self._socket = _bound(identity, addresses[identity]) if listening is None else listening
        self._socket.setblocking(False)
        self._waker, self._woken = socket.socketpair()
        self._thread: threading.Thread | None = None
        self._running = False
        self._stopping = threading.Lock()
        self._sent = self._received = self._sent_datagrams = self._received_datagrams = 0
        self._unsent, self._dropped = dict.fromkeys(Drop, 0), dict.fromkeys(Drop, 0)

    def __repr__(self) -> str:
        host, port = self._addresses.get(self._identity, ("nowhere", 0))
        return f"UDPComms({self._identity} at {host}:{port})"

    def start(self, receive: Callable[[Message], None]) -> None:
        """Begin to receive, and greet the others. Raises RuntimeError if it was started or stopped before: a new
        life has a new boot, so it needs new comms.
        """
        if self._thread is not None or self._socket.fileno() < 0:
            raise RuntimeError(f"{self!r} was started or stopped before: make a new UDPComms")
        self._running = True
        self._thread = threading.Thread(
            target=self._receive_all, args=(receive,), name=f"{self._identity} comms", daemon=True
        )
        self._thread.start()
        for name, greeting in self._link.greetings().items():
            self._transmit(name, greeting)

    def send(self, message: Message) -> None:
        """Write *message* to the socket. What that cannot take is lost and counted in `stats().unsent`."""
        if not self._running:
            self._unsent[Drop.STOPPED] += 1
            return
        departure = self._link.outgoing(message)
        drop = departure.drop
        for datagram in departure.datagrams:
            failed = self._transmit(message.target, datagram)
            drop = drop or failed
            if failed:
                break  # without one fragment the rest is worth nothing
        if drop is None:
            self._sent += 1
        else:
            self._unsent[drop] += 1

    def stop(self) -> None:
        """Stop, and close the socket. Called within *receive*, it returns before the thread has ended."""
        with self._stopping:
            self._running = False
            with contextlib.suppress(OSError):  # closed by an earlier stop
                self._waker.send(b"x")
            if self._thread is not None and self._thread is not threading.current_thread():
                self._thread.join()
            if self._thread is None or not self._thread.is_alive():
                self._close()

    def stats(self) -> CommsStats:
        """The counts so far."""
        dropped = {**self._dropped, Drop.INCOMPLETE: self._link.given_up}
        return CommsStats(
            self._sent,
            self._received,
            self._sent_datagrams,
            self._received_datagrams,
            MappingProxyType(dict(self._unsent)),
            MappingProxyType(dropped),
        )

    @property
    def boot(self) -> int:
        """The number of this life, as `link` has it."""
        return self._link.boot

    def boot_of(self, peer: ServerId) -> int:
        """The life of *peer* that messages go to; 0 when they cannot go, for it has not greeted."""
        return self._link.boot_of(peer)

    @property
    def waiting_bytes(self) -> int:
        """The size of the fragments whose messages are not whole yet: all that other servers can make this one keep."""
        return self._link.waiting_bytes

    def _transmit(self, target: ServerId, datagram: bytes) -> Drop | None:
        try:
            self._socket.sendto(datagram, self._addresses[target])
        except OSError as error:
            if not self._running:
                return Drop.STOPPED
            return Drop.CONGESTED if error.errno in _NO_ROOM else Drop.UNREACHABLE
        self._sent_datagrams += 1
        return None

    def _receive_all(self, receive: Callable[[Message], None]) -> None:
        """The receiving thread: until `stop`, hand every message to *receive*."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while self._running:
                selector.select()
                for _ in range(AT_ONCE):
                    datagram = self._next_datagram()
                    if datagram is None or not self._running:
                        break
                    self._take(datagram, receive)
        if not self._stopping.locked():  # stop was called within receive, and could not wait for this
            self._close()

    def _next_datagram(self) -> bytes | None:
        try:
            return self._socket.recv(LARGEST_DATAGRAM_BYTES + 1)
        except OSError:  # nothing there; or an earlier datagram could not be delivered, which is no news
            return None

    def _take(self, datagram: bytes, receive: Callable[[Message], None]) -> None:
        self._received_datagrams += 1
        arrival = self._link.incoming(datagram)
        if arrival.drop is not None:
            self._dropped[arrival.drop] += 1
        if arrival.answered is not None and arrival.answer is not None:
            self._transmit(arrival.answered, arrival.answer)
        if arrival.message is not None:
            self._received += 1
            try:
                receive(arrival.message)
            except Exception:
                _log.exception("%s: what receives messages has failed; the message is lost", self._identity)

    def _close(self) -> None:
        for one in (self._socket, self._waker, self._woken):
            one.close()


def loopback_addresses(servers: Iterable[ServerId]) -> dict[ServerId, Address]:
    """A free port of this machine for each of *servers*. Another program may take one before it is listened at."""
    with ExitStack() as open_sockets:
        addresses = {}
        for server in servers:
            one = open_sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind(("127.0.0.1", 0))
            addresses[server] = ("127.0.0.1", int(one.getsockname()[1]))
        return addresses


def _bound(identity: ServerId, address: Address) -> socket.socket:
    """A socket that listens at *address*. Raises CommsError."""
    family = socket.AF_INET6 if ipaddress.ip_address(address[0]).version == 6 else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        bound.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise CommsError(f"{identity} cannot listen at {address[0]}:{address[1]}: {error.strerror}") from error
    return bound


def _check_addresses(identity: ServerId, addresses: Mapping[ServerId, Address]) -> None:
    if identity not in addresses:
        raise ValueError(f"{identity} has no address among those of {', '.join(addresses) or 'nobody'}")
    for server, address in addresses.items():
        problem = _problem_with_name(server) or _problem_with_address(address)
        if problem:
            raise ValueError(f"the address of {server!r}: {problem}")
    for server, address in addresses.items():
        twins = [other for other, its in addresses.items() if its == address and other != server]
        if twins:
            raise ValueError(f"{server} and {twins[0]} have the same address {address[0]}:{address[1]}")
    families = {ipaddress.ip_address(host).version for host, _ in addresses.values()}
    if len(families) > 1:
        raise ValueError("some addresses are IPv4 and some IPv6: one socket reaches only one kind")


def _problem_with_name(server: object) -> str | None:
    if not isinstance(server, str) or not server:
        return "a server's name is text"
    if len(server.encode(errors="replace")) > LONGEST_NAME_BYTES:
        return f"a server's name has at most {LONGEST_NAME_BYTES} bytes"
    return None


def _problem_with_address(address: object) -> str | None:
    """What makes *address* none that a datagram can be sent to, or None."""
    match address:
        case (str(host), int(port)) if not isinstance(port, bool):
            pass
        case _:
            return f'{address!r} is not an IP address and a port, as in ("127.0.0.1", 7001)'
    if not 1 <= port <= 65535:
        return f"a port is a number from 1 to 65535, not {port}"
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return f"{host!r} is not an IP address; names are not looked up, since that can take long and change"
    if parsed.is_multicast or parsed.is_unspecified:
        return f"{host} is no single machine's address"
    return None


def _check_limits(datagram_bytes: int, message_bytes: int) -> None:
    if not LEAST_DATAGRAM_BYTES <= datagram_bytes <= LARGEST_DATAGRAM_BYTES:
        raise ValueError(
            f"datagram_bytes is from {LEAST_DATAGRAM_BYTES} to {LARGEST_DATAGRAM_BYTES}, not {datagram_bytes}"
        )
    if message_bytes < datagram_bytes:
        raise ValueError(f"message_bytes is {datagram_bytes}, the size of a datagram, or more, not {message_bytes}")


def _datagram_bytes(addresses: Mapping[ServerId, Address]) -> int:
    """The default: large where nothing can be cut up on the way."""
    local = all(ipaddress.ip_address(host).is_loopback for host, _ in addresses.values())
    return LOOPBACK_DATAGRAM_BYTES if local else DATAGRAM_BYTES
