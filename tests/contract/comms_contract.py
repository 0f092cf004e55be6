"""What every way to reach other servers must keep to, as a class of tests to inherit.

To run your own comms through it, say how to make a connected set of them:

    class TestMyComms(CommsContract):
        def make_comms(self, servers: Sequence[ServerId]) -> Mapping[ServerId, CommsAPI]:
            return {server: MyComms(server, ...) for server in servers}  # none of them started

Everything else is inherited. Messages may be lost, so a test that waits for one sends it again until it arrives.
"""

from __future__ import annotations

import inspect
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import pytest

from raftframe import NOOP, Command, Entry
from raftframe.api.comms import CommsAPI
from raftframe.configuration import Configuration
from raftframe.entries import ServerId
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
from raftframe.sessions import Session, Sessions

SERVERS = ("s1", "s2", "s3")
PATIENCE_S = 10.0  # how long a message may take at all
AGAIN_S = 0.05  # between two tries
QUIET_S = 0.2  # how long nothing must happen, for a test to believe that nothing will

MEMBERS = Configuration(("s1", "s2"), learners=("s3",))
SESSIONS = Sessions((Session("c1", used=9, answers=((3, ("a", 1)), (4, None)), given_up=2),), some_closed=True)
ENTRIES = (Entry(1, NOOP), Entry(1, Command("c1", 1, "credit 10")), Entry(3, Command("c2", 7, ("a", 1, None))))
EXAMPLES: tuple[Message, ...] = (
    RequestVote("s1", "s2", term=3, last_log_index=2, last_log_term=1),
    RequestVoteResponse("s1", "s2", term=3, granted=True),
    AppendEntries("s1", "s2", 3, previous_index=0, previous_term=0, entries=ENTRIES, commit_index=1),
    AppendEntries("s1", "s2", 3, previous_index=4, previous_term=2, entries=(), commit_index=4),
    AppendEntriesResponse("s1", "s2", term=3, success=False, index=9),
    PreVote("s1", "s2", term=4, last_log_index=2, last_log_term=1),
    PreVoteResponse("s1", "s2", term=4, granted=True),
    RequestVote("s1", "s2", term=4, last_log_index=2, last_log_term=1, transfer=True),
    TimeoutNow("s1", "s2", term=3),
    AppendEntries("s1", "s2", 3, previous_index=0, previous_term=0, entries=(), commit_index=1, read_round=7),
    AppendEntriesResponse("s1", "s2", term=3, success=True, index=9, read_round=7),
    ReadIndex("s1", "s2", term=3, client="c1", serial=4),
    ReadIndexResponse("s1", "s2", term=3, client="c1", serial=4, success=True, index=9),
    InstallSnapshot("s1", "s2", 3, 9, 2, MEMBERS, 4, offset=0, part=("a", 1, None), done=False, read_round=7),
    InstallSnapshot("s1", "s2", 3, 9, 2, MEMBERS, 4, offset=1, part="b", done=True, sessions=SESSIONS),
    InstallSnapshotResponse("s1", "s2", term=3, installed=False, index=9, offset=1),
)


class Inbox:
    """Keeps what it receives, and on which threads."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.threads: set[int] = set()

    def __call__(self, message: Message) -> None:
        self.threads.add(threading.get_ident())
        self.messages.append(message)


def eventually(happened: Callable[[], bool], again: Callable[[], None] = lambda: None) -> bool:
    """Whether *happened*, doing *again* until it has, or until there is no patience left."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        again()
        waited = time.monotonic() + AGAIN_S
        while time.monotonic() < waited:
            if happened():
                return True
            time.sleep(0.001)
    return False


class CommsContract(ABC):
    """The contract of `raftframe.api.comms.CommsAPI`; see the module's docstring for how to use it."""

    largest_entries: ClassVar[int] = 200  # so many entries of a kilobyte fit into one message

    @abstractmethod
    def make_comms(self, servers: Sequence[ServerId]) -> Mapping[ServerId, CommsAPI]:
        """One connected way each for *servers*, not started. Called once a test; the tests stop them all."""

    @pytest.fixture
    def comms(self) -> Iterator[Mapping[ServerId, CommsAPI]]:
        """Three servers' comms, stopped at the end."""
        made = self.make_comms(SERVERS)
        yield made
        for one in made.values():
            one.stop()

    @pytest.fixture
    def inboxes(self, comms: Mapping[ServerId, CommsAPI]) -> Mapping[ServerId, Inbox]:
        """The same three, started, and what each receives."""
        inboxes = {server: Inbox() for server in comms}
        for server, inbox in inboxes.items():
            comms[server].start(inbox)
        return inboxes

    def test_it_has_the_methods_of_the_api(self, comms: Mapping[ServerId, CommsAPI]) -> None:
        """All three, with the arguments that a server calls them with."""
        assert set(comms) == set(SERVERS)
        for one in comms.values():
            assert isinstance(one, CommsAPI)
            for name, arguments in (("start", (print,)), ("send", (EXAMPLES[0],)), ("stop", ())):
                inspect.signature(getattr(one, name)).bind(*arguments)

    @pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
    def test_a_message_arrives_as_it_was_sent(
        self, comms: Mapping[ServerId, CommsAPI], inboxes: Mapping[ServerId, Inbox], message: Message
    ) -> None:
        """Equal in every field and in every field's type, at its target and nowhere else."""
        arrived = inboxes["s2"].messages

        assert eventually(lambda: bool(arrived), again=lambda: comms["s1"].send(message))
        assert set(arrived) == {message}
        assert repr(arrived[0]) == repr(message)  # 1 == True == 1.0, but they don't read alike
        assert not inboxes["s1"].messages
        assert not inboxes["s3"].messages

    def test_every_type_of_message_has_an_example_here(self) -> None:
        """A type that is added to the protocol is added to this contract."""
        assert {type(message) for message in EXAMPLES} == set(MESSAGE_TYPES)

    def test_everybody_reaches_everybody(
        self, comms: Mapping[ServerId, CommsAPI], inboxes: Mapping[ServerId, Inbox]
    ) -> None:
        """In both directions of each pair."""
        wanted = [RequestVoteResponse(a, b, 1, granted=True) for a in SERVERS for b in SERVERS if a != b]

        def send_all() -> None:
            for message in wanted:
                comms[message.source].send(message)

        assert eventually(lambda: {m for box in inboxes.values() for m in box.messages} == set(wanted), send_all)
        assert all(message.target == server for server, box in inboxes.items() for message in box.messages)

    def test_a_large_message_arrives_whole(
        self, comms: Mapping[ServerId, CommsAPI], inboxes: Mapping[ServerId, Inbox]
    ) -> None:
        """Many times the size of a datagram, and different from end to end."""
        entries = tuple(
            Entry(1, Command("c1", serial, f"{serial} " + chr(97 + serial % 26) * 1000))
            for serial in range(1, self.largest_entries + 1)
        )
        message = AppendEntries("s1", "s2", 1, 0, 0, entries, 0)

        assert eventually(lambda: bool(inboxes["s2"].messages), again=lambda: comms["s1"].send(message))
        assert inboxes["s2"].messages[0] == message

    def test_nothing_is_invented(self, comms: Mapping[ServerId, CommsAPI], inboxes: Mapping[ServerId, Inbox]) -> None:
        """Of a hundred messages, whatever arrives was sent, and some do."""
        sent = [AppendEntriesResponse("s1", "s2", 1, success=True, index=index) for index in range(100)]

        def send_all() -> None:
            for message in sent:
                comms["s1"].send(message)

        assert eventually(lambda: bool(inboxes["s2"].messages), send_all)
        assert set(inboxes["s2"].messages) <= set(sent)

    def test_messages_come_on_a_thread_of_the_comms(
        self, comms: Mapping[ServerId, CommsAPI], inboxes: Mapping[ServerId, Inbox]
    ) -> None:
        """Never within `send`: the sender's thread would run its receiver."""
        assert eventually(lambda: bool(inboxes["s2"].messages), again=lambda: comms["s1"].send(EXAMPLES[0]))
        assert threading.get_ident() not in inboxes["s2"].threads

    def test_sending_returns_at_once(self, comms: Mapping[ServerId, CommsAPI]) -> None:
        """Also when the target is busy with an earlier message."""
        busy, done = threading.Event(), threading.Event()

        def hold(_: Message) -> None:
            busy.set()
            done.wait(PATIENCE_S)

        comms["s1"].start(lambda _: None)
        comms["s2"].start(hold)
        try:
            assert eventually(busy.is_set, again=lambda: comms["s1"].send(EXAMPLES[0]))
            begun = time.monotonic()
            for _ in range(20):
                comms["s1"].send(EXAMPLES[0])
            took_s = time.monotonic() - begun
        finally:
            done.set()

        assert took_s < PATIENCE_S / 2

    def test_sending_to_nobody_is_silent(
        self, comms: Mapping[ServerId, CommsAPI], inboxes: Mapping[ServerId, Inbox]
    ) -> None:
        """To one that stopped, and to one that was never heard of."""
        comms["s3"].stop()

        comms["s1"].send(RequestVoteResponse("s1", "s3", 1, granted=True))
        comms["s1"].send(RequestVoteResponse("s1", "nobody", 1, granted=True))

        assert eventually(lambda: bool(inboxes["s2"].messages), again=lambda: comms["s1"].send(EXAMPLES[0]))

    def test_sending_while_stopped_is_silent(self, comms: Mapping[ServerId, CommsAPI]) -> None:
        """Before `start` and after `stop`: a server that winds down may still send."""
        comms["s1"].send(EXAMPLES[0])
        comms["s1"].start(lambda _: None)
        comms["s1"].stop()

        comms["s1"].send(EXAMPLES[0])

    def test_stopping_twice_is_allowed(self, comms: Mapping[ServerId, CommsAPI]) -> None:
        """And so is stopping what was never started."""
        comms["s1"].start(lambda _: None)

        for _ in range(2):
            for one in comms.values():
                one.stop()

    def test_nothing_is_received_after_stop(
        self, comms: Mapping[ServerId, CommsAPI], inboxes: Mapping[ServerId, Inbox]
    ) -> None:
        """Once `stop` has returned, *receive* is never called again, whoever goes on to send."""
        assert eventually(lambda: bool(inboxes["s2"].messages), again=lambda: comms["s1"].send(EXAMPLES[0]))
        for _ in range(50):
            comms["s1"].send(EXAMPLES[0])
        comms["s2"].stop()
        count = len(inboxes["s2"].messages)

        for _ in range(50):
            comms["s1"].send(EXAMPLES[0])
        time.sleep(QUIET_S)

        assert len(inboxes["s2"].messages) == count
