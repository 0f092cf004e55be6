"""The messages between servers (Raft figure 2), and what makes one malformed."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import pairwise
from typing import TypeAlias

from attrs import fields, frozen

from raftframe.configuration import Configuration
from raftframe.entries import ClientId, Entry, Index, ServerId, Term, is_whole_number, problem_with_entry
from raftframe.sessions import NO_SESSIONS, Sessions


@frozen
class RequestVote:
    """A candidate asks for a vote. `last_log_*` describe the end of its log (§5.4.1). `transfer`: the leader itself has
    told it to stand, so nobody owes that leader loyalty (dissertation §4.2.3).
    """

    source: ServerId
    target: ServerId
    term: Term
    last_log_index: Index
    last_log_term: Term
    transfer: bool = False


@frozen
class RequestVoteResponse:
    """The answer to a RequestVote, in the voter's term."""

    source: ServerId
    target: ServerId
    term: Term
    granted: bool


@frozen
class PreVote:
    """A pre-candidate asks who would vote for it in *term*, the one after its own (dissertation §9.6). Nobody is in
    that term yet, so nobody follows into it.
    """

    source: ServerId
    target: ServerId
    term: Term
    last_log_index: Index
    last_log_term: Term


@frozen
class PreVoteResponse:
    """The answer to a PreVote: if granted, in the term that was asked for, where nobody is yet; else in the voter's."""

    source: ServerId
    target: ServerId
    term: Term
    granted: bool


@frozen
class AppendEntries:
    """The leader replicates *entries*, which follow the entry (previous_index, previous_term); empty ones are
    heartbeats. `read_round` numbers the latest round of heartbeats that reads wait for (dissertation §6.4); 0: none.
    """

    source: ServerId
    target: ServerId
    term: Term
    previous_index: Index
    previous_term: Term
    entries: tuple[Entry, ...]
    commit_index: Index
    read_round: int = 0

    @property
    def last_index(self) -> Index:
        """The index of the last entry that this message vouches for, carried or previous."""
        return self.previous_index + len(self.entries)


@frozen
class AppendEntriesResponse:
    """The answer to an AppendEntries, in the follower's term.

    On success `index` is the last index at which the follower's log is known to equal the leader's. On rejection it is
    the previous_index that did not match, so that the leader can tell a late rejection from a fresh one; 0 when the
    term was stale. `read_round` is that of the request: whoever answers, success or not, took its sender for the
    leader of the term. With the option `reject_hint`, a rejection also names an entry: the last one of the follower's,
    at or before that index, whose term is not later than the term that did not match; 0 and 0 if it has none.
    """

    source: ServerId
    target: ServerId
    term: Term
    success: bool
    index: Index
    read_round: int = 0
    hint_index: Index = 0
    hint_term: Term = 0


@frozen
class TimeoutNow:
    """The leader hands its office over to *target*, whose log is complete: it is to stand at once (dissertation
    §3.10).
    """

    source: ServerId
    target: ServerId
    term: Term


@frozen
class ReadIndex:
    """A follower asks its leader from which index on it may answer request *serial* of *client*, which only reads
    (dissertation §6.4)."""

    source: ServerId
    target: ServerId
    term: Term
    client: ClientId
    serial: int


@frozen
class ReadIndexResponse:
    """The answer to a ReadIndex. On success the read may be answered once `index` is applied; otherwise its sender does
    not lead, and `index` is 0."""

    source: ServerId
    target: ServerId
    term: Term
    client: ClientId
    serial: int
    success: bool
    index: Index


@frozen
class InstallSnapshot:
    """The leader sends one part of its snapshot, whose last entry is (index, last_term), to a follower that needs
    entries which the leader has no more (Raft §7).

    offset, part: the number of the part, from 0, and the part itself.
    done, sessions: the last part comes with what is remembered of clients.
    configuration, configuration_index: the one in effect at *index*, and where it stood in the log.
    read_round: as in AppendEntries, in whose place it comes.
    """

    source: ServerId
    target: ServerId
    term: Term
    index: Index
    last_term: Term
    configuration: Configuration
    configuration_index: Index
    offset: int
    part: Hashable
    done: bool
    read_round: int = 0
    sessions: Sessions = NO_SESSIONS


@frozen
class InstallSnapshotResponse:
    """The answer to an InstallSnapshot of the snapshot that ends at *index*, in the follower's term.

    installed: whether the follower has now all that is committed up to there, from this snapshot or by other means. If
    not, `offset` is the number of the part that it wants next. `index` is 0 when the term was stale.
    """

    source: ServerId
    target: ServerId
    term: Term
    installed: bool
    index: Index
    offset: int = 0
    read_round: int = 0


Request: TypeAlias = RequestVote | PreVote | AppendEntries | TimeoutNow | ReadIndex | InstallSnapshot
Response: TypeAlias = (
    RequestVoteResponse | PreVoteResponse | AppendEntriesResponse | ReadIndexResponse | InstallSnapshotResponse
)
Message: TypeAlias = Request | Response
Acknowledgement: TypeAlias = AppendEntriesResponse | InstallSnapshotResponse
MESSAGE_TYPES: tuple[type[Message], ...] = (
    RequestVote,
    RequestVoteResponse,
    AppendEntries,
    AppendEntriesResponse,
    PreVote,
    PreVoteResponse,
    TimeoutNow,
    ReadIndex,
    ReadIndexResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
)


def is_of_a_term_to_come(message: Message) -> bool:
    """Whether *message* speaks of a term that its sender is not in: pre-votes do, until they are refused."""
    return isinstance(message, PreVote) or (isinstance(message, PreVoteResponse) and message.granted)


def problem_with(message: object) -> str | None:
    """What makes *message* malformed on its own, or None. A malformed message is the peer's mistake: dropped and
    counted. A peer may send anything, so no field's type is taken for granted.
    """
    if not isinstance(message, MESSAGE_TYPES):
        return f"a {type(message).__name__} is not a message of Raft"
    return _problem_with_types(message) or _problem_with_values(message)


def _problem_with_types(message: Message) -> str | None:
    for name in (attribute.name for attribute in fields(type(message))):
        value = getattr(message, name)
        match name:
            case "source" | "target":
                fits, kind = isinstance(value, str), "a server's name"
            case "client":
                fits, kind = isinstance(value, str), "a client's name"
            case "granted" | "success" | "transfer" | "done" | "installed":
                fits, kind = isinstance(value, bool), "True or False"
            case "entries":
                fits, kind = isinstance(value, tuple), "a tuple"
            case "configuration":
                fits, kind = isinstance(value, Configuration), "a configuration"
            case "sessions":
                fits, kind = isinstance(value, Sessions), "a table of sessions"
            case "part":
                fits, kind = _is_hashable(value), "an immutable value that can be hashed"
            case _:
                fits, kind = is_whole_number(value) and value >= 0, "a whole number, 0 or more"
        if not fits:
            return f"{name} is {kind}, not {value!r}"
    return None


def _problem_with_values(message: Message) -> str | None:
    if message.source == message.target:
        return f"{message.source} sent it to itself"
    if message.term < 1:
        return f"term {message.term} is before the first election"
    match message:
        case RequestVote() | PreVote():
            return _problem_with_log_end(message.last_log_index, message.last_log_term, message.term)
        case AppendEntries():
            return _problem_with_entries(message)
        case AppendEntriesResponse():
            return _problem_with_log_end(message.hint_index, message.hint_term, message.term)
        case InstallSnapshot():
            return _problem_with_snapshot(message)
        case ReadIndex() | ReadIndexResponse() if message.serial < 1:
            return f"a client counts its requests from 1, so none is {message.serial}"
    return None


def _problem_with_log_end(index: Index, term: Term, limit: Term) -> str | None:
    if (index == 0) != (term == 0):
        return f"index {index} cannot have term {term}"
    return f"an entry of term {term} is newer than the message's term {limit}" if term > limit else None


def _problem_with_entries(message: AppendEntries) -> str | None:
    for entry in message.entries:
        problem = problem_with_entry(entry)
        if problem is not None:
            return problem
    terms = (message.previous_term, *(entry.term for entry in message.entries), message.term)
    if any(earlier > later for earlier, later in pairwise(terms)):
        return f"the entries' terms {terms[1:-1]} fall, or leave {message.previous_term}..{message.term}"
    return _problem_with_log_end(message.previous_index, message.previous_term, message.term)


def _problem_with_snapshot(message: InstallSnapshot) -> str | None:
    if message.index < 1:
        return "a snapshot ends with an entry, the first of which is 1"
    if message.configuration_index > message.index:
        return f"a configuration at {message.configuration_index} is behind the snapshot, which ends at {message.index}"
    if message.sessions != NO_SESSIONS and not message.done:
        return "the sessions come with the last part"
    return _problem_with_log_end(message.index, message.last_term, message.term)


def _is_hashable(value: object) -> bool:
    try:
        frozenset([value])  # takes exactly what can be hashed, to the bottom
    except TypeError:
        return False
    return True
