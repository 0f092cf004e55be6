"""Committed entries reach the application, and clients their answers (Raft §5.3, §8)."""

from __future__ import annotations

from raftframe.effects import Apply, Done, Outcome, Reply
from raftframe.entries import Command, Entry, Index
from raftframe.marks import Mark
from raftframe.server_state import AwaitedRead, ServerState
from raftframe.states.rules.remembering import Remembering
from raftframe.states.turn import Turn


class Applying(Remembering):
    """Every server applies what is committed; only the leader answers."""

    def commit_to(self, turn: Turn, index: Index) -> Turn:
        """Move the commit index to *index*, which callers have found to be higher, and apply what it covers, in order
        (§5.3).
        """
        turn = turn.changing(commit_index=index).marked(Mark.COMMITTED)
        while turn.state.applied_index < turn.state.commit_index:
            turn = self.apply_next(turn)
        return self.answer_reads(turn) if turn.state.reads else turn

    def apply_next(self, turn: Turn) -> Turn:
        """Apply the first entry that is committed and not yet applied."""
        index = turn.state.applied_index + 1
        entry = turn.state.log.at(index)
        answer = None
        if isinstance(entry.command, Command):
            turn, outcome = self.apply_command(turn, entry.command, index)
            answer = outcome.answer if isinstance(outcome, Done) else None
            if self.answers_for(turn.state, entry):
                turn = self.reply(turn, entry.command, outcome)
        else:
            turn = turn.changing(applied_index=index)
        return turn.applying(Apply(index, entry, answer))

    def answer_reads(self, turn: Turn) -> Turn:
        """Answer the reads whose index is applied, from the application as it is (dissertation §6.4, step 4)."""
        for read in turn.state.reads:
            if self.may_answer(turn.state, read):
                answer = self.states.app.apply(turn.state.app_state, read.command.operation).answer
                turn = self.without_read(self.reply(turn, read.command, Done(answer)).marked(Mark.ANSWERED_READ), read)
        return turn

    def may_answer(self, state: ServerState, read: AwaitedRead) -> bool:
        """Whether the application has come to where *read* was confirmed: an older state may lack what was committed
        before the client asked (dissertation §6.4).
        """
        return read.index is not None and read.index <= state.applied_index

    def without_read(self, turn: Turn, read: AwaitedRead) -> Turn:
        """With *read* done with."""
        return turn.changing(reads=tuple(other for other in turn.state.reads if other is not read))

    def apply_command(self, turn: Turn, command: Command, index: Index) -> tuple[Turn, Outcome]:
        """Hand *command* to the application, and what its client is told."""
        if self.states.options.sessions:
            return self.apply_once(turn, command, index)
        applied = self.states.app.apply(turn.state.app_state, command.operation)
        return turn.changing(app_state=applied.state, applied_index=index), Done(applied.answer)

    def answers_for(self, state: ServerState, entry: Entry) -> bool:
        """Whether this server owes the client of *entry* an answer: only the leader that took the command does."""
        return False

    def reply(self, turn: Turn, command: Command, outcome: Outcome) -> Turn:
        """Tell the client of *command* its *outcome*."""
        return turn.replying(Reply(command.client, command.serial, outcome))
