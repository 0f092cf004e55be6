"""What a server does once for several events that wait: which commands it takes together, and what a batch lets out."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any, Final

from attrs import define, evolve

from raftframe.effects import Effect, Reply, Send, StartTimer, StopTimer
from raftframe.entries import ServerId
from raftframe.events import ClientRequest, ClientRequests, Event
from raftframe.messages import AppendEntries
from raftframe.protocol import Step
from raftframe.server_state import ServerState

BATCH: Final = 128
"""The most steps that share one sync, and the most commands that share a step. More would only delay the first
answer.
"""


@define(eq=False)
class Taken:
    """One step that was taken, and from where."""

    before: ServerState
    event: Event
    step: Step


def with_those_behind(first: ClientRequest, waiting: deque[Any]) -> ClientRequest | ClientRequests:
    """*first* and the commands right behind it, which are taken out of *waiting*, a queue of whatever else."""
    commands = [first.command]
    while waiting and type(waiting[0]) is ClientRequest and len(commands) < BATCH:
        commands.append(waiting.popleft().command)
    return ClientRequests(tuple(commands)) if len(commands) > 1 else first


_LEAVING: Final = frozenset({Send, Reply, StartTimer, StopTimer})  # the rest is storage's, or was done by the step


def outgoing(steps: Sequence[Taken], most: int | None = None) -> list[Effect]:
    """What *steps* let out, in order; of several steps, without what a later one says again.

    An AppendEntries to the same follower, in the same term, from the same previous entry on, carries at least the same
    entries: a leader's log only grows. One that begins where an earlier one ends takes its entries along. A later start
    or stop of a timer replaces an earlier one.
    """
    effects = [effect for taken in steps for effect in taken.step.effects if type(effect) in _LEAVING]
    if len(steps) == 1:
        return effects
    said: set[Hashable] = set()
    kept: list[Effect] = []
    for effect in reversed(effects):
        subject = _subject(effect)
        if subject is None or subject not in said:
            said.add(subject)
            kept.append(effect)
    kept.reverse()
    return joined(kept, most)


def joined(effects: Sequence[Effect], most: int | None) -> list[Effect]:
    """*effects*, with pipelined entries to one follower in one message, in the place of the last, if it has at most
    *most* entries.
    """
    kept: dict[int, Effect] = {}
    latest: dict[ServerId, int] = {}  # where in *kept* the latest AppendEntries to each follower is
    for at, effect in enumerate(effects):
        kept[at] = effect
        if isinstance(effect, Send) and isinstance(effect.message, AppendEntries):
            message = effect.message
            before = latest.get(message.target)
            if before is not None and _continues(message, begun := _entries_of(kept[before]), most):
                del kept[before]
                kept[at] = Send(_with_entries_of(begun, message))
            latest[message.target] = at
    return list(kept.values())


def _entries_of(effect: Effect) -> AppendEntries:
    assert isinstance(effect, Send) and isinstance(effect.message, AppendEntries)
    return effect.message


def _continues(message: AppendEntries, begun: AppendEntries, most: int | None) -> bool:
    follows = (begun.term, begun.last_index) == (message.term, message.previous_index)
    return follows and (most is None or len(begun.entries) + len(message.entries) <= most)


def _with_entries_of(begun: AppendEntries, message: AppendEntries) -> AppendEntries:
    entries = begun.entries + message.entries
    return evolve(message, previous_index=begun.previous_index, previous_term=begun.previous_term, entries=entries)


def _subject(effect: Effect) -> Hashable:
    """What *effect* is about, so that a later one about the same replaces it; None: nothing replaces it."""
    match effect:
        case Send(AppendEntries() as message):
            return message.target, message.term, message.previous_index
        case StartTimer(timer) | StopTimer(timer):
            return timer
    return None
