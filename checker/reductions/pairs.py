"""The tables of the reduced search as its kernel reads them, filled on demand.

A pair of a state and an event column gets a number when a world offers it; that is also when it is offered to the
claims. What is asked about it (is the message dead, is its delivery confluent, is the local event fused) is answered
when the kernel asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from checker.engine.arrays import Column
from checker.engine.compiled import packed
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


class Orbit(NamedTuple):
    """A pair and its images, of which whatever is claimed is claimed alike."""

    least: tuple[int, int]
    numbers: slice  # the pairs, which are numbered one after another
    begin: int  # the flags of each before anything is claimed


ONE: Int32s = np.zeros((1, 1), np.int32)  # of a group of one, whose images nobody asks for


class PairTables:
    """The pairs that were met so far. *kinds* has the reductions that are used."""

    def __init__(
        self, tables: Tables, steps: LocalSteps, claims: Claims, symmetry: Symmetry | None, kinds: frozenset[str]
    ) -> None:
        self.tables, self.steps, self.claims, self.symmetry, self._kinds = tables, steps, claims, symmetry, kinds
        self._orbits: list[Orbit] = []  # by pair
        self._pair = Sparse(64, 64)
        self._after, self._flags = Column(np.int32), Column(np.uint8)
        self._observed = Column(np.int32, width=len(tables.rules.monitors))
        self._blind = (-1,) * len(tables.rules.monitors)
        self._send_start, self._send = Column(np.int64, [0]), Column(np.int32)
        self._target, self._column, self._is_open = Column(np.int32), Column(np.int32), Column(np.uint8)
        self._lookup: Pairs | None = None
        self._packed: Pairs | None = None

    def forget(self) -> None:
        """Alarm again, and claim again what was claimed, as far as it still holds; what was refuted stays so."""
        orbits = {orbit.numbers.start: orbit for orbit in self._orbits}
        before = self._flags.values.copy()
        for start, orbit in orbits.items():
            self._flags.values[orbit.numbers] = orbit.begin | before[start] & (ALIVE | OTHER)
        for start, orbit in orbits.items():
            if before[start] & DEAD:
                self._claim(orbit, self.claims.use_dead, DEAD, ALIVE)
            if before[start] & CONFLUENT:
                self._claim(orbit, self._use_at_once, CONFLUENT, OTHER)

    def silence(self, pair: int) -> None:
        """Do not alarm again about *pair*."""
        self._flags[pair] = self._flags.item(pair) & ~ALARM

    def step(self, state: int, column: int) -> tuple[int, LocalStep]:
        """The pair, and the step that is taken there."""
        step = self.steps.of(state, column)
        assert step is not None
        return self._pair[state, column], step

    def delivery(self, message: int) -> tuple[int, int]:
        """The actor that receives a message, and the event column of that."""
        return self._target.item(message), self._column.item(message)

    # --- misses -------------------------------------------------------------------------------------------------------

    def fill(self, misses: Iterable[tuple[int, int, int]]) -> None:
        """Answer what the kernel lacked. All pairs are offered before anything is claimed of one."""
        asked: dict[int, None] = {}  # pairs
        for kind, row, column in misses:
            if kind == MISS_PAIR:
                self._meet(row, column)
                if column >= self.tables.local_columns:
                    asked[self._pair[row, column]] = None  # for that is what comes next
            elif kind in (MISS_DEAD, MISS_CONFLUENT):
                asked[row] = None
            elif kind == MISS_SPENT:
                self.tables.spent(row, column)
            elif kind == MISS_MOVED:
                self._move(row, column)
        for pair in asked:
            self._claim(self._orbits[pair], self.claims.use_dead, DEAD, ALIVE)
            if not self._flags.item(pair) & DEAD:
                self._claim(self._orbits[pair], self._use_at_once, CONFLUENT, OTHER)
        self._lookup = self._packed = None

    def _move(self, state: int, observation: int) -> None:
        if self.symmetry is not None:
            self.symmetry.check_move(self.tables.monitor_states[state][0], state, observation)
        self.tables.moved(state, observation)

    def _claim(self, orbit: Orbit, ask: Callable[[int, int], bool], yes: int, no: int) -> None:
        """Flag a pair and its images by what *ask* says, unless that is known."""
        if not self._flags.item(orbit.numbers.start) & (yes | no):
            flags = self._flags.values[orbit.numbers]
            flags |= yes if ask(*orbit.least) else no

    def _meet(self, state: int, column: int) -> None:
        """Give a pair a number, and its images too; note that they are offered."""
        tables, symmetry = self.tables, self.symmetry
        self._pair.cover(len(tables.states), max(map(len, tables.columns)))
        if self._pair[state, column] != UNKNOWN:
            return
        pairs, least = [(state, column)], (state, column)
        if symmetry is not None:
            pairs, least = list(dict.fromkeys(symmetry.pairs(state, column))), symmetry.pair(state, column)
        if self._may_happen(state, column):
            for pair in pairs:
                self.claims.offer(*pair)
        begin, end = len(self._orbits), len(self._orbits) + len(pairs)
        orbit = Orbit(least, slice(begin, end), self._begin_flags(state, column))
        self._orbits += [orbit] * len(pairs)
        self._flags.extend([orbit.begin] * len(pairs))
        for number, pair in enumerate(pairs, begin):
            self._pair[pair] = number
        self._add_steps([self.steps.at[state][column] for state, column in pairs])

    def _add_steps(self, steps: Sequence[LocalStep | None]) -> None:
        """Note what is done at the pairs with the next numbers."""
        self._after.extend([IMPOSSIBLE if step is None else step.after for step in steps])
        self._observed.extend([self._blind if step is None else step.observed for step in steps])
        for step in steps:
            self._send.extend(() if step is None else step.sends)
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

    def _use_at_once(self, state: int, column: int) -> bool:
        """Whether what happens at a pair may be taken alone, which is relied on."""
        is_local = column < self.tables.local_columns
        return self.claims.use_fused(state, column) if is_local else self.claims.use_confluent(state, column)

    def _begin_flags(self, state: int, column: int) -> int:
        """What is known of a pair before anything is claimed."""
        step, is_local = self.steps.of(state, column), column < self.tables.local_columns
        flags = 0
        if step is not None:
            flags |= SEEN if max(step.observed, default=-1) >= 0 else 0
            flags |= ALARM if step.transition in self.tables.findings else 0
        if "dead" not in self._kinds or is_local:
            flags |= ALIVE
        if ("fused" if is_local else "confluent") not in self._kinds or not self._may_happen(state, column):
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

    @property
    def packed(self) -> Pairs:
        """The same, to hand to compiled code only, several times."""
        if self._packed is None:
            self._packed = packed(self.lookup)
        return self._packed

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
            fuses=self.claims.ample is not None and self.claims.ample.hopeful,
        )


__all__ = ["PairTables"]
