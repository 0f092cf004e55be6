"""Snapshots: what every server does about its own, and about those that its leader sends (Raft §7, dissertation §5).

    any server   applied 1 to 6     snapshot of 6, then the entries up to 6 leave the log, or a few fewer
    leader       has 7, 8 ...       a follower needs 4: it gets the snapshot, part by part, each when the last is there
    follower     has 1 to 3         the last part is there: log, application, sessions and members are the snapshot's
                                    from then on entries, from 7 on

A snapshot is of what is committed, so a server that has more than it covers has nothing to learn from it. One that has
its last entry keeps its log, and takes from the snapshot only that all up to there is committed. All other logs are
discarded: they end before the snapshot, or differ from it.

A part that is lost comes again with the leader's next heartbeat, in whose place it comes. Whoever gets another part
than the one that is due says which one it wants; so does a follower that has lost what it had. Until the last part is
there nothing is stored, and then the whole in one write.
"""

from __future__ import annotations

from collections.abc import Hashable

from attrs import evolve

from raftframe.api import ComesInParts
from raftframe.configuration import Configuration
from raftframe.effects import log_behind
from raftframe.entries import Index
from raftframe.events import SendSnapshot, TakeSnapshot
from raftframe.log import Log
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, InstallSnapshot, InstallSnapshotResponse
from raftframe.server_state import Arriving, FollowerData, ServerState, Snapshot
from raftframe.sessions import Sessions
from raftframe.states.rules.applying import Applying
from raftframe.states.rules.belonging import Belonging
from raftframe.states.rules.loyalty import Loyalty
from raftframe.states.turn import Turn


class Snapshotting(Applying, Belonging):
    """Every server takes snapshots of what it has applied, and begins again from them."""

    # Events

    def on_snapshot_wanted(self, turn: Turn, event: TakeSnapshot | SendSnapshot) -> Turn:
        """Take a snapshot, and cut the log. Only a leader sends it to a follower."""
        if not self.states.options.snapshots or isinstance(event, SendSnapshot):
            return turn.marked(Mark.IGNORED_ORDER)
        after = self.take_snapshot(turn, event.compact_to)
        return turn.marked(Mark.IGNORED_ORDER) if after.state is turn.state else after

    def on_install_snapshot_response(self, turn: Turn, message: InstallSnapshotResponse) -> Turn:
        """Only a leader cares."""
        return turn.marked(Mark.IGNORED_RESPONSE)

    def take_snapshot(self, turn: Turn, compact_to: Index | None = None) -> Turn:
        """With a snapshot of what is applied, unless there is one already, and a log that begins behind *compact_to*,
        as far as the snapshot reaches (§7).
        """
        known = turn.state.snapshot
        if self.snapshot_index(turn.state) > (0 if known is None else known.last_index):
            turn = turn.storing(snapshot=self.snapshot_of(turn.state)).marked(Mark.TOOK_SNAPSHOT)
        if turn.state.snapshot is None:
            return turn
        log = self.log_after_compaction(turn.state.log, turn.state.snapshot, compact_to)
        return turn if log is turn.state.log else turn.storing(log=log).marked(Mark.COMPACTED_LOG)

    def take_snapshot_if_due(self, turn: Turn, every: int) -> Turn:
        """Take a snapshot when *every* entries or more were applied since the last one. Due in one step, it is taken in
        the next: those who wait for the answers of the first need not wait for the snapshot.
        """
        known = 0 if turn.state.snapshot is None else turn.state.snapshot.last_index
        if turn.state.applied_index - known < every:
            return turn
        return self.take_snapshot(turn, max(0, turn.state.applied_index - self.states.options.snapshot_keeps))

    def recovered_from_snapshot(self, state: ServerState) -> ServerState:
        """A server that begins again has applied what its snapshot covers, which is committed; the log follows (§7)."""
        snapshot = state.snapshot
        if snapshot is None:
            return state
        return evolve(
            state,
            app_state=self.joined(snapshot.parts),
            sessions=self.sessions_from(snapshot),
            commit_index=snapshot.last_index,
            applied_index=snapshot.last_index,
        )

    # Rules

    def snapshot_index(self, state: ServerState) -> Index:
        """What is applied is committed, and is all that the application's state speaks of (§7)."""
        return state.applied_index

    def snapshot_of(self, state: ServerState) -> Snapshot:
        """What is applied, in the place of the entries (§7)."""
        index = self.snapshot_index(state)
        configuration_index, configuration = self.configuration_in_snapshot(state)
        return Snapshot(
            index,
            state.log.term_at(index),
            self.parts_of(state.app_state),
            self.sessions_in_snapshot(state),
            configuration,
            configuration_index,
        )

    def sessions_in_snapshot(self, state: ServerState) -> Sessions:
        """The table of sessions is applied state like any other (dissertation §6.3)."""
        return state.sessions

    def sessions_from(self, snapshot: Snapshot) -> Sessions:
        """Whoever takes a snapshot over takes its sessions, too (dissertation §6.3)."""
        return snapshot.sessions

    def configuration_in_snapshot(self, state: ServerState) -> tuple[Index, Configuration]:
        """The one in effect at the snapshot's last entry: a later one may still be cut from the log (dissertation
        §5.1).
        """
        if state.configuration_index <= self.snapshot_index(state):
            return state.configuration_index, state.configuration
        return self.configuration_as_of(state, state.log, self.snapshot_index(state))

    def log_after_compaction(self, log: Log, snapshot: Snapshot, compact_to: Index | None) -> Log:
        """*log* without entries that are in the snapshot, and with all others (§7)."""
        return log.behind(snapshot.last_index if compact_to is None else min(compact_to, snapshot.last_index))

    def parts_of(self, app_state: Hashable) -> tuple[Hashable, ...]:
        """The application's state, in as many parts as it likes, at least one."""
        app = self.states.app
        return app.parts_of(app_state) if isinstance(app, ComesInParts) else (app_state,)

    def joined(self, parts: tuple[Hashable, ...]) -> Hashable:
        """The application's state that *parts* are of."""
        app = self.states.app
        return app.joined(parts) if isinstance(app, ComesInParts) else parts[0]


class Installing(Loyalty, Snapshotting):
    """A follower takes the snapshots of its leader."""

    def on_install_snapshot(self, turn: Turn, message: InstallSnapshot) -> Turn:
        """Take the part; with the last one the snapshot takes the place of all that is here (§7)."""
        before = turn.state.data
        turn = self.hear_from_leader(turn, message.source)
        if self.is_covered(turn.state, message):
            return self.answer_snapshot(turn.marked(Mark.IGNORED_SNAPSHOT), message, installed=True)
        if self.has_last_entry(turn.state.log, message):
            turn = self.commit_to(turn, message.index).marked(Mark.KEPT_LONGER_LOG)
            return self.answer_snapshot(turn, message, installed=True)
        parts = self.parts_at_hand(before.arriving if isinstance(before, FollowerData) else None, message)
        if not self.is_next_part(parts, message):
            return self.wait_for_part(turn.marked(Mark.ASKED_FOR_PART), message, parts)
        parts = (*parts, message.part)
        if not message.done:
            return self.wait_for_part(turn.marked(Mark.TOOK_PART), message, parts)
        return self.answer_snapshot(self.install(turn, self.snapshot_from(message, parts)), message, installed=True)

    def wait_for_part(self, turn: Turn, message: InstallSnapshot, parts: tuple[Hashable, ...]) -> Turn:
        """Keep the *parts* that are here, and tell which one is wanted next."""
        arriving = Arriving(message.index, message.last_term, parts) if parts else None
        turn = turn.changing(data=FollowerData(message.source, arriving))
        return self.answer_snapshot(turn, message, installed=False, offset=len(parts))

    def install(self, turn: Turn, snapshot: Snapshot) -> Turn:
        """*snapshot* takes the place of the log, the application, the sessions and the members (§7)."""
        log = self.log_after_installing(turn.state.log, snapshot)
        turn = turn.storing(snapshot=snapshot, log=log).changing(
            app_state=self.joined(snapshot.parts),
            sessions=self.sessions_from(snapshot),
            commit_index=snapshot.last_index,
            applied_index=snapshot.last_index,
        )
        turn = self.with_members_of(turn, snapshot).marked(Mark.INSTALLED_SNAPSHOT)
        return self.answer_reads(turn) if turn.state.reads else turn

    def with_members_of(self, turn: Turn, snapshot: Snapshot) -> Turn:
        """The log that had another configuration is gone, so the snapshot's is in effect (dissertation §5.1)."""
        index, configuration = snapshot.configuration_index, snapshot.configuration
        if not self.states.options.membership or configuration == turn.state.configuration:
            return turn.changing(configuration_index=index)
        turn = turn.changing(configuration_index=index, configuration=configuration)
        return turn.marked(Mark.CHANGED_CONFIGURATION)

    def answer_snapshot(self, turn: Turn, message: InstallSnapshot, *, installed: bool, offset: int = 0) -> Turn:
        """Tell the leader how far its snapshot is here."""
        state = turn.state
        return turn.sending(
            InstallSnapshotResponse(
                state.identity, message.source, state.term, installed, message.index, offset, message.read_round
            )
        )

    # Rules

    def is_covered(self, state: ServerState, message: InstallSnapshot) -> bool:
        """Whether all that the snapshot has is committed here: then it is late, or was not needed (§7)."""
        return message.index <= state.commit_index

    def has_last_entry(self, log: Log, message: InstallSnapshot) -> bool:
        """Whether the log has the snapshot's last entry: then it has all before it, and what follows is kept (§7)."""
        return log.has(message.index, message.last_term)

    def parts_at_hand(self, arriving: Arriving | None, message: InstallSnapshot) -> tuple[Hashable, ...]:
        """The parts that are here of the very snapshot that *message* is of; parts of two must not be mixed."""
        if arriving is None or (arriving.last_index, arriving.last_term) != (message.index, message.last_term):
            return ()
        return arriving.parts

    def is_next_part(self, parts: tuple[Hashable, ...], message: InstallSnapshot) -> bool:
        """Parts are put together in their order: none may be missing, none come twice (figure 13)."""
        return message.offset == len(parts)

    def log_after_installing(self, log: Log, snapshot: Snapshot) -> Log:
        """The log ends before the snapshot, or differs from it: nothing of it is of use (§7)."""
        return log_behind(log, snapshot)

    def snapshot_from(self, message: InstallSnapshot, parts: tuple[Hashable, ...]) -> Snapshot:
        """The snapshot whose last part came in *message*."""
        return Snapshot(
            message.index,
            message.last_term,
            parts,
            message.sessions,
            message.configuration,
            message.configuration_index,
        )

    def without_covered(self, log: Log, message: AppendEntries) -> AppendEntries:
        """*message* without the entries that are in the snapshot here: they are committed, and so the same (§7)."""
        covered = log.base_index - message.previous_index
        if covered <= 0:
            return message
        return evolve(
            message,
            previous_index=log.base_index,
            previous_term=log.base_term,
            entries=message.entries[covered:],
        )
