"""Writes a run that breaks a property as a scenario file: the loop's last arc.

The file replays the run event by event, in the words a person would use, and ends by expecting the property that
fell. So it fails today, and guards against the bug once that is mended. A message is named by type, channel and
term; `nth` is added only where several match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from attrs import field, frozen

from checker.explore import Failure
from checker.minimise import minimise, violation_finder
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import RaftServer, RaftSystem
from checker.replay import AnyProperty, Properties
from checker.system import Bounds, Message
from checker.trace import Violation
from checker.world import (
    DROPS,
    DUPLICATES,
    Delivery,
    Drop,
    Duplicate,
    LocalEvent,
    Rules,
    Transition,
    World,
    WorldEvent,
)
from raftframe import messages as msg

COMMENT_COLUMN = 56


@frozen(kw_only=True)
class Counterexample:
    """A run of `rules`' system, and what it breaks. `headers` are written as they are, after the title
    (`state_map`, `options`, `minimised` ...).
    """

    rules: Rules
    events: tuple[WorldEvent, ...]
    violation: Violation
    headers: Mapping[str, str] = field(factory=dict)

    def __str__(self) -> str:
        """The text of the scenario file."""
        return "\n".join([*_header(self), "", *_given(self), *_steps(self), _expectation(self)]) + "\n"


def _header(example: Counterexample) -> Iterator[str]:
    yield f"scenario: counterexample - {example.violation.property} - {example.violation.reason}"
    yield "format: 1"
    written = {"tags": "counterexample", **example.headers, "servers": str(len(example.rules.system.actors))}
    for key, text in written.items():
        yield f"{key}: {' '.join(text.split())}"


def _given(example: Counterexample) -> Iterator[str]:
    """The state in which the run begins, if it is not that of a fresh cluster."""
    servers = dict(zip(_system(example).actors, example.rules.initial().states, strict=True))
    logs = {actor: server.durable.log.terms for actor, server in servers.items() if isinstance(server, RaftServer)}
    terms = {actor: server.durable.term for actor, server in servers.items() if isinstance(server, RaftServer)}
    if any(logs.values()):
        yield "given logs"
        yield from (f"  {actor}: {' '.join(map(str, log))}" for actor, log in logs.items() if log)
    if len(set(terms.values())) == 1:
        if any(terms.values()):
            yield f"given all.term = {next(iter(terms.values()))}"
    else:
        yield from (f"given {actor}.term = {term}" for actor, term in terms.items() if term)
    if any(logs.values()) or any(terms.values()):
        yield ""


def _steps(example: Counterexample) -> Iterator[str]:
    """One numbered line an event, and a `flush` where a server dies whose messages are still needed."""
    flight = _Flight(_system(example), example.rules.network)
    world = example.rules.initial()
    for number, event in enumerate(example.events, start=1):
        transition = example.rules.apply(world, event)
        if transition is None:
            raise ValueError(f"step {number} of the counterexample cannot happen when it is replayed: {event}")
        if _is(event, "crash") and flight.needed_from(event, example.events[number:]):
            assert isinstance(event, LocalEvent)
            yield f"flush {event.actor}"
        if flight.comes_again(event, example.events[number:]):
            yield f"duplicate {flight.pattern(event.message)}"
            flight.messages.append(event.message)
        statement = flight.statement(event, world.states[_index(example, event)])
        remark = _remark(example, world.states[_index(example, event)], transition)
        yield f"{statement:<{COMMENT_COLUMN - 1}} # {number:>2}  {remark}".rstrip()
        flight.follow(transition)
        world = transition.world


def _expectation(example: Counterexample) -> str:
    statement = f"expect {example.violation.property}"
    return (
        f"{statement:<{COMMENT_COLUMN - 1}} #     violated after step {len(example.events)}: {example.violation.reason}"
    )


def _system(example: Counterexample) -> RaftSystem:
    system = example.rules.system
    if not isinstance(system, RaftSystem):
        raise TypeError(f"scenario files steer Raft clusters, not a {type(system).__name__}; write the trace instead")
    return system


def _is(event: WorldEvent, kind: str) -> bool:
    return isinstance(event, LocalEvent) and event.kind == kind


def _index(example: Counterexample, event: WorldEvent) -> int:
    actor = event.actor if isinstance(event, LocalEvent) else event.target
    return example.rules.system.actors.index(actor)


class _Flight:
    """The messages in flight, in order of sending: what a pattern is matched against."""

    def __init__(self, system: RaftSystem, network: str) -> None:
        self.system = system
        self.network = network
        self.messages: list[Message] = []
        self.commands = 0

    def follow(self, transition: Transition) -> None:
        """Take *transition* into account."""
        event = transition.event
        if isinstance(event, Delivery | Drop):
            self.messages.remove(event.message)
        elif isinstance(event, Duplicate):
            self.messages.append(event.message)
        self.commands += _is(event, "command")
        self.messages += [send.message for send in transition.step.sends] if transition.step is not None else []

    def comes_again(self, event: WorldEvent, later: Sequence[WorldEvent]) -> TypeGuard[Delivery]:
        """Whether the one copy that *event* delivers is delivered later too, as only the ever-sent network can."""
        if not isinstance(event, Delivery) or event not in later or self.network != "ever-sent":
            return False
        return self.messages.count(event.message) == 1

    def needed_from(self, crash: WorldEvent, later: Sequence[WorldEvent]) -> bool:
        """Whether a message that the crashing server has sent, and may still hold, takes part later."""
        assert isinstance(crash, LocalEvent)
        mine = [message for message in self.messages if getattr(message, "source", None) == crash.actor]
        return any(not isinstance(event, LocalEvent) and event.message in mine for event in later)

    def statement(self, event: WorldEvent, server: object) -> str:
        """The line that makes *event* happen."""
        match event:
            case LocalEvent(actor, "command"):
                return f"client c1 {self.system.command(self.commands).operation} to {actor}"
            case LocalEvent(actor, "crash"):
                assert isinstance(server, RaftServer)
                lost = server.disk.written != server.disk.synced
                return f"crash {actor} losing unsynced" if lost else f"crash {actor}"
            case LocalEvent(actor, kind):
                return f"{kind} {actor}"
            case Delivery(_, _, message):
                return f"deliver {self.pattern(message)}"
            case Drop(_, _, message):
                return f"drop {self.pattern(message)} nth 1"
            case Duplicate(_, _, message):
                return f"duplicate {self.pattern(message)}"

    def pattern(self, message: Message) -> str:
        """The shortest pattern whose first match is *message*."""
        assert isinstance(message, msg.MESSAGE_TYPES)
        text = f"{type(message).__name__} {message.source} -> {message.target} term={message.term}{_answer(message)}"
        alike = [other for other in self.messages if _looks_like(other, message)]
        position = alike.index(message)
        return text if position == 0 else f"{text} nth {position + 1}"


def _answer(message: msg.Message) -> str:
    match message:
        case msg.RequestVoteResponse(granted=granted):
            return " grant" if granted else " reject"
        case msg.AppendEntriesResponse(success=False):
            return " reject"
    return ""


def _looks_like(other: Message, message: msg.Message) -> bool:
    """Whether the pattern of *message* matches *other* too."""
    if not isinstance(other, type(message)):
        return False
    same_channel = (other.source, other.target, other.term) == (message.source, message.target, message.term)
    wanted = _answer(message)
    return same_channel and (not wanted or _answer(other) == wanted)


def _remark(example: Counterexample, before: object, transition: Transition) -> str:
    """What the step did, in a few words: the fields that changed."""
    if transition.step is None:
        return ""
    event = transition.event
    actor = event.actor if isinstance(event, LocalEvent) else event.target
    system = _system(example)
    assert isinstance(before, RaftServer)
    then, now = system.describe_state(actor, before), system.describe_state(actor, transition.step.state)
    changed = [key for key in ("role", "term", "voted_for", "log", "commit") if then[key] != now[key]]
    words = {"role": "{}", "term": "term {}", "voted_for": "votes for {}", "log": "log {}", "commit": "commit {}"}
    said = ", ".join(words[key].format(now[key]) for key in changed)
    return f"{actor} {said}" if said else f"{actor} is as before"


def counterexample_of(
    system: RaftSystem,
    failure: Failure,
    *,
    network: str,
    headers: Mapping[str, str],
    properties: Sequence[AnyProperty] = RAFT_PROPERTIES,
    start: World | None = None,
) -> Counterexample:
    """*failure*, found from *start* on (None: a fresh cluster of *system*), minimised, ready to be written."""
    checked = Properties.sort(properties)
    rules = Rules(
        system=system,
        bounds=_without_end(system, network),
        network=network,
        monitors=checked.monitors,
        step_rules=checked.step_rules,
        start=start,
    )
    minimised = minimise(failure.events, violation_finder(rules, checked.invariants, failure.property))
    return Counterexample(
        rules=rules,
        events=minimised.events,
        violation=Violation(failure.property, failure.reason, len(minimised.events)),
        headers={**headers, "minimised": str(minimised)},
    )


def _without_end(system: RaftSystem, network: str) -> Bounds:
    """Bounds that no run meets: a replay spends what it spends."""
    names = [kind.budget for kind in system.local_kinds] + ([] if network == "ever-sent" else [DROPS, DUPLICATES])
    return Bounds(dict.fromkeys(names, 1_000_000))
