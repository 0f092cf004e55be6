"""A reduced world as a row of numbers, and what the compiled loops of the reduced search are given.

A row is int32, one number a slot:

    [actor 0 .. N-1] [budget] [monitor 0 .. M-1] [flight 0 .. F-1]

The first part is as in `checker.engine.layout`. The flight has the numbers of the messages under way in ascending
order, copies repeated; the slots behind them hold NOTHING. A row that has too few slots is made wider, for all worlds.

What an event does at an actor in some state is kept by *pair*: a number for each pair of state and event column that
some world offered. Event codes are as in `checker.engine.layout`, but that the number of a DELIVER, DROP or DUPLICATE
is the message's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from checker.engine.layout import Cells, Int32s, Int64s, Level, UInt8s
from checker.engine.visited import new_level

NOTHING = 2**31 - 1

DEAD, ALIVE, CONFLUENT, OTHER = 4, 8, 16, 32  # beside ALARM and SEEN in the flags of a pair; unset: not asked yet
# CONFLUENT says of a local event that it is fused: either is taken alone; OTHER, of either, that it is not

MISS_PAIR, MISS_DEAD, MISS_CONFLUENT, MISS_SPENT, MISS_MOVED, MISS_ROOM = 0, 1, 2, 3, 4, 5

CHAIN = 64  # events taken alone that may follow one another; a longer chain ends there, which is sound


class Pairs(NamedTuple):
    """The tables as the kernel reads them. S states, E event columns, P pairs, X messages, G permutations."""

    pair: Cells  # [S, E] the number of the pair, or UNKNOWN
    after: Int32s  # [P] the state that follows, or IMPOSSIBLE
    flags: UInt8s  # [P]
    observed: Int32s  # [P, M] observation of each monitor, -1 for none
    send_start: Int64s  # [P + 1] where the sends of a pair begin in the next
    send: Int32s  # messages, in ascending order for each pair
    target: Int32s  # [X] the actor that a message goes to
    column: Int32s  # [X] the event column of its delivery there
    is_open: UInt8s  # [X] 1: it may be delivered
    spend: Int32s  # [budgets, local kinds + 2], as in `checker.engine.layout.Lookup`
    kind_column: Int32s  # [budgets, local kinds]
    allowed: UInt8s  # [local kinds, actors]
    move: Cells  # [monitor states, observations]
    places: Int32s  # [G, actors] the actor that an actor becomes
    sources: Int32s  # [G, actors] the actor that becomes an actor
    state_image: Int32s  # [S, G]
    monitor_image: Int32s  # [monitor states, G]
    message_image: Int32s  # [X, G]
    local_columns: int
    stays: bool  # whether a delivered message stays under way
    fuses: bool  # whether local events may be fused


class Found(NamedTuple):
    """Worlds that others lead to, in normal form; which of them are new is not known yet."""

    worlds: Level
    stands_for: Int32s  # how many worlds each stands for


class Room(NamedTuple):
    """Rows to work in."""

    world: Int32s
    chain: Int32s  # [CHAIN, slots]
    best: Int32s
    image: Int32s


def new_found(capacity: int, width: int) -> Found:
    """Place for *capacity* worlds of *width* slots."""
    return Found(new_level(capacity, width), np.empty(capacity, np.int32))


def new_room(width: int) -> Room:
    """Room to work on worlds of *width* slots."""
    return Room(*(np.empty(shape, np.int32) for shape in (width, (CHAIN, width), width, width)))


__all__ = ["Found", "Pairs", "Room", "new_found", "new_room"]
