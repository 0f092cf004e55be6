"""Explores every interleaving of a system, within bounds.

    report = check(system, properties=[election_safety], bounds=Bounds({"timeouts": 2, "commands": 1}))
    print(report.verdict, report.states)

The search is breadth first, so a counterexample is as short as there is one. It runs on tables and a compiled kernel
(see `tables.py`, `kernel.py`); what it finds is replayed through the system's own code before it is reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal

from attrs import evolve, field, frozen

from checker.checkpoints import Checkpoint, Keeper
from checker.depth import DepthFirst, StackStore
from checker.distributed.exchange import MOST_OWNERS, Holding
from checker.distributed.ray_crew import Ray, RayCrew
from checker.distributed.search import DistributedSearch, shape_of
from checker.errors import UsageError, did_you_mean
from checker.graph import Graph
from checker.judging import Judge, groups_of
from checker.minimise import minimise
from checker.properties.base import Invariant, Predicate, as_predicate
from checker.reductions.choice import Chosen, choose
from checker.reductions.search import ReducedSearch
from checker.reductions.symmetry import NotSymmetric
from checker.replay import AnyProperty, Properties, ReplayError, Run, all_violations, replay_rules
from checker.search import Hit, Result, Search
from checker.spilling import Spill
from checker.spilling.store import SpilledStore
from checker.stepping import DETERMINISTIC_STEP, NO_HANDLER_ERROR, UNCHANGED_INPUT
from checker.stores import ExactStore, HashStore
from checker.system import ActorId, Bounds, State, System
from checker.tables import Tables
from checker.trace import Trace, Violation
from checker.visited import collision_probability
from checker.walks import Classes, Walking, Walks, WalkStore
from checker.watch import Limits, Tell, Watch, never
from checker.workers import Workers
from checker.world import Channel, Rules, Vary, World, WorldEvent

AnyPredicate = Predicate | Callable[[Mapping[ActorId, State]], bool]
Verdict = Literal["pass", "fail", "unknown"]
ORDERS = ("breadth", "depth")
ENGINES = ("local", "ray")


@frozen
class Failure:
    """A property that does not hold, by the shortest run that breaks it."""

    property: str
    reason: str
    events: tuple[WorldEvent, ...]  # what to replay, and to minimise
    trace: Trace


@frozen
class Witness:
    """A run that reaches a goal, as short as there is one."""

    name: str
    events: tuple[WorldEvent, ...]
    trace: Trace


@frozen
class Met:
    """How a `sometimes` predicate fared: on how many distinct tuples of its views it held, and at which depth first.

    `depth` is None if it never held.
    """

    count: int
    depth: int | None


@frozen(kw_only=True)
class Report:
    """What an exploration found.

    The verdict is `fail` if a property broke, else `pass` if the space was complete (with a goal: if it was reached; a
    complete space without it is `fail`), else `unknown`: `limits_hit` says what was cut.
    """

    verdict: Verdict
    complete: bool  # every world within the bounds was expanded
    limits_hit: tuple[str, ...]  # of max_depth, max_states, max_time_s, max_memory_bytes, memory, disk, interrupted
    states: int  # distinct worlds
    transitions: int  # ways on from expanded worlds, those that lead back included
    depth: int  # levels of the search: the initial world is at depth 1, a run of n events reaches depth n + 1
    seconds: float  # of the search
    compile_seconds: float  # of compiling the kernel before it, or of loading it
    distinct_steps: int  # distinct pairs of actor state and event on which the system's code was run
    deadlocks: int  # expanded worlds that nothing leads on from
    pruned: int  # worlds that were not expanded, as `prune` asked
    violations: tuple[Failure, ...]  # shortest first; one for each property that broke
    reached: Witness | None  # the goal
    sometimes: Mapping[str, Met]
    marks: Mapping[str, int]  # in how many distinct steps each mark was made
    events: Mapping[str, int]  # on how many distinct pairs each kind of event was tried
    never_happened: tuple[str, ...]  # the kinds of local events that the bounds allow, and that no actor ever took
    first_depth: Mapping[str, int]  # of marks and events: how many events the shortest run with it has
    visited_bytes: int  # memory of the visited set at the end
    disk_bytes: int  # the most that was on disk at one time, of a search that spills
    collision_probability: float  # an upper bound for having taken two worlds for one; 0 if `exact`
    graph: Graph | None = field(default=None, repr=False)
    reduced_by: tuple[str, ...] = ()  # the reductions used; with any, all counts are of the reduced space
    stands_for: int | None = None  # with symmetry: how many worlds the `states` stand for
    not_reduced: Mapping[str, str] = field(factory=dict)  # the reductions asked for and not used, and why
    holdings: tuple[Holding, ...] = ()  # with the engine "ray": what each worker held

    @property
    def states_per_second(self) -> float:
        """Distinct worlds by second of search."""
        return self.states / self.seconds if self.seconds else 0.0

    @property
    def never(self) -> tuple[str, ...]:
        """The `sometimes` predicates that never held."""
        return tuple(name for name, met in self.sometimes.items() if not met.count)


def check(
    system: System,
    *,
    properties: Iterable[AnyProperty] = (),
    bounds: Bounds | None = None,
    network: str = "unordered",
    max_depth: int | None = None,
    max_states: int | None = None,
    max_time_s: float | None = None,
    max_memory_bytes: int | None = None,
    initial: World | None = None,
    blocked: Iterable[Channel] = (),
    vary: Vary | None = None,
    within: Callable[[ActorId, State], bool] | None = None,
    goal: AnyPredicate | None = None,
    sometimes: Iterable[AnyPredicate] = (),
    prune: Iterable[AnyPredicate] = (),
    exact: bool = False,
    graph: bool = False,
    reduce: Iterable[str] | None = (),
    workers: int = 1,
    progress: Tell | None = None,
    stop: Callable[[], bool] = never,
    stop_at_first: bool = True,
    checkpoint: Checkpoint | None = None,
    spill: Spill | None = None,
    walks: Walks | None = None,
    order: str = "breadth",
    engine: str | Ray = "local",
) -> Report:
    """Explore every world of *system* that *bounds* allow.

    *properties* are checked in every world and on every step; a plain function of the actors' states will do.
    *bounds* say how often each budget may be spent, from *initial* on. *network*, *blocked*, *vary* and *within* are as
    in `world.Rules`. *max_depth*, *max_states*, *max_time_s* and *max_memory_bytes* (of visited set and levels) cut the
    search. A *goal* ends it. *sometimes* are counted. Worlds in which a *prune* predicate holds are kept, but nothing
    leads on from them. *exact* keeps whole worlds instead of fingerprints, and *graph* also keeps every transition.
    *reduce* names reductions (docs/reductions.md), None meaning all that are sound; counts are then of what is left.
    *workers* threads share the work of a search that is not reduced; but for its times, the report is the same for any
    number of them. *progress* is called with a `watch.Progress` twice a second. *stop* is asked often, and ends the
    search when it returns True. Unless *stop_at_first*, the search goes on after violations. With a *checkpoint*, what
    was found is kept on disk, and a later call goes on from there; times, and limits on time, are each call's own. With
    *spill*, what memory does not hold is on disk; the report is the same. With *walks*, random walks are taken in place
    of the search; with the *order* "depth", what was found last goes first. Then what fails is shortened. With the
    *engine* "ray" or `Ray(address)`, *workers* are processes on the machines of a cluster (docs/scaling_out.md).
    A level is always finished before a violation or a goal ends the search. Raises UsageError for what does not fit.
    """
    predicates = _Predicates.of(goal, sometimes, prune)
    checked = Properties.sort(properties, (predicate.monitor for predicate in predicates.all))
    _validate_names(checked, predicates)
    rules = Rules(
        system=system,
        bounds=bounds or Bounds(),
        network=network,
        blocked=frozenset(blocked),
        vary=vary or Vary(),
        within=within,
        monitors=checked.monitors,
        step_rules=checked.step_rules,
        start=initial,
    )
    watch = Watch(_limits(max_depth, max_states, max_time_s, max_memory_bytes), progress, stop)
    chosen = choose(rules, reduce, exact=exact or graph, max_depth=max_depth, prunes=bool(predicates.prune))
    how = _How(exact or graph, graph, checkpoint, spill, walks, order, _at_least_one(workers), engine, stop_at_first)
    how.validate(bool(chosen.used))
    reduced, chosen = _explore_if_reduced(rules, checked, predicates, watch, chosen, stop_at_first)
    if reduced is not None:
        return reduced
    with closing(_prepare(rules, checked, predicates, watch, how)) as search:
        return evolve(_explore(search, checked, predicates), not_reduced=chosen.refused)


@frozen
class _How:
    """In which way a space is searched."""

    exact: bool
    graph: bool
    checkpoint: Checkpoint | None
    spill: Spill | None
    walks: Walks | None
    order: str
    workers: int
    engine: str | Ray
    stop_at_first: bool

    def validate(self, reduced: bool) -> None:
        """Refuse what does not go together."""
        special = reduced or self.exact
        self._validate_engine(special)
        if self.order not in ORDERS:
            raise UsageError(f"order is {self.order!r}; {did_you_mean(self.order, ORDERS)}")
        if self.walks is not None and (special or self.order != "breadth"):
            raise UsageError("random walks remember nothing: leave reduce, exact, graph and order out")
        if self.order != "breadth" and special:
            raise UsageError("only a full search with fingerprints goes depth first: leave reduce, exact and graph out")
        if self.checkpoint is not None and (special or self.walks is not None or self.order != "breadth"):
            raise UsageError(
                "checkpoints are of a full search with fingerprints, breadth first: leave reduce, exact, graph, walks "
                "and order out"
            )
        if self.spill is not None and (special or self.walks or self.checkpoint or self.order != "breadth"):
            raise UsageError(
                "only a full search with fingerprints, breadth first, spills to disk: leave reduce, exact, graph, "
                "checkpoint, walks and order out"
            )

    def _validate_engine(self, special: bool) -> None:
        if self.engine == "local":
            return
        if not isinstance(self.engine, Ray) and self.engine != "ray":
            raise UsageError(f"engine is {self.engine!r}; {did_you_mean(self.engine, ENGINES)}")
        if special or self.checkpoint or self.spill or self.walks or self.order != "breadth":
            raise UsageError(
                "the engine 'ray' makes a full search with fingerprints, breadth first, in memory: leave reduce, "
                "exact, graph, checkpoint, spill, walks and order out"
            )
        if self.workers > MOST_OWNERS:
            raise UsageError(f"workers is {self.workers}; the engine 'ray' has a share for {MOST_OWNERS} at most")


@frozen
class _Predicates:
    goal: Predicate | None
    sometimes: tuple[Predicate, ...]
    prune: tuple[Predicate, ...]

    @classmethod
    def of(
        cls, goal: AnyPredicate | None, sometimes: Iterable[AnyPredicate], prune: Iterable[AnyPredicate]
    ) -> _Predicates:
        aim = None if goal is None else as_predicate(goal)
        return cls(aim, tuple(map(as_predicate, sometimes)), tuple(map(as_predicate, prune)))

    @property
    def watched(self) -> tuple[Predicate, ...]:
        return (*(() if self.goal is None else (self.goal,)), *self.sometimes)

    @property
    def all(self) -> tuple[Predicate, ...]:
        return (*self.watched, *self.prune)


def _limits(
    max_depth: int | None, max_states: int | None, max_time_s: float | None, max_memory_bytes: int | None
) -> Limits:
    given = {
        "max_depth": max_depth,
        "max_states": max_states,
        "max_time_s": max_time_s,
        "max_memory_bytes": max_memory_bytes,
    }
    for name, value in given.items():
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or value <= 0):
            raise UsageError(f"{name} is {value!r}; write a number above 0, or None for no limit")
    return Limits(max_depth, max_states, max_time_s, max_memory_bytes)


def _at_least_one(workers: int) -> int:
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise UsageError(f"workers is {workers!r}; write how many threads are to share the work: 1 or more")
    return workers


def _validate_names(properties: Properties, predicates: _Predicates) -> None:
    """Names must tell what is reported apart."""
    own = [DETERMINISTIC_STEP, NO_HANDLER_ERROR, UNCHANGED_INPUT]
    named = [one.name for one in properties.invariants]
    named += [one.name for one in properties.step_rules] + [one.name for one in properties.monitors]
    seen: set[str] = set()
    for name in [*own, *named, *(predicate.name for predicate in predicates.watched)]:
        if name in seen:
            raise UsageError(f"two properties or predicates are named {name!r}; give each a name of its own")
        seen.add(name)


def _prepare(
    rules: Rules, properties: Properties, predicates: _Predicates, watch: Watch, how: _How
) -> Search | DistributedSearch:
    """A search that stands at the initial world."""
    groups = groups_of(properties.invariants, predicates.watched, predicates.prune)
    tables = Tables(rules, [group.view for group in groups])
    row = tables.row(rules.initial())
    fingerprint = tables.fingerprint(row)
    parts: dict[str, Any] = {
        "tables": tables,
        "judge": Judge(tables, groups),
        "watch": watch,
        "stop_on": frozenset({predicates.goal.name} if predicates.goal else ()),
        "silent": properties.silent,
        "stop_at_first": how.stop_at_first,
    }
    if how.engine != "local":
        place = how.engine if isinstance(how.engine, Ray) else Ray()
        crew = RayCrew(how.workers, shape_of(tables, parts["judge"]), place)
        return DistributedSearch(crew=crew, **parts)
    parts["workers"] = Workers(how.workers)
    if how.walks is not None:
        return Walking(store=WalkStore(row, fingerprint, how.walks, Classes.of(tables)), walks=how.walks, **parts)
    if how.order == "depth":
        return DepthFirst(store=StackStore(row, fingerprint, watch.limits.depth), **parts)
    if how.exact:
        return Search(store=ExactStore(row, fingerprint, how.graph), keep_loops=True, **parts)
    if how.spill is not None:
        return Search(store=SpilledStore(row, fingerprint, how.spill), **parts)
    if how.checkpoint is None:
        return Search(store=HashStore(row, fingerprint), **parts)
    keeper = Keeper(how.checkpoint, _asked(rules, properties, predicates))
    return Search(store=HashStore(row, fingerprint, keeper.links), keeper=keeper, **parts)


def _asked(rules: Rules, properties: Properties, predicates: _Predicates) -> dict[str, str]:
    """What tells one search from another, in words."""
    vary = rules.vary
    local = "all" if vary.local is None else ", ".join(f"{kind} at {actor}" for kind, actor in sorted(vary.local))
    network = {"deliver": vary.deliver, "drop": vary.drop, "duplicate": vary.duplicate}
    named = [one.name for one in properties.invariants] + [one.name for one in rules.step_rules]
    named += [one.name for one in rules.monitors] + [one.name for one in predicates.all]
    return {
        "system": type(rules.system).__name__,
        "actors": ", ".join(map(str, rules.system.actors)),
        "network": rules.network,
        "bounds": ", ".join(f"{name}={rules.bounds.of(name)}" for name in rules.budgets) or "none",
        "blocked": ", ".join(f"{source} -> {target}" for source, target in sorted(rules.blocked)) or "nothing",
        "vary": ", ".join([f"local {local}", *(name for name, may in network.items() if may)]),
        "properties": ", ".join(named) or "none",
    }


def _explore(
    search: Search | ReducedSearch | DistributedSearch, properties: Properties, predicates: _Predicates
) -> Report:
    begun = time.perf_counter()
    search.compile()
    compiled = time.perf_counter()
    result = search.run()
    seconds = time.perf_counter() - compiled
    tables = search.tables
    retold = _Retelling(search.events, tables.rules, properties, shorten=isinstance(search, Walking | DepthFirst))
    broken = _broken(result)
    goal = result.hits.get(predicates.goal.name) if predicates.goal is not None else None
    met = {one.name: Met(search.judge.met[one.name], result.hit_depth.get(one.name)) for one in predicates.sometimes}
    return Report(
        verdict=_verdict(bool(broken), predicates.goal is not None, goal is not None, search.complete),
        complete=search.complete,
        limits_hit=tuple(result.limits_hit),
        states=search.states,
        transitions=result.transitions,
        depth=result.depth,
        seconds=seconds,
        compile_seconds=compiled - begun,
        distinct_steps=tables.distinct_steps,
        deadlocks=result.deadlocks,
        pruned=result.pruned,
        violations=tuple(map(retold.failure, broken)),
        reached=retold.witness(goal) if goal is not None else None,
        sometimes=met,
        marks=dict(sorted(tables.marks.items())),
        events=dict(sorted(tables.events.items())),
        never_happened=_never_happened(tables),
        first_depth=dict(sorted(search.first_depth.items())),
        visited_bytes=search.bytes,
        disk_bytes=search.disk_bytes,
        collision_probability=0.0 if search.exact else collision_probability(search.states),
        graph=search.graph,
        holdings=search.holdings if isinstance(search, DistributedSearch) else (),
    )


def _never_happened(tables: Tables) -> tuple[str, ...]:
    """The kinds of local events with a budget that may be spent, and was spent in no world."""
    rules = tables.rules
    allowed = (
        kind.name
        for kind in rules.system.local_kinds
        if rules.bounds.of(kind.budget) and any(rules.vary.allows(kind.name, actor) for actor in rules.system.actors)
    )
    return tuple(name for name in allowed if name not in tables.first_depth)


def _broken(result: Result) -> list[Hit]:
    """The violations, in the order of the depth at which they were found."""
    hits = (hit for hit in result.hits.values() if hit.reason is not None)
    return sorted(hits, key=lambda hit: result.hit_depth[hit.name])


def _explore_if_reduced(
    rules: Rules,
    properties: Properties,
    predicates: _Predicates,
    watch: Watch,
    chosen: Chosen,
    stop_at_first: bool,
) -> tuple[Report | None, Chosen]:
    """The report of the reduced search, None if nothing can be used; and what was, once symmetry was tested."""
    while chosen.used:
        try:
            return _explore_reduced(rules, properties, predicates, watch, chosen, stop_at_first), chosen
        except NotSymmetric as error:
            chosen = chosen.without("symmetry", str(error))
    return None, chosen


def _explore_reduced(
    rules: Rules,
    properties: Properties,
    predicates: _Predicates,
    watch: Watch,
    chosen: Chosen,
    stop_at_first: bool,
) -> Report:
    groups = groups_of(properties.invariants, predicates.watched, predicates.prune)
    tables = Tables(rules, [group.view for group in groups])
    search = ReducedSearch(
        tables=tables,
        judge=Judge(tables, groups),
        watch=watch,
        kinds=frozenset(chosen.used),
        stop_on=frozenset({predicates.goal.name} if predicates.goal else ()),
        silent=properties.silent,
        stop_at_first=stop_at_first,
    )
    with closing(search):
        return evolve(
            _explore(search, properties, predicates),
            reduced_by=chosen.used,
            stands_for=search.stands_for if search.symmetry is not None else None,
            not_reduced=chosen.refused,
        )


def _verdict(broken: bool, wanted: bool, reached: bool, complete: bool) -> Verdict:
    if broken:
        return "fail"
    if wanted:
        return "pass" if reached else "fail" if complete else "unknown"
    return "pass" if complete else "unknown"


@frozen
class _Retelling:
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


__all__ = ["Failure", "Met", "Report", "Witness", "check"]
