"""What happened, twice over: as the steps of a trace for the views, and as elementary events that can be replayed.

An elementary event is one that a line of a scenario can make happen on its own: `timeout s1`, `deliver T a -> b`.
Every run, however it was steered (settle, the scheduler, a reach), is a flat list of them. That list is what is
minimised, and what is written down as a counterexample.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import define, evolve, field, frozen

from checker.raft_system import Disk, RaftServer, RaftSystem
from checker.runs.trace import SentMessage, Trace, TraceStep, Violation, What
from raftframe import NOOP, DurableState, Entry, Log, ServerState
from raftframe import events as ev
from raftframe import messages as msg
from raftframe.effects import Timer
from raftframe.server_state import FollowerData
from scenarios.language.terms import Operator
from scenarios.runner.errors import ActionError
from scenarios.runner.post import Envelope, Matcher, measure

if TYPE_CHECKING:
    from scenarios.runner.snapshot import Plain  # it needs this module

Verb: TypeAlias = Literal[
    "timeout",
    "heartbeat",
    "expire",
    "order",
    "client",
    "flush",
    "deliver",
    "drop",
    "duplicate",
    "crash",
    "restart",
    "stop",
    "start",
    "wipe",
    "inject",
    "disk",
]

TIMER_VERBS: Mapping[Timer, Verb] = {Timer.ELECTION: "timeout", Timer.HEARTBEAT: "heartbeat", Timer.LEASE: "expire"}
"""The verb that lets a timer fire."""


@frozen
class MessageName:
    """A message as a scenario names it: by what it is, and by `nth` among those that this does not tell apart."""

    type: str
    source: str
    target: str
    tests: tuple[tuple[str, int], ...]
    answer: str | None = None
    nth: int | None = None

    def matcher(self, *, loose: bool = False) -> Matcher:
        """What finds the message again; *loose*: by its type and its way alone."""
        source, target = frozenset({self.source}), frozenset({self.target})
        if loose:
            return Matcher(self.type, source, target)
        equal: Operator = "=="
        tests = tuple((name, equal, value) for name, value in self.tests)
        return Matcher(self.type, source, target, tests, self.answer, self.nth)

    def __str__(self) -> str:
        parts = [self.type, self.source, "->", self.target, *(f"{name}={value}" for name, value in self.tests)]
        parts += [self.answer] if self.answer else []
        parts += [f"nth {self.nth}"] if self.nth is not None else []
        return " ".join(parts)


# --- what a scenario writes into a server ----------------------------------------------------------------------------


@frozen
class FieldWrite:
    """One field of one server, written by no step of the protocol. `str` of it is the line that writes it.

    `given` says what is on a disk before the servers start: with a log, the term is at least that of the log's end.
    """

    verb: Literal["given", "set"]
    server: str
    field: str
    value: Plain

    def as_told(self) -> FieldWrite:
        """What the line tells of it: the terms of a log, but not its commands."""
        return evolve(self, value=self.value.terms) if isinstance(self.value, Log) else self

    def on(self, server: RaftServer) -> RaftServer:
        """*server* with the field written. Raises ActionError if it has no such field, or cannot have this value."""
        durable = _durable_with(server.durable, self.field, self.value)
        if durable is None:
            return evolve(server, state=self._in_memory(server))
        if self.verb == "given" and self.field == "log":
            durable = evolve(durable, term=max(durable.term, durable.log.last_term))
        state = None if server.state is None else _having(server.state, durable)
        return RaftServer(state, Disk(durable, durable))

    def _in_memory(self, server: RaftServer) -> ServerState:
        if server.state is None:
            raise ActionError(f"{self.server} is down, and {self.field} is only in memory")
        if self.field == "leader":
            return evolve(server.state, data=FollowerData(None if self.value is None else str(self.value)))
        if self.field not in _IN_MEMORY:
            known = ", ".join(_IN_MEMORY)
            raise ActionError(f"{self.field} cannot be written; what can: term, voted_for, log, last, {known}")
        changes: dict[str, Any] = {_IN_MEMORY[self.field]: self.value}  # Any: the boundary of evolve
        return evolve(server.state, **changes)

    def __str__(self) -> str:
        return f"{self.verb} {self.server}.{self.field} = {_shown(self.value)}"


def _having(state: ServerState, durable: DurableState) -> ServerState:
    """*state* with all of *durable*, stored."""
    stable = state.stable
    if stable is not None:
        stable = evolve(stable, term=durable.term, voted_for=durable.voted_for, index=durable.log.last_index)
    return evolve(state, durable=durable, stable=stable)


_IN_MEMORY = {"commit": "commit_index", "applied": "applied_index", "balance": "app_state", "state": "app_state"}


def _durable_with(durable: DurableState, field: str, value: Plain) -> DurableState | None:
    """*durable* with *field* written; None when the field is no part of it."""
    match field, value:
        case "term", int():
            return evolve(durable, term=value)
        case "voted_for", None | str():
            return evolve(durable, voted_for=value)
        case "log", Log():
            return evolve(durable, log=value)
        case "log", tuple():
            return evolve(durable, log=_log_of(tuple(each for each in value if isinstance(each, int))))
        case "last", int():
            if value < durable.log.base_index:
                raise ActionError(f"the log begins behind {durable.log.base_index}: a snapshot has what is before")
            missing = max(0, value - durable.log.last_index)
            entries = (Entry(max(durable.term, 1), NOOP),) * missing
            return evolve(durable, log=durable.log.up_to(value).followed_by(entries))
        case "term" | "voted_for" | "log" | "last", _:
            raise ActionError(f"{field} cannot be {_shown(value)}")
    return None


def _log_of(terms: tuple[int, ...]) -> Log:
    """Equal index and term mean equal entries, as log matching demands: all of them are no-ops."""
    return Log(tuple(Entry(term, NOOP) for term in terms))


def _shown(value: Plain) -> str:
    from scenarios.runner.snapshot import shown  # it needs this module

    return shown(value)


# --- elementary events -----------------------------------------------------------------------------------------------


@frozen
class Elementary:
    """One elementary event. `str` of it is the line that makes it happen.

    `server` is the actor (or the server asked). `detail` follows the server: `losing unsynced`, `empty`. `client` and
    `operation` belong to `client`, `message` to what is done to messages, `write` to `inject` (a `given` or `set`). An
    `order` has its whole line as `detail`.
    """

    verb: Verb
    server: str | None = None
    detail: str = ""
    message: MessageName | None = None
    client: str | None = None
    operation: str = ""
    write: FieldWrite | None = None
    order: ev.Event | None = None
    line: int | None = field(default=None, eq=False)
    serial: int = field(default=0, eq=False)  # of the client's operation; 0: the next

    def __str__(self) -> str:
        if self.verb == "client":
            return f"client {self.client} {self.operation} to {self.server}"
        if self.verb == "inject":
            return str(self.write)
        if self.verb == "order":
            return self.detail
        parts = [self.verb, str(self.message or self.server), self.detail]
        return " ".join(part for part in parts if part)


def name_of(envelope: Envelope, others: Iterable[Envelope]) -> MessageName:
    """The shortest name that means *envelope* among *others*, which are in the order of delivery."""
    message = envelope.message
    tests: list[tuple[str, int]] = [("term", message.term)]
    source, target, kind, term = message.source, message.target, type(message), message.term
    rivals = [
        e
        for e in others
        if (it := e.message).source == source and it.target == target and it.term == term and type(it) is kind
    ]
    answer = _answer_word(message)
    if answer is not None:
        rivals = [e for e in rivals if _answer_word(e.message) == answer]
    for test in ("entries", "index", "commit"):
        value = measure(message, test)
        if value is not None and any(measure(e.message, test) != value for e in rivals):
            tests.append((test, value))
            rivals = [e for e in rivals if measure(e.message, test) == value]
    nth = rivals.index(envelope) + 1 if len(rivals) > 1 else None
    return MessageName(envelope.type, envelope.source, envelope.target, tuple(tests), answer, nth)


def _answer_word(message: msg.Message) -> str | None:
    match message:
        case msg.RequestVoteResponse(granted=True) | msg.PreVoteResponse(granted=True):
            return "grant"
        case msg.RequestVoteResponse() | msg.PreVoteResponse():
            return "reject"
        case msg.AppendEntriesResponse(success=False) | msg.ReadIndexResponse(success=False):
            return "reject"
    return None


MOST_STEPS = 40_000
"""The most steps in one run: what asks for more (`advance 1000000s`, `step 1000000`) is a mistake, and would hang."""


@define(eq=False)
class Journal:
    """The steps and elementary events of one run, in order."""

    system: RaftSystem
    title: str
    before: Mapping[str, Mapping[str, str]] = field(factory=dict)
    steps: list[TraceStep] = field(factory=list)
    elementary: list[Elementary] = field(factory=list)
    line: int | None = None

    def begin(self, servers: Mapping[str, RaftServer]) -> None:
        """How the servers begin."""
        self.before = {name: dict(self.system.describe_state(name, state)) for name, state in servers.items()}

    def step(
        self,
        what: What,
        name: str,
        actor: str | None = None,
        *,
        message: Envelope | None = None,
        sent: Collection[Envelope] = (),
        marks: tuple[str, ...] = (),
        outputs: tuple[str, ...] = (),
        after: RaftServer | None = None,
        lost: Collection[Envelope] = (),
    ) -> None:
        """One more step; *after* is the actor's state if it changed, *lost* is what a crash took with it.

        Raises ActionError when there are too many.
        """
        if len(self.steps) >= MOST_STEPS:
            raise ActionError(f"this would be step {MOST_STEPS + 1:,} of one run, and no run takes more: ask for less")
        fields = {actor: dict(self.system.describe_state(actor, after))} if after is not None and actor else {}
        number = message.number if message is not None else None
        letters = tuple(self.letter(envelope) for envelope in sent)
        gone = tuple(envelope.number for envelope in lost)
        self.steps.append(TraceStep(what, name, actor, number, letters, marks, outputs, fields, self.line, gone))

    def letter(self, envelope: Envelope) -> SentMessage:
        """*envelope*, as a trace shows it."""
        text = self.system.describe_message(envelope.message)
        return SentMessage(envelope.number, envelope.source, envelope.target, text)

    def trace(self, violation: Violation | None, about: Mapping[str, str]) -> Trace:
        """The whole run."""
        return Trace(self.title, self.system.actors, self.before, tuple(self.steps), violation, dict(about))
