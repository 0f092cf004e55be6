"""Local steps by number, as the reductions read them, each looked up once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from checker.engine.layout import IMPOSSIBLE
from checker.engine.tables import Tables

if TYPE_CHECKING:
    from checker.reductions.symmetry import Symmetry


class LocalStep(NamedTuple):
    """What one event does at one actor. `sends` has the numbers of messages in ascending order."""

    transition: int
    after: int
    sends: tuple[int, ...]
    observed: tuple[int, ...]  # by monitor, -1 where the step does not concern it
    broken: frozenset[str]  # the properties that the step breaks by itself
    is_silent: bool  # no monitor and no rule sees anything in it
    is_no_op: bool  # it is silent, changes nothing and sends nothing


T = TypeVar("T")
NOTHING_BROKEN: frozenset[str] = frozenset()


class Answers(dict[int, T]):
    """What *find* says of each number, which is asked once."""

    def __init__(self, find: Callable[[int], T]) -> None:
        self._find = find

    def __missing__(self, number: int) -> T:
        found = self[number] = self._find(number)
        return found


Steps = Answers[LocalStep | None]  # of one state, by event column: None where the event cannot happen


class LocalSteps:
    """The steps of `tables`. A pair that no search has met is tried when it is asked for.

    `at[state][column]` is a step, or None if the event in *column* cannot happen in *state*.
    """

    def __init__(self, tables: Tables, symmetry: Symmetry | None = None) -> None:
        self._tables, self._symmetry = tables, symmetry
        self._looked: dict[tuple[int, int], LocalStep | None] = {}
        self.at: Answers[Steps] = Answers(lambda state: Answers(partial(self._find, state)))

    def of(self, state: int, column: int) -> LocalStep | None:
        """The step of *state* on the event in *column*, or None if that cannot happen."""
        return self.at[state][column]

    def _find(self, state: int, column: int) -> LocalStep | None:
        symmetry = self._symmetry
        if symmetry is None:
            return self._look((state, column))
        step: LocalStep | None = None
        for turned, pair in symmetry.compared(state, column):
            found = self._look(pair, again=turned > 0)
            if turned == 0:
                step = found
            else:
                symmetry.compare(turned, step, found, *pair)
            if symmetry.compares_all:
                self.at[pair[0]][pair[1]] = found
        return self._look((state, column))

    def _look(self, pair: tuple[int, int], *, again: bool = False) -> LocalStep | None:
        """As `of`, without a test of symmetry; *again* as in `Tables.step`."""
        known = self._looked.get(pair)
        if known is None:
            known = self._looked[pair] = self._made(self._tables.step(*pair, again=again))
        return known

    def _made(self, number: int) -> LocalStep | None:
        if number == IMPOSSIBLE:
            return None
        state, after, sends, observed, _marks, _outputs = self._tables.transitions[number]
        findings = self._tables.findings.get(number)
        broken = frozenset(finding.property for finding in findings) if findings else NOTHING_BROKEN
        silent = not findings and (not observed or max(observed) < 0)
        sends = tuple(sorted(sends))
        return LocalStep(number, after, sends, observed, broken, silent, silent and after == state and not sends)

    def same_views(self, one: int, other: int) -> bool:
        """Whether two states of an actor look alike to everything that is asked, whoever that actor is."""
        if self._symmetry is None:
            return self._look_alike(one, other)
        states = self._symmetry.states
        return all(map(self._look_alike, states[one], states[other]))

    def _look_alike(self, one: int, other: int) -> bool:
        return self._tables.view_numbers[one] == self._tables.view_numbers[other]


__all__ = ["LocalStep", "LocalSteps"]
