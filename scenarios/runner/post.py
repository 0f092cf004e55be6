"""Messages on their way: where each one is, who keeps it there, and which ones a pattern means.

    sent (outbox of the source) -> in-flight (the wire) -> arrived (inbox of the target) -> handled
                                         any of the three can end in: dropped

*held* is no place: a hold keeps a message from moving on, wherever on its way it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

from attrs import define, field, frozen

from raftframe import messages as msg
from scenarios.language.terms import Operator, Stage

OPERATORS: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {  # Any: the callers compare like with like
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
LIVE: Final[tuple[Stage, ...]] = ("sent", "in-flight", "arrived")
ASKS_FOR_VOTES: Final = (msg.RequestVote, msg.PreVote)
ANSWERS_WITH_VOTES: Final = (msg.RequestVoteResponse, msg.PreVoteResponse)


@define(eq=False)
class Envelope:
    """One message on its way. `number` counts all messages of a run, copies too; `due` is when the wire delivers
    it. `straight` messages answer a delivery: they go to the wire at once when their run is repeated. `delay_ms` is
    what a slow disk adds to the way.
    """

    number: int
    message: msg.Message
    stage: Stage = "sent"
    due: int = 0
    held_by: set[str] = field(factory=set)
    not_before_step: int = 0
    copy_of: int | None = None
    straight: bool = False
    delay_ms: int = 0

    @property
    def source(self) -> str:
        return self.message.source

    @property
    def target(self) -> str:
        return self.message.target

    @property
    def type(self) -> str:
        return type(self.message).__name__

    @property
    def live(self) -> bool:
        """Whether it may still be handled."""
        return self.stage in LIVE


@frozen
class Matcher:
    """A pattern with its selectors resolved. Empty and None restrict nothing; `nth` is the user's business."""

    type: str = "any"
    sources: frozenset[str] | None = None
    targets: frozenset[str] | None = None
    tests: tuple[tuple[str, Operator, object], ...] = ()
    answer: str | None = None
    nth: int | None = None
    text: str = "any message"

    def matches(self, message: msg.Message) -> bool:
        """Whether *message* is meant."""
        return (
            self._type_matches(message)
            and (self.sources is None or message.source in self.sources)
            and (self.targets is None or message.target in self.targets)
            and (self.answer is None or _answer(message) == self.answer)
            and all(self._passes(message, *test) for test in self.tests)
        )

    def _type_matches(self, message: msg.Message) -> bool:
        name = type(message).__name__
        match self.type:
            case "any":
                return True
            case "Heartbeat":
                return isinstance(message, msg.AppendEntries) and not message.entries
            case "HeartbeatResponse":
                return name == "AppendEntriesResponse"
        return name == self.type

    @staticmethod
    def _passes(message: msg.Message, name: str, compare: Operator, value: object) -> bool:
        actual = measure(message, name)
        return actual is not None and OPERATORS[compare](actual, value)


def measure(message: msg.Message, name: str) -> int | None:
    """The number that a pattern's test is about; None if *message* has none.

    `index` is the last log index of a RequestVote or PreVote, the previous index of an AppendEntries, the index of its
    response, and of a snapshot its last.
    """
    match name, message:
        case "term", _:
            return message.term
        case "entries", msg.AppendEntries():
            return len(message.entries)
        case "commit", msg.AppendEntries():
            return message.commit_index
        case "index", msg.AppendEntries():
            return message.previous_index
        case "index", msg.RequestVote() | msg.PreVote():
            return message.last_log_index
        case (
            "index",
            msg.AppendEntriesResponse()
            | msg.ReadIndexResponse()
            | msg.InstallSnapshot()
            | msg.InstallSnapshotResponse(),
        ):
            return message.index
    return None


def _answer(message: msg.Message) -> str | None:
    match message:
        case (
            msg.RequestVoteResponse(granted=yes)
            | msg.PreVoteResponse(granted=yes)
            | msg.AppendEntriesResponse(success=yes)
            | msg.ReadIndexResponse(success=yes)
            | msg.InstallSnapshotResponse(installed=yes)
        ):
            return "grant" if yes else "reject"
    return None


@define
class Hold:
    """A standing order to keep matches where they are; `caught` counts them."""

    name: str
    matcher: Matcher
    line: int
    caught: int = 0


@define(eq=False)
class Post:
    """Every message of a run. `live` has those on their way, in the order in which they would be delivered."""

    everything: list[Envelope] = field(factory=list)
    live: list[Envelope] = field(factory=list)
    holds: dict[str, Hold] = field(factory=dict)
    holds_ended: list[Hold] = field(factory=list)
    _over: dict[Stage, list[Envelope]] = field(factory=lambda: {"handled": [], "dropped": []})
    _counted: dict[tuple[Matcher, Stage | None], tuple[int, int]] = field(factory=dict)

    def put(self, message: msg.Message, *, copy_of: Envelope | None = None, straight: bool = False) -> Envelope:
        """A new message, in its source's outbox; a copy is where its original is, right behind it."""
        envelope = Envelope(len(self.everything) + 1, message, straight=straight)
        self.everything.append(envelope)
        if copy_of is None:
            self.live.append(envelope)
        else:
            envelope.copy_of, envelope.stage, envelope.due = copy_of.number, copy_of.stage, copy_of.due
            self.live.insert(self.live.index(copy_of) + 1, envelope)
        for hold in self.holds.values():
            self._catch(hold, envelope)
        return envelope

    def end(self, envelope: Envelope, stage: Stage) -> None:
        """*envelope* was handled or dropped."""
        envelope.stage = stage
        self.live.remove(envelope)
        self._over[stage].append(envelope)

    def hold(self, hold: Hold) -> None:
        """From now on until the release, keep what matches."""
        self.holds[hold.name] = hold
        for envelope in self.live:
            self._catch(hold, envelope)

    def release(self, name: str) -> None:
        """End the hold *name*."""
        self.holds_ended.append(self.holds.pop(name))
        for envelope in self.live:
            envelope.held_by.discard(name)

    def matching(self, matcher: Matcher, *, held: bool = True) -> list[Envelope]:
        """The live matches, oldest first, `nth` applied; without those *held*, if so asked."""
        found = [e for e in self.live if matcher.matches(e.message) and (held or not e.held_by)]
        if matcher.nth is not None:
            return found[matcher.nth - 1 : matcher.nth]
        return found

    def count(self, matcher: Matcher, stage: Stage | None) -> int:
        """How many matches are at *stage*; None: how many were ever sent."""
        if stage in LIVE or stage == "held":
            there = (e for e in self.live if (e.held_by if stage == "held" else e.stage == stage))
            number = sum(matcher.matches(e.message) for e in there)
        else:
            number = self._count_of_all(matcher, stage)
        return number if matcher.nth is None else int(number >= matcher.nth)

    def _count_of_all(self, matcher: Matcher, stage: Stage | None) -> int:
        """A count that only grows: goes on where it was when last asked, since `run until` asks after every step."""
        messages = self.everything if stage is None else self._over[stage]
        seen, number = self._counted.get((matcher, stage), (0, 0))
        number += sum(matcher.matches(e.message) for e in islice(messages, seen, None))
        self._counted[matcher, stage] = len(messages), number
        return number

    def of(self, server: str, stage: Stage) -> list[Envelope]:
        """The outbox ("sent"), the incoming wire ("in-flight") or the inbox ("arrived") of *server*."""
        if stage == "sent":
            return [e for e in self.live if e.stage == stage and e.source == server]
        return [e for e in self.live if e.stage == stage and e.target == server]

    @staticmethod
    def _catch(hold: Hold, envelope: Envelope) -> None:
        if hold.matcher.matches(envelope.message):
            hold.caught += 1
            envelope.held_by.add(hold.name)
