"""What a search is to answer: the rules, the properties, and what else is asked of worlds.

Every kind of search is made of the same parts, whatever it keeps or leaves out; they are made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import frozen

from checker.engine.judging import Judge, groups_of
from checker.engine.search import Search
from checker.engine.stores import HashStore
from checker.engine.tables import Tables
from checker.engine.watch import Watch
from checker.engine.workers import Workers
from checker.properties.base import Predicate, as_predicate, several
from checker.runs.replay import Properties
from checker.system import ActorId, State
from checker.world import Rules

AnyPredicate = Predicate | Callable[[Mapping[ActorId, State]], bool]


@frozen
class Predicates:
    """The goal, what is counted, and where a search does not go on."""

    goal: Predicate | None
    sometimes: tuple[Predicate, ...]
    prune: tuple[Predicate, ...]

    @classmethod
    def of(
        cls, goal: AnyPredicate | None, sometimes: Iterable[AnyPredicate], prune: Iterable[AnyPredicate]
    ) -> Predicates:
        aim = None if goal is None else as_predicate(goal)
        met, pruned = several("sometimes", sometimes), several("prune", prune)
        return cls(aim, tuple(map(as_predicate, met)), tuple(map(as_predicate, pruned)))

    @property
    def watched(self) -> tuple[Predicate, ...]:
        return (*(() if self.goal is None else (self.goal,)), *self.sometimes)

    @property
    def all(self) -> tuple[Predicate, ...]:
        return (*self.watched, *self.prune)


@frozen
class Question:
    """What a search is to answer."""

    rules: Rules
    properties: Properties
    predicates: Predicates
    watch: Watch
    stop_at_first: bool
    workers: int

    @property
    def parts(self) -> dict[str, Any]:
        """What every kind of search is made of."""
        return {
            "watch": self.watch,
            "stop_on": frozenset({self.predicates.goal.name} if self.predicates.goal else ()),
            "silent": self.properties.silent,
            "stop_at_first": self.stop_at_first,
        }

    def tables_and_judge(self, known: Tables | None = None, *, elsewhere: Tables | None = None) -> tuple[Tables, Judge]:
        """Tables, in which nothing is known yet unless there are some that do, and who judges by them.

        What is known *elsewhere* is looked up there, and not run again.
        """
        groups = groups_of(self.properties.invariants, self.predicates.watched, self.predicates.prune)
        tables = Tables(self.rules, [group.view for group in groups], elsewhere) if known is None else known
        return tables, Judge(tables, groups)

    def search(self, tables: Tables, judge: Judge) -> Search:
        """A search of the full space, in memory, that stands at the initial world."""
        row = tables.row(self.rules.initial())
        return Search(
            tables=tables,
            judge=judge,
            store=HashStore(row, tables.fingerprint(row)),
            workers=Workers(self.workers),
            **self.parts,
        )


__all__ = ["AnyPredicate", "Predicates", "Question"]
