"""Marks: named facts about a step. They feed coverage, monitors, pause points (`on substate X`) and pictures."""

from __future__ import annotations

from enum import StrEnum


class Mark(StrEnum):
    """Every fact that the protocol reports. Each is hit by at least one scenario of the library."""

    BECAME_CANDIDATE = "became_candidate"
    BECAME_LEADER = "became_leader"
    BECAME_FOLLOWER = "became_follower"
    SAW_HIGHER_TERM = "saw_higher_term"
    CONCEDED_TO_LEADER = "conceded_to_leader"
    GRANTED_VOTE = "granted_vote"
    REFUSED_SECOND_VOTE = "refused_second_vote"
    REFUSED_STALE_LOG = "refused_stale_log"
    COUNTED_VOTE = "counted_vote"
    IGNORED_RESPONSE = "ignored_response"
    REJECTED_STALE_TERM = "rejected_stale_term"
    SENT_NEW_ENTRIES = "sent_new_entries"
    SENT_HEARTBEAT = "sent_heartbeat"
    APPENDED_ENTRIES = "appended_entries"
    TRUNCATED_SUFFIX = "truncated_suffix"
    REJECTED_PREVIOUS_ENTRY = "rejected_previous_entry"
    REFUSED_TO_CUT_COMMITTED = "refused_to_cut_committed"
    BACKED_UP = "backed_up"
    COMMITTED = "committed"
    HELD_OLD_TERM_ENTRY = "held_old_term_entry"
    ACCEPTED_COMMAND = "accepted_command"
    REDIRECTED_CLIENT = "redirected_client"
    REFUSED_COMMAND = "refused_command"
    LOST_PENDING_COMMANDS = "lost_pending_commands"
    DROPPED_MALFORMED = "dropped_malformed"
    IGNORED_TIMEOUT = "ignored_timeout"
