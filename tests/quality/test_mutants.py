"""Every planted bug is found by exploration, by a counterexample of exactly the length written beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from checker.explore import Report, check
from checker.mutants import MUTANTS, Mutant
from checker.raft_system import RaftSystem
from checker.runs.minimise import Attempt, minimise
from checker.runs.replay import replay
from checker.world import World, WorldEvent

BREAKING = tuple(mutant for mutant in MUTANTS if mutant.goal is None)
HINDERING = tuple(mutant for mutant in MUTANTS if mutant.goal is not None)
BY_NAME = pytest.mark.parametrize("mutant", BREAKING, ids=lambda mutant: mutant.name)
BY_GOAL = pytest.mark.parametrize("mutant", HINDERING, ids=lambda mutant: mutant.name)


@BY_NAME
def test_the_mutant_is_killed_by_its_shortest_trace(mutant: Mutant) -> None:
    """The search finds the property that falls first, after exactly so many events, none of which can be spared."""
    system = mutant.system()
    start = mutant.start(system)

    report = check(
        system, properties=mutant.properties_of(system), bounds=mutant.bound, network=mutant.network, initial=start
    )

    assert report.verdict == "fail"
    failure = report.violations[0]
    assert (failure.property, len(failure.events)) == (mutant.breaks, mutant.steps), failure.reason
    shortened = minimise(failure.events, _attempt(mutant, system, start))
    assert len(shortened.events) == mutant.steps, "breadth first search gave a trace that was not the shortest"


def _attempt(mutant: Mutant, system: RaftSystem, start: World | None) -> Attempt[WorldEvent]:
    """A tolerant replay that fails if the mutant's property breaks."""

    def attempt(events: Sequence[WorldEvent]) -> tuple[WorldEvent, ...] | None:
        run = replay(
            system,
            events,
            properties=mutant.properties_of(system),
            network=mutant.network,
            initial=start,
            tolerant=True,
        )
        broken = run.violation is not None and run.violation.property == mutant.breaks
        return run.events if broken else None

    return attempt


@BY_NAME
def test_the_correct_protocol_survives_the_same_search(mutant: Mutant) -> None:
    """The same search of the same cluster without the bug finds nothing, at least as deep as the bug lay."""
    system = mutant.system(mutated=False)

    report = check(
        system,
        properties=mutant.properties_of(system),
        bounds=mutant.bound,
        network=mutant.network,
        initial=mutant.start(system),
        max_depth=mutant.steps + 2,
    )

    assert report.violations == ()
    assert report.complete or report.limits_hit == ("max_depth",)


def _search_for_goal(mutant: Mutant, *, mutated: bool) -> Report:
    system = mutant.system(mutated=mutated)
    start = mutant.start(system)
    return check(
        system,
        properties=mutant.properties,
        bounds=mutant.bound,
        network=mutant.network,
        initial=start,
        goal=mutant.goal,
    )


@BY_GOAL
def test_the_mutant_never_comes_to_where_the_correct_protocol_comes(mutant: Mutant) -> None:
    """The correct rules reach the goal in exactly so many events; with the bug all of the space is without it, and no
    property breaks.
    """
    correct, mutated = (_search_for_goal(mutant, mutated=mutated) for mutated in (False, True))

    assert correct.reached is not None
    assert (correct.verdict, len(correct.reached.events)) == ("pass", mutant.steps)
    assert (mutated.verdict, mutated.complete, mutated.reached, mutated.violations) == ("fail", True, None, ())


def test_there_are_enough_mutants_of_bugs_that_shipped() -> None:
    """At least 55, of 40 bugs from the catalogue of those that real implementations had; names are unique."""
    catalogued = {mutant.catalogue for mutant in MUTANTS if mutant.catalogue}

    assert len(MUTANTS) >= 55
    assert len(catalogued) >= 40
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


PUBLISHED: Final = {
    "A1": 7,
    "A2": 4,
    "A4": 7,
    "A5": 8,
    "A7": 9,
    "A12": 6,
    "B1": 8,
    "B4": 12,
    "B5": 12,
    "C1": 13,
    "C3": 13,
    "C4": 9,
    "E1": 18,
    "F1": 12,
    "F10": 7,
    "G1": 12,
    "G3": 9,
}
"""How many events the shortest trace has that was published of a bug, by its name in the catalogue."""


@pytest.mark.parametrize(("bug", "published"), PUBLISHED.items())
def test_no_published_trace_is_shorter(bug: str, published: int) -> None:
    """Counted from a fresh cluster on, what comes before the search included; logs that are given count nothing."""
    lengths = [
        mutant.steps + len(mutant.prelude_events(mutant.system()) if mutant.prelude else ())
        for mutant in MUTANTS
        if mutant.catalogue == bug
    ]

    assert min(lengths) <= published
