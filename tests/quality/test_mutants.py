"""Every planted bug is found by exploration, by a counterexample of exactly the length written beside it."""

from __future__ import annotations

import pytest

from checker.explore import check
from checker.minimise import minimise, violation_finder
from checker.mutants import MUTANTS, Mutant
from checker.properties import Invariant
from checker.replay import Properties
from checker.world import Rules

BY_NAME = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@BY_NAME
def test_the_mutant_is_killed_by_its_shortest_trace(mutant: Mutant) -> None:
    """The search finds the property that falls first, after exactly so many events, none of which can be spared."""
    system = mutant.system()
    start = mutant.start(system)

    report = check(system, properties=mutant.properties, bounds=mutant.bound, network=mutant.network, initial=start)

    assert report.verdict == "fail"
    failure = report.violations[0]
    assert (failure.property, len(failure.events)) == (mutant.breaks, mutant.steps), failure.reason
    sorted_properties = Properties.sort(mutant.properties)
    rules = Rules(
        system=system,
        bounds=mutant.bound,
        network=mutant.network,
        start=start,
        monitors=sorted_properties.monitors,
        step_rules=sorted_properties.step_rules,
    )
    invariants = [one for one in mutant.properties if isinstance(one, Invariant)]
    shortened = minimise(failure.events, violation_finder(rules, invariants, failure.property))
    assert len(shortened.events) == mutant.steps, "breadth first search gave a trace that was not the shortest"


@BY_NAME
def test_the_correct_protocol_survives_the_same_search(mutant: Mutant) -> None:
    """The same search of the same cluster without the bug finds nothing, at least as deep as the bug lay."""
    system = mutant.system(mutated=False)

    report = check(
        system,
        properties=mutant.properties,
        bounds=mutant.bound,
        network=mutant.network,
        initial=mutant.start(system),
        max_depth=mutant.steps + 2,
    )

    assert report.violations == ()
    assert report.complete or report.limits_hit == ("max_depth",)


def test_there_are_enough_mutants_of_bugs_that_shipped() -> None:
    """At least twenty come from the catalogue of bugs that real implementations had, and names are unique."""
    catalogued = {mutant.catalogue for mutant in MUTANTS if mutant.catalogue}

    assert len(catalogued) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
