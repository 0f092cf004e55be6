"""A server's port for clients: authenticated streams over TCP, in front of a running `Server`.

Theory of operation
-------------------
One thread owns every socket. It accepts, reads, hands commands to `Server.submit`, and writes the answers. An answer
comes on the server's thread, which must not wait: it only appends to `_told` and, if nobody has since the thread
last looked, wakes the thread. So the answers of one batch of the server cost one wake-up. `_awake` says that a byte is
on its way to the thread, which reads it, then takes that back, and then looks: no answer is left behind.

Who connects has `PROOF_S` seconds to prove that it has the cluster's key, and at most `MOST_UNPROVEN` may be about it
at a time: the oldest is turned away for the next. A client that sends more than it may, or does not read its answers,
is cut off. Nothing that a client does raises; it is counted.

What the server refuses because it stops, has stopped or has failed is told as `Unavailable`: another server may take
the command. All other outcomes are passed on as they are.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from attrs import define, field, frozen

from raftframe.api.comms import CommsError
from raftframe.client.requests import (
    Answer,
    RequestError,
    Response,
    Standing,
    StatusAsked,
    Unavailable,
    request_from,
    response_bytes,
)
from raftframe.client.stream import Credentials, ServerStream, StreamError
from raftframe.comms.keys import ClusterKey
from raftframe.comms.wire import Codec
from raftframe.effects import Outcome, Refused
from raftframe.entries import Command
from raftframe.server import Phase, ServerStatus

PROOF_S: Final = 3.0
MOST_UNPROVEN: Final = 64
MOST_CONNECTIONS: Final = 1024
MOST_PENDING: Final = 4096  # commands without an answer, of all clients together
MOST_UNREAD_BYTES: Final = 4 << 20
STOP_TIMEOUT_S: Final = 5.0
_READ_BYTES: Final = 1 << 16
_BACKLOG: Final = 128


class Asked(Protocol):
    """What a port is in front of: `raftframe.server.Server` is one."""

    @property
    def phase(self) -> Phase:
        """What has become of the server."""

    def ask(self, command: Command, told: Callable[[Outcome], None]) -> None:
        """Hand over a command, and be told what becomes of it."""

    def status(self) -> ServerStatus:
        """The server at this moment."""


@frozen
class PortStats:
    """What has passed since the start."""

    connections: int = 0
    turned_away: int = 0  # did not prove that they have the key, in time or at all, or found the port full
    cut_off: int = 0  # proved it, and then sent what a client does not send, or did not read
    requests: int = 0
    responses: int = 0


@define(eq=False)
class _Connection:
    socket: socket.socket
    stream: ServerStream
    since_s: float
    unread: bytearray = field(factory=bytearray)
    open: bool = True
    writing: bool = False


class ClientPort:
    """Listens at *address*, an IP address and a TCP port, for the clients of *server*.

    Raises CommsError if the address cannot be listened at.
    """

    def __init__(self, server: Asked, address: tuple[str, int], *, cluster: str, key: ClusterKey, codec: Codec) -> None:
        self._server, self._address, self._codec = server, address, codec
        self._credentials = Credentials(cluster, key)
        self._listening = _listening(address)
        self._waker, self._woken = socket.socketpair()
        for one in (self._waker, self._woken):
            one.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, _Connection] = {}
        self._unproven: dict[int, _Connection] = {}  # oldest first
        self._answers: deque[tuple[_Connection, Response]] = deque()
        self._told: deque[tuple[_Connection, Command, Outcome]] = deque()  # any thread appends; this one takes
        self._awake = False  # whether the waker was written to since the thread last looked
        self._pending = 0
        self._counts = dict.fromkeys(("connections", "turned_away", "cut_off", "requests", "responses"), 0)
        self._running = False
        self._thread = threading.Thread(target=self._run, name=f"clients at {address[1]}", daemon=True)

    def __repr__(self) -> str:
        return f"ClientPort({self._address[0]}:{self._address[1]})"

    def start(self) -> None:
        """Begin to serve."""
        self._running = True
        self._thread.start()

    def stop(self) -> None:
        """Cut off every client and return when the thread has ended. Stopping twice is allowed."""
        self._running = False
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT_S)
        else:
            self._close()

    def stats(self) -> PortStats:
        """The counts so far."""
        return PortStats(**self._counts)

    # The thread

    def _run(self) -> None:
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain_waker)
        try:
            while self._running:
                for key, events in self._selector.select(self._patience_s()):
                    if isinstance(key.data, _Connection):
                        self._serve(key.data, events)
                    else:
                        key.data()
                self._write_answers()
                self._turn_away_late_ones()
        finally:
            self._close()

    def _patience_s(self) -> float | None:
        for first in self._unproven.values():
            return max(0.0, first.since_s + PROOF_S - time.monotonic())
        return None

    def _accept(self) -> None:
        try:
            accepted, _ = self._listening.accept()
        except OSError:  # gone again, or no descriptor left
            return
        if len(self._connections) >= MOST_CONNECTIONS:
            accepted.close()
            self._count(turned_away=1)
            return
        accepted.setblocking(False)
        with contextlib.suppress(OSError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(accepted, ServerStream(self._credentials), time.monotonic())
        number = accepted.fileno()
        self._connections[number] = self._unproven[number] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)
        self._count(connections=1)
        if len(self._unproven) > MOST_UNPROVEN:
            self._drop(next(iter(self._unproven.values())))
        self._write(connection, connection.stream.hello())

    def _drain_waker(self) -> None:
        with contextlib.suppress(OSError):
            self._woken.recv(_READ_BYTES)
        self._awake = False  # only now: a byte that is written before it would be read here, and wake nobody

    def _turn_away_late_ones(self) -> None:
        late_s = time.monotonic() - PROOF_S
        for connection in [one for one in self._unproven.values() if one.since_s <= late_s]:
            self._drop(connection)

    def _serve(self, connection: _Connection, events: int) -> None:
        if connection.open and events & selectors.EVENT_WRITE:
            self._write(connection, b"")
        if connection.open and events & selectors.EVENT_READ:
            self._read(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._forget(connection)
            return
        try:
            reply, payloads = connection.stream.feed(data)
            if connection.stream.acquainted:
                self._unproven.pop(connection.socket.fileno(), None)
            for payload in payloads:
                self._take(connection, payload)
        except (StreamError, RequestError):
            self._drop(connection)
        else:
            self._write(connection, reply)

    def _take(self, connection: _Connection, payload: bytes) -> None:
        """Hand the request in *payload* to the server. Raises RequestError if it is none."""
        request = request_from(payload, self._codec)
        self._count(requests=1)
        if isinstance(request, StatusAsked):
            self._answers.append((connection, Standing.of(self._server.status())))
        elif self._pending >= MOST_PENDING:
            busy = Unavailable(f"{MOST_PENDING} commands wait for their answers already")
            self._answers.append((connection, Answer(request.client, request.serial, busy)))
        else:
            self._submit(connection, request)

    def _submit(self, connection: _Connection, command: Command) -> None:
        try:
            self._server.ask(command, partial(self._be_told, connection, command))
        except ValueError as error:  # another command under this name waits for its answer
            self._answers.append((connection, Answer(command.client, command.serial, Refused(str(error)))))
        else:
            self._pending += 1

    def _be_told(self, connection: _Connection, command: Command, outcome: Outcome) -> None:
        """On the server's thread, as a rule."""
        self._told.append((connection, command, outcome))
        self._wake()

    def _word_answers(self) -> None:
        """What has become of commands, as answers to their clients."""
        while self._told:
            connection, command, outcome = self._told.popleft()
            worded: Outcome | Unavailable = outcome
            if isinstance(outcome, Refused) and self._server.phase is not Phase.RUNNING:
                worded = Unavailable(outcome.reason)
            self._pending -= 1
            self._answers.append((connection, Answer(command.client, command.serial, worded)))

    def _write_answers(self) -> None:
        """Write what is answered, the answers of one connection together."""
        self._word_answers()
        ready: dict[int, tuple[_Connection, list[bytes]]] = {}
        while self._answers:
            connection, response = self._answers.popleft()
            if connection.open:
                record = connection.stream.seal(response_bytes(response, self._codec))
                ready.setdefault(id(connection), (connection, []))[1].append(record)
                self._count(responses=1)
        for connection, records in ready.values():
            self._write(connection, b"".join(records))

    def _write(self, connection: _Connection, data: bytes) -> None:
        """Send *data* behind what waits; what the socket has no room for now waits."""
        unread = connection.unread
        if not data and not unread:
            return
        unread += data
        try:
            while unread:
                del unread[: connection.socket.send(unread)]
        except BlockingIOError:
            pass
        except OSError:
            self._forget(connection)
            return
        if len(unread) > MOST_UNREAD_BYTES:
            self._drop(connection)
        elif connection.writing is not bool(unread):
            connection.writing = bool(unread)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if unread else 0)
            self._selector.modify(connection.socket, events, connection)

    def _drop(self, connection: _Connection) -> None:
        """Cut *connection* off for what its client did, or failed to do."""
        self._count(**({"cut_off": 1} if connection.stream.acquainted else {"turned_away": 1}))
        self._forget(connection)

    def _forget(self, connection: _Connection) -> None:
        if not connection.open:
            return
        connection.open = False
        number = connection.socket.fileno()
        self._connections.pop(number, None)
        self._unproven.pop(number, None)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _count(self, **more: int) -> None:
        for name, by in more.items():
            self._counts[name] += by

    def _close(self) -> None:
        for connection in list(self._connections.values()):
            self._forget(connection)
        for one in (self._listening, self._woken, self._waker):
            one.close()
        self._selector.close()

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            with contextlib.suppress(OSError):  # full: it is awake then; or closed
                self._waker.send(b"x")


def _listening(address: tuple[str, int]) -> socket.socket:
    """A socket that listens at *address*. Raises CommsError."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise CommsError(f"clients cannot be listened for at {address[0]}:{address[1]}: {error.strerror}") from error
    listening.setblocking(False)
    return listening
