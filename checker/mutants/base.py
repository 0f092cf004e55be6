"""What a mutant is: one rule of Raft, broken on purpose, and what it takes to notice."""

from __future__ import annotations

from attrs import frozen

from checker.properties.base import Predicate
from checker.raft_system import RaftSystem
from checker.spaces import Space
from raftframe import Options, StandardStateMap
from raftframe.api import AppAPI


@frozen(kw_only=True)
class Mutant(Space):
    """A planted bug, and the space that shows it. `rules` is a mixin for the state classes, its methods replacing the
    correct ones in every role.

    `catalogue` names the shipped bug that this one brings back, if there is one. `breaks` is the property that
    falls first, after `steps` events: the shortest counterexample in the space.

    A bug that breaks nothing has a `goal` instead: what the correct rules reach in `steps` events, and these never,
    though the space is complete. Then `breaks` is its name.
    """

    name: str
    summary: str
    rules: type
    breaks: str
    steps: int
    catalogue: str | None = None
    goal: Predicate | None = None

    def states(self, app: AppAPI, options: Options | None = None) -> StandardStateMap:
        """A state map with the bug in it."""
        return StandardStateMap(app, options if options is not None else self.options, mixin=self.rules)

    def system(self, *, mutated: bool = True) -> RaftSystem:
        """The cluster that the bug is looked for in, with the bug or without."""
        return self.cluster(self.states(self.app()) if mutated else None)
