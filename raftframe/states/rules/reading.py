"""Reads that need no entry in the log and are linearizable all the same (dissertation §6.4).

    client ──▶ leader     notes its commit index, if it has committed an entry of its own term
               leader     sends a round of heartbeats, numbered; a majority answers that round or a later one
               leader     so nobody else had committed anything when the round began: the read is confirmed
               leader     answers once the noted index is applied

    client ──▶ follower ──ReadIndex──▶ leader     as above, but for the answer
               follower ◀──ReadIndexResponse──    answers once the index is applied here

A read belongs to the server whose client it is (`ServerState.reads`), and waits there, first for its index, then for
the application. What a leader has to confirm, of its own and of its followers, it keeps in `LeaderData.rounds`.
A server that loses its leader, or its office, redirects the reads that have no index yet; those that have one are
confirmed, whoever leads now.
"""

from __future__ import annotations

from attrs import evolve

from raftframe.effects import Redirected, Refused
from raftframe.entries import ClientId, Command, Index, ServerId, problem_with_command
from raftframe.marks import Mark
from raftframe.messages import (
    Acknowledgement,
    AppendEntries,
    Message,
    ReadIndex,
    ReadIndexResponse,
)
from raftframe.server_state import AwaitedRead, ReadRound, ServerState
from raftframe.states.rules.applying import Applying
from raftframe.states.rules.commitment import leading
from raftframe.states.rules.replication import Replication
from raftframe.states.rules.voting import Voting
from raftframe.states.turn import Turn


class Reading(Applying):
    """What every server does about reads."""

    def on_client_read(self, turn: Turn, command: Command) -> Turn:
        """Nobody is known to lead, so nobody can confirm it: the client has to ask again."""
        return self.reply(turn, command, Redirected(turn.state.leader)).marked(Mark.REDIRECTED_CLIENT)

    def on_read_index(self, turn: Turn, message: ReadIndex) -> Turn:
        """Only a leader confirms reads."""
        return turn.sending(self.read_refused(turn.state, message)).marked(Mark.REDIRECTED_READ)

    def on_read_index_response(self, turn: Turn, message: ReadIndexResponse) -> Turn:
        """Only a follower asks."""
        return turn.marked(Mark.IGNORED_RESPONSE)

    # Rules

    def read_refused(self, state: ServerState, message: ReadIndex) -> Message:
        """The answer of a server that does not lead."""
        return ReadIndexResponse(
            state.identity, message.source, state.term, message.client, message.serial, success=False, index=0
        )

    def redirect_reads(self, turn: Turn, leader: ServerId | None) -> Turn:
        """Whoever was to confirm them does not lead any more: the clients may ask *leader*, if there is one."""
        for read in turn.state.reads:
            if read.index is None:
                turn = self.reply(turn, read.command, Redirected(leader)).marked(Mark.REDIRECTED_READ)
                turn = self.without_read(turn, read)
        return turn

    def take_read(self, turn: Turn, command: Command) -> Turn:
        """With *command* among the reads that wait, once however often it is asked."""
        if any(read.command == command for read in turn.state.reads):
            return turn
        return turn.changing(reads=(*turn.state.reads, AwaitedRead(command)))

    def problem_with_read(self, command: Command) -> str | None:
        """Why nobody could answer *command*, or None."""
        return problem_with_command(command) or self.states.app.problem_with(command.operation)

    def allow_read(self, turn: Turn, client: ClientId, serial: int, index: Index) -> Turn:
        """The read is confirmed: it is answered once *index* is applied, perhaps at once."""
        reads = tuple(evolve(r, index=index) if _is(r, client, serial) else r for r in turn.state.reads)
        return self.answer_reads(turn.changing(reads=reads))


class FollowerReading(Reading):
    """A follower has its leader confirm the reads of its clients."""

    def on_client_read(self, turn: Turn, command: Command) -> Turn:
        """Ask the leader from where on it may be answered."""
        if turn.state.leader is None:
            return super().on_client_read(turn, command)
        problem = self.problem_with_read(command)
        if problem is not None:
            return self.reply(turn, command, Refused(problem)).marked(Mark.REFUSED_COMMAND)
        return self._ask(self.take_read(turn, command), turn.state.leader, command)

    def on_read_index_response(self, turn: Turn, message: ReadIndexResponse) -> Turn:
        """The read may be answered from that index on; or its client has to look for the leader."""
        read = next((r for r in turn.state.reads if _is(r, message.client, message.serial)), None)
        if read is None or read.index is not None:
            return turn.marked(Mark.IGNORED_RESPONSE)
        if message.success:
            return self.allow_read(turn, message.client, message.serial, message.index)
        turn = self.reply(turn, read.command, Redirected(None)).marked(Mark.REDIRECTED_READ)
        return self.without_read(turn, read)

    def ask_again(self, turn: Turn, message: AppendEntries) -> Turn:
        """A leader that waits for no round has not heard of the reads that wait here, or its answer was lost."""
        for read in turn.state.reads:
            if read.index is None and not message.read_round and not message.entries:
                turn = self._ask(turn, message.source, read.command)
        return turn

    def _ask(self, turn: Turn, leader: ServerId, command: Command) -> Turn:
        state = turn.state
        question = ReadIndex(state.identity, leader, state.term, command.client, command.serial)
        return turn.sending(question).marked(Mark.FORWARDED_READ)


class LeaderReading(Voting, Replication, Reading):
    """A leader confirms reads: its own clients', and those of its followers'."""

    def on_client_read(self, turn: Turn, command: Command) -> Turn:
        """Confirm that this is still the leader, and answer."""
        problem = self.problem_with_read(command)
        if problem is not None:
            return self.reply(turn, command, Refused(problem)).marked(Mark.REFUSED_COMMAND)
        turn = self.take_read(turn, command)
        return self.confirm(turn, ReadRound(turn.state.identity, command.client, command.serial))

    def on_read_index(self, turn: Turn, message: ReadIndex) -> Turn:
        """The same for the client of a follower."""
        return self.confirm(turn, ReadRound(message.source, message.client, message.serial))

    def confirm(self, turn: Turn, read: ReadRound) -> Turn:
        """Begin the round that confirms *read*; one that is asked for twice needs it once."""
        data = leading(turn.state)
        if any((one.asker, one.client, one.serial) == (read.asker, read.client, read.serial) for one in data.rounds):
            return turn
        turn = turn.changing(data=evolve(data, rounds=(*data.rounds, read)))
        return self.begin_rounds(turn) if self.knows_commit_index(turn.state) else turn.marked(Mark.HELD_READ)

    def advance_commit(self, turn: Turn) -> Turn:
        """With the first entry of its own term committed, the reads that waited for that can be confirmed; and with a
        change of members, so may be those that waited for a server which was removed.
        """
        turn = self.settle_rounds(super().advance_commit(turn))
        held = any(one.number == 0 for one in leading(turn.state).rounds)
        return self.begin_rounds(turn) if held and self.knows_commit_index(turn.state) else turn

    def begin_rounds(self, turn: Turn) -> Turn:
        """A round of heartbeats for all that have none yet."""
        data = leading(turn.state)
        number = data.last_round + 1
        rounds = tuple(
            one if one.number else evolve(one, number=number, index=self.read_index(turn.state)) for one in data.rounds
        )
        turn = turn.changing(data=evolve(data, rounds=rounds, last_round=number)).marked(Mark.STARTED_READ_ROUND)
        return self.settle_rounds(self.replicate(turn))

    def acknowledge_rounds(self, turn: Turn, message: Acknowledgement) -> Turn:
        """A follower took this server for its leader when it answered: that counts for its round, and those before."""
        data = leading(turn.state)
        rounds = tuple(
            evolve(one, acks=tuple(sorted({*one.acks, message.source}))) if self.counts_for(message, one) else one
            for one in data.rounds
        )
        return self.settle_rounds(turn.changing(data=evolve(data, rounds=rounds))) if rounds != data.rounds else turn

    def settle_rounds(self, turn: Turn) -> Turn:
        """The reads whose round a majority has answered are confirmed."""
        data = leading(turn.state)
        done = tuple(one for one in data.rounds if self.is_confirmed(turn.state, one))
        if not done:
            return turn
        left = tuple(one for one in data.rounds if one not in done)
        turn = turn.changing(data=evolve(data, rounds=left)).marked(Mark.CONFIRMED_READ)
        for one in done:
            turn = self.tell(turn, one)
        return turn

    def tell(self, turn: Turn, one: ReadRound) -> Turn:
        """The read is confirmed: answer it as soon as its index is applied, or let the asker do so."""
        state = turn.state
        if one.asker == state.identity:
            return self.allow_read(turn, one.client, one.serial, one.index)
        return turn.sending(
            ReadIndexResponse(state.identity, one.asker, state.term, one.client, one.serial, True, one.index)
        )

    # Rules

    def knows_commit_index(self, state: ServerState) -> bool:
        """A new leader may not know how far its predecessors have committed, until an entry of its own term is
        committed (dissertation §6.4, step 1)."""
        return state.log.term_at(state.commit_index) == state.term

    def read_index(self, state: ServerState) -> Index:
        """Whatever a client has been told of is committed, at or before this index (dissertation §6.4, step 2)."""
        return state.commit_index

    def counts_for(self, message: Acknowledgement, one: ReadRound) -> bool:
        """Whether the answer shows that its sender still followed when the round began (dissertation §6.4, step 3)."""
        return 0 < one.number <= message.read_round

    def is_confirmed(self, state: ServerState, one: ReadRound) -> bool:
        """Whether nobody else can have led when the round began: a majority was with this leader after it (dissertation
        §6.4, step 3)."""
        return one.number > 0 and self.is_quorum((state.identity, *one.acks), state.configuration)


def _is(read: AwaitedRead, client: ClientId, serial: int) -> bool:
    return (read.command.client, read.command.serial) == (client, serial)
