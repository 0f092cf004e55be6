"""Which steps of a trace may be folded away, so that a heartbeat flood does not bury the story.

Two thirds of a long Raft run are leaders that say they are alive. A step is *routine* when it is about a heartbeat, or
about the answer to one, and changed nothing that is shown: no field, no mark, no output. A heartbeat that carried a
new term or moved a commit index is therefore never folded, and neither is the step that breaks a property.

What counts as a heartbeat is a function of the message's text, so a system that is not Raft can bring its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from attrs import frozen

from checker.runs.trace import TraceStep, What
from checker.views.story import Moment, Story

IsHeartbeat = Callable[[str], bool]

_NO_ENTRIES = re.compile(r"\bentries\s*[=:]?\s*(0\b|\[\s*\]|\(\s*\)|none\b|-(\s|$))|\bheartbeat\b", re.IGNORECASE)


@frozen
class Row:
    """Consecutive steps that share one row of a picture: one step, or a folded run of routine ones."""

    first: int
    last: int
    folded: bool = False

    @property
    def count(self) -> int:
        """How many steps this row stands for."""
        return self.last - self.first + 1


def is_heartbeat(text: str) -> bool:
    """An AppendEntries without entries, or a message whose type begins with Heartbeat."""
    kind = text.partition(" ")[0]
    if kind.lower().startswith("heartbeat"):
        return True
    return kind == "AppendEntries" and _NO_ENTRIES.search(text) is not None


def routine_messages(story: Story, heartbeat: IsHeartbeat = is_heartbeat) -> frozenset[int]:
    """The numbers of heartbeats, and of what was sent in quiet steps that handled one."""
    routine = {number for number, flight in story.flights.items() if heartbeat(flight.message.text)}
    for moment in story.moments[1:]:
        step = moment.step
        if step is None or step.message not in routine:
            continue
        if step.what is What.DUPLICATE or (step.what is What.DELIVER and _quiet(moment)):
            routine.update(message.number for message in step.sent)
    return frozenset(routine)


def hidden_messages(story: Story, rows: Sequence[Row], heartbeat: IsHeartbeat = is_heartbeat) -> frozenset[int]:
    """The messages that a picture of *rows* leaves out: routine ones that arrive in a folded row, or never."""
    folded = {step for row in rows if row.folded for step in range(row.first, row.last + 1)}
    return frozenset(
        number
        for number in routine_messages(story, heartbeat)
        if all(ending.step in folded for ending in story.flights[number].endings)
    )


def rows_of(story: Story, *, fold: bool, heartbeat: IsHeartbeat = is_heartbeat) -> tuple[Row, ...]:
    """The rows of a picture, from the initial state on. With *fold*, runs of two or more routine steps become one."""
    routine = routine_messages(story, heartbeat) if fold else frozenset()
    broken = story.trace.violation.step if story.trace.violation else None
    rows: list[Row] = []
    run: list[int] = []
    for moment in story.moments:
        foldable = moment.number != broken and _is_routine(moment, routine)
        if foldable:
            run.append(moment.number)
            continue
        rows.extend(_as_rows(run))
        run = []
        rows.append(Row(moment.number, moment.number))
    return (*rows, *_as_rows(run))


def _as_rows(run: list[int]) -> list[Row]:
    if len(run) > 1:
        return [Row(run[0], run[-1], folded=True)]
    return [Row(number, number) for number in run]


def _quiet(moment: Moment) -> bool:
    step = moment.step
    return step is not None and not (moment.changed or step.marks or step.outputs)


def _is_routine(moment: Moment, routine: frozenset[int]) -> bool:
    step = moment.step
    if step is None or not _quiet(moment) or step.what not in (What.LOCAL, What.DELIVER, What.DROP, What.DUPLICATE):
        return False
    about = _messages_of(step)
    return bool(about) and about <= routine


def _messages_of(step: TraceStep) -> frozenset[int]:
    sent = frozenset(message.number for message in step.sent)
    return sent if step.message is None else sent | {step.message}
