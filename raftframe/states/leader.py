"""What a leader does: replicate, count acknowledgements, commit (Raft §5.3, §5.4.2)."""

from __future__ import annotations

from collections.abc import Sequence

from raftframe.changing import changed
from raftframe.effects import Done, Refused, Timer
from raftframe.entries import NOOP, Command, problem_with_command
from raftframe.events import SendSnapshot, TakeSnapshot
from raftframe.marks import Mark
from raftframe.messages import (
    Acknowledgement,
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    PreVote,
)
from raftframe.receipts import Stored
from raftframe.server_state import Progress, Role, ServerState
from raftframe.states.base_state import BaseState
from raftframe.states.rules.commitment import leading
from raftframe.states.rules.flow import FlowControl
from raftframe.states.rules.leases import Leasing
from raftframe.states.rules.reconfiguration import Reconfiguration
from raftframe.states.rules.tenure import Tenure
from raftframe.states.turn import Turn


class LeaderState(FlowControl, Leasing, Tenure, Reconfiguration, BaseState):
    """Takes commands, brings every follower's log in line with its own, and decides what is committed."""

    role = Role.LEADER

    # Events

    def on_taking_office(self, turn: Turn) -> Turn:
        """Assert leadership at once: a no-op, if so configured, or an empty heartbeat to everybody (§5.2)."""
        turn = self.begin_tenure(turn).starting(Timer.HEARTBEAT)
        if self.states.options.noop:
            return self.replicate_new(self.append(turn, NOOP))
        return self.advance_commit(self.replicate(turn))

    def on_election_timeout(self, turn: Turn) -> Turn:
        """A leader does not stand for election. Its timer is stopped, or bounds how long it hands over (dissertation
        §3.10) and how long it leads without the answers of a majority (§6.2); one that fires late is ignored.
        """
        handing_over = leading(turn.state).successor is not None
        turn = self.call_off_transfer(turn)
        if self.states.options.check_quorum:
            return self.check_quorum(turn)
        return turn if handing_over else turn.marked(Mark.IGNORED_TIMEOUT)

    def on_heartbeat_timeout(self, turn: Turn) -> Turn:
        """Tell everybody that the leader lives; what was lost on the way is thereby sent again (§5.3)."""
        return self.beat(self.begin_lease(turn)).starting(Timer.HEARTBEAT).marked(Mark.SENT_HEARTBEAT)

    def on_client_request(self, turn: Turn, command: Command) -> Turn:
        """As several of which there is one."""
        return self.on_client_requests(turn, (command,))

    def on_client_requests(self, turn: Turn, commands: Sequence[Command]) -> Turn:
        """Append the commands, in order, and replicate them; the answers come when they are applied (§5.3)."""
        accepted: list[Command] = []
        for command in commands:
            turn = self.judge(turn, command, accepted)
        if not accepted:
            return turn
        turn = self.append(turn, *accepted)
        return self.replicate_new(turn.marked(*(Mark.ACCEPTED_COMMAND for _ in accepted)))

    def judge(self, turn: Turn, command: Command, accepted: list[Command]) -> Turn:
        """Add *command* to those that are *accepted*, or answer it at once: one that cannot be taken, and one that was
        applied before, for what came of it is committed (dissertation §6.3).
        """
        problem = self.problem_with_office(turn.state) or problem_with_command(command)
        problem = problem or self.states.app.problem_with(command.operation)
        if not self.takes_commands(turn.state):
            problem = f"{turn.state.identity} hands its office over to {leading(turn.state).successor}: ask again soon"
        if problem is not None:
            return self.reply(turn, command, Refused(problem)).marked(Mark.REFUSED_COMMAND)
        known = self.answer_known(turn.state.sessions, command)
        if known is not None:
            return self.reply(turn, command, Done(known[0])).marked(Mark.REPEATED_ANSWER)
        accepted.append(command)
        return turn

    def objection_to(self, state: ServerState, message: PreVote) -> Mark | None:
        """A leader that lives helps nobody to replace it."""
        return Mark.STAYED_LOYAL

    def on_append_entries(self, turn: Turn, message: AppendEntries) -> Turn:
        """Nobody else leads this term (election safety); a message that says so is dropped."""
        return turn.marked(Mark.DROPPED_MALFORMED)

    def on_append_entries_response(self, turn: Turn, message: AppendEntriesResponse) -> Turn:
        """Learn how far a follower is; send it what comes next (§5.3)."""
        if self.speaks_of_unsent_entries(turn.state, message):
            return turn.marked(Mark.DROPPED_MALFORMED)
        turn = self.hear(turn, message.source)
        turn = self.acknowledge_rounds(turn, message) if message.read_round else turn
        progress = leading(turn.state).of(message.source)
        if message.success:
            return self.on_success(turn, progress, message)
        if not self.is_fresh_rejection(progress, message):
            return turn.marked(Mark.IGNORED_RESPONSE)
        return self.send_entries(self.backed_up(turn, progress, message), message.source)

    def on_install_snapshot(self, turn: Turn, message: InstallSnapshot) -> Turn:
        """Nobody else leads this term (election safety); a message that says so is dropped."""
        return turn.marked(Mark.DROPPED_MALFORMED)

    def on_snapshot_wanted(self, turn: Turn, event: TakeSnapshot | SendSnapshot) -> Turn:
        """Take a snapshot; if it is for a follower, send its first part at once."""
        if isinstance(event, TakeSnapshot):
            return super().on_snapshot_wanted(turn, event)
        turn = self.take_snapshot(turn, compact_to=0) if self.states.options.snapshots else turn
        if turn.state.snapshot is None or event.follower not in turn.state.peers:
            return turn.marked(Mark.IGNORED_ORDER)
        progress = leading(turn.state).of(event.follower)
        snapshot = turn.state.snapshot.last_index
        progress = changed(progress, snapshot=snapshot, parts=0, held_back=False, in_flight=())
        return self.send_entries(self.knowing(turn, progress), event.follower)

    def on_install_snapshot_response(self, turn: Turn, message: InstallSnapshotResponse) -> Turn:
        """The snapshot is there, and counts like the entries that it covers; or send the part that is wanted (§7)."""
        if self.speaks_of_unsent_snapshot(turn.state, message):
            return turn.marked(Mark.DROPPED_MALFORMED)
        turn = self.hear(turn, message.source)
        turn = self.acknowledge_rounds(turn, message) if message.read_round else turn
        progress = leading(turn.state).of(message.source)
        if message.installed:
            return self.on_success(turn, progress, message)
        if not self.wants_another_part(turn.state, progress, message):
            return turn.marked(Mark.IGNORED_RESPONSE)
        progress = changed(progress, snapshot=message.index, parts=message.offset, held_back=False)
        return self.send_entries(self.knowing(turn, progress), message.source)

    def on_stored(self, turn: Turn, receipt: Stored) -> Turn:
        """What the leader has stored itself counts, whenever it comes: it is one of the majority (§10.2.1)."""
        before = turn.state.commit_index
        turn = self.advance_commit(super().on_stored(turn, receipt))
        announces = turn.state.commit_index > before and self.states.options.announce_commit
        return self.replicate(turn) if announces else turn

    def on_success(self, turn: Turn, progress: Progress, message: Acknowledgement) -> Turn:
        """A follower has stored entries: count it, commit if that makes a majority, and send what is left."""
        known = self.stored(turn.state, progress, self.match_index_after(progress, message))
        turn = self.knowing(turn, known)
        if progress.snapshot and not known.snapshot:
            turn = turn.marked(Mark.FEEDS_ENTRIES_AGAIN)
        before = turn.state.commit_index
        turn = self.advance_commit(turn)
        if leading(turn.state).successor == message.source:
            turn = self.hand_over(turn)
        if turn.state.commit_index > before and self.states.options.announce_commit:
            return self.replicate(turn)
        return self.send_rest(turn, progress)
