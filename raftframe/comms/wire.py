"""Values, entries and messages as bytes, and back: what is sent between servers, and what is stored on disk.

Everything is msgpack, in this shape; `[...]` is a msgpack array, and there are no maps:

    value       nil, true, false, float, text, bytes, and whole numbers from -2**63 to 2**64 - 1: as msgpack has them
                ext 1      a whole number outside of that: two's complement, big-endian, as short as it can be
                [0, ...]   a tuple of values
                ["C", ...] an object of the class registered as "C": the values of its attributes, in their order
    entry       [term]                             a no-op
                [term, client, serial, value]      a command
                [term, voters, outgoing, learners, next_learners, auto_leave]   a configuration: names in arrays
    message     [tag, attribute ...]               attributes in their order; `entries` as an array of entries; at the
                                                   end, those that have their default are left out

An array's first element says what it is, so a tuple can't be taken for an object. No name in the bytes is looked up
outside of the classes that the application registered: decoding calls their constructors and nothing else, which is why
this is no pickle.

Decoding is strict. What encoding would never produce raises `WireError`: another number of attributes, True for 1, a
longer form of a large number, bytes left over, and what `messages.problem_with` finds wrong. The one freedom left is
msgpack's own, to write a small number in a long form. Bytes from the network reach this module only after their sender
has proven that it has the cluster's key (`frames`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import attrs
import msgpack

from raftframe.configuration import Configuration
from raftframe.entries import NOOP, Command, Entry, problem_with_command, problem_with_entry
from raftframe.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    Message,
    PreVote,
    PreVoteResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
    problem_with,
)
from raftframe.server_state import Snapshot
from raftframe.sessions import NO_SESSIONS, Session, Sessions

DEEPEST: Final = 32  # a value in a value in a value ...
LARGEST_OPERATION_BYTES: Final = 1 << 20
MOST: Final = (1 << 63) - 1  # for terms and indexes: what every store can hold
LONGEST_NUMBER_BYTES: Final = 1024

MESSAGE_TAGS: Final[Mapping[int, type[Message]]] = {
    1: RequestVote,
    2: RequestVoteResponse,
    3: AppendEntries,
    4: AppendEntriesResponse,
    5: PreVote,
    6: PreVoteResponse,
    7: TimeoutNow,
    8: ReadIndex,
    9: ReadIndexResponse,
    10: InstallSnapshot,
    11: InstallSnapshotResponse,
}
"""A tag is never given to another type, not even when its own is gone."""

_TAGS: Final = {kind: tag for tag, kind in MESSAGE_TAGS.items()}
_ATTRIBUTES: Final = {kind: tuple(a.name for a in attrs.fields(kind)) for kind in MESSAGE_TAGS.values()}
_DEFAULTS: Final = {
    kind: tuple(a.default for a in attrs.fields(kind) if a.default is not attrs.NOTHING)
    for kind in MESSAGE_TAGS.values()
}
_PLAIN: Final = frozenset({type(None), bool, str, bytes})
_ARRAY_OF_4: Final = b"\x94"
_SMALL_BYTES: Final = 1024  # with the next, 4 MB at most
_MOST_REMEMBERED: Final = 4096
_TUPLE: Final = 0
_LARGE_NUMBER: Final = 1
_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1  # what msgpack itself can hold


class WireError(Exception):
    """These bytes are not what they should be, or this value has no bytes. The message says why."""


class Codec:
    """Turns values, entries and messages into bytes and back. Threads may share it: it never changes, but for a memory
    of the bytes of small commands, which a leader needs for each follower and for its store.

    *classes* are the application's own, besides plain values: attrs classes that are frozen, by name, or as a mapping
    when two share a name. A name, once used, stays with its class, since logs on disk use it. Raises ValueError for a
    class that cannot be taken apart and put together again.
    """

    def __init__(
        self,
        classes: Iterable[type] | Mapping[str, type] = (),
        *,
        largest_operation_bytes: int = LARGEST_OPERATION_BYTES,
    ) -> None:
        if largest_operation_bytes < 1:
            raise ValueError(f"largest_operation_bytes is 1 or more, not {largest_operation_bytes}")
        self._largest = largest_operation_bytes
        self._classes = _by_name(classes)
        self._names = {kind: name for name, kind in self._classes.items()}
        self._attributes = {kind: tuple(a.name for a in attrs.fields(kind)) for kind in self._names}
        self._commands: dict[int, tuple[Command, bytes]] = {}  # by id: the same object, not an equal one

    def __repr__(self) -> str:
        return f"Codec({sorted(self._classes)})"

    def problem_with(self, command: Command) -> str | None:
        """Why *command* could not be sent or stored, or None. Ask before it enters a log: one that is in it must be
        sent.
        """
        problem = problem_with_command(command)
        if problem is not None:
            return problem
        try:
            size = len(_ARRAY_OF_4) + 1 + len(self._command_bytes(command))  # with a term of one byte
        except WireError as error:
            return str(error)
        return None if size <= self._largest else f"it has {size} bytes, {self._largest} are allowed"

    def encode_value(self, value: Hashable) -> bytes:
        """The bytes of *value*. Raises WireError if it is neither plain nor of a registered class."""
        return _pack(self._taken_apart(value, DEEPEST))

    def decode_value(self, data: bytes) -> Hashable:
        """The value of *data*, equal to what was encoded and of the same types. Raises WireError."""
        return self._put_together(_unpack(data), DEEPEST)

    def encode_entry(self, entry: Entry) -> bytes:
        """The bytes of *entry*. Raises WireError if its operation has none."""
        command = entry.command
        if not isinstance(command, Command):
            return _pack(self._entry_apart(entry))
        return _ARRAY_OF_4 + _pack(entry.term) + self._command_bytes(command)

    def decode_entry(self, data: bytes) -> Entry:
        """The entry of *data*. Raises WireError."""
        entry = self._entry_together(_unpack(data))
        problem = problem_with_entry(entry)
        if problem is not None:
            raise WireError(problem)
        return entry

    def encode_message(self, message: Message) -> bytes:
        """The bytes of *message*. Raises WireError if an operation in it has none."""
        kind = type(message)
        if kind not in _TAGS:
            raise WireError(f"a {kind.__name__} has no tag in MESSAGE_TAGS")
        values = [getattr(message, name) for name in _ATTRIBUTES[kind]]
        if isinstance(message, InstallSnapshot):
            values = self._part_apart(message, values)
        needed = _needed(kind, values)
        if kind is AppendEntries:
            at = _ATTRIBUTES[kind].index("entries")
            entries = self._entries_bytes(values[at])
            before, after = _elements([_TAGS[kind], *values[:at]]), _elements(values[at + 1 : needed])
            return b"".join((_array_header(1 + needed), before, _array_header(len(values[at])), entries, after))
        return _pack([_TAGS[kind], *values[:needed]])

    def decode_message(self, data: bytes) -> Message:
        """The message of *data*, which is one that `messages.problem_with` has nothing against. Raises WireError."""
        tag, *values = _array(_unpack(data))
        kind = MESSAGE_TAGS.get(_number(tag, "a message's tag"))
        if kind is None:
            raise WireError(f"no type of message has the tag {tag}")
        names = _ATTRIBUTES[kind]
        if not len(names) - len(_DEFAULTS[kind]) <= len(values) <= len(names):
            raise WireError(f"a {kind.__name__} has {len(names)} attributes, not {len(values)}")
        if _needed(kind, values) != len(values):
            raise WireError(f"at the end of a {kind.__name__}, what has its default is left out")
        if kind is AppendEntries:
            at = names.index("entries")
            if type(values[at]) is not tuple:
                raise WireError("entries come in an array")
            values[at] = tuple(self._entry_together(entry) for entry in values[at])
        if kind is InstallSnapshot:
            values = self._part_together(values)
        if any(
            type(value) is int and value > MOST and name != "part" for name, value in zip(names, values, strict=False)
        ):
            raise WireError("a term or an index is beyond what can be stored")
        message = cast(Callable[..., Message], kind)(*values)
        problem = problem_with(message)
        if problem is not None:
            raise WireError(problem)
        return message

    def encode_snapshot(self, snapshot: Snapshot) -> tuple[bytes, ...]:
        """The bytes of *snapshot*: first those of all but its parts, then those of each part. Raises WireError if
        something in it has none.
        """
        sessions = self._sessions_apart(snapshot.sessions)
        place = [snapshot.last_index, snapshot.last_term, snapshot.configuration_index]
        about = _pack([*place, [*attrs.astuple(snapshot.configuration)], sessions])
        return about, *(self.encode_value(part) for part in snapshot.parts)

    def decode_snapshot(self, data: Sequence[bytes]) -> Snapshot:
        """The snapshot of *data*, as `encode_snapshot` gave it. Raises WireError."""
        about, *parts = data
        values = _array(_unpack(about))
        if len(values) != 5 or not parts:
            raise WireError("a snapshot has an index, a term, a configuration, its index, sessions, and parts")
        last_index, last_term, configuration_index = (_number(value, "what places a snapshot") for value in values[:3])
        joined = tuple(self.decode_value(part) for part in parts)
        sessions = self._sessions_together(values[4])
        configuration = _configuration(_array(values[3]))
        return Snapshot(last_index, last_term, joined, sessions, configuration, configuration_index)

    def _part_apart(self, message: InstallSnapshot, values: list[Any]) -> list[Any]:
        """*values* of *message*, with those taken apart that are no plain ones."""
        names = _ATTRIBUTES[InstallSnapshot]
        values[names.index("configuration")] = [*attrs.astuple(message.configuration)]
        values[names.index("part")] = self._taken_apart(message.part, DEEPEST)
        if message.sessions != NO_SESSIONS:
            values[names.index("sessions")] = self._sessions_apart(message.sessions)
        return values

    def _part_together(self, values: list[Any]) -> list[Any]:
        """`_part_apart` backwards; what comes last may be missing, if it has its default."""
        names = _ATTRIBUTES[InstallSnapshot]
        at, part, sessions = names.index("configuration"), names.index("part"), names.index("sessions")
        values[at] = _configuration(_array(values[at]))
        values[part] = self._put_together(values[part], DEEPEST)
        if sessions < len(values):
            values[sessions] = self._sessions_together(values[sessions])
            if values[sessions] == NO_SESSIONS:
                raise WireError("at the end of an InstallSnapshot, what has its default is left out")
        return values

    def _sessions_apart(self, sessions: Sessions) -> list[object]:
        """Whether some were closed, then each session: its client, its numbers, and its answers."""
        table = [
            [
                session.client,
                session.used,
                session.given_up,
                *([serial, self._taken_apart(answer, DEEPEST)] for serial, answer in session.answers),
            ]
            for session in sessions.table
        ]
        return [sessions.some_closed, *table]

    def _sessions_together(self, taken: object) -> Sessions:
        some_closed, *table = _array(taken)
        sessions = tuple(self._session_together(_array(one)) for one in table)
        clients = [session.client for session in sessions]
        if type(some_closed) is not bool or clients != sorted(set(clients)):
            raise WireError("a table of sessions has each client once, in order, and says whether some were closed")
        return Sessions(sessions, some_closed)

    def _session_together(self, parts: tuple[Any, ...]) -> Session:
        if len(parts) < 4 or type(parts[0]) is not str:
            raise WireError("a session has a client's name, two numbers, and answers")
        used, given_up = _number(parts[1], "an index"), _number(parts[2], "a serial")
        pairs = [_array(pair) for pair in parts[3:]]
        if any(len(pair) != 2 for pair in pairs):
            raise WireError("an answer comes with its serial")
        answers = tuple((_number(serial, "a serial"), self._put_together(one, DEEPEST)) for serial, one in pairs)
        serials = [serial for serial, _ in answers]
        if serials != sorted(set(serials)):
            raise WireError("the answers of a session are in the order of their serials")
        return Session(parts[0], used, answers, given_up)

    def _entry_apart(self, entry: Entry) -> list[object]:
        command = entry.command
        if isinstance(command, Configuration):
            return [entry.term, *attrs.astuple(command)]
        return [entry.term]

    def _entries_bytes(self, entries: Iterable[Entry]) -> bytes:
        """The bytes of *entries*, one behind the other. A leader makes those of most for the second time, so this does
        without a call for each.
        """
        term, begun, known = 0, b"", self._commands
        parts: list[bytes] = []
        for entry in entries:
            if entry.term != term:
                term, begun = entry.term, _ARRAY_OF_4 + _pack(entry.term)
            remembered = known.get(id(entry.command))
            if remembered is not None and remembered[0] is entry.command:
                parts += (begun, remembered[1])
            else:
                parts.append(self.encode_entry(entry))
        return b"".join(parts)

    def _command_bytes(self, command: Command) -> bytes:
        """The elements of an entry that are its command's."""
        known = self._commands.get(id(command))
        if known is not None and known[0] is command:
            return known[1]
        elements = _elements([command.client, command.serial, self._taken_apart(command.operation, DEEPEST)])
        if len(elements) <= _SMALL_BYTES:
            if len(self._commands) >= _MOST_REMEMBERED:
                self._commands.clear()
            self._commands[id(command)] = command, elements
        return elements

    def _entry_together(self, taken: object) -> Entry:
        """The entry of *taken*, which its caller has still to judge by `problem_with_entry`."""
        parts = _array(taken)
        term = _number(parts[0], "a term")
        if len(parts) == 4:
            _, client, serial, operation = parts
            return Entry(term, Command(client, _number(serial, "a serial"), self._put_together(operation, DEEPEST)))
        if len(parts) == 1:
            return Entry(term, NOOP)
        if len(parts) == 6:
            return Entry(term, _configuration(parts[1:]))
        raise WireError(f"an entry has 1 part, 4 or 6, not {len(parts)}")

    # The application's own values are of any type: object is the boundary.
    def _taken_apart(self, value: object, depth: int) -> object:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is int:
            return _number_apart(cast(int, value))
        if kind is float:
            return _comparable(cast(float, value))
        if depth == 0:
            raise WireError(f"values lie in values more than {DEEPEST} deep")
        if kind is tuple:
            return [_TUPLE, *self._each_apart(cast(tuple[object, ...], value), depth - 1)]
        name = self._names.get(kind)
        if name is None:
            raise WireError(
                f"a {kind.__name__} is neither a plain value nor of a class that was given to Codec(classes=...)"
            )
        parts = [getattr(value, part) for part in self._attributes[kind]]
        return [name, *self._each_apart(parts, depth - 1)]

    def _each_apart(self, values: Iterable[object], depth: int) -> list[object]:
        """Each of *values* taken apart; most are plain, and need no call."""
        return [value if type(value) in _PLAIN else self._taken_apart(value, depth) for value in values]

    def _put_together(self, taken: object, depth: int) -> Hashable:
        kind = type(taken)
        if kind in _PLAIN or kind is int:
            return taken
        if kind is float:
            return _comparable(cast(float, taken))
        if kind is msgpack.ExtType:
            return _number_together(cast(msgpack.ExtType, taken))
        if depth == 0:
            raise WireError(f"values lie in values more than {DEEPEST} deep")
        tag, *parts = _array(taken)
        values = [part if type(part) in _PLAIN else self._put_together(part, depth - 1) for part in parts]
        if type(tag) is str:
            return self._object(tag, values)
        if type(tag) is not int or tag != _TUPLE:
            raise WireError(f"an array begins with 0 or with a class's name, not with {tag!r:.40}")
        return tuple(values)

    def _object(self, name: str, values: list[Hashable]) -> Hashable:
        kind = self._classes.get(name)
        if kind is None:
            raise WireError(f"no class {name[:40]!r} was given to Codec(classes=...)")
        if len(values) != len(self._attributes[kind]):
            raise WireError(f"a {name} has {len(self._attributes[kind])} attributes, not {len(values)}")
        try:
            made: Hashable = kind(*values)
        except Exception as error:  # the application's validators raise what they like
            raise WireError(f"{name} refuses its attributes: {error!r:.200}") from error
        return made


def _by_name(classes: Iterable[type] | Mapping[str, type]) -> dict[str, type]:
    """*classes* by the name that stands for each in the bytes. Raises ValueError."""
    pairs = list(classes.items()) if isinstance(classes, Mapping) else [(kind.__name__, kind) for kind in classes]
    for name, kind in pairs:
        if not attrs.has(kind):
            raise ValueError(f"{name} is no attrs class: decorate it with @attrs.frozen")
        unset = [a.name for a in attrs.fields(kind) if not a.init or a.kw_only]
        if unset:
            raise ValueError(
                f"{name} does not take {', '.join(unset)} as a positional argument: it could not be rebuilt"
            )
        if kind.__hash__ is None:
            raise ValueError(f"{name} cannot be hashed: decorate it with @attrs.frozen")
    names, kinds = [name for name, _ in pairs], [kind for _, kind in pairs]
    for twice in (name for name in names if names.count(name) > 1):
        raise ValueError(f"two classes are called {twice}: give Codec a mapping with a name for each")
    for again in (kind.__name__ for kind in kinds if kinds.count(kind) > 1):
        raise ValueError(f"{again} has two names: give it one")
    return dict(pairs)


def _needed(kind: type[Message], values: list[Any]) -> int:
    """How many of the first *values* of a message are sent: those behind them have their defaults."""
    defaults, first = _DEFAULTS[kind], len(_ATTRIBUTES[kind]) - len(_DEFAULTS[kind])
    count = len(values)
    while count > first and values[count - 1] == defaults[count - 1 - first]:
        count -= 1
    return count


def _configuration(parts: tuple[Any, ...]) -> Configuration:
    """The configuration that *parts* are, written as encoding writes it, or WireError."""
    if len(parts) != 5:
        raise WireError(f"a configuration has 5 parts, not {len(parts)}")
    voters, outgoing, learners, next_learners, auto_leave = parts
    groups = (voters, outgoing, learners, next_learners)
    named = all(type(group) is tuple and all(type(name) is str for name in group) for group in groups)
    if not named or type(auto_leave) is not bool:
        raise WireError("a configuration has four arrays of names, and true or false")
    try:
        configuration = Configuration(voters, outgoing, learners, next_learners, auto_leave)
    except ValueError as error:
        raise WireError(f"no configuration: {error!s:.200}") from error
    if attrs.astuple(configuration) != parts:
        raise WireError("the names of a configuration are sorted")
    return configuration


def _pack(taken: object) -> bytes:
    try:
        return cast(bytes, msgpack.packb(taken, use_bin_type=True))
    except (ValueError, OverflowError, TypeError) as error:  # a lone surrogate in a text, something of 4 GB
        raise WireError(f"msgpack cannot hold it: {error!s:.200}") from error


def _array_header(length: int) -> bytes:
    """What is before the elements of an array."""
    return cast(bytes, msgpack.Packer().pack_array_header(length))


def _elements(values: Sequence[object]) -> bytes:
    """The bytes of *values*, fewer than 16, without the header of an array."""
    return _pack(values)[1:]


def _unpack(data: bytes) -> object:
    try:
        return msgpack.unpackb(data, use_list=False, raw=False, strict_map_key=True)
    except Exception as error:  # msgpack raises a dozen types, all of which mean this
        raise WireError(f"not msgpack: {type(error).__name__}") from error


def _array(taken: object) -> tuple[Any, ...]:
    """*taken*, which is an array of at least one element, or WireError."""
    if type(taken) is not tuple or not taken:
        raise WireError(f"an array with something in it is wanted here, not a {type(taken).__name__}")
    return taken


def _number(taken: object, what: str) -> int:
    """*taken*, which is a whole number from 0 to `MOST`, or WireError."""
    if type(taken) is not int or not 0 <= taken <= MOST:
        raise WireError(f"{what} is a whole number from 0 to {MOST}, not {taken!r:.40}")
    return taken


def _comparable(value: float) -> float:
    """*value*, unless it is not a number: that equals nothing, so logs that hold it could not be compared."""
    if math.isnan(value):
        raise WireError("a NaN equals nothing, not even itself: it can be no part of a log")
    return value


def _number_apart(value: int) -> object:
    if _LOWEST <= value <= _HIGHEST:
        return value
    data = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    if len(data) > LONGEST_NUMBER_BYTES:
        raise WireError(f"a whole number has at most {LONGEST_NUMBER_BYTES} bytes, not {len(data)}")
    return msgpack.ExtType(_LARGE_NUMBER, data)


def _number_together(taken: msgpack.ExtType) -> int:
    if taken.code != _LARGE_NUMBER or len(taken.data) > LONGEST_NUMBER_BYTES:
        raise WireError(f"an extension {taken.code} of {len(taken.data)} bytes is no large number")
    value = int.from_bytes(taken.data, "big", signed=True)
    if _LOWEST <= value <= _HIGHEST or len(taken.data) != value.bit_length() // 8 + 1:
        raise WireError("a large number is written shorter, or is none")
    return value
