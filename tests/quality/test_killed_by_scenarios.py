"""Planted bugs are found by scenarios, too: a file of the library that passes by the rules fails with the bug."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from scenarios.runner import Verdict
from scenarios.runner.files import run_file

LIBRARY: Final = Path(__file__).parents[2] / "scenarios" / "library"

KILLED_BY: Final = {
    "counts_what_was_sent": ("replication/r14_inflight_limit.scenario", "commit_on_majority"),
    "takes_the_hint_for_stored": ("log_repair/l04_fast_backup.scenario", "expect"),
    "reads_before_its_own_commit": ("reads/d03_new_leader_waits.scenario", "expect"),
    "reads_without_a_quorum": ("reads/13_linearizable_read.scenario", "linearizable"),
    "counts_earlier_rounds": ("reads/rounds_are_not_mixed_up.scenario", "linearizable"),
    "answers_before_it_is_applied": ("reads/d06_follower_read.scenario", "linearizable"),
    "reads_from_the_beginning": ("reads/d06_follower_read.scenario", "linearizable"),
    "knows_no_answers": ("clients/k01_retry_is_applied_once.scenario", "expect"),
    "leader_alone_remembers": ("clients/k02_retry_at_new_leader.scenario", "linearizable"),
    "applies_what_has_expired": ("clients/k05_session_expiry_is_deterministic.scenario", "expect"),
    "remembers_without_the_answer": ("clients/k03_reply_is_repeated.scenario", "linearizable"),
    "keeps_its_lease_in_a_transfer": ("reads/lease_of_a_leader_that_hands_over.scenario", "linearizable"),
    "renews_its_lease_by_late_answers": ("reads/late_answers_renew_no_lease.scenario", "linearizable"),
    "leases_without_a_quorum": ("reads/late_answers_renew_no_lease.scenario", "linearizable"),
    "changes_without_barrier": ("membership/m20_single_server_change_bug.scenario", "expect"),
    "switches_directly": ("membership/m16_direct_switch_is_unsafe.scenario", "expect"),
    "commits_by_the_new_half": ("membership/m16_direct_switch_is_unsafe.scenario", "commit_on_majority"),
    "counts_learners": ("membership/m13_learner_does_not_campaign_or_count.scenario", "commit_on_majority"),
}
"""State map: the file that finds the bug, and one of the checks that fail in it."""


@pytest.mark.parametrize("state_map", KILLED_BY)
def test_the_scenario_fails_with_the_bug_and_passes_without(state_map: str) -> None:
    """For the reason that is named here, among others that may follow from it."""
    name, check = KILLED_BY[state_map]
    right = run_file(LIBRARY / name).instances
    wrong = run_file(LIBRARY / name, state_map=state_map).instances

    assert {result.verdict for result in right} == {Verdict.PASS}
    assert check in {failure.check for result in wrong for failure in result.failures}
