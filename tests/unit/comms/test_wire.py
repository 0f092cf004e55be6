"""Values, entries and messages become bytes and come back as they were; anything else is refused."""

from __future__ import annotations

import struct
from typing import Any

import attrs
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_app import Credit, Debit, Query
from raftframe import NOOP, Command, Configuration, Entry
from raftframe.comms.wire import DEEPEST, MESSAGE_TAGS, MOST, Codec, WireError
from raftframe.messages import (
    MESSAGE_TYPES,
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
)
from raftframe.server_state import Snapshot
from raftframe.sessions import NO_SESSIONS, Session, Sessions

CODEC = Codec([Credit, Debit, Query])

plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(1 << 200), 1 << 200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
objects = st.builds(Credit, st.integers()) | st.builds(Debit, st.integers()) | st.just(Query())
values = st.recursive(plain | objects, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=12)
commands = st.builds(Command, st.text(max_size=8), st.integers(1, MOST), values)
numbers = st.integers(0, MOST)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    """Any configuration, joint ones too."""
    names = draw(st.lists(st.text(max_size=5), min_size=1, max_size=8, unique=True))
    one, two = sorted((draw(st.integers(1, len(names))), draw(st.integers(1, len(names)))))
    outgoing = tuple(names[1:two])
    next_learners = draw(st.sampled_from([(), tuple(name for name in outgoing if name not in names[:one])]))
    return Configuration(
        tuple(names[:one]), outgoing, tuple(names[two:]), next_learners, bool(outgoing) and draw(st.booleans())
    )


@st.composite
def sessions(draw: st.DrawFn) -> Sessions:
    """A table with any clients, and answers of any kind."""
    clients = sorted(draw(st.lists(st.text(max_size=5), max_size=3, unique=True)))
    table = []
    for client in clients:
        serials = sorted(draw(st.lists(st.integers(1, MOST), min_size=1, max_size=3, unique=True)))
        answers = tuple((serial, draw(values)) for serial in serials)
        table.append(Session(client, draw(numbers), answers, draw(numbers)))
    return Sessions(tuple(table), draw(st.booleans()))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """A message of any type that `problem_with` has nothing against."""
    source, target = draw(st.lists(st.text(max_size=5), min_size=2, max_size=2, unique=True))
    terms = sorted(draw(st.lists(st.integers(1, MOST), min_size=2, max_size=6)))
    index = draw(st.integers(1, MOST))
    match draw(st.sampled_from(MESSAGE_TYPES)).__name__:
        case "RequestVote":
            return RequestVote(source, target, terms[-1], index, terms[0], draw(st.booleans()))
        case "PreVote":
            return PreVote(source, target, terms[-1], index, terms[0])
        case "PreVoteResponse":
            return PreVoteResponse(source, target, terms[0], draw(st.booleans()))
        case "TimeoutNow":
            return TimeoutNow(source, target, terms[0])
        case "RequestVoteResponse":
            return RequestVoteResponse(source, target, terms[0], draw(st.booleans()))
        case "AppendEntries":
            entries = tuple(Entry(term, draw(st.just(NOOP) | commands | configurations())) for term in terms[1:-1])
            return AppendEntries(source, target, terms[-1], index, terms[0], entries, draw(numbers), draw(numbers))
        case "AppendEntriesResponse":
            return AppendEntriesResponse(source, target, terms[0], draw(st.booleans()), index, draw(numbers))
        case "ReadIndex":
            return ReadIndex(source, target, terms[0], draw(st.text(max_size=5)), index)
        case "ReadIndexResponse":
            return ReadIndexResponse(
                source, target, terms[0], "c1", draw(st.integers(1, MOST)), draw(st.booleans()), index
            )
        case "InstallSnapshot":
            done = draw(st.booleans())
            table = draw(sessions()) if done else NO_SESSIONS
            place = (index, terms[0], draw(configurations()), draw(st.integers(0, index)), draw(numbers))
            return InstallSnapshot(source, target, terms[-1], *place, draw(values), done, draw(numbers), table)
        case "InstallSnapshotResponse":
            return InstallSnapshotResponse(source, target, terms[0], draw(st.booleans()), index, draw(numbers))
    raise AssertionError("a type of message without a strategy")


@given(values)
def test_a_value_comes_back(value: Any) -> None:
    """Equal, and of the same types to the bottom: 1 == True == 1.0, but they don't read alike."""
    back = CODEC.decode_value(CODEC.encode_value(value))

    assert back == value
    assert repr(back) == repr(value)


@given(messages())
def test_a_message_comes_back(message: Message) -> None:
    """Every type, with all that its entries can hold."""
    back = CODEC.decode_message(CODEC.encode_message(message))

    assert back == message
    assert repr(back) == repr(message)


@given(numbers, numbers, st.lists(values, min_size=1, max_size=3), sessions(), configurations())
def test_a_snapshot_comes_back(
    index: int, term: int, parts: list[Any], table: Sessions, members: Configuration
) -> None:
    """As it does from disk, part by part."""
    snapshot = Snapshot(index, term, tuple(parts), table, members, index)

    data = CODEC.encode_snapshot(snapshot)

    assert len(data) == 1 + len(parts)
    assert repr(CODEC.decode_snapshot(data)) == repr(snapshot)


@given(st.just(NOOP) | commands, st.integers(1, MOST))
def test_an_entry_comes_back(command: Any, term: int) -> None:
    """As it does from disk."""
    entry = Entry(term, command)

    assert CODEC.decode_entry(CODEC.encode_entry(entry)) == entry
    assert command is NOOP or CODEC.problem_with(command) is None


@given(messages(), messages())
def test_different_messages_have_different_bytes(one: Message, other: Message) -> None:
    """What is told apart here is told apart there."""
    assert (CODEC.encode_message(one) == CODEC.encode_message(other)) == (repr(one) == repr(other))


def test_every_type_of_message_has_a_tag() -> None:
    """A new type gets a new one, at the end."""
    assert set(MESSAGE_TAGS.values()) == set(MESSAGE_TYPES)
    assert list(MESSAGE_TAGS) == sorted(MESSAGE_TAGS)


@given(st.binary())
def test_noise_is_refused_with_a_wire_error(data: bytes) -> None:
    """And with nothing else."""
    for decode in (CODEC.decode_message, CODEC.decode_entry, CODEC.decode_value):
        try:
            decode(data)
        except WireError:
            continue


@pytest.mark.parametrize(
    ("taken", "message"),
    [
        ({}, "an array .* is wanted here, not a dict"),
        ([], "an array with something in it"),
        (5, "an array .* is wanted here, not a int"),
        (["1", "s1", "s2", 3, True], "a message's tag is a whole number"),
        ([True, "s1", "s2", 3, 0, 0], "a message's tag is a whole number"),
        ([99, "s1", "s2", 3, True], "no type of message has the tag 99"),
        ([2, "s1", "s2", 3], "a RequestVoteResponse has 4 attributes, not 3"),
        ([4, "s1", "s2", 3, True, 9, 0], "what has its default is left out"),
        ([2, "s1", "s2", 3, True, 0], "a RequestVoteResponse has 4 attributes, not 5"),
        ([2, "s1", "s2", 3, 1], "granted is True or False, not 1"),
        ([2, "s1", "s2", True, True], "term is a whole number"),
        ([2, "s1", "s2", 0, True], "term 0 is before the first election"),
        ([2, "s1", "s2", MOST + 1, True], "beyond what can be stored"),
        ([2, "s1", "s1", 3, True], "s1 sent it to itself"),
        ([2, ["s1"], "s2", 3, True], "source is a server's name"),
        ([3, "s1", "s2", 3, 0, 0, "entries", 0], "entries come in an array"),
        ([3, "s1", "s2", 3, 0, 0, [[]], 0], "an array with something in it"),
        ([3, "s1", "s2", 3, 0, 0, [[4]], 0], "fall, or leave"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c"]], 0], "an entry has 1 part, 4 or 6, not 2"),
        ([3, "s1", "s2", 3, 0, 0, [[3, [], [], [], [], False]], 0], "a configuration has at least one voter"),
        ([3, "s1", "s2", 3, 0, 0, [[3, ["b", "a"], [], [], [], False]], 0], "are sorted"),
        ([3, "s1", "s2", 3, 0, 0, [[3, ["a"], [], [], [], 0]], 0], "true or false"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "ab", [], [], [], False]], 0], "four arrays of names"),
        ([3, "s1", "s2", 3, 0, 0, [[3, ["a"], [], ["a"], [], False]], 0], "voter and learner at once"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 0, None]], 0], "a client counts its requests from 1"),
        ([3, "s1", "s2", 3, 0, 0, [[3, 7, 1, None]], 0], "a client's name is text"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, ["Transfer", 5]]], 0], "no class 'Transfer' was given to Codec"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, ["Credit"]]], 0], "a Credit has 1 attributes, not 0"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, ["os.system", "true"]]], 0], "no class 'os.system'"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, [1, 2]]], 0], "an array begins with 0 or with a class's name"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, {"a": 1}]], 0], "is wanted here, not a dict"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, msgpack.Timestamp(1)]], 0], "is wanted here, not a Timestamp"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, msgpack.ExtType(9, b"x")]], 0], "is no large number"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, msgpack.ExtType(1, b"\x05")]], 0], "is written shorter"),
        ([3, "s1", "s2", 3, 0, 0, [[3, "c", 1, float("nan")]], 0], "a NaN equals nothing"),
    ],
)
def test_what_is_not_a_message_is_refused(taken: object, message: str) -> None:
    """Msgpack it is, but nothing that encoding would ever produce."""
    with pytest.raises(WireError, match=message):
        CODEC.decode_message(msgpack.packb(taken))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgpack.packb([2, "s1", "s2", 3, True]) + b"\x00",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 5000,
        b"\xa1\xff",
    ],
    ids=["nothing", "unused byte", "bytes left over", "endless array", "deep array", "no UTF-8"],
)
def test_what_is_not_msgpack_is_refused(data: bytes) -> None:
    """Without an attempt to make sense of the rest."""
    with pytest.raises(WireError):
        CODEC.decode_message(data)


def nested(depth: int) -> tuple[Any, ...]:
    """Tuples in tuples."""
    value: tuple[Any, ...] = ()
    for _ in range(depth - 1):
        value = (value,)
    return value


@attrs.frozen
class Transfer:
    """An operation that refuses some of its attributes."""

    amount: int = attrs.field(validator=attrs.validators.gt(0))


class Label(str):
    """A text that is more than a text."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (frozenset({1}), "a frozenset is neither a plain value nor of a class"),
        (Label("a"), "a Label is neither"),
        (Transfer(1), "a Transfer is neither"),
        (float("nan"), "a NaN equals nothing"),
        ("\ud800", "msgpack cannot hold it"),
        (nested(DEEPEST + 1), f"more than {DEEPEST} deep"),
        (1 << 9000, "a whole number has at most 1024 bytes"),
        ([1], "an operation is an immutable value"),
        ("x" * (1 << 20), "1048576 are allowed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_sent_is_said_before_it_enters_a_log(operation: Any, message: str) -> None:
    """A leader that took it could never get rid of it."""
    problem = CODEC.problem_with(Command("c1", 1, operation))

    assert problem is not None
    assert message in problem


def test_depth_is_the_same_both_ways() -> None:
    """What can be sent can be received."""
    value = nested(DEEPEST)

    assert CODEC.decode_value(CODEC.encode_value(value)) == value


def test_a_class_that_refuses_its_attributes_is_the_senders_mistake() -> None:
    """Whatever its validators raise becomes a WireError."""
    codec = Codec([Transfer])
    forged = codec.encode_value(Transfer(1))[:-1] + b"\x00"

    with pytest.raises(WireError, match="Transfer refuses its attributes: ValueError"):
        codec.decode_value(forged)


@attrs.frozen(kw_only=True)
class Keyword:
    """Not positional."""

    amount: int


@attrs.define
class Mutable:
    """Cannot be hashed."""

    amount: int


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([int], "int is no attrs class"),
        ([Keyword], "Keyword takes no positional argument amount|Keyword does not take amount"),
        ([Mutable], "Mutable cannot be hashed"),
        ([Credit, Credit], "two classes are called Credit"),
        ({"a": Credit, "b": Credit}, "Credit has two names"),
    ],
)
def test_classes_that_cannot_be_registered(classes: Any, message: str) -> None:
    """The error comes when the codec is made, not with the first operation."""
    with pytest.raises(ValueError, match=message):
        Codec(classes)


def test_a_mapping_names_classes() -> None:
    """The name is what is on the wire, so another class may take it over there."""
    data = Codec({"put": Credit}).encode_value(Credit(5))

    assert b"put" in data
    assert Codec({"put": Debit}).decode_value(data) == Debit(5)
    assert repr(Codec([Query, Credit])) == "Codec(['Credit', 'Query'])"


def test_the_bytes_are_pinned() -> None:
    """Logs on disk hold them: a change of them is a change of the format's version."""
    message = AppendEntries("s1", "s2", 3, 0, 0, (Entry(1, NOOP), Entry(3, Command("c", 1, (Credit(5), 1 << 64)))), 1)

    assert CODEC.encode_message(message).hex() == (
        "9803a27331a273320300009291019403a16301930092a643726564697405c70901" + "01" + struct.pack(">Q", 0).hex() + "01"
    )
