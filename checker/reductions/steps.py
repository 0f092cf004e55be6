"""Local steps by number, as the reductions read them, each looked up once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define, field, frozen

from checker.engine.layout import IMPOSSIBLE
from checker.engine.tables import Tables

if TYPE_CHECKING:
    from checker.reductions.symmetry import Symmetry


@frozen
class LocalStep:
    """What one event does at one actor. `sends` has the numbers of messages in ascending order."""

    transition: int
    after: int
    sends: tuple[int, ...]
    observed: tuple[int, ...]  # by monitor, -1 where the step does not concern it
    broken: frozenset[str]  # the properties that the step breaks by itself

    @property
    def silent(self) -> bool:
        """Whether no monitor and no rule sees anything in it."""
        return not self.broken and all(seen < 0 for seen in self.observed)


@define
class LocalSteps:
    """The steps of `tables`. A pair that no search has met is tried when it is asked for."""

    tables: Tables
    symmetry: Symmetry | None = None
    _known: dict[tuple[int, int], LocalStep | None] = Factory(dict)
    _looked: dict[tuple[int, int], LocalStep | None] = Factory(dict)
    _index: dict[object, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._index = {actor: index for index, actor in enumerate(self.tables.actors)}

    def of(self, state: int, column: int) -> LocalStep | None:
        """The step of *state* on the event in *column*, or None if that cannot happen."""
        key = (state, column)
        if key not in self._known:
            if self.symmetry is not None:
                self.symmetry.check_step(self, state, column)
            self._known[key] = self.look(state, column)
        return self._known[key]

    def look(self, state: int, column: int, *, again: bool = False) -> LocalStep | None:
        """As `of`, without a test of symmetry; *again* as in `Tables.step`."""
        key = (state, column)
        if key not in self._looked:
            self._looked[key] = self._look(state, column, again)
        return self._looked[key]

    def same_views(self, one: int, other: int) -> bool:
        """Whether two states of an actor look alike to everything that is asked, whoever that actor is."""
        if self.symmetry is None:
            return self._look_alike(one, other)
        symmetry = self.symmetry
        images = zip(symmetry.states.of(one), symmetry.states.of(other), strict=True)
        return all(self._look_alike(*both) for both in images)

    def _look_alike(self, one: int, other: int) -> bool:
        tables = self.tables
        groups = range(len(tables.view_values))
        return all(tables.view_column(group)[one] == tables.view_column(group)[other] for group in groups)

    def is_no_op(self, state: int, column: int) -> bool:
        """Whether the event changes nothing, sends nothing, and nobody sees it."""
        step = self.of(state, column)
        return step is None or (step.after == state and not step.sends and step.silent)

    def _look(self, state: int, column: int, again: bool) -> LocalStep | None:
        tables = self.tables
        transition = tables.step(state, column, again=again)
        if transition == IMPOSSIBLE:
            return None
        actor, step = tables.states[state][0], tables.transitions[transition]
        sends = (tables.message_id(actor, self._index[send.target], send.message) for send in step.sends)
        return LocalStep(
            transition=transition,
            after=tables.state_id(actor, step.state),
            sends=tuple(sorted(sends)),
            observed=tables.observations_of(transition),
            broken=frozenset(finding.property for finding in tables.findings.get(transition, ())),
        )
