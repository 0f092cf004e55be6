"""Planted bugs are found by scenarios, too: a file of the library that passes by the rules fails with the bug."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from checker.mutants import MUTANTS
from scenarios.language.loader import load
from scenarios.runner import Verdict
from scenarios.runner.files import run_loaded

LIBRARY: Final = Path(__file__).parents[2] / "scenarios" / "library"

KILLED_BY: Final = {
    # elections
    "counts_stale_votes": ("elections/e17_late_votes_do_nothing", "expect"),
    "counts_duplicate_votes": ("elections/e18_duplicate_vote_counts_once", "expect"),
    "forgets_vote_on_step_down": ("elections/e24_former_candidate_does_not_vote_twice", "one_vote_per_term"),
    "forgets_vote_on_restart": ("elections/07_vote_survives_restart", "one_vote_per_term"),
    "forgets_own_vote_on_restart": ("crashes/p01_vote_survives_restart", "one_vote_per_term"),
    "forgets_term_on_restart": ("crashes/p02_term_survives_restart", "monotonic_term"),
    "ignores_candidate_log": ("commit/c06_figure_8_e", "leader_completeness"),
    "compares_log_length_only": ("elections/e11_voter_refuses_stale_log", "expect"),
    "votes_for_everybody": ("elections/07_vote_survives_restart", "one_vote_per_term"),
    "boasts_of_its_log": ("commit/c06_figure_8_e", "leader_completeness"),
    "leads_with_half": ("crashes/p01_vote_survives_restart", "election_safety"),
    "counts_refusals": ("commit/c06_figure_8_e", "leader_completeness"),
    # pre-votes, the check of the quorum, transfers
    "counts_pre_votes_as_votes": ("prevote/v05_no_stale_prevotes", "expect"),
    "ignores_stale_pre_votes": ("prevote/v07_smaller_term_can_complete", "expect"),
    "refuses_among_pre_candidates": ("prevote/pre_candidates_support_each_other", "expect"),
    "ignores_stale_appends": ("check_quorum/q05_stuck_candidate_is_freed", "expect"),
    "is_loyal_to_nobody": ("check_quorum/first_election_is_not_blocked", "action"),
    "is_loyal_against_its_leader": ("check_quorum/leader_asks_again_after_its_restart", "expect"),
    "is_loyal_against_the_successor": ("transfer/t10_with_check_quorum_and_prevote", "expect"),
    "never_loses_quorum": ("check_quorum/q06_lease_expires", "expect"),
    "takes_commands_meanwhile": ("transfer/t06_no_commands_meanwhile", "expect"),
    "leader_gives_pre_votes": ("prevote/leader_gives_no_pre_vote", "expect"),
    "never_hands_over": ("transfer/t01_to_up_to_date_server", "action"),
    "ignores_the_term_of_answers": ("check_quorum/q05_stuck_candidate_is_freed", "expect"),
    "stands_without_its_term": ("check_quorum/q04_superseded_after_lease", "action"),
    "begins_without_an_entry": ("check_quorum/q06_lease_expires", "expect"),
    # followers
    "truncates_always": ("log_repair/l05_no_truncation_without_conflict", "commit_on_majority"),
    "compares_with_message_term": ("log_repair/l05_no_truncation_without_conflict", "commit_on_majority"),
    "keeps_conflicting_entries": ("commit/c06_figure_8_e", "log_matching"),
    "skips_consistency_check": ("commit/c06_figure_8_e", "log_matching"),
    "commits_unverified_entries": ("commit/c10_commit_is_min_of_leader_and_last", "state_machine_safety"),
    "commit_index_goes_back": ("commit/c13_commit_is_monotonic", "monotonic_commit"),
    "acknowledges_own_last_index": ("replication/answers_say_what_was_verified", "commit_on_majority"),
    "acknowledges_before_sync": ("crashes/p14_crash_losing_unsynced", "commit_on_majority"),
    # leaders
    "commits_old_term_by_counting": ("commit/c05_figure_8", "leader_completeness"),
    "match_index_goes_back": ("commit/c03_one_follower_counts_once", "monotonic_match"),
    "counts_stale_acknowledgements": ("log_repair/l11_match_index_after_rollback", "commit_on_majority"),
    "backs_up_without_floor": ("commit/c10_commit_is_min_of_leader_and_last", "no_handler_error"),
    "believes_late_rejections": ("log_repair/l12_liveness_through_conflict", "progress_in_order"),
    "counts_entries_not_carried": ("commit/c13_commit_is_monotonic", "commit_on_majority"),
    "counts_own_entry_before_sync": ("crashes/p14_crash_losing_unsynced", "commit_on_majority"),
    "assumes_followers_are_equal": ("commit/c08_no_commit_without_new_term_entry", "expect"),
    "commits_alone": ("commit/c01_majority_commits", "commit_on_majority"),
    "overwrites_its_own_log": ("partitions/n01_minority_cut_off", "leader_append_only"),
    "stops_at_an_old_entry": ("commit/c04_preceding_entries_commit_too", "expect"),
    "counts_what_was_sent": ("replication/r14_inflight_limit", "commit_on_majority"),
    "takes_the_hint_for_stored": ("log_repair/l04_fast_backup", "expect"),
    # what clients see
    "reads_before_its_own_commit": ("reads/d03_new_leader_waits", "expect"),
    "reads_at_any_follower": ("reads/follower_cut_off_answers_nothing", "linearizable"),
    "reads_without_a_quorum": ("reads/13_linearizable_read", "linearizable"),
    "counts_earlier_rounds": ("reads/rounds_are_not_mixed_up", "linearizable"),
    "answers_before_it_is_applied": ("reads/d06_follower_read", "linearizable"),
    "reads_from_the_beginning": ("reads/d06_follower_read", "linearizable"),
    "knows_no_answers": ("clients/k01_retry_is_applied_once", "expect"),
    "leader_alone_remembers": ("clients/k02_retry_at_new_leader", "linearizable"),
    "applies_what_has_expired": ("clients/k05_session_expiry_is_deterministic", "expect"),
    "remembers_without_the_answer": ("clients/k03_reply_is_repeated", "linearizable"),
    "keeps_its_lease_in_a_transfer": ("reads/lease_of_a_leader_that_hands_over", "linearizable"),
    "renews_its_lease_by_late_answers": ("reads/late_answers_renew_no_lease", "linearizable"),
    "leases_without_a_quorum": ("reads/late_answers_renew_no_lease", "linearizable"),
    # changes of members
    "changes_without_barrier": ("membership/m20_single_server_change_bug", "expect"),
    "switches_directly": ("membership/m16_direct_switch_is_unsafe", "expect"),
    "commits_by_the_new_half": ("membership/m16_direct_switch_is_unsafe", "commit_on_majority"),
    "counts_learners": ("membership/m13_learner_does_not_campaign_or_count", "commit_on_majority"),
    "counts_the_union": ("commit/c14_majority_and_joint_tables", "expect"),
    "uses_what_is_applied": ("etcd/confchange_v1_add_single", "commit_on_majority"),
    "forgets_the_configuration_on_restart": ("membership/m17_joint_timeline", "election_safety"),
    "restores_one_change_only": ("membership/m22_rollback_of_two_changes", "expect"),
    "refuses_to_vote_as_a_learner": ("etcd/campaign_learner_must_vote", "expect"),
    "listens_to_the_removed": ("membership/m19_removed_server_does_not_disrupt", "expect"),
    "retires_too_early": ("membership/retiring_leader_may_be_needed", "eventually"),
    "leads_on_when_removed": ("membership/m18_leader_not_in_new_configuration", "expect"),
    "takes_newcomers_for_silent": ("membership/q10_check_quorum_with_removed_peers", "expect"),
    # snapshots
    "discards_a_longer_log": ("snapshots/s15_retained_suffix_when_matching", "commit_on_majority"),
    "takes_older_snapshots": ("snapshots/s10_stale_snapshot_ignored", "monotonic_commit"),
    "sends_entries_it_has_no_more": ("snapshots/t03_transfer_after_snapshot", "no_handler_error"),
    "takes_the_snapshots_term": ("snapshots/s12_new_term_while_installing", "monotonic_term"),
    "snapshots_without_sessions": ("snapshots/k04_session_survives_snapshot", "linearizable"),
    "snapshots_with_uncommitted_members": ("snapshots/s14_snapshot_carries_configuration", "expect"),
    "takes_the_members_of_its_snapshot": ("snapshots/s14_snapshot_carries_configuration", "expect"),
    "begins_before_its_snapshot": ("snapshots/s05_all_crash", "no_handler_error"),
    "mixes_parts": ("snapshots/parts_are_not_mixed", "expect"),
    "takes_parts_twice": ("snapshots/s03_install_unreliable", "expect"),
    "snapshots_what_is_not_applied": ("snapshots/s14_snapshot_carries_configuration", "expect"),
    "cuts_what_is_not_covered": ("snapshots/s14_snapshot_carries_configuration", "no_handler_error"),
    "cuts_before_it_stores": ("snapshots/s01_basic", "no_handler_error"),
    "stops_at_a_snapshot": ("snapshots/silent_follower_keeps_nobody_waiting", "expect"),
    "appends_covered_entries": ("snapshots/covered_entries_are_passed_over", "log_matching"),
    "stands_without_its_snapshot": ("snapshots/s06_restart_initialised", "action"),
    "compares_without_its_snapshot": ("snapshots/votes_behind_a_snapshot", "leader_completeness"),
    # asynchronous storage
    "votes_before_it_is_stored": ("async_storage/acks_and_votes_wait_for_storage", "one_vote_per_term"),
    "stands_before_it_is_stored": ("async_storage/acks_and_votes_wait_for_storage", "expect"),
    "acknowledges_before_it_is_stored": ("async_storage/acks_and_votes_wait_for_storage", "commit_on_majority"),
    "leads_before_it_is_stored": ("async_storage/alone_with_a_vote", "log_matching"),
    "counts_itself_before_it_is_stored": ("async_storage/acks_and_votes_wait_for_storage", "commit_on_majority"),
    "applies_before_it_is_stored": ("async_storage/lagging_storage_behind_commit", "expect"),
    "keeps_what_is_overwritten": ("async_storage/overwritten_entries_are_not_stored", "expect"),
    "believes_receipts_of_earlier_terms": ("async_storage/receipt_for_an_entry_that_came_back", "expect"),
    "believes_receipts_by_index": ("etcd/async_storage_writes_append_aba_race", "expect"),
}
"""Mutant: the file that finds it, and one of the checks that fail in it."""


@pytest.mark.parametrize("mutant", KILLED_BY)
def test_the_scenario_fails_with_the_bug_and_passes_without(mutant: str) -> None:
    """For the reason that is named here, among others that may follow from it."""
    name, check = KILLED_BY[mutant]
    loaded = load(LIBRARY / f"{name}.scenario")

    right = run_loaded(loaded).instances
    wrong = run_loaded(loaded, state_map=mutant).instances

    assert {result.verdict for result in right} == {Verdict.PASS}
    assert check in {failure.check for result in wrong for failure in result.failures}


def test_every_mutant_is_killed_by_a_scenario() -> None:
    """A bug that no file finds marks a blind spot of the library."""
    assert set(KILLED_BY) == {mutant.name for mutant in MUTANTS}
