"""A trace: what happened in one run, step by step, ready to be replayed, printed or drawn.

Traces come from explorations (a counterexample), from scenarios in any mode, and from files. They hold plain texts and
numbers beside the events, so that a view needs neither the system nor its code, and a trace survives as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen


class What(StrEnum):
    """What kind of thing one step of a trace is."""

    LOCAL = "local"  # a timeout, heartbeat, client command ...: `name` says which
    CRASH = "crash"
    RESTART = "restart"
    DELIVER = "deliver"  # a message reached its target and was handled
    DROP = "drop"
    DUPLICATE = "duplicate"
    PAUSE = "pause"
    RESUME = "resume"
    NETWORK = "network"  # a partition, a heal, a cut link: `name` says which
    NOTE = "note"  # a section or remark of a scenario; changes nothing


@frozen
class SentMessage:
    """One message of a trace. `number` is unique in the trace, in order of sending, from 1; a duplicate gets a
    number of its own."""

    number: int
    source: str
    target: str
    text: str  # one line, the message's type first


@frozen
class TraceStep:
    """One step. `actor` is None for what happens to the network or to nobody.

    `message` is the number of the message that was delivered, dropped or duplicated. `sent` are the messages that left
    in this step; a DUPLICATE sends the copy. `lost` are the numbers of those that a crash took with it: what was in the
    actor's outbox, and in its inbox. `after` has all fields of every actor whose state changed in this step, in display
    form (`System.describe_state`).
    """

    what: What
    name: str  # "timeout", "deliver", "partition s1 | s2 s3" ...
    actor: str | None = None
    message: int | None = None
    sent: tuple[SentMessage, ...] = ()
    marks: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    after: Mapping[str, Mapping[str, str]] = field(factory=dict)
    line: int | None = None  # of the scenario file that made it happen
    lost: tuple[int, ...] = ()


@frozen
class Violation:
    """A property that does not hold: its name, and a sentence that says what is wrong. `step` counts from 1; 0
    means the initial state."""

    property: str
    reason: str
    step: int


@frozen
class Trace:
    """A run from its initial state. Fields of actors are texts by name; `before` is how each actor begins.

    `in_flight` are messages that were on their way before the first step (a run that was explored from the middle of a
    scenario has some).
    """

    title: str
    actors: tuple[str, ...]
    before: Mapping[str, Mapping[str, str]]
    steps: tuple[TraceStep, ...] = ()
    violation: Violation | None = None
    about: Mapping[str, str] = field(factory=dict)  # network, bounds, seed, how to reproduce ...
    in_flight: tuple[SentMessage, ...] = ()
