"""The tables of the reduced search as its kernel reads them, filled on demand.

A pair of a state and an event column gets a number when a world offers it; that is also when it is offered to the
claims. What is asked about it (is the message dead, is its delivery confluent) is answered when the kernel asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from checker.engine.arrays import Column, Grid
from checker.engine.layout import ALARM, CODE_MASK, IMPOSSIBLE, SEEN, UNKNOWN, Int32s
from checker.engine.sparse import Sparse
from checker.engine.tables import Tables
from checker.errors import LimitError
from checker.reductions.claims import Claims
from checker.reductions.layout import (
    ALIVE,
    CONFLUENT,
    DEAD,
    MISS_CONFLUENT,
    MISS_DEAD,
    MISS_MOVED,
    MISS_PAIR,
    MISS_SPENT,
    OTHER,
    Pairs,
)
from checker.reductions.steps import LocalStep, LocalSteps
from checker.reductions.symmetry import Symmetry
from checker.system import Local

ONE: Int32s = np.zeros((1, 1), np.int32)  # of a group of one, whose images nobody asks for


class PairTables:
    """The pairs that were met so far. *kinds* has the reductions that are used."""

    def __init__(
        self, tables: Tables, steps: LocalSteps, claims: Claims, symmetry: Symmetry | None, kinds: frozenset[str]
    ) -> None:
        self.tables, self.steps, self.claims, self.symmetry, self._kinds = tables, steps, claims, symmetry, kinds
        self._pairs: list[tuple[int, int]] = []
        self._pair = Sparse(64, 64)
        self._after, self._flags = Column(np.int32), Column(np.uint8)
        self._observed = Grid(-1, 64, len(tables.rules.monitors))
        self._send_start, self._send = Column(np.int64, [0]), Column(np.int32)
        self._target, self._column, self._is_open = Column(np.int32), Column(np.int32), Column(np.uint8)
        self._lookup: Pairs | None = None

    def forget(self) -> None:
        """Ask again which messages are dead, and which deliveries confluent."""
        for pair in range(len(self._pairs)):
            self._flags[pair] = self._begin_flags(pair)

    def silence(self, pair: int) -> None:
        """Do not alarm again about *pair*."""
        self._flags[pair] = int(self._flags.values[pair]) & ~ALARM

    def step(self, state: int, column: int) -> tuple[int, LocalStep]:
        """The pair, and the step that is taken there."""
        step = self.steps.of(state, column)
        assert step is not None
        return self._pair[state, column], step

    def delivery(self, message: int) -> tuple[int, int]:
        """The actor that receives a message, and the event column of that."""
        return int(self._target.values[message]), int(self._column.values[message])

    # --- misses -------------------------------------------------------------------------------------------------------

    def fill(self, misses: Iterable[Sequence[int]]) -> None:
        """Answer what the kernel lacked. All pairs are offered before anything is claimed of one."""
        later = []
        for kind, row, column in misses:
            if kind == MISS_PAIR:
                self._meet(row, column)
            elif kind in (MISS_DEAD, MISS_CONFLUENT):
                later.append((kind, row))
            elif kind == MISS_SPENT:
                self.tables.spent(row, column)
            elif kind == MISS_MOVED:
                self._move(row, column)
        for kind, pair in later:
            if kind == MISS_DEAD:
                self._flag(pair, self.claims.use_dead(*self._claimed(pair)), DEAD, ALIVE)
            else:
                self._flag(pair, self.claims.use_confluent(*self._claimed(pair)), CONFLUENT, OTHER)
        self._lookup = None

    def _move(self, state: int, observation: int) -> None:
        if self.symmetry is not None:
            self.symmetry.check_move(self.tables.monitor_states[state][0], state, observation)
        self.tables.moved(state, observation)

    def _claimed(self, pair: int) -> tuple[int, int]:
        """The pair about which a claim is made."""
        state, column = self._pairs[pair]
        return (state, column) if self.symmetry is None else self.symmetry.pair(state, column)

    def _flag(self, pair: int, holds: bool, yes: int, no: int) -> None:
        self._flags[pair] = int(self._flags.values[pair]) | (yes if holds else no)

    def _meet(self, state: int, column: int) -> None:
        """Give a pair a number, and its images too; note that they are offered."""
        self._learn_messages()
        pairs = [(state, column)] if self.symmetry is None else self.symmetry.pairs(state, column)
        for pair in pairs:
            self._pair.cover(pair[0] + 1, pair[1] + 1)
            if self._pair[pair] == UNKNOWN:
                self._add(*pair)

    def _add(self, state: int, column: int) -> None:
        number = len(self._pairs)
        self._pair[state, column] = number
        self._pairs.append((state, column))
        if self._may_happen(state, column):
            self.claims.offer(state, column)
        step = self.steps.of(state, column)
        self._after.append(IMPOSSIBLE if step is None else step.after)
        self._flags.append(self._begin_flags(number))
        self._observed.cover(number + 1, len(self.tables.rules.monitors))
        if step is not None:
            self._observed.values[number] = step.observed
            for message in step.sends:
                self._send.append(message)
        self._send_start.append(self._send.size)

    def _may_happen(self, state: int, column: int) -> bool:
        """Whether the event can come about where it is offered: not if it is a message on a blocked channel."""
        tables = self.tables
        actor = tables.states[state][0]
        event = tables.columns[actor][column]
        if isinstance(event, Local):
            return True
        blocked = (event.source, tables.actors[actor]) in tables.rules.blocked
        return tables.rules.vary.deliver and not blocked

    def _begin_flags(self, number: int) -> int:
        """What is known of a pair before anything is claimed."""
        state, column = self._pairs[number]
        step = self.steps.of(state, column)
        flags = 0
        if step is not None:
            flags |= SEEN if max(step.observed, default=-1) >= 0 else 0
            flags |= ALARM if step.transition in self.tables.findings else 0
        if "dead" not in self._kinds:
            flags |= ALIVE
        if "confluent" not in self._kinds or not self._may_happen(state, column):
            flags |= OTHER
        return flags

    def _learn_messages(self) -> None:
        """Have every message that the tables know."""
        tables = self.tables
        for number in range(self._target.size, len(tables.messages)):
            source, target = tables.channels[tables.messages[number][0] - tables.first_channel]
            blocked = (tables.actors[source], tables.actors[target]) in tables.rules.blocked
            self._target.append(target)
            self._column.append(tables.message_column[number])
            self._is_open.append(tables.rules.vary.deliver and not blocked)
        if len(tables.messages) > CODE_MASK:
            raise LimitError(f"more than {CODE_MASK} messages: lower the bounds")

    # --- as arrays ----------------------------------------------------------------------------------------------------

    @property
    def lookup(self) -> Pairs:
        """The arrays as the kernel reads them, good until the next `fill`."""
        if self._lookup is None:
            self._lookup = self._make_lookup()
        return self._lookup

    def _make_lookup(self) -> Pairs:
        tables, symmetry = self.tables, self.symmetry
        state_image = monitor_image = message_image = places = sources = ONE
        if symmetry is not None:
            state_image, monitor_image, message_image = symmetry.cover()
            places, sources = symmetry.places, symmetry.sources
        self._learn_messages()
        self._pair.cover(len(tables.states), max(map(len, tables.columns)))
        spend, kind_column, allowed, move = tables.beside_steps
        return Pairs(
            pair=self._pair.cells,
            after=self._after.values,
            flags=self._flags.values,
            observed=self._observed.values,
            send_start=self._send_start.values,
            send=self._send.values,
            target=self._target.values,
            column=self._column.values,
            is_open=self._is_open.values,
            spend=spend,
            kind_column=kind_column,
            allowed=allowed,
            move=move,
            places=places,
            sources=sources,
            state_image=state_image,
            monitor_image=monitor_image,
            message_image=message_image,
            local_columns=tables.local_columns,
            stays=tables.rules.network == "ever-sent",
        )


__all__ = ["PairTables"]
