"""Which budgets never run short, so that nothing is lost by spending from them early.

Theory of operation. A local event that is taken at once (`Claims.is_fused`) spends from its budget, also where a run of
the full space never takes it and spends the budget on another actor. So the budget must be one of which something is
left wherever an event of it is possible. Call a state *open* if it has such an event. A budget never runs short if

    its events lead from open states to states that are not;
    no delivery, and no local event of another budget that is not one of its *sources*, leads from a state that is not
    open to one that is;
    in the initial world, as much is left of it as there are actors in open states, and left of its sources together.

Then the third holds in every world, by induction: an event of the budget closes one state; an event of a source, which
may open one, spends one; nothing else changes either side but for the better. And where a state is open, something is
left.

As with all claims, what counts are the steps that a search met; sources are found on the way, the cheapest choice being
the budgets of all local events that open a state. What was found to run short does so for ever.
"""

from __future__ import annotations

from attrs import Factory, define, field

from checker.engine.tables import Tables
from checker.reductions.steps import LocalSteps
from checker.reductions.symmetry import Point
from checker.system import Local, LocalKind
from checker.world import DROPS, DUPLICATES


@define(eq=False)
class Ample:
    """The budgets that never run short from the world *first* on, as far as steps were met."""

    tables: Tables
    steps: LocalSteps
    first: Point
    _kinds: dict[int, LocalKind] = field(init=False)  # by event column
    _sources: dict[str, set[str]] = field(init=False)  # of each budget that may suffice
    _open_at_first: dict[str, int] = Factory(dict)  # how many actors begin in open states
    _open: dict[tuple[int, str], bool] = Factory(dict)
    _wanting: dict[str, int] = Factory(dict)  # how much of a budget it would take to fuse what spends it

    def __attrs_post_init__(self) -> None:
        kinds = {kind.name: kind for kind in self.tables.kinds}
        events = self.tables.columns[0][: self.tables.local_columns]
        self._kinds = {column: kinds[event.kind] for column, event in enumerate(events) if isinstance(event, Local)}
        numbered = {kind.budget for kind in kinds.values() if kind.numbered}
        budgets = [name for name in self.tables.rules.budgets if self._left(name)]
        self._sources = {name: set() for name in budgets if name not in numbered | {DROPS, DUPLICATES}}

    @property
    def hopeful(self) -> bool:
        """Whether there is a budget that may suffice."""
        return bool(self._sources)

    def is_numbered(self, column: int) -> bool:
        """Whether *column* is of a local event that is numbered."""
        return column in self._kinds and self._kinds[column].numbered

    def may_suffice(self, column: int) -> bool:
        """Whether the budget of a local event would never run short if more of it were allowed."""
        return self._kinds[column].budget in self._sources

    def suffices(self, column: int) -> bool:
        """Whether the budget of a local event never runs short. If it does, that is noted for `wanting`."""
        budget = self._kinds[column].budget
        needed = self._needed(budget)
        if needed > self._left(budget):
            self._wanting[budget] = needed
        return needed <= self._left(budget)

    @property
    def wanting(self) -> str | None:
        """The budget of which the least was missing when `suffices` was asked, and how much of it would do. Those that
        have no source are not worth more.
        """
        missing = {name: needed - self._left(name) for name, needed in self._wanting.items() if self._sources.get(name)}
        name = min(missing, key=missing.__getitem__, default=None)
        return None if name is None else f"{self._wanting[name]} {name}"

    def meet(self, state: int, column: int) -> None:
        """Take note of the step of *state* on the event in *column*."""
        step = self.steps.of(state, column) if self._sources else None
        if step is None:
            return
        kind = self._kinds.get(column)
        for budget in list(self._sources):
            if not self._is_open(step.after, budget):
                continue
            if kind is not None and kind.budget == budget:
                del self._sources[budget]
            elif not self._is_open(state, budget):
                if kind is None:
                    del self._sources[budget]
                else:
                    self._sources[budget].add(kind.budget)

    def _needed(self, budget: str) -> int:
        """How much of *budget* there has to be at first."""
        if budget not in self._open_at_first:
            self._open_at_first[budget] = sum(self._is_open(state, budget) for state in self.first.states)
        return self._open_at_first[budget] + sum(map(self._left, self._sources[budget]))

    def _left(self, budget: str) -> int:
        return self.first.left[self.tables.rules.budgets.index(budget)]

    def _is_open(self, state: int, budget: str) -> bool:
        """Whether an event of *budget* is possible in *state*."""
        known = self._open.get((state, budget))
        if known is None:
            known = self._open[state, budget] = self._has_event(state, budget)
        return known

    def _has_event(self, state: int, budget: str) -> bool:
        actor = self.tables.actors[self.tables.states[state][0]]
        return any(
            kind.budget == budget
            and self.tables.rules.vary.allows(kind.name, actor)
            and self.steps.of(state, column) is not None
            for column, kind in self._kinds.items()
        )


__all__ = ["Ample"]
