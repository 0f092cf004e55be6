"""Planted bugs are found in the reduced space too."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import pytest

from checker.explore import Report, check
from checker.mutants import MUTANTS, Mutant
from checker.reductions.choice import REDUCTIONS

QUICK = ("forgets_vote_on_step_down", "forgets_vote_on_restart", "forgets_term_on_restart", "never_hands_over")
EVERY = REDUCTIONS


def by_name(mutants: Iterable[Mutant]) -> pytest.MarkDecorator:
    """A test of each of *mutants*, slow but for a few."""
    return pytest.mark.parametrize(
        "mutant",
        [
            pytest.param(mutant, id=mutant.name, marks=() if mutant.name in QUICK else pytest.mark.slow)
            for mutant in mutants
        ],
    )


BY_NAME = by_name(mutant for mutant in MUTANTS if mutant.goal is None)  # the others break nothing
BY_GOAL = by_name(mutant for mutant in MUTANTS if mutant.goal is not None)


def search(mutant: Mutant, *kinds: str, mutated: bool = True, max_states: int | None = None) -> Report:
    """Look for the planted bug in the space reduced by *kinds*."""
    system = mutant.system(mutated=mutated)
    return check(
        system,
        properties=mutant.properties_of(system),
        bounds=mutant.bound,
        network=mutant.network,
        initial=mutant.start(system),
        goal=mutant.goal,
        reduce=kinds,
        max_states=max_states,
    )


@BY_NAME
def test_without_confluent_deliveries_the_trace_is_as_short(mutant: Mutant) -> None:
    """With neither dead messages nor covered worlds, the same property falls, after as many events as in the full
    space.
    """
    report = search(mutant, "dead", "covered")

    assert report.verdict == "fail"
    failure = report.violations[0]
    assert (failure.property, len(failure.events)) == (mutant.breaks, mutant.steps), failure.reason


@BY_NAME
@pytest.mark.parametrize("kinds", [("dead", "confluent"), EVERY])
def test_with_every_reduction_it_is_found(mutant: Mutant, kinds: tuple[str, ...]) -> None:
    """The same property falls; its trace was replayed in the full space, and is no shorter than the shortest."""
    report = search(mutant, *kinds)

    assert (report.verdict, report.violations[0].property) == ("fail", mutant.breaks)
    assert all(len(failure.events) >= mutant.steps for failure in report.violations)


@BY_NAME
def test_by_one_or_two_reductions_it_is_found(mutant: Mutant) -> None:
    """Each alone, and each with each other: the same property falls, by a shortest run if nothing comes at once."""
    for kinds in (*combinations(REDUCTIONS, 1), *combinations(REDUCTIONS, 2)):
        report = search(mutant, *kinds)

        failure = report.violations[0]
        assert failure.property == mutant.breaks, kinds
        assert len(failure.events) == mutant.steps or (not report.shortest and len(failure.events) > mutant.steps), (
            kinds
        )


@BY_GOAL
@pytest.mark.parametrize("kinds", [("dead",), EVERY])
def test_what_never_comes_about_does_not_in_the_reduced_space(mutant: Mutant, kinds: tuple[str, ...]) -> None:
    """The correct rules reach the goal there too; with the bug, all of the reduced space is without it."""
    correct, mutated = (search(mutant, *kinds, mutated=mutated) for mutated in (False, True))

    assert correct.reached is not None
    assert len(correct.reached.events) >= mutant.steps
    assert len(correct.reached.events) == mutant.steps or "confluent" in correct.reduced_by
    assert (mutated.verdict, mutated.complete, mutated.reached, mutated.violations) == ("fail", True, None, ())


def test_a_search_on_a_refuted_claim_is_given_up_early() -> None:
    """Messages that were taken for dead are not; that is known before there are fifty thousand worlds, though the
    search that left them out would find ten million.
    """
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "counts_stale_acknowledgements")

    report = search(mutant, "dead", "covered", max_states=50_000)

    assert (report.verdict, report.states) == ("fail", 7_170)
