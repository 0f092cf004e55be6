"""Planted bugs are found in the reduced space too."""

from __future__ import annotations

import pytest

from checker.explore import Report, check
from checker.mutants import MUTANTS, Mutant

QUICK = ("forgets_vote_on_step_down", "forgets_vote_on_restart", "forgets_term_on_restart")
BY_NAME = pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(mutant, id=mutant.name, marks=() if mutant.name in QUICK else pytest.mark.slow)
        for mutant in MUTANTS
        if mutant.goal is None  # the others break nothing
    ],
)


def search(mutant: Mutant, *kinds: str) -> Report:
    """Look for the planted bug in the space reduced by *kinds*."""
    system = mutant.system()
    return check(
        system,
        properties=mutant.properties_of(system),
        bounds=mutant.bound,
        network=mutant.network,
        initial=mutant.start(system),
        reduce=kinds,
    )


@BY_NAME
def test_without_dead_messages_the_trace_is_as_short(mutant: Mutant) -> None:
    """The same property falls first, after as many events as in the full space."""
    report = search(mutant, "dead")

    assert report.verdict == "fail"
    failure = report.violations[0]
    assert (failure.property, len(failure.events)) == (mutant.breaks, mutant.steps), failure.reason


@BY_NAME
@pytest.mark.parametrize("kinds", [("dead", "confluent"), ("dead", "confluent", "symmetry")])
def test_with_every_reduction_it_is_found(mutant: Mutant, kinds: tuple[str, ...]) -> None:
    """A property falls; its trace was replayed in the full space, and is no shorter than the shortest."""
    report = search(mutant, *kinds)

    assert report.verdict == "fail"
    assert all(len(failure.events) >= mutant.steps for failure in report.violations)
