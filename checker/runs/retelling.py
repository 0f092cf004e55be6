"""Retells what a search found: each run is replayed through the real code before it is reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from checker.engine.search import Hit
from checker.properties.base import Invariant
from checker.report import Failure, Witness
from checker.runs.minimise import minimise
from checker.runs.replay import Properties, ReplayError, Run, all_violations, replay_rules
from checker.runs.trace import Violation
from checker.stepping import DETERMINISTIC_STEP, NO_HANDLER_ERROR, UNCHANGED_INPUT
from checker.world import Rules, WorldEvent


@frozen
class Retelling:
    """Replays what the search found through the real code."""

    events: Callable[[Hit], list[WorldEvent]]
    rules: Rules
    properties: Properties
    shorten: bool = False  # what the search found is not as short as can be

    def failure(self, hit: Hit) -> Failure:
        """The failure that *hit* stands for; if it does not happen again, a failure that says so."""
        events = self.events(hit)
        silenced = evolve(self.properties, invariants=())
        try:
            run = replay_rules(self.rules, silenced, events, stop_at_first=False)
        except ReplayError as error:
            return self._diverged(hit, error.run, str(error))
        again = all_violations(self.rules, self.properties, run)
        found_by_comparing = hit.name in (DETERMINISTIC_STEP, UNCHANGED_INPUT)
        if hit.name not in again and not found_by_comparing:
            return self._diverged(hit, run, f"{hit.name} holds at its end ({hit.reason})")
        if self.shorten and not found_by_comparing:
            run = self._shortened(hit.name, run)
            again = all_violations(self.rules, self.properties, run)
        reason = again.get(hit.name, str(hit.reason))
        return self._failure(hit.name, reason, run)

    def _shortened(self, name: str, run: Run) -> Run:
        """*run* without what can be left out while the property *name* still breaks."""
        rules, monitors = self.properties.step_rules, self.properties.monitors
        others = {NO_HANDLER_ERROR, *(rule.name for rule in rules), *(monitor.name for monitor in monitors)}
        only = evolve(self.properties, silent=frozenset(others - {name}), invariants=self._invariants(name))

        def attempt(events: Sequence[WorldEvent]) -> tuple[WorldEvent, ...] | None:
            again = replay_rules(self.rules, only, events, tolerant=True)
            return None if again.violation is None else again.events

        return replay_rules(self.rules, only, minimise(run.events, attempt).events)

    def _invariants(self, name: str) -> tuple[Invariant, ...]:
        return tuple(one for one in self.properties.invariants if one.name == name)

    def witness(self, hit: Hit) -> Witness:
        """The run to the goal."""
        run = replay_rules(self.rules, self.properties, self.events(hit), stop_at_first=False)
        return Witness(hit.name, run.events, run.trace(f"reach {hit.name}", self._about()))

    def _diverged(self, hit: Hit, run: Run, how: str) -> Failure:
        reason = (
            f"nondeterministic implementation: the run that breaks {hit.name} does not happen again when it is "
            f"replayed: {how}. Likely causes: the clock, randomness, iteration over a set, an object or class "
            f"attribute that keeps something between calls"
        )
        return self._failure(DETERMINISTIC_STEP, reason, run)

    def _failure(self, name: str, reason: str, run: Run) -> Failure:
        told = evolve(run, violation=Violation(name, reason, len(run.transitions)))
        return Failure(name, reason, run.events, told.trace(f"{name}: {reason}", self._about()))

    def _about(self) -> dict[str, str]:
        bounds = ", ".join(f"{name}={amount}" for name, amount in sorted(self.rules.bounds.budgets.items()))
        return {"network": self.rules.network, "bounds": bounds or "none"}


__all__ = ["Retelling"]
