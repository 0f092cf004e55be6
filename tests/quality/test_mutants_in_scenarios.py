"""Planted bugs of elections are killed by scenarios of the library, too: run with the bug, the file fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.mutants import MUTANTS
from checker.mutants.liveness import LIVENESS_MUTANTS
from scenarios.language.loader import load
from scenarios.runner.files import run_loaded

LIBRARY = Path(__file__).parents[2] / "scenarios" / "library"
KILLERS = {
    "counts_pre_votes_as_votes": "prevote/v05_no_stale_prevotes",
    "ignores_stale_pre_votes": "prevote/v07_smaller_term_can_complete",
    "refuses_among_pre_candidates": "prevote/pre_candidates_support_each_other",
    "ignores_stale_appends": "check_quorum/q05_stuck_candidate_is_freed",
    "is_loyal_to_nobody": "check_quorum/first_election_is_not_blocked",
    "is_loyal_against_its_leader": "check_quorum/leader_asks_again_after_its_restart",
    "is_loyal_against_the_successor": "transfer/t10_with_check_quorum_and_prevote",
    "never_loses_quorum": "check_quorum/q06_lease_expires",
    "takes_commands_meanwhile": "transfer/t06_no_commands_meanwhile",
    "leader_gives_pre_votes": "prevote/leader_gives_no_pre_vote",
    "never_hands_over": "transfer/t01_to_up_to_date_server",
}


@pytest.mark.parametrize(("mutant", "scenario"), KILLERS.items(), ids=KILLERS.keys())
def test_a_scenario_kills_the_mutant(mutant: str, scenario: str) -> None:
    """The file passes by the correct rules, and fails with the bug in them."""
    loaded = load(LIBRARY / f"{scenario}.scenario")

    correct = run_loaded(loaded)
    broken = run_loaded(loaded, state_map=mutant)

    assert all(one.ok for one in correct.instances)
    assert not all(one.ok for one in broken.instances)


def test_every_mutant_of_elections_has_a_scenario() -> None:
    """A bug that no scenario kills marks a blind spot of the library."""
    assert {mutant.name for mutant in LIVENESS_MUTANTS} == set(KILLERS)
    assert set(KILLERS) <= {mutant.name for mutant in MUTANTS}
