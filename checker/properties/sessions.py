"""What sessions promise (dissertation §6.3): a command that is sent again takes effect once.

Not among the default properties: without sessions, a client that sends a command again is applied twice, as it must be.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

from checker.properties.base import Monitor, MonitorMove
from checker.system import ActorId, Event, State, Step
from raftframe.effects import Done, Reply

Told: TypeAlias = tuple[tuple[str, int], Hashable]


def _answers(_actor: ActorId, _before: State, _event: Event, step: Step) -> tuple[Told, ...] | None:
    told = tuple(
        ((reply.client, reply.serial), reply.outcome.answer)
        for reply in step.outputs
        if isinstance(reply, Reply) and isinstance(reply.outcome, Done)
    )
    return told or None


def _remember(known: tuple[Told, ...], news: tuple[Told, ...]) -> MonitorMove:
    answers = dict(known)
    for name, answer in news:
        if answers.setdefault(name, answer) != answer:
            client, serial = name
            return MonitorMove(known, f"{client} was told {answers[name]!r} and {answer!r} for its command {serial}")
    return MonitorMove(tuple(sorted(answers.items(), key=lambda pair: pair[0])))


applied_once = Monitor("applied_once", (), _answers, _remember)
"""Whoever answers one command of a client, and however often, says the same. With an application of which no two
answers are equal, that is: it is applied once.
"""
