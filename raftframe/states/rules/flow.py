"""How much a leader sends to a follower before it hears from it, and where it begins (dissertation §10.2.1).

    probe       what the follower has is not known: one message, then nothing until it answers or the heartbeat is due
    replicate   it is known: entries go out at once; pipelined, without waiting for answers, up to a limit in flight

A new leader probes everybody. An answer that stores turns probing into replicating; a rejection, or word that the
follower cannot be reached, turns it back. A heartbeat is sent in either state, whatever is in flight: it asserts the
leadership, brings the commit index, and, when pipelined messages were lost, is rejected and so finds it out.

All of it is off without the options `progress` and `pipelining`. With `reject_hint`, in any state, a rejection says
where the logs may agree, so that repair takes one message a term and not one an entry (§5.3).

A third state, snapshot, is that of a follower that needs what the leader has no more (`feeding`).
"""

from __future__ import annotations

from raftframe.changing import changed
from raftframe.entries import Index, ServerId
from raftframe.log import Log
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, AppendEntriesResponse, InstallSnapshot
from raftframe.server_state import FollowerProgress, Progress, ServerState
from raftframe.states.rules.commitment import leading
from raftframe.states.rules.replication import Replication
from raftframe.states.turn import Turn


class FlowControl(Replication):
    """A leader that knows what is on its way to whom."""

    def beat(self, turn: Turn) -> Turn:
        """A heartbeat to everybody; what is not in flight goes with it."""
        if not self.controls_flow():
            return self.replicate(turn)
        for follower in turn.state.peers:
            progress = changed(leading(turn.state).of(follower), held_back=False)
            if self.is_fed(turn.state, progress):
                progress = changed(progress, in_flight=())  # what was on its way is in the snapshot
            turn = self.knowing(turn, progress)
            if self.is_held_back(progress):
                turn = turn.sending(self.heartbeat_for(turn.state, follower))
            else:
                turn = self.send_entries(turn, follower)
        return turn

    def replicate(self, turn: Turn) -> Turn:
        """Send every follower what comes next, as far as the limit allows."""
        if not self.controls_flow():
            return super().replicate(turn)
        for follower in turn.state.peers:
            turn = self.send_entries(turn, follower)
        return turn

    def send_entries(self, turn: Turn, follower: ServerId) -> Turn:
        """Send *follower* what comes next, unless enough is on its way already."""
        if not self.controls_flow():
            return super().send_entries(turn, follower)
        progress = leading(turn.state).of(follower)
        if self.is_held_back(progress):
            return turn.marked(Mark.HELD_BACK_ENTRIES)
        message = self.message_for(turn.state, follower)
        if isinstance(message, InstallSnapshot):
            return self.knowing(self.sent(turn, message), self.progress_after_part(progress, message))
        return self.knowing(turn.sending(message), self.progress_after_sending(progress, message))

    def send_rest(self, turn: Turn, before: Progress) -> Turn:
        """Send what is left: pipelined, as many messages as the limit allows. A follower that was held back may also
        have missed the latest commit index, so it gets at least that.
        """
        if self.controls_flow() and self.is_held_back(before) and self.states.options.announce_commit:
            turn = self.send_entries(turn, before.server)
        else:
            turn = super().send_rest(turn, before)
        while self.states.options.pipelining and self._may_go_on(turn.state, leading(turn.state).of(before.server)):
            turn = self.send_entries(turn, before.server)
        return turn

    def on_unreachable(self, turn: Turn, follower: ServerId) -> Turn:
        """What was sent to *follower* may be lost: find out how far it is."""
        replicating = [one for one in leading(turn.state).progress if one.server == follower]
        if not self.controls_flow() or not replicating or replicating[0].state is FollowerProgress.PROBE:
            return turn.marked(Mark.IGNORED_ORDER)
        progress = self.probing(replicating[0], replicating[0].match_index + 1)
        return self.knowing(turn, progress).marked(Mark.BEGAN_PROBING)

    def backed_up(self, turn: Turn, progress: Progress, message: AppendEntriesResponse) -> Turn:
        """After a fresh rejection: begin further back."""
        next_index = self.next_index_after_rejection(progress, message)
        if self.states.options.reject_hint:
            next_index = self.next_index_after_hint(turn.state.log, progress, message)
        if not self.controls_flow():
            return self.knowing(turn, changed(progress, next_index=next_index)).marked(Mark.BACKED_UP)
        next_index = max(progress.match_index + 1, min(next_index, message.index))
        marks = (Mark.BACKED_UP,) if progress.state is FollowerProgress.PROBE else (Mark.BACKED_UP, Mark.BEGAN_PROBING)
        return self.knowing(turn, self.probing(progress, next_index)).marked(*marks)

    def stored(self, state: ServerState, progress: Progress, match_index: Index) -> Progress:
        """*progress* when a follower has stored entries up to *match_index*: from now on replicate."""
        if not self.controls_flow():
            return super().stored(state, progress, match_index)
        if progress.snapshot and self.fed(state, changed(progress, match_index=match_index)).snapshot:
            return changed(progress, match_index=match_index, next_index=match_index + 1)
        probing = progress.state is not FollowerProgress.REPLICATE
        return changed(
            progress,
            match_index=match_index,
            next_index=match_index + 1 if probing else max(progress.next_index, match_index + 1),
            state=FollowerProgress.REPLICATE,
            held_back=False,
            in_flight=tuple(last for last in progress.in_flight if last > match_index),
            snapshot=0,
            parts=0,
        )

    def initial_progress(self, state: ServerState, follower: ServerId) -> Progress:
        """A new leader knows nothing: it probes."""
        progress = super().initial_progress(state, follower)
        return changed(progress, state=FollowerProgress.PROBE) if self.controls_flow() else progress

    def _may_go_on(self, state: ServerState, progress: Progress) -> bool:
        return progress.next_index <= state.log.last_index and not self.is_held_back(progress)

    # Rules

    def controls_flow(self) -> bool:
        """Whether this leader probes before it replicates."""
        return self.states.options.progress or self.states.options.pipelining

    def is_held_back(self, progress: Progress) -> bool:
        """Whether enough is on its way: one probe, or as many messages as the limit says."""
        limit = self.states.options.inflight
        return progress.held_back or (limit is not None and len(progress.in_flight) >= limit)

    def progress_after_sending(self, progress: Progress, message: AppendEntries) -> Progress:
        """One probe is enough. Pipelined, what was sent is taken to arrive, and the next message begins behind it."""
        if progress.state is FollowerProgress.PROBE:
            return changed(progress, held_back=True)
        if not self.states.options.pipelining or not message.entries:
            return progress
        in_flight = (*progress.in_flight, message.last_index)
        return changed(progress, next_index=message.last_index + 1, in_flight=in_flight)

    def progress_after_part(self, progress: Progress, message: InstallSnapshot) -> Progress:
        """One part on its way is enough, and nothing else until the snapshot is there, or its sending has failed."""
        return changed(
            progress,
            state=FollowerProgress.SNAPSHOT,
            held_back=True,
            in_flight=(),
            snapshot=message.index,
            parts=message.offset,
        )

    def is_fresh_rejection(self, progress: Progress, message: AppendEntriesResponse) -> bool:
        """With messages in flight, a rejection of any of them that is not known to be stored says something new. While
        a snapshot is sent, none does.
        """
        if progress.state is FollowerProgress.SNAPSHOT:
            return False
        if progress.state is FollowerProgress.PROBE or not self.states.options.pipelining:
            return super().is_fresh_rejection(progress, message)
        return progress.match_index < message.index < progress.next_index

    def next_index_after_hint(self, log: Log, progress: Progress, message: AppendEntriesResponse) -> Index:
        """Behind the last entry that can be the same in both logs: not behind the hint, and not of a later term than
        the hint's. Lower than what was tried, above what is stored.
        """
        agreed = last_at_or_before(log, min(message.hint_index, message.index - 1), message.hint_term)
        return max(progress.match_index, agreed) + 1

    def heartbeat_for(self, state: ServerState, follower: ServerId) -> AppendEntries:
        """Without entries, whatever is left to send: enough is on its way."""
        return changed(self.entries_for(state, follower), entries=())

    def probing(self, progress: Progress, next_index: Index) -> Progress:
        """*progress* of a follower that is to be probed from *next_index* on."""
        return changed(
            progress,
            next_index=next_index,
            state=FollowerProgress.PROBE,
            held_back=False,
            in_flight=(),
            snapshot=0,
            parts=0,
        )


def last_at_or_before(log: Log, index: Index, term: int) -> Index:
    """The highest index of *log*, at most *index*, whose entry is of *term* or an earlier one; if there is none, where
    the log begins, or 0.

    Terms never fall along a log, so nothing behind it can agree with a log whose entry at *index* is of *term* (§5.3).
    """
    index = min(index, log.last_index)
    while index > log.base_index and log.term_at(index) > term:
        index -= 1
    return index
