"""Reads without a round of heartbeats, inside a leader's lease (dissertation §6.4.1).

With the option `check_quorum`, whoever has heard from a leader helps nobody to replace it for the shortest election
timeout (`loyalty`). So once a majority has answered the leader's latest heartbeat, nobody else can lead before the next
one is due: a heartbeat's interval is shorter than an election timeout, and it is counted from when the heartbeat was
*sent*. Until then the leader answers reads at once. When its heartbeat timer fires, the lease is over, and the answers
to the new heartbeat begin the next; a read in between takes a round of its own.

What a lease rests on is that clocks run at about the same pace, and that a server which restarts does not help to
elect before a shortest election timeout is over. And whoever is told to take over (`handover`) asks for votes that
loyalty does not refuse, perhaps much later: a leader that has begun a transfer has no lease for the rest of its term.
"""

from __future__ import annotations

from attrs import evolve

from raftframe.entries import ServerId
from raftframe.marks import Mark
from raftframe.messages import Acknowledgement
from raftframe.server_state import Lease, ReadRound, ServerState
from raftframe.states.rules.commitment import leading
from raftframe.states.rules.handover import Handover
from raftframe.states.rules.reading import LeaderReading
from raftframe.states.turn import Turn


class Leasing(Handover, LeaderReading):
    """A leader whose heartbeats are answered."""

    def begin_lease(self, turn: Turn) -> Turn:
        """A heartbeat is due: the lease is over, and the answers to this one begin the next (dissertation §6.4.1)."""
        data = leading(turn.state)
        if not self.states.options.lease_reads or data.lease.is_revoked:
            return turn
        number = data.last_round + 1
        return turn.changing(data=evolve(data, lease=Lease(number), last_round=number))

    def acknowledge_rounds(self, turn: Turn, message: Acknowledgement) -> Turn:
        """An answer may belong to the latest heartbeat."""
        lease = leading(turn.state).lease
        if self.counts_for_lease(message, lease) and message.source not in lease.acks:
            lease = evolve(lease, acks=tuple(sorted((*lease.acks, message.source))))
            turn = turn.changing(data=evolve(leading(turn.state), lease=lease))
        return super().acknowledge_rounds(turn, message)

    def round_to_confirm(self, state: ServerState) -> int:
        """The latest heartbeat is a round, too, even if no read waits for it."""
        return max(super().round_to_confirm(state), leading(state).lease.number)

    def confirm(self, turn: Turn, read: ReadRound) -> Turn:
        """Inside the lease, at once."""
        if not self.may_answer_at_once(turn.state):
            return super().confirm(turn, read)
        return self.tell(turn.marked(Mark.READ_IN_LEASE), evolve(read, index=self.read_index(turn.state)))

    def on_transfer(self, turn: Turn, wanted: ServerId | None) -> Turn:
        """Nobody is loyal to a leader that has wished to be replaced."""
        turn = super().on_transfer(turn, wanted)
        data = leading(turn.state)
        return self.revoke_lease(turn) if data.successor is not None and not data.lease.is_revoked else turn

    def revoke_lease(self, turn: Turn) -> Turn:
        """For the rest of the term: the successor may be told late, or stand late (dissertation §3.10, §6.4.1)."""
        if not self.states.options.lease_reads:
            return turn
        return turn.changing(data=evolve(leading(turn.state), lease=Lease(is_revoked=True))).marked(Mark.REVOKED_LEASE)

    # Rules

    def may_answer_at_once(self, state: ServerState) -> bool:
        """Whether nobody else can lead now, and the commit index is known to be the latest (dissertation §6.4.1)."""
        return self.has_lease(state) and self.knows_commit_index(state)

    def has_lease(self, state: ServerState) -> bool:
        """Whether a majority has answered the latest heartbeat, after which the next is not due yet (dissertation
        §6.4.1)."""
        lease = leading(state).lease
        return lease.number > 0 and self.is_quorum((state.identity, *lease.acks), state.configuration)

    def counts_for_lease(self, message: Acknowledgement, lease: Lease) -> bool:
        """An answer to an earlier heartbeat counts from when that was sent, and its lease is over (dissertation
        §6.4.1)."""
        return 0 < lease.number <= message.read_round
