"""A leader hands its office over (dissertation §3.10).

It takes no more commands, brings its successor's log up to date, and tells it to stand at once, with a TimeoutNow. The
successor stands without pre-votes, and its requests for votes say that its leader wishes it, so that nobody stays
loyal. The old leader leads on until it hears of the new term. If it does not within an election timeout, it calls the
transfer off and takes commands again.
"""

from __future__ import annotations

from attrs import evolve

from raftframe.effects import Timer
from raftframe.entries import ServerId
from raftframe.marks import Mark
from raftframe.messages import TimeoutNow
from raftframe.server_state import ServerState
from raftframe.states.rules.commitment import leading
from raftframe.states.rules.replication import Replication
from raftframe.states.turn import Turn


class Handover(Replication):
    """A leader and its successor."""

    def on_transfer(self, turn: Turn, wanted: ServerId | None) -> Turn:
        """Begin to hand over; to somebody else if a transfer is under way, whose time limit then stays."""
        successor = self.best_successor(turn.state) if wanted is None else wanted
        if successor is None or not self.may_succeed(turn.state, successor):
            return turn.marked(Mark.REFUSED_TRANSFER)
        under_way = leading(turn.state).successor
        if under_way == successor:
            return turn.marked(Mark.IGNORED_ORDER)
        if under_way is None:
            turn = turn.starting(Timer.ELECTION, longest=True)
        turn = turn.changing(data=evolve(leading(turn.state), successor=successor)).marked(Mark.BEGAN_TRANSFER)
        if self.is_ready_to_lead(turn.state, successor):
            return self.hand_over(turn)
        return self.send_entries(turn, successor)

    def hand_over(self, turn: Turn) -> Turn:
        """Tell the successor, if there is one and its log is complete, to stand. Told twice, it stands once: the second
        TimeoutNow is of a finished term.
        """
        state, successor = turn.state, leading(turn.state).successor
        if successor is None or not self.is_ready_to_lead(state, successor):
            return turn
        return turn.sending(TimeoutNow(state.identity, successor, state.term)).marked(Mark.SENT_TIMEOUT_NOW)

    def call_off_transfer(self, turn: Turn) -> Turn:
        """The successor has not taken over in time: lead on (dissertation §3.10)."""
        if leading(turn.state).successor is None:
            return turn
        return turn.changing(data=evolve(leading(turn.state), successor=None)).marked(Mark.CALLED_OFF_TRANSFER)

    # Rules

    def best_successor(self, state: ServerState) -> ServerId | None:
        """The voter whose log is known to be the longest: it can take over first. None if there is no other voter."""
        voters = [one for one in leading(state).progress if state.configuration.is_voter(one.server)]
        return max(voters, key=lambda one: one.match_index).server if voters else None

    def may_succeed(self, state: ServerState, server: ServerId) -> bool:
        """Whether *server* can take this leader's office over: another server, and a voter (dissertation §3.10)."""
        may = server != state.identity and state.configuration.is_voter(server)
        return self.states.options.transfer and may

    def is_ready_to_lead(self, state: ServerState, server: ServerId) -> bool:
        """Whether the log of *server* is complete, so that it can win (dissertation §3.10)."""
        return leading(state).of(server).match_index == state.log.last_index

    def takes_commands(self, state: ServerState) -> bool:
        """Whether this leader accepts commands: not while it hands over, or its successor's log would never be
        complete (dissertation §3.10).
        """
        return leading(state).successor is None
