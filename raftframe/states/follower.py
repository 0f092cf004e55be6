"""The rules of a follower: take entries from the leader (Raft §5.3)."""

from __future__ import annotations

from raftframe.entries import Entry, Index, Term
from raftframe.log import Log
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, AppendEntriesResponse, TimeoutNow
from raftframe.server_state import FollowerData, Role, ServerState
from raftframe.states.base_state import BaseState
from raftframe.states.rules.flow import last_at_or_before
from raftframe.states.rules.reading import FollowerReading
from raftframe.states.rules.snapshotting import Installing
from raftframe.states.turn import Turn


class FollowerState(FollowerReading, Installing, BaseState):
    """Answers candidates and the leader; stands for election when it hears from neither."""

    role = Role.FOLLOWER

    def on_append_entries(self, turn: Turn, message: AppendEntries) -> Turn:
        """Take the entries if the one before them is here, and answer how far the two logs are now known to be
        equal."""
        turn = self.hear_from_leader(turn, message.source)
        if turn.state.reads:
            turn = self.ask_again(turn, message)
        log = turn.state.log
        if message.previous_index < log.base_index:
            if message.last_index <= log.base_index:
                return self._answer(turn, message, True, message.last_index)
            message = self.without_covered(log, message)
        if not self.previous_entry_matches(log, message):
            return self.reject(turn.marked(Mark.REJECTED_PREVIOUS_ENTRY), message)
        merged = self.merged(log, message)
        if not merged.starts_with(log.up_to(turn.state.commit_index)):
            return turn.marked(Mark.REFUSED_TO_CUT_COMMITTED)
        turn = self._store(turn, log, merged, kept=message.previous_index)
        commit_index = self.learned_commit_index(turn.state, message)
        if commit_index != turn.state.commit_index:
            turn = self.commit_to(turn, commit_index)
        return self._answer(turn, message, True, self.acknowledged_index(turn.state, message))

    def on_timeout_now(self, turn: Turn, message: TimeoutNow) -> Turn:
        """The leader of the term hands over: stand at once, without pre-votes (dissertation §3.10)."""
        if not self.states.options.transfer or not self.may_campaign(turn.state):
            return turn.marked(Mark.IGNORED_ORDER)
        turn = self.wait_for_no_leader(turn.marked(Mark.TOOK_OVER))
        return self.campaign(self.states.take_over(turn), transfer=True)

    def on_lease_timeout(self, turn: Turn) -> Turn:
        """No word from the leader for the shortest election timeout: nobody owes it loyalty (dissertation §4.2.3)."""
        return super().on_lease_timeout(turn) if turn.state.leader is None else self.forget(turn, Mark.LEASE_ENDED)

    def on_forget_leader(self, turn: Turn) -> Turn:
        """Take it that the leader is gone. Term and election timer stay, and its next word makes it known again."""
        if turn.state.leader is None or not self.may_forget_leader():
            return super().on_forget_leader(turn)
        return self.forget(turn, Mark.FORGOT_LEADER)

    def forget(self, turn: Turn, why: Mark) -> Turn:
        """Know no leader any more."""
        return self.wait_for_no_leader(turn).changing(data=FollowerData()).marked(why)

    def reject(self, turn: Turn, message: AppendEntries) -> Turn:
        """Name what did not match and, with the option `reject_hint`, where the logs may agree (§5.3)."""
        hint = (0, 0)
        if self.states.options.reject_hint:
            index = self.hinted_index(turn.state.log, message)
            hint = index, turn.state.log.term_at(index)
        return self._answer(turn, message, False, message.previous_index, hint)

    def _store(self, turn: Turn, log: Log, merged: Log, kept: Index) -> Turn:
        if merged is log:
            return turn
        if not merged.starts_with(log):
            turn = turn.marked(Mark.TRUNCATED_SUFFIX)
        return self.storing_log(turn, merged, kept).marked(Mark.APPENDED_ENTRIES)

    def _answer(
        self, turn: Turn, message: AppendEntries, success: bool, index: Index, hint: tuple[Index, Term] = (0, 0)
    ) -> Turn:
        state = turn.state
        return turn.sending(
            AppendEntriesResponse(state.identity, message.source, state.term, success, index, message.read_round, *hint)
        )

    # Rules

    def hinted_index(self, log: Log, message: AppendEntries) -> Index:
        """The last entry that may be in the leader's log too: those of later terms than its entry cannot (§5.3)."""
        return last_at_or_before(log, message.previous_index, message.previous_term)

    def may_forget_leader(self) -> bool:
        """Whether whoever operates the servers may tell this one that its leader is gone. Not if that leader may have a
        lease: it relies on its followers' loyalty (dissertation §6.4.1).
        """
        return self.states.options.forget_leader and not self.states.options.lease_reads

    def previous_entry_matches(self, log: Log, message: AppendEntries) -> bool:
        """The consistency check: the log has the entry before the new ones, with the same term (§5.3)."""
        index = message.previous_index
        return index <= log.last_index and log.term_at(index) == message.previous_term

    def merged(self, log: Log, message: AppendEntries) -> Log:
        """*log* with the new entries: cut only where one conflicts, for a late message must not undo a later
        one (figure 2, rules 3 and 4)."""
        for offset, entry in enumerate(message.entries):
            index = message.previous_index + 1 + offset
            if index > log.last_index or self.conflicts_with(log, index, entry, message):
                return log.up_to(index - 1).followed_by(message.entries[offset:])
        return log

    def conflicts_with(self, log: Log, index: Index, entry: Entry, message: AppendEntries) -> bool:
        """Same index, different term: not the same entry (§5.3)."""
        return log.term_at(index) != entry.term

    def learned_commit_index(self, state: ServerState, message: AppendEntries) -> Index:
        """As far as the leader has committed, but no further than this message vouches for; never back (figure
        2, rule 5)."""
        return max(state.commit_index, min(message.commit_index, message.last_index))

    def acknowledged_index(self, state: ServerState, message: AppendEntries) -> Index:
        """The end of what this message verified; what lies behind it may differ from the leader's log."""
        return message.last_index
