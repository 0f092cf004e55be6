"""Planted bugs are found by a search in shares too, by runs that are as short."""

from __future__ import annotations

from checker.mutants import MUTANTS, Mutant
from tests.unit.distributed.shares import check_in_shares

from .test_reduced_mutants import by_name


@by_name(mutant for mutant in MUTANTS if mutant.goal is None)  # the others break nothing
def test_the_shortest_run_is_found(mutant: Mutant) -> None:
    """The same property falls, after as many events as for one engine."""
    system = mutant.system()

    report = check_in_shares(
        system,
        workers=3,
        properties=mutant.properties_of(system),
        bounds=mutant.bound,
        network=mutant.network,
        initial=mutant.start(system),
    )

    failure = report.violations[0]
    assert (failure.property, len(failure.events)) == (mutant.breaks, mutant.steps), failure.reason
