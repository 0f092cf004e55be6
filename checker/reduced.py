"""Answers a question by as little of the space as will do: the reduced search, and what stands by it.

It is done without symmetry where a test of symmetry fails. Where the reduced space turns out not to be small, there is
a *glance* at the full one. And what is found is searched for again, by shortest runs.
"""

from __future__ import annotations

import time
from contextlib import closing

from attrs import define, evolve

from checker.answer import answer
from checker.engine.judging import Judge
from checker.engine.memory import bytes_of_tables
from checker.engine.tables import Tables
from checker.engine.watch import Limits
from checker.engine.workers import Workers
from checker.question import Question
from checker.reductions.choice import Chosen
from checker.reductions.normal import FUSED
from checker.reductions.search import ReducedSearch
from checker.reductions.symmetry import NotSymmetric
from checker.report import Report

WORLDS_A_STEP = 16  # of the full space, and with what they lead to: as many take about as long as a step of the code
FOUND_IN_THE_FULL_SPACE = "it was found in the full space, which had few worlds for each step of the code so far"
SEARCHED_AGAIN = 10_000_000  # worlds, at most, for the shortest run to what was found


def explore_reduced(asked: Question, chosen: Chosen, *, shortest: bool) -> tuple[Report | None, Chosen]:
    """The report of the reduced search, None if nothing can be used; and what was, once symmetry was tested.

    If *shortest*, what is found is told by a run than which none is shorter.
    """
    tables: Tables | None = None
    while chosen.used:
        tables, judge = asked.tables_and_judge(elsewhere=tables)
        glance = Glance(asked, tables) if shortest and asked.stop_at_first else None
        try:
            report = _explore_with(asked, chosen, tables, judge, glance)
        except NotSymmetric as error:
            chosen = chosen.without("symmetry", str(error))
            continue
        if glance is not None and glance.report is not None:
            return glance.told(report, chosen), chosen
        return _shortened(asked, report, chosen, tables) if shortest else report, chosen
    return None, chosen


def _explore_with(
    asked: Question, chosen: Chosen, tables: Tables, judge: Judge, glance: Glance | None = None
) -> Report:
    """The report of the search with the reductions that were *chosen*. Raises NotSymmetric."""
    kinds, meanwhile = frozenset(chosen.used), None if glance is None else glance.take
    crew = Workers(asked.workers)
    search = ReducedSearch(tables=tables, judge=judge, kinds=kinds, meanwhile=meanwhile, workers=crew, **asked.parts)
    with closing(search):
        return evolve(
            answer(search, asked),
            reduced_by=tuple(name for name in chosen.used if name != FUSED or search.claims.fuses),
            stands_for=search.stands_for if search.symmetry is not None else None,
            not_reduced={**chosen.refused, **search.not_reduced},
        )


def _shortened(asked: Question, report: Report, chosen: Chosen, known: Tables) -> Report:
    """*report*, or that of a second search, which takes nothing at once and so finds shortest runs first."""
    found = [failure.events for failure in report.violations]
    found += [] if report.reached is None else [report.reached.events]
    if not found or report.shortest:
        return report
    limits = asked.watch.limits
    closer = evolve(
        limits,
        depth=max(map(len, found)) + 1,
        states=min(limits.states or SEARCHED_AGAIN, SEARCHED_AGAIN),
        time_s=None if limits.time_s is None else max(limits.time_s - report.seconds, 0.001),
    )
    closely = evolve(asked, watch=evolve(asked.watch, limits=closer, levels=[]))
    slow = chosen.without("confluent", "for the shortest run").without("fused", "for the shortest run")
    again = _explore_with(closely, slow, *asked.tables_and_judge(known))
    if not _names(again) or not (asked.stop_at_first or _names(again) >= _names(report)):
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
class Glance:
    """A glance at the full space, when the reduced one turns out not to be small.

    Where the full space has few worlds for each step of the code, running the code is what takes the time, and no
    reduction saves that. What breaks there is found as soon as anywhere, and by a shortest run. So a level of it is
    begun as long as those before have no more than `WORLDS_A_STEP`.
    """

    asked: Question
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
            report = answer(search, asked)
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


__all__ = ["explore_reduced"]
