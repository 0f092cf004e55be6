"""Proves properties without any search: what no combination of local states breaks, no schedule breaks.

    report = local_pass(system, properties=[...], bounds=Bounds({"timeouts": 2}))
    print(report.proven, report.open)

Theory of operation. `closure.py` has every state that an actor may come to, and more. On that,

* a step rule, and what the checker itself asks of every step, holds if no local step breaks it;
* an invariant holds if no combination of views breaks it, one of each actor, of which the budgets allow that they are
  spent by so many actors, with any state that its monitor may be in;
* a monitor holds if no actor can be the first to break it: each is followed on its own, step by step, while the others
  may show the monitor whatever they ever show it, in any order, as long as that breaks nothing. The first break of a
  run would be some actor's, so there is none.

The converse is not true: what breaks here may be a combination that no run has. So a property is *proven* or *open*,
and never broken. An open one is for the search.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from attrs import define, frozen

from checker.closure import Closure, Counts
from checker.engine.judging import reason_against
from checker.engine.layout import BROKEN
from checker.engine.tables import Tables
from checker.properties.base import Invariant, Property
from checker.runs.replay import AnyProperty, Properties
from checker.stepping import DETERMINISTIC_STEP, NO_HANDLER_ERROR, UNCHANGED_INPUT, move
from checker.system import ActorId, Bounds, State, System
from checker.world import Channel, Vary, World

MAX_STEPS = 200_000
MAX_COMBINATIONS = 1_000_000
MAX_MONITOR_STATES = 2_000
TOO_MUCH_HISTORY = f"its monitor may be in more than {MAX_MONITOR_STATES:,} states"


@frozen(kw_only=True)
class LocalReport:
    """What the local pass can tell. `open` has what it cannot, with the reason: that is not a finding."""

    proven: tuple[str, ...]  # these hold for every schedule within the bounds
    open: Mapping[str, str]
    closed: bool  # the local behaviour was computed to its end; nothing is proven if not
    states: int  # distinct actor states that may come about
    messages: int
    steps: int  # distinct pairs of state and event that were tried
    combinations: int  # of views that were judged
    seconds: float


def local_pass(
    system: System,
    *,
    properties: Iterable[AnyProperty] = (),
    bounds: Bounds | None = None,
    network: str = "unordered",
    initial: World | None = None,
    blocked: Iterable[Channel] = (),
    vary: Vary | None = None,
    within: Callable[[ActorId, State], bool] | None = None,
    max_steps: int = MAX_STEPS,
    max_combinations: int = MAX_COMBINATIONS,
) -> LocalReport:
    """Which of *properties* hold for every schedule, as far as local behaviour alone can tell.

    The arguments are those of `explore.check`; on any *network* a message may come late, twice or never here. More than
    *max_steps* local steps prove nothing, nor does an invariant of more than *max_combinations* of views.
    """
    begun = time.perf_counter()
    checked = Properties.sort(properties)
    rules = checked.rules(
        system, bounds=bounds, network=network, initial=initial, blocked=blocked, vary=vary, within=within
    )
    tables = Tables(rules, [invariant.view for invariant in checked.invariants])
    closure = Closure(tables, max_steps)
    closed = closure.close()
    judge = _LocalJudge(closure, checked, max_combinations)
    told = judge.all() if closed else dict.fromkeys(_names(checked), f"more than {max_steps:,} local steps")
    return LocalReport(
        proven=tuple(name for name, reason in told.items() if reason is None),
        open={name: reason for name, reason in told.items() if reason is not None},
        closed=closed,
        states=len(closure.states),
        messages=len(closure.messages),
        steps=closure.steps,
        combinations=judge.combinations,
        seconds=time.perf_counter() - begun,
    )


def _names(properties: Properties) -> list[str]:
    """What is told of: the checker's own properties, then those that were asked for."""
    asked: tuple[Property, ...] = (*properties.step_rules, *properties.monitors, *properties.invariants)
    own = (NO_HANDLER_ERROR, DETERMINISTIC_STEP, UNCHANGED_INPUT)
    return [*own, *(one.name for one in asked if one.name not in properties.silent)]


@define
class _LocalJudge:
    """Judges a closed local behaviour: None for what is proven, else a reason why it is not."""

    closure: Closure
    properties: Properties
    max_combinations: int
    combinations: int = 0

    def all(self) -> dict[str, str | None]:
        """Everything, by name."""
        tables = self.closure.tables
        found: dict[str, str | None] = {
            one.property: one.reason for findings in tables.findings.values() for one in findings
        }
        remembered: dict[str, list[Hashable] | None] = {}
        for number, monitor in enumerate(self.properties.monitors):
            history = _History(self.closure, number)
            found.setdefault(monitor.name, history.why_not())
            remembered[monitor.name] = history.remembered(breaking=found[monitor.name] is not None)
        told = {name: found.get(name) for name in _names(self.properties)}
        for number, invariant in enumerate(self.properties.invariants):
            memories = [None] if invariant.monitor is None else remembered[invariant.monitor.name]
            told[invariant.name] = TOO_MUCH_HISTORY if memories is None else self._why_not(number, invariant, memories)
        return told

    def _why_not(self, number: int, invariant: Invariant, memories: Sequence[Hashable]) -> str | None:
        """What a combination of views, with one of the monitor's *memories*, breaks in *invariant*; None if nothing."""
        actors = self.closure.tables.actors
        views = [self._views(number, actor) for actor in range(len(actors))]
        many = prod(map(len, views)) * len(memories)
        if many > self.max_combinations:
            return f"there are {many:,} combinations of views, which are too many to try"
        for combination in product(*views):
            if self._can_be_paid([own for _view, own in combination]):
                self.combinations += 1
                shown = {actor: view for actor, (view, _own) in zip(actors, combination, strict=True)}
                reasons = (reason_against(invariant, shown, memory) for memory in memories)
                reason = next((reason for reason in reasons if reason is not None), None)
                if reason is not None:
                    return reason
        return None

    def _can_be_paid(self, shares: Sequence[Counts]) -> bool:
        """Whether the budgets allow that the actors have spent so much."""
        rules = self.closure.tables.rules
        spent = zip(rules.budgets, zip(*shares, strict=True), strict=True)
        return all(sum(each) <= rules.bounds.of(budget) for budget, each in spent)

    def _views(self, number: int, actor: int) -> list[tuple[Hashable, Counts]]:
        """Each view of an actor, and what it alone must have spent to show it."""
        tables = self.closure.tables
        column = tables.view_column(number)
        least: dict[int, Counts] = {}
        for state in self.closure.by_actor[actor]:
            own, view = self.closure.states[state].own, int(column[state])
            least[view] = tuple(map(min, least.get(view, own), own))
        return [(tables.view_values[number][view], own) for view, own in least.items()]


class _History:
    """What a monitor may come to remember, if each actor may show it anything that it ever shows it.

    A set of the monitor's states is an int: bit i is set if it has the i-th of `_states`.
    """

    def __init__(self, closure: Closure, number: int) -> None:
        self._closure, self._number, self._tables = closure, number, closure.tables
        self._monitor = self._tables.rules.monitors[number]
        self._shown: list[set[int]] = [set() for _ in self._tables.actors]  # observations by actor
        self._edges: dict[int, set[tuple[int, int]]] = defaultdict(set)  # by state: an observation, the state after it
        for state, taken in closure.edges():
            seen = taken.observed[number]
            self._edges[state].add((seen, taken.after))
            if seen >= 0:
                self._shown[self._tables.states[state][0]].add(seen)
        self._first = self._tables.monitor_id(number, self._tables.rules.initial().monitors[number][1])
        self._states: list[int] = []
        self._place: dict[int, int] = {}

    def remembered(self, *, breaking: bool) -> list[Hashable] | None:
        """All that it may remember, also after it broke if *breaking*; None if that is too much."""
        met = self._reach(breaking)
        return None if met is None else [self._tables.monitor_states[state][1] for state in met]

    def _reach(self, breaking: bool) -> list[int] | None:
        everything = sorted(set().union(*self._shown))
        met, known = [self._first], {self._first}
        for state in met:  # which grows
            for seen in everything:
                after, broke = self._move(state, seen)
                if after not in known and (breaking or not broke):
                    known.add(after)
                    met.append(after)
            if len(met) > MAX_MONITOR_STATES:
                return None
        return met

    def why_not(self) -> str | None:
        """How an actor may be the first to break it; None if none can."""
        met = self._reach(breaking=False)
        if met is None:
            return TOO_MUCH_HISTORY
        self._states, self._place = met, {state: place for place, state in enumerate(met)}
        reasons = (self._broken_by(actor) for actor in range(len(self._shown)))
        return next((reason for reason in reasons if reason is not None), None)

    def _broken_by(self, actor: int) -> str | None:
        """What *actor* may break in it when nobody did before, whatever the others show it meanwhile."""
        others = sorted(set[int]().union(*(seen for one, seen in enumerate(self._shown) if one != actor)))
        meanwhile = [self._led_to(state, others) for state in self._states]
        first = self._closure.by_actor[actor][0]
        may_have, todo = defaultdict[int, int](int, {first: meanwhile[0]}), [first]
        leads: dict[tuple[int, int], int] = {}
        while todo:
            state = todo.pop()
            before = may_have[state]
            for seen, after in self._edges[state]:
                reason = None if seen < 0 or (before, seen) in leads else self._break(before, seen)
                if reason is not None:
                    return reason
                if seen >= 0 and (before, seen) not in leads:
                    leads[before, seen] = self._all_led_to(before, seen, meanwhile)
                more = before if seen < 0 else leads[before, seen]
                if more & ~may_have[after]:
                    may_have[after] |= more
                    todo.append(after)
        return None

    def _led_to(self, state: int, observations: Sequence[int]) -> int:
        """The set of states that *observations*, in any order, lead to from *state* without breaking anything."""
        met, todo = {state}, [state]
        while todo:
            here = todo.pop()
            moves = (self._move(here, seen) for seen in observations)
            new = {after for after, broke in moves if not broke} - met
            met |= new
            todo += new
        return sum(1 << self._place[one] for one in met)

    def _all_led_to(self, states: int, seen: int, meanwhile: Sequence[int]) -> int:
        found = 0
        for place in _bits(states):
            found |= meanwhile[self._place[self._move(self._states[place], seen)[0]]]
        return found

    def _break(self, states: int, seen: int) -> str | None:
        """What *seen* breaks in one of *states*."""
        for place in _bits(states):
            state = self._states[place]
            if self._move(state, seen)[1]:
                value = self._tables.monitor_states[state][1]
                return move(self._monitor, value, self._tables.observations[self._number][seen]).broken
        return None

    def _move(self, state: int, seen: int) -> tuple[int, bool]:
        """Where the monitor goes, and whether that breaks it."""
        went = self._tables.moved(state, seen)
        return (BROKEN - went, True) if went <= BROKEN else (went, False)


def _bits(states: int) -> Iterator[int]:
    while states:
        lowest = states & -states
        yield lowest.bit_length() - 1
        states ^= lowest


__all__ = ["LocalReport", "local_pass"]
