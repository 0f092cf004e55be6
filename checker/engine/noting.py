"""What compiled loops write down for Python: misses and alarms, and which worlds are to be taken again."""

from __future__ import annotations

from checker.engine.compiled import inlined
from checker.engine.layout import (
    N_ALARMS,
    N_CANDIDATES,
    N_DEADLOCKS,
    N_MISSES,
    N_RETRY,
    N_TAKEN,
    N_TRANSITIONS,
    Notes,
    Number,
)


@inlined
def note(notes: Notes, kind: Number, row: Number, column: Number) -> None:
    """Note one miss; when the list is full, only count it."""
    place = notes.counts[N_MISSES]
    if place < notes.misses.shape[0]:
        notes.misses[place, 0] = kind
        notes.misses[place, 1] = row
        notes.misses[place, 2] = column
    notes.counts[N_MISSES] = place + 1


@inlined
def alarm(notes: Notes, source: Number, code: Number) -> None:
    """Append an alarm; when the list is full, only count it (the first ones are enough)."""
    place = notes.counts[N_ALARMS]
    if place < notes.alarms.shape[0]:
        notes.alarms[place, 0] = source
        notes.alarms[place, 1] = code
    notes.counts[N_ALARMS] = place + 1


@inlined
def settle(
    notes: Notes, source: Number, many: Number, candidates: Number, misses: Number, alarms: Number, full: bool
) -> bool:
    """Whether the world *source*, with *many* transitions, was taken: it was not if they made the list *full*.

    *candidates*, *misses* and *alarms* were counted before it. If it has misses it is put on the retry list, and what
    it added else is taken back.
    """
    counts = notes.counts
    lacks = counts[N_MISSES] > misses
    if lacks or full:
        counts[N_CANDIDATES] = candidates
        counts[N_ALARMS] = alarms
    if lacks:
        notes.retry[counts[N_RETRY]] = source
        counts[N_RETRY] += 1
    elif not full:
        counts[N_TRANSITIONS] += many
        counts[N_DEADLOCKS] += many == 0
    return bool(lacks or not full)


@inlined
def notes_are_full(notes: Notes) -> bool:
    """Whether no further world can be taken before the notes are read."""
    counts = notes.counts
    return bool(counts[N_RETRY] == notes.retry.shape[0] or counts[N_MISSES] >= notes.misses.shape[0])


@inlined
def conclude(notes: Notes, taken: Number) -> None:
    """So many worlds were *taken*; of misses and alarms there are as many as fit."""
    counts = notes.counts
    counts[N_TAKEN] = taken
    counts[N_MISSES] = min(counts[N_MISSES], notes.misses.shape[0])
    counts[N_ALARMS] = min(counts[N_ALARMS], notes.alarms.shape[0])
