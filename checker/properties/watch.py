"""Watching one run: every property, kept up to date step by step, in plain Python.

Exploration tabulates properties; a run that happens once (a scenario, a replay) only needs them judged after each
step. An invariant is judged again only when a view that it reads, or the history that it reads, has changed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from checker.properties.base import Invariant, Monitor, Property, StepRule, as_reason
from checker.stepping import Finding, describe_error, move
from checker.system import ActorId, Event, State, Step


class RunWatch:
    """The properties of one run. Feed it every step, in order; what each call returns is what that step broke."""

    def __init__(self, properties: Iterable[Property]) -> None:
        given = tuple(properties)
        self._rules = {rule.name: rule for rule in given if isinstance(rule, StepRule)}
        self._invariants = {rule.name: rule for rule in given if isinstance(rule, Invariant)}
        needed = [rule.monitor for rule in self._invariants.values() if rule.monitor is not None]
        named = [rule for rule in given if isinstance(rule, Monitor)]
        self._monitors = {monitor.name: monitor for monitor in (*named, *needed)}
        self._silent = set(self._monitors) - {monitor.name for monitor in named}
        self._memory: dict[str, Hashable] = {name: monitor.initial for name, monitor in self._monitors.items()}
        self._judged: dict[str, tuple[Hashable, Hashable]] = {}
        self._views: dict[str, dict[ActorId, tuple[State, Hashable]]] = {name: {} for name in self._invariants}

    @property
    def names(self) -> tuple[str, ...]:
        """Every property that is watched, sorted."""
        return tuple(sorted({*self._rules, *self._invariants, *self._monitors} - self._silent))

    @property
    def memory(self) -> Mapping[str, Hashable]:
        """The state of each monitor by name: what an exploration that starts here must be told."""
        return dict(self._memory)

    def ignore(self, name: str) -> None:
        """Report nothing more about property *name*; a monitor that others read goes on remembering."""
        self._rules.pop(name, None)
        self._invariants.pop(name, None)
        if name in self._monitors:
            self._silent.add(name)

    def begin(self, states: Mapping[ActorId, State]) -> tuple[Finding, ...]:
        """What is wrong with *states* before the first step, or after they were changed by other means than a step."""
        return self._judge(states)

    def after(
        self, actor: ActorId, before: State, event: Event, step: Step, states: Mapping[ActorId, State]
    ) -> tuple[Finding, ...]:
        """What *step* of *actor* broke; *states* are all actors' states after it."""
        findings = [
            Finding(rule.name, reason)
            for rule in self._rules.values()
            if (reason := _guarded(lambda rule=rule: rule.check(actor, before, event, step)))
        ]
        for monitor in self._monitors.values():
            reason = self._move(monitor, actor, before, event, step)
            if reason is not None and monitor.name not in self._silent:
                findings.append(Finding(monitor.name, reason))
        return (*findings, *self._judge(states))

    def _move(self, monitor: Monitor, actor: ActorId, before: State, event: Event, step: Step) -> str | None:
        try:
            seen = monitor.observe(actor, before, event, step)
        except (Exception, SystemExit) as error:
            return f"the monitor raised {describe_error(error)}"
        if seen is None:
            return None
        went = move(monitor, self._memory[monitor.name], seen)
        self._memory[monitor.name] = went.state
        return went.broken

    def _judge(self, states: Mapping[ActorId, State]) -> tuple[Finding, ...]:
        findings = []
        for invariant in self._invariants.values():
            reason = _guarded(lambda invariant=invariant: self._opinion(invariant, states))
            if reason is not None:
                findings.append(Finding(invariant.name, reason))
        return tuple(findings)

    def _opinion(self, invariant: Invariant, states: Mapping[ActorId, State]) -> str | None:
        views = self._viewed(invariant, states)
        history = self._memory[invariant.monitor.name] if invariant.monitor is not None else None
        seen = (tuple(views.values()), history)
        if self._judged.get(invariant.name) == seen:
            return None  # judged before, and reported then if it was wrong
        self._judged[invariant.name] = seen
        return invariant.judge(views, history)

    def _viewed(self, invariant: Invariant, states: Mapping[ActorId, State]) -> dict[ActorId, Hashable]:
        """What *invariant* sees of each actor; only of the one that took the step it is worked out anew."""
        known = self._views[invariant.name]
        for actor, state in states.items():
            before = known.get(actor)
            if before is None or before[0] is not state:
                known[actor] = (state, invariant.view(actor, state))
        return {actor: known[actor][1] for actor in states}


def _guarded(look: object) -> str | None:
    """What *look* says; a property that raises is a finding too."""
    assert callable(look)
    try:
        said = look()
    except (Exception, SystemExit) as error:
        return f"the property raised {describe_error(error)}"
    return as_reason(said)
