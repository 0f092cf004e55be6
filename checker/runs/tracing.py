"""Turns a run into a `Trace`: plain texts and numbered messages, for views and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checker.runs.trace import SentMessage, Trace, TraceStep, Violation, What
from checker.system import ActorId, DescribesItself, Message, State, Step, System
from checker.world import Delivery, Drop, Duplicate, EverSent, LocalEvent, Transition, World

_OWN_KINDS = {"crash": What.CRASH, "restart": What.RESTART}


def make_trace(
    system: System,
    worlds: Sequence[World],
    transitions: Sequence[Transition],
    *,
    title: str,
    violation: Violation | None = None,
    about: Mapping[str, str] | None = None,
) -> Trace:
    """The trace of the run through *worlds* by *transitions*, one less."""
    flight = _Flight(system)
    in_flight = flight.begin(worlds[0])
    first = zip(system.actors, worlds[0].states, strict=True)
    return Trace(
        title=title,
        actors=tuple(map(str, system.actors)),
        before={str(actor): describe_state(system, actor, state) for actor, state in first},
        steps=tuple(
            _step(system, flight, before, transition) for before, transition in zip(worlds, transitions, strict=False)
        ),
        violation=violation,
        about=dict(about or {}),
        in_flight=in_flight,
    )


def describe_state(system: System, actor: ActorId, state: State) -> Mapping[str, str]:
    """Texts by field name; without `describe_state`, the one field `state`."""
    if isinstance(system, DescribesItself):
        return dict(system.describe_state(actor, state))
    return {"state": repr(state)}


def describe_message(system: System, message: Message) -> str:
    """One line, the message's type first."""
    return system.describe_message(message) if isinstance(system, DescribesItself) else repr(message)


class _Flight:
    """The numbers of the messages on each channel. Of equal messages, the oldest is taken first."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._last = 0
        self._numbers: dict[tuple[ActorId, ActorId, Message], list[int]] = {}

    def begin(self, world: World) -> tuple[SentMessage, ...]:
        """Number what is in flight already."""
        return tuple(
            self.send(source, target, message)
            for (source, target), content in world.channels
            for message in content.messages()
        )

    def send(self, source: ActorId, target: ActorId, message: Message) -> SentMessage:
        """Number one more message."""
        self._last += 1
        self._numbers.setdefault((source, target, message), []).append(self._last)
        return SentMessage(self._last, str(source), str(target), describe_message(self._system, message))

    def look(self, event: Delivery | Drop | Duplicate) -> int:
        """The number of the message of *event*, which stays in flight."""
        return self._numbers[event.source, event.target, event.message][0]

    def take(self, event: Delivery | Drop) -> int:
        """The number of the message of *event*, which leaves."""
        return self._numbers[event.source, event.target, event.message].pop(0)


def _step(system: System, flight: _Flight, before: World, transition: Transition) -> TraceStep:
    match transition.event:
        case LocalEvent(actor, kind):
            what = _OWN_KINDS.get(kind, What.LOCAL)
            return _acted(system, flight, before, transition, actor, TraceStep(what, kind, str(actor)))
        case Delivery(source, target) as event:
            stays = isinstance(dict(before.channels)[source, target], EverSent)
            number = flight.look(event) if stays else flight.take(event)
            return _acted(
                system, flight, before, transition, target, TraceStep(What.DELIVER, "deliver", str(target), number)
            )
        case Drop() as event:
            return TraceStep(What.DROP, "drop", message=flight.take(event))
        case Duplicate() as event:
            copy = flight.send(event.source, event.target, event.message)
            return TraceStep(What.DUPLICATE, "duplicate", message=flight.look(event), sent=(copy,))


def _acted(
    system: System, flight: _Flight, before: World, transition: Transition, actor: ActorId, bare: TraceStep
) -> TraceStep:
    """*bare* with what the actor did."""
    step: Step | None = transition.step
    assert step is not None
    was = before.states[system.actors.index(actor)]
    changed = {str(actor): describe_state(system, actor, step.state)} if step.state != was else {}
    return TraceStep(
        what=bare.what,
        name=bare.name,
        actor=bare.actor,
        message=bare.message,
        sent=tuple(flight.send(actor, send.target, send.message) for send in step.sends),
        marks=step.marks,
        outputs=tuple(map(str, step.outputs)),
        after=changed,
    )
