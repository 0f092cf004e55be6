"""Runs a search, and makes the report of what it came to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from checker.engine.garbage import seldom_collected
from checker.engine.search import Hit, Result, Search
from checker.engine.tables import Tables
from checker.engine.visited import collision_probability
from checker.question import Question
from checker.reductions.search import ReducedSearch
from checker.report import Met, Report, Verdict
from checker.runs.retelling import Retelling

if TYPE_CHECKING:
    from checker.distributed.search import DistributedSearch


def answer(search: Search | ReducedSearch | DistributedSearch, asked: Question) -> Report:
    """Search, and tell what was found."""
    predicates = asked.predicates
    begun = time.perf_counter()
    search.compile()
    compiled = time.perf_counter()
    with seldom_collected():
        result = search.run()
        seconds = time.perf_counter() - compiled
    tables = search.tables
    retold = Retelling(search.events, tables.rules, asked.properties, shorten=not search.shortest)
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


__all__ = ["answer"]
