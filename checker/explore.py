"""Explores every interleaving of a system, within bounds.

    report = check(system, properties=[election_safety], bounds=Bounds({"timeouts": 2, "commands": 1}))
    print(report.verdict, report.states)

The search is breadth first, so a counterexample is as short as there is one. It runs on tables and a compiled kernel
(see `tables.py`, `kernel.py`); what it finds is replayed through the system's own code before it is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from checker.answer import answer
from checker.engine.checkpoints import Checkpoint, Keeper
from checker.engine.depth import DepthFirst, StackStore
from checker.engine.search import Search
from checker.engine.stores import ExactStore, HashStore
from checker.engine.walks import Classes, Walking, Walks, WalkStore
from checker.engine.watch import Limits, Tell, Watch, never
from checker.engine.workers import Workers
from checker.errors import UsageError, did_you_mean, expect
from checker.question import AnyPredicate, Predicates, Question
from checker.reduced import explore_reduced
from checker.reductions.choice import Chosen, choose
from checker.report import Failure, Met, Report, Witness
from checker.runs.replay import AnyProperty, Properties
from checker.stepping import DETERMINISTIC_STEP, NO_HANDLER_ERROR, UNCHANGED_INPUT
from checker.system import ActorId, Bounds, State, System
from checker.world import Channel, Rules, Vary, World

if TYPE_CHECKING:  # loaded where they are used: most searches are in memory, and in this process
    from checker.distributed.ray_crew import Ray
    from checker.distributed.search import DistributedSearch
    from checker.spilling import Spill

ORDERS = ("breadth", "depth")
ENGINES = ("local", "ray")


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
    predicates = Predicates.of(goal, sometimes, prune)
    checked = Properties.sort(properties, (predicate.monitor for predicate in predicates.all))
    _validate_names(checked, predicates)
    rules = checked.rules(
        system, bounds=bounds, network=network, initial=initial, blocked=blocked, vary=vary, within=within
    )
    watch = Watch(_limits(max_depth, max_states, max_time_s, max_memory_bytes), progress, stop)
    how = _How(exact or graph, graph, checkpoint, spill, walks, order, _at_least_one(workers), engine)
    asked = Question(rules, checked, predicates, watch, stop_at_first, how.workers)
    chosen = how.choose(asked, reduce)
    reduced, chosen = explore_reduced(asked, chosen, shortest=reduce is None)
    if reduced is not None:
        return reduced
    with closing(_prepare(asked, how)) as search:
        return evolve(answer(search, asked), not_reduced=chosen.refused)


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

    def choose(self, asked: Question, wanted: Iterable[str] | None) -> Chosen:
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


def _validate_names(properties: Properties, predicates: Predicates) -> None:
    """Names must tell what is reported apart."""
    own = [DETERMINISTIC_STEP, NO_HANDLER_ERROR, UNCHANGED_INPUT]
    named = [one.name for one in properties.invariants]
    named += [one.name for one in properties.step_rules] + [one.name for one in properties.monitors]
    seen: set[str] = set()
    for name in [*own, *named, *(predicate.name for predicate in predicates.watched)]:
        if name in seen:
            raise UsageError(f"two properties or predicates are named {name!r}; give each a name of its own")
        seen.add(name)


def _prepare(asked: Question, how: _How) -> Search | DistributedSearch:
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


def _in_words(rules: Rules, properties: Properties, predicates: Predicates) -> dict[str, str]:
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


__all__ = ["Failure", "Met", "Report", "Witness", "check"]
