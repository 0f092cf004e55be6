"""Replays a run, event by event, through the real code and the plain semantics of `world.py`.

Every counterexample goes this way before it is reported: what the kernel found in its tables must happen again.
Minimising uses it too, *tolerantly*: an event that cannot happen where it stands is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen

from checker.errors import CheckerError
from checker.properties.base import Invariant, Monitor, Property, Reason, StepRule, as_property, several
from checker.runs.trace import Trace, Violation
from checker.runs.tracing import make_trace
from checker.system import ActorId, Bounds, State, System
from checker.world import DROPS, DUPLICATES, Channel, Rules, Transition, Vary, World, WorldEvent, judge

AnyProperty = Property | Callable[[Mapping[ActorId, State]], Reason]


class ReplayError(CheckerError):
    """An event of a strict replay cannot happen where it stands. `run` is the part before it."""

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run


@frozen
class Run:
    """A run: `worlds[0]` is where it begins, and `transitions[i]` leads from `worlds[i]` to `worlds[i + 1]`.

    `violation` is the first thing that is wrong, its `step` counting from 1, and 0 for the initial world.
    """

    system: System
    worlds: tuple[World, ...]
    transitions: tuple[Transition, ...] = ()
    violation: Violation | None = None

    @property
    def events(self) -> tuple[WorldEvent, ...]:
        """What happened."""
        return tuple(transition.event for transition in self.transitions)

    def trace(self, title: str, about: Mapping[str, str] | None = None) -> Trace:
        """The run as plain texts."""
        return make_trace(
            self.system, self.worlds, self.transitions, title=title, violation=self.violation, about=about
        )


@frozen
class Properties:
    """Properties by shape. `silent` monitors are not properties themselves: invariants read their state."""

    invariants: tuple[Invariant, ...] = ()
    step_rules: tuple[StepRule, ...] = ()
    monitors: tuple[Monitor, ...] = ()
    silent: frozenset[str] = frozenset()

    @classmethod
    def sort(cls, given: Iterable[AnyProperty], readers: Iterable[Monitor | None] = ()) -> Properties:
        """*given* by shape; *readers* are further monitors whose state somebody reads."""
        properties = [as_property(one) for one in several("properties", given)]
        invariants = tuple(one for one in properties if isinstance(one, Invariant))
        named = [one for one in properties if isinstance(one, Monitor)]
        read = [one for one in (*(invariant.monitor for invariant in invariants), *readers) if one is not None]
        monitors = tuple(dict.fromkeys((*named, *read)))
        silent = frozenset(one.name for one in read if one not in named)
        return cls(invariants, tuple(one for one in properties if isinstance(one, StepRule)), monitors, silent)

    def rules(
        self,
        system: System,
        *,
        bounds: Bounds | None,
        network: str,
        initial: World | None,
        blocked: Iterable[Channel],
        vary: Vary | None,
        within: Callable[[ActorId, State], bool] | None,
    ) -> Rules:
        """Which worlds there are for whoever asks for these properties. The arguments are those of `explore.check`."""
        return Rules(
            system=system,
            bounds=bounds or Bounds(),
            network=network,
            blocked=frozenset(blocked),
            vary=vary or Vary(),
            within=within,
            monitors=self.monitors,
            step_rules=self.step_rules,
            start=initial,
        )


def replay(
    system: System,
    events: Iterable[WorldEvent],
    *,
    properties: Iterable[AnyProperty] = (),
    bounds: Bounds | None = None,
    network: str = "unordered",
    initial: World | None = None,
    blocked: Iterable[Channel] = (),
    vary: Vary | None = None,
    within: Callable[[ActorId, State], bool] | None = None,
    tolerant: bool = False,
    stop_at_first: bool = True,
) -> Run:
    """The run that *events* make, up to the first violation of *properties* (to the end, if not *stop_at_first*).

    *bounds* None means no bounds. An event that cannot happen is skipped if *tolerant*, else raises ReplayError.
    """
    wanted = list(events)
    if bounds is None:
        faults = () if network == "ever-sent" else (DROPS, DUPLICATES)
        budgets = {kind.budget for kind in system.local_kinds}
        bounds = Bounds({name: len(wanted) for name in (*budgets, *faults)})
    sorted_properties = Properties.sort(properties)
    rules = sorted_properties.rules(
        system, bounds=bounds, network=network, initial=initial, blocked=blocked, vary=vary, within=within
    )
    return replay_rules(rules, sorted_properties, wanted, tolerant=tolerant, stop_at_first=stop_at_first)


def replay_rules(
    rules: Rules,
    properties: Properties,
    events: Sequence[WorldEvent],
    *,
    tolerant: bool = False,
    stop_at_first: bool = True,
) -> Run:
    """As `replay`, under *rules* that exist already."""
    world = rules.initial()
    worlds, transitions = [world], list[Transition]()
    violation = _violated(rules, properties, world, None, 0)
    for number, event in enumerate(events, start=1):
        if violation is not None and stop_at_first:
            break
        transition = rules.apply(world, event)
        if transition is None:
            if tolerant:
                continue
            run = Run(rules.system, tuple(worlds), tuple(transitions), violation)
            raise ReplayError(f"event {number} of the run cannot happen when it is replayed: {event}", run)
        world = transition.world
        worlds.append(world)
        transitions.append(transition)
        violation = violation or _violated(rules, properties, world, transition, len(transitions))
    return Run(rules.system, tuple(worlds), tuple(transitions), violation)


def all_violations(rules: Rules, properties: Properties, run: Run) -> dict[str, str]:
    """What is wrong at the end of *run*: reasons by property."""
    found: dict[str, str] = {}
    for finding in run.transitions[-1].findings if run.transitions else ():
        if finding.property not in properties.silent:
            found.setdefault(finding.property, finding.reason)
    for invariant in properties.invariants:
        reason = judge(rules.system, invariant, run.worlds[-1])
        if reason is not None:
            found.setdefault(invariant.name, reason)
    return found


def _violated(
    rules: Rules, properties: Properties, world: World, transition: Transition | None, step: int
) -> Violation | None:
    """The first thing wrong with *transition*, or with the *world* that it led to."""
    for finding in transition.findings if transition is not None else ():
        if finding.property not in properties.silent:
            return Violation(finding.property, finding.reason, step)
    for invariant in properties.invariants:
        reason = judge(rules.system, invariant, world)
        if reason is not None:
            return Violation(invariant.name, reason, step)
    return None
