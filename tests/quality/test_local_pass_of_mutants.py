"""The local pass proves nothing that a planted bug breaks."""

from __future__ import annotations

from checker.local_pass import local_pass
from checker.mutants import MUTANTS, Mutant

from .test_reduced_mutants import by_name

MAX_STEPS = 20_000  # of local steps; where there are more, nothing is proven


@by_name(mutant for mutant in MUTANTS if mutant.goal is None)
def test_what_a_bug_breaks_is_not_proven(mutant: Mutant) -> None:
    """With the bug, the property that falls in a search is open, however many others are proven."""
    system = mutant.system()

    told = local_pass(
        system,
        properties=mutant.properties_of(system),
        bounds=mutant.bound,
        network=mutant.network,
        initial=mutant.start(system),
        max_steps=MAX_STEPS,
    )

    assert mutant.breaks in told.open
