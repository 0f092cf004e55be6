"""Explores every interleaving of a system, within bounds.

    report = check(system, properties=[election_safety], bounds=Bounds({"timeouts": 2, "commands": 1}))
    print(report.verdict, report.states)

The search is breadth first, so a counterexample is as short as there is one. It runs on tables and a compiled kernel
(see `tables.py`, `kernel.py`); what it finds is replayed through the system's own code before it is reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, frozen

from checker.engine.checkpoints import Checkpoint, Keeper
from checker.engine.depth import DepthFirst, StackStore
from checker.engine.garbage import seldom_collected
from checker.engine.judging import Judge, groups_of
from checker.engine.memory import bytes_of_tables
from checker.engine.search import Hit, Result, Search
from checker.engine.stores import ExactStore, HashStore
from checker.engine.tables import Tables
from checker.engine.visited import collision_probability
from checker.engine.walks import Classes, Walking, Walks, WalkStore
from checker.engine.watch import Limits, Tell, Watch, never
from checker.engine.workers import Workers
from checker.errors import UsageError, did_you_mean, expect
from checker.properties.base import Predicate, as_predicate, several
from checker.reductions.choice import Chosen, choose
from checker.reductions.normal import FUSED
from checker.reductions.search import ReducedSearch
from checker.reductions.symmetry import NotSymmetric
from checker.report import Failure, Met, Report, Verdict, Witness
from checker.runs.replay import AnyProperty, Properties
from checker.runs.retelling import Retelling
from checker.stepping import DETERMINISTIC_STEP, NO_HANDLER_ERROR, UNCHANGED_INPUT
from checker.system import ActorId, Bounds, State, System
from checker.world import Channel, Rules, Vary, World

if TYPE_CHECKING:  # loaded where they are used: most searches are in memory, and in this process
    from checker.distributed.ray_crew import Ray
    from checker.distributed.search import DistributedSearch
    from checker.spilling import Spill

AnyPredicate = Predicate | Callable[[Mapping[ActorId, State]], bool]
ORDERS = ("breadth", "depth")
ENGINES = ("local", "ray")
WORLDS_A_STEP = 16  # of the full space, and with what they lead to: as many take about as long as a step of the code
FOUND_IN_THE_FULL_SPACE = "it was found in the full space, which had few worlds for each step of the code so far"
SEARCHED_AGAIN = 10_000_000  # worlds, at most, for the shortest run to what was found


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
    reduce: Iterable[str] | None = None,
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
    in `world.Rules`. *max_depth*, *max_states*, *max_time_s* and *max_memory_bytes* (docs/checking_your_own.md) cut the
    search. A *goal* ends it. *sometimes* are counted. Worlds in which a *prune* predicate holds are kept, but nothing
    leads on from them. *exact* keeps whole worlds instead of fingerprints, and *graph* also keeps every transition.
    *reduce* names reductions (docs/reductions.md), None meaning all that are sound for what is asked, () none; counts
    are then of what is left. *workers* threads share the work (docs/reductions.md#workers); but for its times, the
    report is the same for any number. *progress* is called with a `watch.Progress` twice a second. *stop* ends the
    search when it returns True. Unless *stop_at_first*, the search goes on after violations. With a *checkpoint*, what
    was found is kept on disk, and a later call goes on from there; times, and limits on time, are each call's own. With
    *spill*, what memory does not hold is on disk. With *walks*, random walks are taken in place of the search; with the
    *order* "depth", what was found last goes first. Then what fails is shortened. With the *engine* "ray" or
    `Ray(address)`, *workers* are processes in a cluster (docs/scaling_out.md). A level is always finished before a
    violation or a goal ends the search. Raises UsageError for what does not fit.
    """
    predicates = _Predicates.of(goal, sometimes, prune)
    checked = Properties.sort(properties, (predicate.monitor for predicate in predicates.all))
    _validate_names(checked, predicates)
    rules = checked.rules(
        system, bounds=bounds, network=network, initial=initial, blocked=blocked, vary=vary, within=within
    )
    watch = Watch(_limits(max_depth, max_states, max_time_s, max_memory_bytes), progress, stop)
    how = _How(exact or graph, graph, checkpoint, spill, walks, order, _at_least_one(workers), engine)
    asked = _Asked(rules, checked, predicates, watch, stop_at_first, how.workers)
    chosen = how.choose(asked, reduce)
    reduced, chosen = asked.explore_reduced(chosen, shortest=reduce is None)
    if reduced is not None:
        return reduced
    with closing(_prepare(asked, how)) as search:
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

    @property
    def needs_the_full_space(self) -> str | None:
        """Why nothing may be left out, if that is so."""
        if self.exact:
            return "whole states or the graph are wanted, and those are of the full space"
        if self.walks is not None or self.order != "breadth":
            return "walks, and searches depth first, go through the full space"
        if self.checkpoint is not None or self.spill is not None or self.engine != "local":
            return "checkpoints, spilled worlds and clusters of machines are for the full space"
        return None

    def choose(self, asked: _Asked, wanted: Iterable[str] | None) -> Chosen:
        """Which reductions to use. Raises UsageError for what does not go together."""
        names = wanted if wanted is None or isinstance(wanted, str) else tuple(wanted)
        self.validate(explicit=bool(names))
        limits, prunes = asked.watch.limits, bool(asked.predicates.prune)
        return choose(asked.rules, names, full=self.needs_the_full_space, max_depth=limits.depth, prunes=prunes)

    def validate(self, *, explicit: bool) -> None:
        """Refuse what does not go together; *explicit* says that reductions were asked for."""
        special = explicit or self.exact
        self._validate_kinds()
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

    def _validate_kinds(self) -> None:
        if self.checkpoint is not None:
            expect("checkpoint", self.checkpoint, Checkpoint)
        if self.walks is not None:
            expect("walks", self.walks, Walks)
        if self.spill is not None:
            from checker.spilling import Spill

            expect("spill", self.spill, Spill)

    def _validate_engine(self, special: bool) -> None:
        if self.engine == "local":
            return
        from checker.distributed.exchange import MOST_OWNERS
        from checker.distributed.ray_crew import Ray

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
        met, pruned = several("sometimes", sometimes), several("prune", prune)
        return cls(aim, tuple(map(as_predicate, met)), tuple(map(as_predicate, pruned)))

    @property
    def watched(self) -> tuple[Predicate, ...]:
        return (*(() if self.goal is None else (self.goal,)), *self.sometimes)

    @property
    def all(self) -> tuple[Predicate, ...]:
        return (*self.watched, *self.prune)


@frozen
class _Asked:
    """What a search is to answer."""

    rules: Rules
    properties: Properties
    predicates: _Predicates
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

    def explore_reduced(self, chosen: Chosen, *, shortest: bool) -> tuple[Report | None, Chosen]:
        """The report of the reduced search, None if nothing can be used; and what was, once symmetry was tested.

        If *shortest*, what is found is told by a run than which none is shorter.
        """
        tables: Tables | None = None
        while chosen.used:
            tables, judge = self.tables_and_judge(elsewhere=tables)
            glance = _Glance(self, tables) if shortest and self.stop_at_first else None
            try:
                report = self.explore_with(chosen, tables, judge, glance)
            except NotSymmetric as error:
                chosen = chosen.without("symmetry", str(error))
                continue
            if glance is not None and glance.report is not None:
                return glance.told(report, chosen), chosen
            return self._shortened(report, chosen, tables) if shortest else report, chosen
        return None, chosen

    def explore_with(self, chosen: Chosen, tables: Tables, judge: Judge, glance: _Glance | None = None) -> Report:
        """The report of the search with the reductions that were *chosen*. Raises NotSymmetric."""
        kinds, meanwhile = frozenset(chosen.used), None if glance is None else glance.take
        crew = Workers(self.workers)
        search = ReducedSearch(tables=tables, judge=judge, kinds=kinds, meanwhile=meanwhile, workers=crew, **self.parts)
        with closing(search):
            return evolve(
                _explore(search, self.properties, self.predicates),
                reduced_by=tuple(name for name in chosen.used if name != FUSED or search.claims.fuses),
                stands_for=search.stands_for if search.symmetry is not None else None,
                not_reduced={**chosen.refused, **search.not_reduced},
            )

    def _shortened(self, report: Report, chosen: Chosen, known: Tables) -> Report:
        """*report*, or that of a second search, which takes nothing at once and so finds shortest runs first."""
        found = [failure.events for failure in report.violations]
        found += [] if report.reached is None else [report.reached.events]
        if not found or report.shortest:
            return report
        limits = self.watch.limits
        closer = evolve(
            limits,
            depth=max(map(len, found)) + 1,
            states=min(limits.states or SEARCHED_AGAIN, SEARCHED_AGAIN),
            time_s=None if limits.time_s is None else max(limits.time_s - report.seconds, 0.001),
        )
        asked = evolve(self, watch=evolve(self.watch, limits=closer, levels=[]))
        slow = chosen.without("confluent", "for the shortest run").without("fused", "for the shortest run")
        again = asked.explore_with(slow, *self.tables_and_judge(known))
        if not _names(again) or not (self.stop_at_first or _names(again) >= _names(report)):
            return report
        return evolve(
            report,
            verdict=again.verdict,
            violations=again.violations,
            reached=again.reached,
            seconds=report.seconds + again.seconds,
            distinct_steps=max(report.distinct_steps, again.distinct_steps),
            shortest=True,
        )


@define
class _Glance:
    """A glance at the full space, when the reduced one turns out not to be small.

    Where the full space has few worlds for each step of the code, running the code is what takes the time, and no
    reduction saves that. What breaks there is found as soon as anywhere, and by a shortest run. So a level of it is
    begun as long as those before have no more than `WORLDS_A_STEP`.
    """

    asked: _Asked
    known: Tables
    report: Report | None = None  # of what was found

    def take(self) -> bool:
        """Search the full space for as long as that is cheap; whether something was found that ends the search."""
        asked, watch = self.asked, self.asked.watch
        tables, judge = asked.tables_and_judge(elsewhere=self.known)
        self.known.elsewhere = tables
        brief = evolve(watch, limits=self._left(), levels=[], stop=lambda: watch.stop() or is_dear())
        search = evolve(asked, watch=brief).search(tables, judge)

        def is_dear() -> bool:
            return not search.is_decided() and search.store.first > WORLDS_A_STEP * tables.distinct_steps

        with closing(search):
            report = _explore(search, asked.properties, asked.predicates)
            self.report = report if search.is_decided() else None
        return self.report is not None

    def _left(self) -> Limits:
        """What is left of the limits."""
        watch, limits = self.asked.watch, self.asked.watch.limits
        seconds = None if limits.time_s is None else limits.time_s - (time.perf_counter() - watch.begun)
        memory = None if limits.memory_bytes is None else limits.memory_bytes - bytes_of_tables(self.known)
        return evolve(
            limits,
            time_s=None if seconds is None else max(seconds, 0.001),
            memory_bytes=None if memory is None else max(memory, 1),
        )

    def told(self, whole: Report, chosen: Chosen) -> Report:
        """The report of what was found, when the reduced search came to *whole* before it was given up."""
        assert self.report is not None
        return evolve(
            self.report,
            seconds=whole.seconds - self.report.compile_seconds,
            compile_seconds=whole.compile_seconds + self.report.compile_seconds,
            not_reduced={**chosen.refused, **dict.fromkeys(chosen.used, FOUND_IN_THE_FULL_SPACE)},
        )


def _names(report: Report) -> set[str]:
    """The names of what was found."""
    found = {failure.property for failure in report.violations}
    return found if report.reached is None else {*found, report.reached.name}


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


def _prepare(asked: _Asked, how: _How) -> Search | DistributedSearch:
    """A search of the full space that stands at the initial world."""
    tables, judge = asked.tables_and_judge()
    row = tables.row(asked.rules.initial())
    fingerprint = tables.fingerprint(row)
    watch = asked.watch
    parts = {**asked.parts, "tables": tables, "judge": judge}
    if how.engine != "local":
        from checker.distributed.ray_crew import Ray, RayCrew
        from checker.distributed.search import DistributedSearch, shape_of

        place = how.engine if isinstance(how.engine, Ray) else Ray()
        crew = RayCrew(how.workers, shape_of(tables, judge), place)
        return DistributedSearch(crew=crew, **parts)
    parts["workers"] = Workers(how.workers)
    if how.walks is not None:
        return Walking(store=WalkStore(row, fingerprint, how.walks, Classes.of(tables)), walks=how.walks, **parts)
    if how.order == "depth":
        return DepthFirst(store=StackStore(row, fingerprint, watch.limits.depth), **parts)
    if how.exact:
        return Search(store=ExactStore(row, fingerprint, how.graph), keep_loops=True, **parts)
    if how.spill is not None:
        from checker.spilling.store import SpilledStore

        return Search(store=SpilledStore(row, fingerprint, how.spill), **parts)
    if how.checkpoint is None:
        return Search(store=HashStore(row, fingerprint), **parts)
    keeper = Keeper(how.checkpoint, _in_words(asked.rules, asked.properties, asked.predicates))
    return Search(store=HashStore(row, fingerprint, keeper.links), keeper=keeper, **parts)


def _in_words(rules: Rules, properties: Properties, predicates: _Predicates) -> dict[str, str]:
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
    with seldom_collected():
        result = search.run()
    seconds = time.perf_counter() - compiled
    tables = search.tables
    retold = Retelling(search.events, tables.rules, properties, shorten=not search.shortest)
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
        holdings=() if isinstance(search, Search | ReducedSearch) else search.holdings,
        shortest=search.shortest or not (broken or goal),
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


def _verdict(broken: bool, wanted: bool, reached: bool, complete: bool) -> Verdict:
    if broken:
        return "fail"
    if wanted:
        return "pass" if reached else "fail" if complete else "unknown"
    return "pass" if complete else "unknown"


__all__ = ["Failure", "Met", "Report", "Witness", "check"]
