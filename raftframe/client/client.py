"""A client of a cluster: finds the leader, follows redirects, retries, and never applies a command twice.

What "exactly once" means here
------------------------------
A command is named by its client and a serial number, and is sent again only while it is certain that it has not entered
a log: the server could not be reached, said that another leads, or refused it. Once it was handed to a server that
does not answer (a crash, a lost connection, no answer in time, an office lost), it may or may not take effect, now or
later. Servers that keep no sessions cannot tell a repetition from a new command: to send it again could apply it twice.
`ask` then returns `Unknown`, and never repeats it, unless *repeatable* says that the operation changes nothing.

Servers with the option `sessions` (dissertation §6.3; `raftframe.sessions`) remember what they have applied, and answer
a repetition as they answered the first. A client of such servers is given an *opening*, an operation that changes
nothing. It is the first command under the client's name, so that from the second on a server knows for certain whether
one was applied. Every operation may then be sent again, until there is an answer or no time. If the session has been
closed in the meantime, for others that needed the room, the client opens another, under another name.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from types import TracebackType
from typing import Final, Self

from attrs import define, field

from raftframe.client.requests import (
    Answer,
    Request,
    RequestError,
    Response,
    Standing,
    StatusAsked,
    Unavailable,
    request_bytes,
    response_from,
)
from raftframe.client.stream import ClientStream, Credentials, StreamError
from raftframe.comms.keys import ClusterKey
from raftframe.comms.wire import Codec
from raftframe.effects import Done, Expired, Outcome, Redirected, Refused, Unknown
from raftframe.entries import ClientId, Command, ServerId

TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 1.0
REPEAT_AFTER_S: Final = 1.0  # how long an answer to a repeatable operation is waited for, before another is asked
PAUSE_S: Final = 0.02  # between two servers that cannot help
_READ_BYTES: Final = 1 << 16


def nothing_is_repeatable(operation: Hashable) -> bool:
    """Without sessions, no operation whose outcome is unknown is sent again."""
    return False


def everything_is_repeatable(operation: Hashable) -> bool:
    """With sessions, a server knows a repetition when it sees one."""
    return True


class _NotSent(Exception):
    """The request has certainly not reached a server. The message says why."""


class _Lost(Exception):
    """The request may have reached the server, and there is no answer."""


@define(eq=False)
class _Connection:
    """A connection to one server. Blocking, with a deadline for each call."""

    socket: socket.socket
    stream: ClientStream
    responses: list[Response] = field(factory=list)

    @property
    def stale(self) -> bool:
        """Whether the server has hung up, or said something that nobody asked for: then ask on a new connection."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def read(self, codec: Codec, end_s: float) -> None:
        """Take in what arrives next. Raises OSError, StreamError, RequestError."""
        self.socket.settimeout(max(0.001, end_s - time.monotonic()))
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise StreamError("it hung up")
        reply, payloads = self.stream.feed(data)
        if reply:
            self.socket.sendall(reply)
        self.responses += [response_from(payload, codec) for payload in payloads]


class Client:
    """One client of the servers at *addresses* (their UDP addresses; see `raftframe.client`).

    name: names the client's commands, together with serials that it counts itself: no two clients, and no two lives of
    one, may share it. By default it is random.
    repeatable: which operations may be sent again after an unknown outcome; see the module.
    opening: opens a session of servers that keep sessions, and makes every operation repeatable.

    Threads may share a client; it does one thing at a time.
    """

    def __init__(
        self,
        addresses: Mapping[ServerId, tuple[str, int]],
        *,
        cluster: str,
        key: ClusterKey,
        codec: Codec,
        name: ClientId | None = None,
        repeatable: Callable[[Hashable], bool] = nothing_is_repeatable,
        opening: Hashable | None = None,
    ) -> None:
        if not addresses:
            raise ValueError("a client needs the address of at least one server")
        self.name = name if name is not None else f"client-{secrets.token_hex(8)}"
        self.leader: ServerId | None = None  # as far as known
        self._addresses, self._codec, self._opening = dict(addresses), codec, opening
        self._repeatable = repeatable if opening is None else everything_is_repeatable
        self._first_name, self._lives = self.name, 1
        self._credentials = Credentials(cluster, key)
        self._connections: dict[ServerId, _Connection] = {}
        self._serial = 0
        self._busy = threading.Lock()

    def __repr__(self) -> str:
        return f"Client({self.name} of {', '.join(self._addresses)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def serial(self) -> int:
        """The serial of the last command, which `name` and this name in the log; 0 before the first."""
        return self._serial

    def ask(self, operation: Hashable, *, timeout_s: float = TIMEOUT_S) -> Outcome:
        """What became of *operation*: `Done` with the application's answer; `Refused`: it will never take effect, as
        the reason says (nobody leads, or the application refuses such operations); `Unknown`: it may or may not.

        Returns within *timeout_s* seconds, or little more. Raises RequestError if the codec doesn't know *operation*.
        """
        with self._busy:
            request_bytes(Command(self.name, 1, operation), self._codec)  # raises before anything is sent
            end_s = time.monotonic() + timeout_s
            while True:
                refusal = self._open_session(end_s, timeout_s)
                if refusal is not None:
                    return refusal
                asking = self._asking(operation, end_s)
                outcome = asking.outcome(timeout_s)
                if not isinstance(outcome, Expired):
                    return outcome
                self._begin_another_life()
                if asking.lost:
                    return Unknown()

    def _asking(self, operation: Hashable, end_s: float) -> _Asking:
        self._serial += 1
        command = Command(self.name, self._serial, operation)
        return _Asking(self, command, request_bytes(command, self._codec), end_s)

    def _open_session(self, end_s: float, timeout_s: float) -> Refused | None:
        """Make sure that the servers know this client, if they are to; why they don't, if they don't."""
        if self._opening is None or self._serial > 0:
            return None
        outcome = self._asking(self._opening, end_s).outcome(timeout_s)
        if isinstance(outcome, Done):
            return None
        self._begin_another_life()
        if isinstance(outcome, Refused):
            return outcome
        return Refused(f"no session was opened in {timeout_s:g} s: the cluster took the command and did not answer")

    def _begin_another_life(self) -> None:
        """From now on under a name that no server knows."""
        self._lives += 1
        self.name, self._serial = f"{self._first_name}.{self._lives}", 0

    def status(self, server: ServerId, *, timeout_s: float = TIMEOUT_S) -> Standing | None:
        """How *server* says that it stands; None if it does not answer. Raises KeyError for an unknown server."""
        self._addresses[server]
        with self._busy:
            payload = request_bytes(StatusAsked(), self._codec)
            try:
                answer = self._exchange(
                    server, StatusAsked(), payload, time.monotonic() + timeout_s, time.monotonic() + timeout_s
                )
            except (_NotSent, _Lost):
                return None
        return answer if isinstance(answer, Standing) else None

    def close(self) -> None:
        """Hang up everywhere. A closed client connects again when it is asked."""
        for server in list(self._connections):
            self._hang_up(server)

    # For _Asking

    def _server_after(self, server: ServerId | None) -> ServerId:
        """The next server to try."""
        names = list(self._addresses)
        return names[0] if server is None else names[(names.index(server) + 1) % len(names)]

    def _exchange(
        self, server: ServerId, request: Request, payload: bytes, connect_end_s: float, end_s: float
    ) -> Response:
        """The response of *server* to *request*, whose bytes are *payload*. Raises _NotSent or _Lost."""
        connection = self._connected(server, min(connect_end_s, time.monotonic() + CONNECT_TIMEOUT_S))
        try:
            connection.socket.settimeout(max(0.001, end_s - time.monotonic()))
            connection.socket.sendall(connection.stream.seal(payload))
            while True:
                while connection.responses:
                    response = connection.responses.pop(0)
                    if _answers(response, request):
                        return response
                connection.read(self._codec, end_s)
        except (OSError, StreamError, RequestError) as error:
            self._hang_up(server)
            raise _Lost(f"{server}: {error}") from error

    def _connected(self, server: ServerId, end_s: float) -> _Connection:
        """An acquainted connection to *server*. Raises _NotSent."""
        known = self._connections.get(server)
        if known is not None:
            if not known.stale:
                return known
            self._hang_up(server)
        try:
            patience_s = max(0.001, end_s - time.monotonic())
            opened = socket.create_connection(self._addresses[server], timeout=patience_s)
        except OSError as error:
            raise _NotSent(f"{server}: {error.strerror or error}") from error
        connection = _Connection(opened, ClientStream(self._credentials))
        self._connections[server] = connection
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not connection.stream.acquainted:
                connection.read(self._codec, end_s)
        except (OSError, StreamError, RequestError) as error:
            self._hang_up(server)
            raise _NotSent(f"{server}: {error}") from error
        return connection

    def _hang_up(self, server: ServerId) -> None:
        connection = self._connections.pop(server, None)
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.socket.close()


@define(eq=False)
class _Asking:
    """One command on its way to whoever leads."""

    client: Client
    command: Command
    payload: bytes
    end_s: float
    problems: dict[ServerId, str] = field(factory=dict)  # why each server could not help, when it was last asked
    lost: bool = False  # an earlier attempt of this repeatable operation may have taken effect

    def outcome(self, timeout_s: float) -> Outcome:
        """Ask one server after the other until there is an answer, or no time."""
        server: ServerId | None = self.client.leader or self.client._server_after(None)
        while server is not None and time.monotonic() < self.end_s:
            try:
                answer = self._attempt(server)
            except _NotSent as error:
                self.problems[server] = str(error)
                server = self._next(server)
            except _Lost:
                if not self.client._repeatable(self.command.operation):
                    self.client.leader = None
                    return Unknown()
                self.lost = True
                server = self._next(server)
            else:
                if isinstance(answer, Done):
                    self.client.leader = server
                    return answer
                if isinstance(answer, Expired):
                    return answer
                if isinstance(answer, Refused):  # this attempt; an earlier one may have entered the log
                    return Unknown() if self.lost else answer
                server = self._elsewhere(server, answer)
        return Unknown() if self.lost else self._nobody(timeout_s)

    def _attempt(self, server: ServerId) -> Outcome | Unavailable:
        end_s = self.end_s
        if self.client._repeatable(self.command.operation):
            end_s = min(end_s, time.monotonic() + REPEAT_AFTER_S)
        response = self.client._exchange(server, self.command, self.payload, self.end_s, end_s)
        assert isinstance(response, Answer)
        if isinstance(response.outcome, Unknown):
            raise _Lost(f"{server} lost its office")
        return response.outcome

    def _elsewhere(self, server: ServerId, answer: Outcome | Unavailable) -> ServerId:
        """Where to go after an answer that is not the last word."""
        match answer:
            case Redirected(leader) if leader is not None and leader != server and leader in self.client._addresses:
                self.problems[server] = f"{server}: {leader} leads"
                if self.client.leader == leader:  # we came from there: let them settle it
                    self._pause()
                self.client.leader = leader
                return leader
            case Unavailable(reason):
                self.problems[server] = f"{server}: {reason}"
            case _:
                self.problems[server] = f"{server}: knows of no leader"
        return self._next(server)

    def _next(self, server: ServerId) -> ServerId:
        self.client.leader = None
        self._pause()
        return self.client._server_after(server)

    def _pause(self) -> None:
        time.sleep(max(0.0, min(PAUSE_S, self.end_s - time.monotonic())))

    def _nobody(self, timeout_s: float) -> Refused:
        about = "; ".join(self.problems.values()) or "there was no time to ask"
        return Refused(f"no leader was found in {timeout_s:g} s ({about})")


def _answers(response: Response, request: Request) -> bool:
    """Whether *response* is the one to *request*, not a late one to an earlier request."""
    if isinstance(request, StatusAsked):
        return isinstance(response, Standing)
    return isinstance(response, Answer) and (response.client, response.serial) == (request.client, request.serial)
