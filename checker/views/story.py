"""A trace, retold for drawing: what every view needs to know and no trace says outright.

A `Trace` records changes. A picture needs the running totals: the whole state of every actor after every step, who is
down or paused, what became of each message, one line of words a step. They are worked out here, once, so that the
terminal, the page and the sequence diagram cannot disagree.

Nothing here knows Raft. Two field names mean something when they exist: `role` (coloured, shown as a letter) and `term`
(shown beside it). Everything else is text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from attrs import field, frozen

from checker.runs.trace import SentMessage, Trace, TraceStep, What

Fields = Mapping[str, str]

WELL_KNOWN_ROLES = ("follower", "candidate", "leader")


class Condition(StrEnum):
    """Whether an actor can take a step."""

    UP = "up"
    DOWN = "down"
    PAUSED = "paused"


class Fate(StrEnum):
    """How one copy of a message ended."""

    DELIVERED = "delivered"
    DROPPED = "dropped"


@frozen
class Ending:
    """The step in which a message was delivered or dropped."""

    step: int
    fate: Fate


@frozen
class Flight:
    """A message from the step that sent it (0: before the first step) to its ends.

    No ending means that it is still under way. More than one happens on networks that deliver the same message again.
    `copy_of` is the message that this one is a duplicate of.
    """

    message: SentMessage
    sent_at: int
    copy_of: int | None = None
    endings: tuple[Ending, ...] = ()


@frozen
class Moment:
    """The world after step `number`; 0 is the initial state, which has no `step`."""

    number: int
    step: TraceStep | None
    text: str  # "deliver RequestVote s1 -> s3 term=1"
    states: Mapping[str, Fields]
    conditions: Mapping[str, Condition]
    changed: Mapping[str, tuple[str, ...]]  # the actors that changed, and which of their fields


@frozen
class Story:
    """A trace with its running totals. `lanes` are the actors, then any other sender or target (a client)."""

    trace: Trace
    lanes: tuple[str, ...]
    moments: tuple[Moment, ...]
    flights: Mapping[int, Flight]
    roles: Mapping[str, str] = field(factory=dict)  # every role that occurs, and its letter
    kinds: tuple[str, ...] = ()  # every message type, in order of first sending

    def headline(self, fields: Fields) -> str:
        """The few characters that stand for a state: `L 4`; without a role, the first field's text."""
        role = fields.get("role")
        if role:
            return " ".join(part for part in (self.roles.get(role, role[:1].upper()), fields.get("term")) if part)
        return next(iter(fields.values()), "")


def tell(trace: Trace) -> Story:
    """Work out the story of *trace*. Step numbers count from 1; numbers of unknown messages are tolerated."""
    flights = _flights(trace)
    ends = [end for flight in flights.values() for end in (flight.message.source, flight.message.target)]
    named = [step.actor for step in trace.steps if step.actor is not None]
    return Story(
        trace=trace,
        lanes=tuple(dict.fromkeys([*trace.actors, *named, *ends])),
        moments=tuple(_moments(trace, flights)),
        flights=flights,
        roles=_role_letters(trace),
        kinds=tuple(dict.fromkeys(flight.message.text.partition(" ")[0] for flight in flights.values())),
    )


def message_line(message: SentMessage) -> str:
    """The scenario language's way to name a message: `RequestVote s1 -> s3 term=1`."""
    kind, _, rest = message.text.partition(" ")
    route = f"{message.source} -> {message.target}"
    if route in rest:
        return message.text
    return " ".join(part for part in (kind, route, rest) if part)


def event_line(step: TraceStep, messages: Mapping[int, SentMessage]) -> str:
    """What happened, in the words of the scenario language."""
    if step.message is not None and step.what in (What.DELIVER, What.DROP, What.DUPLICATE):
        message = messages.get(step.message)
        return f"{step.what.value} {message_line(message) if message else f'message {step.message}'}"
    if step.actor is None or step.actor in step.name.split():
        return step.name
    return f"{step.name} at {step.actor}" if " " in step.name else f"{step.name} {step.actor}"


def one_line(text: str) -> str:
    """*text* without line breaks, tabs and other control characters: it came from a program under test."""
    return "".join(char if char.isprintable() else " " for char in text)


def partition_groups(name: str, lanes: Iterable[str]) -> tuple[frozenset[str], ...]:
    """The sides of `partition s1 s2 | s3`; empty if *name* is no partition of *lanes* that can be read."""
    verb, _, rest = name.partition(" ")
    if verb not in ("partition", "cut") or "|" not in rest:
        return ()
    groups = tuple(frozenset(part.replace(",", " ").split()) for part in rest.split("|"))
    known = set(lanes)
    return groups if all(group and group <= known for group in groups) else ()


def _flights(trace: Trace) -> dict[int, Flight]:
    flights = {message.number: Flight(message, 0) for message in trace.in_flight}
    endings: dict[int, list[Ending]] = {}
    for number, step in enumerate(trace.steps, 1):
        original = step.message if step.what is What.DUPLICATE else None
        for message in step.sent:
            flights[message.number] = Flight(message, number, copy_of=original)
        if step.message is not None and step.what is What.DELIVER:
            endings.setdefault(step.message, []).append(Ending(number, Fate.DELIVERED))
        if step.message is not None and step.what is What.DROP:
            endings.setdefault(step.message, []).append(Ending(number, Fate.DROPPED))
        for lost in step.lost:
            endings.setdefault(lost, []).append(Ending(number, Fate.DROPPED))
    return {
        number: Flight(flight.message, flight.sent_at, flight.copy_of, tuple(endings.get(number, ())))
        for number, flight in flights.items()
    }


def _moments(trace: Trace, flights: Mapping[int, Flight]) -> Iterator[Moment]:
    messages = {number: flight.message for number, flight in flights.items()}
    states: dict[str, Fields] = {actor: trace.before.get(actor, {}) for actor in trace.actors}
    conditions: dict[str, Condition] = {}
    yield Moment(0, None, "initial state", dict(states), dict(conditions), {})
    for number, step in enumerate(trace.steps, 1):
        changed = {actor: _changed_fields(states.get(actor, {}), after) for actor, after in step.after.items()}
        states.update(step.after)
        if step.actor is not None and step.what in _CONDITION_AFTER:
            conditions[step.actor] = _CONDITION_AFTER[step.what]
        text = one_line(event_line(step, messages))
        really = {actor: names for actor, names in changed.items() if names}
        yield Moment(number, step, text, dict(states), dict(conditions), really)


_CONDITION_AFTER = {
    What.CRASH: Condition.DOWN,
    What.RESTART: Condition.UP,
    What.PAUSE: Condition.PAUSED,
    What.RESUME: Condition.UP,
}


def _changed_fields(before: Fields, after: Fields) -> tuple[str, ...]:
    return tuple(name for name in {**after, **before} if before.get(name) != after.get(name))


def _role_letters(trace: Trace) -> dict[str, str]:
    """A letter for each role; where two begin alike, the later one gets more letters (leader L, learner LE)."""
    states = [*trace.before.values(), *(after for step in trace.steps for after in step.after.values())]
    seen = dict.fromkeys(fields["role"] for fields in states if fields.get("role"))
    letters: dict[str, str] = {}
    for role in sorted(seen, key=_well_known_first):
        lengths = range(1, len(role) + 1)
        free = (role[:length].upper() for length in lengths if role[:length].upper() not in letters.values())
        letters[role] = next(free, role)
    return letters


def _well_known_first(role: str) -> int:
    return WELL_KNOWN_ROLES.index(role) if role in WELL_KNOWN_ROLES else len(WELL_KNOWN_ROLES)
