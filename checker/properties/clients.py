"""Linearizability of what the clients of an explored Raft see, as a monitor.

The monitor keeps no history. It keeps every way to explain the history so far, each as a state of the application and
the operations that have taken effect without having returned yet (Lowe 2017: an operation takes effect at the latest
when it, or one that must come after it, returns). An answer that fits none of them is the violation.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeAlias

from attrs import evolve, frozen

from checker.properties.base import Monitor, MonitorMove
from checker.raft_system import RaftSystem
from checker.system import ActorId, Event, Local, State, Step
from raftframe import Command
from raftframe import effects as fx
from raftframe.api import AppAPI
from raftframe.entries import ClientId

Name: TypeAlias = tuple[ClientId, int]


@frozen
class Explanation:
    """One way to explain the history: the application's state, and the answers of what took effect and has not
    returned."""

    state: Hashable
    early: tuple[tuple[Name, Hashable], ...] = ()


@frozen
class Called:
    """A client asks for what *command* says."""

    command: Command


@frozen
class Returned:
    """A client gets *answer* to what it asked."""

    name: Name
    answer: Hashable


@frozen
class GivenUp:
    """A client is told that what it asked had no effect."""

    name: Name


Seen: TypeAlias = Called | Returned | GivenUp


@frozen
class Explained:
    """All that explains the history so far. `open` are the operations that have not returned, in order of calling;
    `told` the answers of those that have, if a client may ask again under the same name.
    """

    explanations: tuple[Explanation, ...]
    open: tuple[Command, ...] = ()
    told: tuple[tuple[Name, Hashable], ...] = ()


def linearizable(system: RaftSystem) -> Monitor:
    """Whether the clients of *system* see one single copy of its application."""

    def observe(_actor: ActorId, _before: State, event: Event, step: Step) -> tuple[Seen, ...] | None:
        return tuple(_seen(system, event, step)) or None

    watch = Watch(system.states.app, remembers=any(one.serial is not None for one in system.requests.values()))
    return Monitor("linearizable", watch.initial(), observe, watch.advance)


def _seen(system: RaftSystem, event: Event, step: Step) -> Iterator[Seen]:
    asked = system.asked(event.kind, event.number) if isinstance(event, Local) else None
    if asked is not None:
        yield Called(asked.command)
    for output in step.outputs:
        match output:
            case fx.Reply(client, serial, fx.Done(answer)):
                yield Returned((client, serial), answer)
            case fx.Reply(client, serial, fx.Refused() | fx.Redirected()):
                yield GivenUp((client, serial))


@frozen
class Watch:
    """The moves of the monitor. *app* is the sequential specification. If it *remembers* answers, a command that is
    sent again is one operation, and its client is told the same every time.
    """

    app: AppAPI
    remembers: bool = False

    def initial(self) -> Explained:
        """Before the first operation there is one explanation: nothing has happened."""
        return Explained((Explanation(self.app.initial_state()),))

    def advance(self, known: Explained, seen: tuple[Seen, ...]) -> MonitorMove:
        """What explains the history with *seen* behind it; broken when nothing does."""
        for one in seen:
            explained = self._after(known, one)
            if not explained.explanations:
                return MonitorMove(known, f"no order of the clients' operations explains {_told(known, one)}")
            known = explained
        return MonitorMove(known)

    def after(self, seen: Iterable[Seen]) -> Explained:
        """What the monitor remembers after *seen*, which some order must explain."""
        known = self.advance(self.initial(), tuple(seen)).state
        assert isinstance(known, Explained)
        return known

    def _after(self, known: Explained, seen: Seen) -> Explained:
        if isinstance(seen, Called):
            name = _name(seen.command)
            again = name in dict(known.told) or any(_name(one) == name for one in known.open)
            return known if again else evolve(known, open=(*known.open, seen.command))
        if isinstance(seen, Returned) and dict(known.told).get(seen.name, seen.answer) != seen.answer:
            return evolve(known, explanations=())
        returned = next((one for one in known.open if _name(one) == seen.name), None)
        if returned is None:
            return known  # an answer that nobody waits for
        left = tuple(one for one in known.open if one is not returned)
        if isinstance(seen, GivenUp):
            kept = tuple(one for one in known.explanations if seen.name not in dict(one.early))
            return evolve(known, explanations=kept, open=left)
        found = {way: None for one in known.explanations for way in self._ways(one, returned, seen.answer, known.open)}
        told = (
            tuple(sorted((*known.told, (seen.name, seen.answer)), key=lambda pair: pair[0]))
            if self.remembers
            else known.told
        )
        return Explained(tuple(sorted(found, key=repr)), left, told)

    def _ways(
        self, one: Explanation, returned: Command, answer: Hashable, pending: tuple[Command, ...]
    ) -> Iterator[Explanation]:
        """The explanations that follow from *one* in which *returned* has taken effect with *answer*, it last."""
        early = dict(one.early)
        if _name(returned) in early:
            if early.pop(_name(returned)) == answer:
                yield Explanation(one.state, tuple(early.items()))
            return
        for command in pending:
            if _name(command) in early:
                continue
            applied = self.app.apply(one.state, command.operation)
            if command is not returned:
                further = tuple(sorted((*one.early, (_name(command), applied.answer)), key=lambda pair: pair[0]))
                yield from self._ways(Explanation(applied.state, further), returned, answer, pending)
            elif applied.answer == answer:
                yield Explanation(applied.state, one.early)


def _name(command: Command) -> Name:
    return command.client, command.serial


def _told(known: Explained, seen: Seen) -> str:
    if isinstance(seen, Called):
        return f"that {seen.command.client} asks"
    operation = next((one.operation for one in known.open if _name(one) == seen.name), "command")
    told = f"the answer {seen.answer}" if isinstance(seen, Returned) else "that it had no effect"
    return f"{told} to {seen.name[0]}'s {operation}"
