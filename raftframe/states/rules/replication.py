"""How a leader brings the logs of its followers in line with its own (Raft §5.3)."""

from __future__ import annotations

from raftframe.changing import changed
from raftframe.configuration import Configuration
from raftframe.entries import Command, Entry, Index, Noop, ServerId
from raftframe.marks import Mark
from raftframe.messages import Acknowledgement, AppendEntries, AppendEntriesResponse, InstallSnapshot
from raftframe.server_state import Progress, ServerState
from raftframe.states.rules.belonging import Belonging
from raftframe.states.rules.commitment import leading
from raftframe.states.rules.feeding import Feeding
from raftframe.states.turn import Turn


class Replication(Feeding, Belonging):
    """A leader sends, and keeps books on what each follower has."""

    def append(self, turn: Turn, *commands: Command | Noop | Configuration) -> Turn:
        """A leader only ever appends to its log (leader append-only, §5.3)."""
        log, term = turn.state.log, turn.term
        appended = log.followed_by([Entry(term, command) for command in commands])
        return self.storing_log(turn, appended, kept=log.last_index)

    def replicate_new(self, turn: Turn) -> Turn:
        """Send what was just appended; a server that is its own majority commits it at once."""
        turn = self.replicate(turn)
        return self.advance_commit(turn.marked(Mark.SENT_NEW_ENTRIES) if turn.state.peers else turn)

    def replicate(self, turn: Turn) -> Turn:
        """Send every follower the entries it lacks, as far as known, or an empty heartbeat."""
        return self.sent(turn, *(self.message_for(turn.state, peer) for peer in turn.state.peers))

    def send_entries(self, turn: Turn, follower: ServerId) -> Turn:
        """Send *follower* the entries it lacks, as far as known."""
        return self.sent(turn, self.message_for(turn.state, follower))

    def send_rest(self, turn: Turn, before: Progress) -> Turn:
        """Send the follower whose progress was *before*, and who has answered, what is left, if anything is."""
        progress = leading(turn.state).of(before.server)
        if progress.next_index > turn.state.log.last_index and not progress.snapshot:
            return turn
        return self.send_entries(turn, before.server)

    def message_for(self, state: ServerState, follower: ServerId) -> AppendEntries | InstallSnapshot:
        """What *follower* needs next: entries, or a part of the snapshot (§7)."""
        progress = leading(state).of(follower)
        if self.is_fed(state, progress):
            return self.part_for(state, progress, self.round_to_confirm(state))
        return self.entries_for(state, follower)

    def entries_for(self, state: ServerState, follower: ServerId) -> AppendEntries:
        """The next entries for *follower*, as many as the batch size allows."""
        next_index = leading(state).of(follower).next_index
        previous = next_index - 1
        last = state.log.last_index
        if self.states.options.batch is not None:
            last = min(last, previous + self.states.options.batch)
        return AppendEntries(
            state.identity,
            follower,
            state.term,
            previous,
            state.log.term_at(previous),
            state.log.between(next_index, last),
            state.commit_index,
            self.round_to_confirm(state),
        )

    def round_to_confirm(self, state: ServerState) -> int:
        """The latest round of heartbeats that a read waits for, which every message to a follower carries; 0: none."""
        rounds = leading(state).rounds
        return max(one.number for one in rounds) if rounds else 0

    def stored(self, state: ServerState, progress: Progress, match_index: Index) -> Progress:
        """*progress* when a follower has stored entries up to *match_index*: what comes next is behind them."""
        next_index = max(progress.next_index, match_index + 1)
        progress = changed(progress, next_index=next_index, match_index=match_index)
        return self.fed(state, progress) if progress.snapshot else progress

    def knowing(self, turn: Turn, progress: Progress) -> Turn:
        """With *progress* known."""
        return turn.changing(data=leading(turn.state).having(progress))

    def initial_progress(self, state: ServerState, follower: ServerId) -> Progress:
        """Optimism about what to send, none about what is stored (figure 2, "reinitialized after election")."""
        return Progress(follower, next_index=state.log.last_index + 1, match_index=0)

    def speaks_of_unsent_entries(self, state: ServerState, message: AppendEntriesResponse) -> bool:
        """Whether a response is about an index that this leader has never sent: its log only grows (§5.3)."""
        return message.index > state.log.last_index

    def is_fresh_rejection(self, progress: Progress, message: AppendEntriesResponse) -> bool:
        """Whether the rejection answers the latest attempt. A late one says nothing new, least of all about what is
        stored.
        """
        return progress.match_index < message.index == progress.next_index - 1

    def next_index_after_rejection(self, progress: Progress, message: AppendEntriesResponse) -> Index:
        """One entry back (§5.3). A fresh rejection is above the match index, so this never falls below the first
        entry.
        """
        return progress.next_index - 1

    def match_index_after(self, progress: Progress, message: Acknowledgement) -> Index:
        """What is stored stays stored: a late acknowledgement never lowers it."""
        return max(progress.match_index, message.index)
