"""The tables as arrays, and what the compiled loops are given and leave: the layout that `tables.py` fills for them.

An event code is an int32: operation << 28 | number. For LOCAL the number is actor * local columns + column; for
DELIVER, DROP and DUPLICATE it is an *option*: one (content, message) pair that a channel offers.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
UInt64s: TypeAlias = NDArray[np.uint64]
UInt8s: TypeAlias = NDArray[np.uint8]
Word: TypeAlias = Any  # a uint64 of compiled code; no Python type has its arithmetic
Number: TypeAlias = Any  # an int64 or int32 of compiled code, likewise

IMPOSSIBLE = -1
UNKNOWN = -2
BROKEN = -3  # in `move`: BROKEN - s says that the monitor breaks and goes to state s

LOCAL, DELIVER, DROP, DUPLICATE = 0, 1, 2, 3
CODE_BITS = 28
CODE_MASK = (1 << CODE_BITS) - 1

MISS_STEP, MISS_ADD, MISS_SPEND, MISS_MOVE, MISS_AFTER, MISS_TWICE = 0, 1, 2, 3, 4, 5

ALARM, SEEN = 1, 2

REGIONS = 16  # of the visited set: each is some worker's alone
FRESH, BUILT = 1, 2  # what a candidate leads to: a world not seen before, whose row is missing; the same, with its row

CACHE_LINE = 8  # words
PREFETCH_DISTANCE = 24
PIECE = 1 << 12  # worlds that are judged together


class Cells(NamedTuple):
    """A table of which most may be unknown, as `sparse.cell` reads it: a grid, or blocks; the other one is empty."""

    dense: Int32s  # [rows, columns]
    blocks: Int64s  # [rows] where a row's block is
    entries: Int64s  # what is in blocks


class Lookup(NamedTuple):
    """The tables as the kernel reads them. S states, E event columns, X transitions, K contents, O options."""

    step: Cells  # [S, E] (state, event column) -> transition, IMPOSSIBLE or UNKNOWN
    next_state: Int32s  # [X]
    change: UInt64s  # [X] what the transition adds to the fingerprint; without its sends unless `sums`
    flags: UInt8s  # [X] ALARM: carries findings that were not reported yet; SEEN: some monitor observes it
    observed: Int32s  # [X, M] observation of each monitor, -1 for none
    send_start: Int32s  # [X + 1] where the sends of a transition begin in the next two
    send_slot: Int32s  # the slot of the channel
    send_index: Int32s  # the message, counted within its channel
    add: Cells  # [K, messages of a channel] content after sending, or UNKNOWN
    option_start: Int32s  # [K + 1] where the options of a content begin in the next four
    option_slot: Int32s  # [O] the slot of the channel
    option_column: Int32s  # [O] the event column of the delivery at the channel's target
    option_after: Int32s  # [O] content after the message left, or UNKNOWN
    option_twice: Int32s  # [O] content after the message was duplicated, or UNKNOWN
    option_hash: UInt64s  # [O] the message's word, if `sums`
    slot_target: Int32s  # [slots] the actor to which a channel leads; 0 for other slots
    slot_open: UInt8s  # [slots] 1: deliveries happen on this channel
    spend: Int32s  # [budgets, local kinds + 2] the budget after spending, IMPOSSIBLE or UNKNOWN; then drop, duplicate
    kind_column: Int32s  # [budgets, local kinds] the event column of the kind under this budget
    allowed: UInt8s  # [local kinds, actors] 1: the kind may happen at the actor
    move: Cells  # [monitor states, observations] the next monitor state, UNKNOWN, or BROKEN - next
    state_hash: UInt64s
    content_hash: UInt64s
    budget_hash: UInt64s
    monitor_hash: UInt64s
    local_columns: int  # columns of local events, the first of each row of `step`
    sums: bool  # whether the words of contents are the sums of their messages' words: channels are bags


class Candidates(NamedTuple):
    """Transitions found by `expand`, not yet known to lead to new worlds."""

    fingerprint: UInt64s
    source: Int32s  # index in the frontier
    code: Int32s


class Sorted(NamedTuple):
    """Fingerprints of candidates by region of the visited set; which candidates they are; where regions begin."""

    fingerprint: UInt64s
    candidate: Int32s
    start: Int64s  # [REGIONS + 1]


class Notes(NamedTuple):
    """What `expand` leaves for Python to see to."""

    misses: Int64s  # [capacity, 3] (MISS_*, row, column)
    alarms: Int64s  # [capacity, 2] (frontier index, event code)
    retry: Int64s  # frontier indices
    counts: Int64s  # [COUNTS] see the names below
    world: Int32s  # [slots] room to work in, or more


N_CANDIDATES, N_MISSES, N_ALARMS, N_RETRY, N_DEADLOCKS, N_TAKEN, N_TRANSITIONS = 0, 1, 2, 3, 4, 5, 6
COUNTS = 16  # with what keeps counts of one chunk out of the cache line that has those of the next


def new_notes(width: int) -> Notes:
    """Empty notes, with place for what one call of `expand` may leave on worlds of *width* slots."""
    return Notes(
        misses=np.empty((1 << 12, 3), np.int64),
        alarms=np.empty((256, 2), np.int64),
        retry=np.empty(1 << 12, np.int64),
        counts=np.zeros(COUNTS, np.int64),
        world=np.empty(width, np.int32),
    )


class Round(NamedTuple):
    """The chunks of one round, side by side: what `Candidates`, `Sorted` and `Notes` say, of one chunk in each row."""

    fingerprint: UInt64s  # [CHUNKS, capacity]
    source: Int32s
    code: Int32s
    by_region: UInt64s  # [CHUNKS, capacity]
    candidate: Int32s
    start: Int64s  # [CHUNKS, REGIONS + 1, and room]
    fresh: UInt8s  # [CHUNKS, capacity] what became of each candidate: 0, FRESH or BUILT
    made: Int64s  # [REGIONS, CHUNKS] how many candidates were new
    misses: Int64s
    alarms: Int64s
    retry: Int64s
    counts: Int64s
    world: Int32s
    turns: Int64s  # [PHASES, a cache line] how many chunks or regions were taken by workers, in each phase


EXPANDING, CLAIMING, BUILDING, TOUCHING = 0, 1, 2, 3
PHASES = 4
LISTED, MARKED, LACKING = 0, 1, 2  # what is to be built: listed by claims; marked already; of chunks that had misses


class Level(NamedTuple):
    """Worlds in order of discovery. All four have the same length, the capacity; `kernel.insert` returns the fill."""

    rows: Int32s  # [capacity, slots]
    fingerprint: UInt64s
    source: Int32s  # index of the parent in the level before
    code: Int32s  # the event that led here from the parent
