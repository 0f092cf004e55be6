"""How a leader changes the cluster's servers (dissertation §4).

A change is an entry like any other, which holds the new configuration, and is in effect from the moment the leader has
appended it. What keeps two leaders apart is that any two configurations that can be in effect at the same time have
overlapping majorities, and for that a change has to wait for two things:

* the change before it is committed (§4.1), or else there could be servers two changes behind;
* the leader has committed an entry of its own term. Without that, two leaders of different terms could each make a
  change of the same configuration, neither knowing of the other's (the bug found in 2015 in the dissertation's rules).

A joint configuration is left by a second entry, as soon as the first is committed: by the leader itself (implicit), or
when an operator asks for it (explicit). A leader that is no voter of the configuration it has committed steps down
(§4.2.2).
"""

from __future__ import annotations

from attrs import evolve

from raftframe.configuration import Configuration
from raftframe.effects import Done, Reply
from raftframe.entries import Index, ServerId
from raftframe.events import LeaveJoint, Reconfigure
from raftframe.log import Log
from raftframe.marks import Mark
from raftframe.membership import Change, changed, left, problem_with_change
from raftframe.server_state import LeaderData, Progress, ServerState, WaitingOperator
from raftframe.states.rules.commitment import leading
from raftframe.states.rules.replication import Replication
from raftframe.states.turn import Turn


class Reconfiguration(Replication):
    """A leader adds and removes servers."""

    # Events

    def on_reconfigure(self, turn: Turn, event: Reconfigure | LeaveJoint) -> Turn:
        """Append the configuration that follows, unless something is in its way; the operator is answered when it is
        committed.
        """
        problem = self.problem_with(turn.state, event)
        if problem is not None:
            return self.refuse_change(turn, event, problem)
        waiting = WaitingOperator(event.client, event.serial)
        turn = turn.changing(data=evolve(leading(turn.state), waiting=waiting)).marked(Mark.ACCEPTED_CHANGE)
        if isinstance(event, LeaveJoint):
            return self.leave_joint(turn)
        return self.replicate_new(self.append(turn, self.next_configuration(turn.state, event)))

    def conclude(self, turn: Turn) -> Turn:
        """What follows from a configuration that is committed: a joint one is left, the operator is answered, and
        whoever is no voter any more steps down.
        """
        state = turn.state
        if state.configuration_index > state.commit_index or not self.states.options.membership:
            return turn
        if self.leaves_by_itself(state):
            return self.conclude(self.leave_joint(turn))
        turn = self.answer_operator(turn)
        if self.is_removed(state) and self.steps_down_when_removed(state):
            return self.states.resign(turn.marked(Mark.STEPPED_DOWN_REMOVED))
        return turn

    # What it does

    def leave_joint(self, turn: Turn) -> Turn:
        """Append the configuration that follows the joint one (§4.3)."""
        return self.replicate_new(self.append(turn, left(turn.state.configuration)).marked(Mark.LEFT_JOINT))

    def answer_operator(self, turn: Turn) -> Turn:
        """Tell who waits for the change that it is committed."""
        data = leading(turn.state)
        if data.waiting is None:
            return turn
        done = Reply(data.waiting.client, data.waiting.serial, Done(str(turn.state.configuration)))
        return turn.changing(data=evolve(data, waiting=None)).replying(done)

    def storing_log(self, turn: Turn, log: Log, kept: Index) -> Turn:
        """A leader's progress is that of the members of the configuration in effect."""
        before = turn.state.configuration
        turn = super().storing_log(turn, log, kept)
        if turn.state.configuration == before:
            return turn
        turn = turn.changing(data=self.progress_of_members(turn.state))
        successor = leading(turn.state).successor
        if successor is None or turn.state.configuration.is_voter(successor):
            return turn
        turn = turn.changing(data=evolve(leading(turn.state), successor=None))
        return turn.marked(Mark.CALLED_OFF_TRANSFER)

    def progress_of_members(self, state: ServerState) -> LeaderData:
        """What is known of servers that stay is kept; nothing is known of those that come. They count as heard until
        they have had the time to answer, or a leader that adds them would lose its office (§6.2).
        """
        data = leading(state)
        known = {progress.server: progress for progress in data.progress}
        progress = tuple(known.get(peer) or self.progress_of_newcomer(state, peer) for peer in state.peers)
        newcomers = () if not self.states.options.check_quorum else tuple(p for p in state.peers if p not in known)
        return evolve(data, progress=progress, heard=tuple(sorted({*data.heard, *newcomers})))

    # Rules

    def next_configuration(self, state: ServerState, event: Reconfigure) -> Configuration:
        """Directly to the new configuration only where any two majorities overlap, otherwise by a joint one (§4.3)."""
        return changed(state.configuration, event.change, event.transition)

    def problem_with(self, state: ServerState, event: Reconfigure | LeaveJoint) -> str | None:
        """What is in the way of the change that is asked for."""
        if not self.states.options.membership:
            return "servers are not added or removed without the option membership"
        if isinstance(event, LeaveJoint) and not state.configuration.is_joint:
            return f"the configuration {state.configuration} is not joint"
        if not self.states.options.disable_conf_change_validation:
            if not self.last_change_is_committed(state):
                return f"the change to {state.configuration} is not committed yet"
            if not self.has_committed_in_its_term(state):
                return f"nothing of term {state.term} is committed yet"
        if isinstance(event, LeaveJoint):
            return None
        return self.problem_with_newcomers(state, event.change) or problem_with_change(
            state.configuration, event.change, event.transition
        )

    def last_change_is_committed(self, state: ServerState) -> bool:
        """One change at a time (§4.1)."""
        return state.configuration_index <= state.commit_index

    def has_committed_in_its_term(self, state: ServerState) -> bool:
        """An entry of the leader's own term is committed: from then on no leader before it can commit a change that it
        does not know of (raft-dev, 2015).
        """
        return state.log.term_at(state.commit_index) == state.term

    def problem_with_newcomers(self, state: ServerState, change: Change) -> str | None:
        """With the option `catch_up`, only a learner that has what is committed becomes a voter, so that commits need
        not wait for it (§4.2.1).
        """
        if not self.states.options.catch_up:
            return None
        match = {progress.server: progress.match_index for progress in leading(state).progress}
        behind = [
            server
            for server in change.voters
            if not state.configuration.is_voter(server) and match.get(server, 0) < state.commit_index
        ]
        return f"{', '.join(behind)} must first catch up, as a learner" if behind else None

    def leaves_by_itself(self, state: ServerState) -> bool:
        """Whether the joint configuration, now committed, ends without being asked to (§4.3)."""
        return state.configuration.is_joint and state.configuration.auto_leave

    def problem_with_office(self, state: ServerState) -> str | None:
        """A leader that stays although it was removed takes no more commands."""
        return f"{state.identity} is no voter any more" if self.is_removed(state) else None

    def is_removed(self, state: ServerState) -> bool:
        """Whether this leader has no vote in a configuration that is committed."""
        committed = state.configuration_index <= state.commit_index
        return committed and not state.configuration.is_voter(state.identity)

    def steps_down_when_removed(self, state: ServerState) -> bool:
        """A leader manages a cluster that it is no voter of, but only until that is committed (§4.2.2)."""
        return not self.states.options.removed_leader_stays

    def progress_of_newcomer(self, state: ServerState, server: ServerId) -> Progress:
        """A server that was just added has nothing, as far as is known."""
        return evolve(self.initial_progress(state, server), next_index=1)
