"""What is malformed is dropped, whatever it is made of (messages between servers, Raft figure 2)."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from raftframe import NOOP, Command, Entry, ServerState
from raftframe.events import MessageReceived
from raftframe.marks import Mark
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
    problem_with,
)

from .support import (
    append,
    candidate,
    follower,
    heard,
    leader,
    pre_candidate,
    pre_vote,
    pre_voted,
    read_from,
    read_index,
    rejected,
    request_vote,
    sent,
    stored,
    take,
    timeout_now,
    vote,
)

GOOD: list[Message] = [
    request_vote(term=2, last=(1, 1)),
    request_vote(term=1, last=(0, 0)),
    vote(term=2),
    vote(term=2, granted=False),
    append(term=2),
    append(1, 2, 2, term=2, previous=(3, 1), commit=9),
    stored(3, term=2),
    rejected(3, term=2),
    pre_vote(term=3, last=(1, 1)),
    pre_voted(term=3),
    pre_voted(term=2, granted=False),
    evolve(request_vote(term=2, last=(1, 1)), transfer=True),
    timeout_now(term=2),
    heard(4, 3, term=2),
    read_index(term=2),
    read_from(3, term=2),
    read_from(0, term=2, success=False),
]
SERVERS = [
    follower(1, 1, term=2),
    candidate(1, term=2),
    leader(1, 2, term=2),
    follower(1, term=3, commit=1),
    pre_candidate(1, term=2),
]


@pytest.mark.parametrize("message", GOOD, ids=lambda message: type(message).__name__)
def test_a_message_that_makes_sense_has_no_problem(message: Message) -> None:
    """Also one that is surprising, as long as some history leads to it."""
    assert problem_with(message) is None


Loose: Any = Command  # as a peer in another language may fill it
BAD: list[tuple[object, str]] = [
    (request_vote(term=0), "term 0 is before the first election"),
    (request_vote("s1"), "s1 sent it to itself"),
    (request_vote(term=2, last=(1, 0)), "index 1 cannot have term 0"),
    (request_vote(term=2, last=(0, 1)), "index 0 cannot have term 1"),
    (request_vote(term=2, last=(1, 3)), "an entry of term 3 is newer than the message's term 2"),
    (request_vote(term=2, last=(-1, 1)), "last_log_index is a whole number, 0 or more, not -1"),
    (pre_vote(term=2, last=(1, 3)), "an entry of term 3 is newer than the message's term 2"),
    (pre_voted(granted=0), "granted is True or False, not 0"),  # type: ignore[arg-type]
    (evolve(request_vote(), transfer=None), "transfer is True or False, not None"),  # type: ignore[arg-type]
    (timeout_now(term=0), "term 0 is before the first election"),
    (vote(granted=1), "granted is True or False, not 1"),  # type: ignore[arg-type]
    (vote(term=True), "term is a whole number, 0 or more, not True"),
    (vote(term=1.0), "term is a whole number, 0 or more, not 1.0"),  # type: ignore[arg-type]
    (append(term=2, previous=(1, 3)), "the entries' terms"),
    (append(2, 1, term=2), "the entries' terms"),
    (append(3, term=2), "the entries' terms"),
    (append(1, term=2, previous=(1, 2)), "the entries' terms"),
    (append(term=2, previous=(1, 0)), "index 1 cannot have term 0"),
    (append(commit=-1), "commit_index is a whole number, 0 or more, not -1"),
    (append(0), "an entry's term is that of an election, so none is 0"),
    (evolve(append(), entries=[]), "entries is a tuple, not []"),  # type: ignore[arg-type]
    (evolve(append(), entries=(Entry(1, "x"),)), "a str is not a command"),  # type: ignore[arg-type]
    (evolve(append(), entries=((1, NOOP),)), "a tuple is not an entry"),  # type: ignore[arg-type]
    (evolve(append(), entries=(Entry(1, Loose("c1", 1, {})),)), "an operation is an immutable value"),
    (stored(-1), "index is a whole number, 0 or more, not -1"),
    (evolve(stored(1), success="yes"), "success is True or False, not 'yes'"),  # type: ignore[arg-type]
    (evolve(stored(1), source=None), "source is a server's name, not None"),  # type: ignore[arg-type]
    (evolve(append(), read_round=-1), "read_round is a whole number, 0 or more, not -1"),
    (evolve(read_index(), client=7), "client is a client's name, not 7"),  # type: ignore[arg-type]
    (read_index(serial=0), "a client counts its requests from 1, so none is 0"),
    (read_from(1, serial=0), "a client counts its requests from 1, so none is 0"),
    (None, "a NoneType is not a message of Raft"),
    ("RequestVote", "a str is not a message of Raft"),
]


@pytest.mark.parametrize(("message", "problem"), BAD, ids=[problem for _message, problem in BAD])
def test_a_message_that_makes_none_says_why(message: object, problem: str) -> None:
    """The field, the value, and what it should be."""
    assert (problem_with(message) or "").startswith(problem)


@pytest.mark.parametrize("message", [message for message, _problem in BAD], ids=[problem for _message, problem in BAD])
@pytest.mark.parametrize("before", SERVERS[:3], ids=lambda state: str(state.role))
def test_a_malformed_message_is_dropped(before: ServerState, message: Any) -> None:
    """Nothing changes, nobody is answered, and it is counted by its mark: it is the peer's mistake."""
    step = take(before, MessageReceived(message))

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.DROPPED_MALFORMED,))


@pytest.mark.parametrize(
    "message",
    [
        request_vote("s9", term=9),
        request_vote("s2", term=9, target="s3"),
        append(1, source="s9", term=9),
        vote("s9", term=9, granted=False),
    ],
    ids=["from a stranger", "for somebody else", "a stranger's entries", "a stranger's term"],
)
def test_a_message_that_is_none_of_its_business_is_dropped(message: Message) -> None:
    """Not even its term is believed."""
    before = leader(1, term=2)
    step = take(before, message)

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.DROPPED_MALFORMED,))


# Whatever a peer may send

garbage = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 6),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.sampled_from(["s1", "s2", "s9", NOOP, (), (Entry(1, NOOP),), Command("c", 1, "x"), object()]),
    st.lists(st.integers(-1, 3), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
commands = st.one_of(
    st.just(NOOP),
    st.builds(Command, st.just("c1"), st.integers(0, 3), st.just("x")),
    st.builds(Command, garbage, garbage, garbage),
    garbage,
)
some_entries = st.one_of(st.builds(Entry, st.one_of(st.integers(0, 4), garbage), commands), garbage)
some_fields: dict[str, st.SearchStrategy[Any]] = {
    "source": st.one_of(st.just("s2"), garbage),
    "target": st.one_of(st.just("s1"), garbage),
    "granted": st.one_of(st.booleans(), garbage),
    "success": st.one_of(st.booleans(), garbage),
    "entries": st.one_of(st.lists(some_entries, max_size=3).map(tuple), garbage),
}
plausible = {
    **{name: st.integers(0, 4) for name in ("term", "index", "previous_index", "previous_term", "commit_index")},
    "last_log_index": st.integers(0, 4),
    "last_log_term": st.integers(0, 4),
    "source": st.sampled_from(["s2", "s3"]),
    "target": st.just("s1"),
    "granted": st.booleans(),
    "success": st.booleans(),
    "entries": st.lists(st.builds(Entry, st.integers(1, 4), st.just(NOOP)), max_size=3).map(tuple),
}


def messages_of(parts: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Messages of every type, made of *parts*; what is not named there is a number or garbage."""
    number = st.one_of(st.integers(-1, 4), garbage)
    kinds = [
        st.builds(kind, **{a.name: parts.get(a.name, number) for a in attrs.fields(kind)}) for kind in MESSAGE_TYPES
    ]
    return st.one_of(*kinds)


def nearly_good() -> st.SearchStrategy[Any]:
    """A good message with one field replaced by garbage."""
    return st.builds(
        lambda message, which, value: evolve(message, **{_names(message)[which % len(_names(message))]: value}),
        st.sampled_from(GOOD),
        st.integers(0, 9),
        garbage,
    )


def _names(message: Message) -> list[str]:
    return [attribute.name for attribute in attrs.fields(type(message))]


@settings(deadline=None)
@given(st.sampled_from(SERVERS), st.one_of(messages_of(some_fields), nearly_good(), garbage))
def test_no_message_raises(before: ServerState, message: Any) -> None:
    """Garbage in any field: the step is taken, and what was dropped has changed nothing."""
    step = take(before, MessageReceived(message))

    hash(step)
    if Mark.DROPPED_MALFORMED in step.marks:
        assert (step.state.durable, step.effects) == (before.durable, ()) or step.state.term > before.term
    else:
        assert problem_with(message) is None


@settings(deadline=None)
@given(st.data())
def test_no_sequence_of_plausible_messages_raises(data: st.DataObject) -> None:
    """Well-typed, but from peers that don't follow the rules: a server's own bookkeeping stays in order."""
    state = data.draw(st.sampled_from(SERVERS))
    for _ in range(data.draw(st.integers(1, 8))):
        before, step = state, take(state, data.draw(messages_of(plausible)))
        state = step.state

        assert state.term >= before.term
        assert state.commit_index >= before.commit_index
        assert state.applied_index == state.commit_index <= state.log.last_index
        assert state.log.last_term <= state.term
        assert state.log.starts_with(before.log.up_to(before.commit_index))
        assert all(problem_with(message) is None for message in sent(step))


def test_the_messages() -> None:
    """Requests and responses of the two remote calls of figure 2, of pre-votes, the order to take over, reads at
    followers, and snapshots.
    """
    of_figure_2 = {RequestVote, RequestVoteResponse, AppendEntries, AppendEntriesResponse}
    of_snapshots = {InstallSnapshot, InstallSnapshotResponse}
    others = {PreVote, PreVoteResponse, TimeoutNow, ReadIndex, ReadIndexResponse}
    assert set(MESSAGE_TYPES) == of_figure_2 | of_snapshots | others
    assert append(1, 1, previous=(2, 1)).last_index == 4
