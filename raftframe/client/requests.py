"""What clients ask and servers answer, as values and as bytes. The bytes are tuples in the encoding of `comms.wire`:

("ask", client, serial, operation)           a command
("status",)                                  how does the server stand?

("done", client, serial, answer)             committed and applied
("refused", client, serial, reason)          never entered the log
("redirected", client, serial, leader)       never entered the log; leader is a name or nil
("unavailable", client, serial, reason)      never entered the log, because of this server's state: ask another
("unknown", client, serial)                  it may take effect, or may have
("expired", client, serial)                  it does not take effect now, and may have; the session is to be opened anew
("status", identity, phase, role, term, leader, commit index, applied index, last index)
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, TypeAlias

from attrs import frozen

from raftframe.comms.wire import Codec, WireError
from raftframe.effects import Done, Expired, Outcome, Redirected, Refused, Unknown
from raftframe.entries import ClientId, Command, Index, ServerId, Term
from raftframe.server import ServerStatus

LONGEST_CLIENT_NAME: Final = 128


class RequestError(Exception):
    """These bytes are no request, or no reply, or have no bytes to be."""


@frozen
class Unavailable:
    """The command never entered the log, because of the state that the server is in; another may take it."""

    reason: str


@frozen
class Answer:
    """What became of the command that (client, serial) names."""

    client: ClientId
    serial: int
    outcome: Outcome | Unavailable


@frozen
class StatusAsked:
    """How does the server stand?"""


@frozen
class Standing:
    """How a server stands, as told to clients."""

    identity: ServerId
    phase: str
    role: str
    term: Term
    leader: ServerId | None
    commit_index: Index
    applied_index: Index
    last_index: Index

    @classmethod
    def of(cls, status: ServerStatus) -> Standing:
        """The part of *status* that clients are told."""
        return cls(
            status.identity,
            str(status.phase),
            str(status.role),
            status.term,
            status.leader,
            status.commit_index,
            status.applied_index,
            status.last_index,
        )

    def __str__(self) -> str:
        leader = f", led by {self.leader}" if self.leader else ""
        return (
            f"{self.identity} {self.phase}: {self.role} of term {self.term}{leader}, log to {self.last_index},"
            f" committed {self.commit_index}, applied {self.applied_index}"
        )


Request: TypeAlias = Command | StatusAsked
Response: TypeAlias = Answer | Standing


def request_bytes(request: Request, codec: Codec) -> bytes:
    """The payload of *request*. Raises RequestError if the codec doesn't know its operation."""
    if isinstance(request, StatusAsked):
        return _encoded(("status",), codec)
    return _encoded(("ask", request.client, request.serial, request.operation), codec)


def request_from(payload: bytes, codec: Codec) -> Request:
    """The request of *payload*. Raises RequestError."""
    match _decoded(payload, codec):
        case ("status",):
            return StatusAsked()
        case ("ask", client, serial, operation):
            command = Command(client, serial, operation)
            problem = codec.problem_with(command)
            if problem is None and len(client) > LONGEST_CLIENT_NAME:
                problem = f"a client's name has at most {LONGEST_CLIENT_NAME} characters"
            if problem is not None:
                raise RequestError(problem)
            return command
    raise RequestError("it is no request")


def response_bytes(response: Response, codec: Codec) -> bytes:
    """The payload of *response*. An answer that the codec doesn't know is told as Unknown: the command was applied, but
    what came of it cannot be said.
    """
    if isinstance(response, Standing):
        return _encoded(("status", *_fields(response)), codec)
    name = (response.client, response.serial)
    try:
        return _encoded(_worded(response.outcome, name), codec)
    except RequestError:
        return _encoded(("unknown", *name), codec)


def response_from(payload: bytes, codec: Codec) -> Response:
    """The response of *payload*. Raises RequestError."""
    match _decoded(payload, codec):
        case ("status", *fields) if len(fields) == 8:
            return Standing(*fields)
        case (str(kind), str(client), int(serial), *rest):
            return Answer(client, serial, _outcome(kind, rest))
    raise RequestError("it is no response")


def _worded(outcome: Outcome | Unavailable, name: tuple[ClientId, int]) -> tuple[Hashable, ...]:
    match outcome:
        case Done(answer):
            return ("done", *name, answer)
        case Refused(reason):
            return ("refused", *name, reason)
        case Redirected(leader):
            return ("redirected", *name, leader)
        case Unavailable(reason):
            return ("unavailable", *name, reason)
        case Unknown():
            return ("unknown", *name)
        case Expired():
            return ("expired", *name)


def _outcome(kind: str, rest: list[Any]) -> Outcome | Unavailable:
    match kind, rest:
        case "done", [answer]:
            return Done(answer)
        case "refused", [str(reason)]:
            return Refused(reason)
        case "redirected", [str() | None as leader]:
            return Redirected(leader)
        case "unavailable", [str(reason)]:
            return Unavailable(reason)
        case "unknown", []:
            return Unknown()
        case "expired", []:
            return Expired()
    raise RequestError(f"a response says {kind!r:.40}, which is no outcome")


def _fields(standing: Standing) -> tuple[Hashable, ...]:
    return (
        standing.identity,
        standing.phase,
        standing.role,
        standing.term,
        standing.leader,
        standing.commit_index,
        standing.applied_index,
        standing.last_index,
    )


def _encoded(value: tuple[Hashable, ...], codec: Codec) -> bytes:
    try:
        return codec.encode_value(value)
    except WireError as error:
        raise RequestError(str(error)) from error


def _decoded(payload: bytes, codec: Codec) -> Any:  # of any type: what the other side has sent
    try:
        return codec.decode_value(payload)
    except WireError as error:
        raise RequestError(str(error)) from error
