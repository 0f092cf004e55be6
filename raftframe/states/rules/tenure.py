"""How long a leader stays in office without the answers of a majority (dissertation §6.2)."""

from __future__ import annotations

from attrs import evolve

from raftframe.effects import Timer
from raftframe.entries import ServerId
from raftframe.marks import Mark
from raftframe.server_state import ServerState
from raftframe.states.rules.commitment import Commitment, leading
from raftframe.states.rules.voting import Voting
from raftframe.states.turn import Turn


class Tenure(Voting, Commitment):
    """A leader checks, once an election timeout, that a majority has answered it since the last time."""

    def begin_tenure(self, turn: Turn) -> Turn:
        """A leader has no election timer, unless it must be checked that a majority answers it (dissertation §6.2)."""
        if self.states.options.check_quorum:
            return turn.starting(Timer.ELECTION, longest=True)
        return turn.stopping(Timer.ELECTION)

    def check_quorum(self, turn: Turn) -> Turn:
        """Stay in office for another election timeout, or step down: clients had better ask somebody who reaches a
        majority, if there is one (dissertation §6.2).
        """
        if not self.has_been_heard(turn.state):
            return self.states.lose_quorum(turn.marked(Mark.LOST_QUORUM))
        turn = turn.changing(data=evolve(leading(turn.state), heard=()))
        return turn.starting(Timer.ELECTION, longest=True).marked(Mark.KEPT_QUORUM)

    def hear(self, turn: Turn, follower: ServerId) -> Turn:
        """With an answer of *follower*, if anybody counts them."""
        heard = leading(turn.state).heard
        if not self.states.options.check_quorum or follower in heard:
            return turn
        return turn.changing(data=evolve(leading(turn.state), heard=tuple(sorted((*heard, follower)))))

    def has_been_heard(self, state: ServerState) -> bool:
        """Whether a majority, this server included, has answered since the last check (dissertation §6.2)."""
        return self.is_quorum((*leading(state).heard, state.identity), state.configuration)
