"""Who has heard from a leader a moment ago does not help to replace it (dissertation §4.2.3, §6.2).

The option `check_quorum` has two halves, and neither is sound without the other. A leader that hears from no majority
for an election timeout steps down (`tenure`): else a follower's loyalty could keep a leader in office that reaches
nobody. And whoever hears from a leader ignores requests for votes: else one server that nobody can reach would depose,
with its high term, a leader that a majority follows.

A follower is loyal as long as it knows its leader. Every word of the leader starts the lease timer anew; when it fires,
after the shortest election timeout, the follower knows no leader any more.
"""

from __future__ import annotations

from raftframe.effects import Timer
from raftframe.entries import ServerId
from raftframe.marks import Mark
from raftframe.messages import Message, RequestVote
from raftframe.server_state import FollowerData, ServerState
from raftframe.states.rules.base import Rules
from raftframe.states.turn import Turn


class Loyalty(Rules):
    """Every server is loyal to the leader it has heard from, and a leader to itself."""

    def on_lease_timeout(self, turn: Turn) -> Turn:
        """Only a follower that knows a leader has a lease to lose; a timer that fires late is ignored."""
        return turn.marked(Mark.IGNORED_TIMEOUT)

    def on_forget_leader(self, turn: Turn) -> Turn:
        """Only a follower that knows a leader can forget it."""
        return turn.marked(Mark.IGNORED_ORDER)

    def hear_from_leader(self, turn: Turn, leader: ServerId) -> Turn:
        """Follow *leader*, who lives: the timers that wait for its silence start anew (§5.2)."""
        turn = turn.changing(data=FollowerData(leader=leader)).starting(Timer.ELECTION)
        return turn.starting(Timer.LEASE) if self.states.options.check_quorum else turn

    def wait_for_no_leader(self, turn: Turn) -> Turn:
        """This server knows no leader any more, so it has no lease."""
        return turn.stopping(Timer.LEASE) if self.states.options.check_quorum else turn

    # Rules

    def is_loyal(self, state: ServerState, candidate: ServerId) -> bool:
        """Whether this server has heard from a leader within the shortest election timeout, and so helps nobody to
        replace it (dissertation §4.2.3). Who asks for votes leads no more, so not even its own follower is bound to it.
        """
        return self.states.options.check_quorum and state.leader not in (None, candidate)

    def is_disruptive(self, state: ServerState, message: Message) -> bool:
        """Whether *message* asks for votes in a later term while the leader lives: then the term is not followed into,
        and no answer given (dissertation §4.2.3). A leader's own wish to be replaced is respected.
        """
        return isinstance(message, RequestVote) and not message.transfer and self.is_loyal(state, message.source)
