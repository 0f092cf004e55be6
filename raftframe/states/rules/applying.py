"""Committed entries reach the application, and clients their answers (Raft §5.3, §8)."""

from __future__ import annotations

from raftframe.effects import Apply, Done, Outcome, Reply
from raftframe.entries import Command, Entry, Index
from raftframe.marks import Mark
from raftframe.server_state import AwaitedRead, ServerState
from raftframe.states.rules.remembering import Ledger, Remembering
from raftframe.states.turn import Turn


class Applying(Remembering):
    """Every server applies what is committed; only the leader answers."""

    def commit_to(self, turn: Turn, index: Index) -> Turn:
        """Move the commit index to *index*, which callers have found to be higher, and apply what it covers, in order
        (§5.3).
        """
        turn = turn.changing(commit_index=index).marked(Mark.COMMITTED)
        if turn.state.stable is not None:
            return turn  # the application comes to it later: see `deferring`
        turn = self.apply_committed(turn, index)
        return self.answer_reads(turn) if turn.state.reads else turn

    def apply_committed(self, turn: Turn, last_index: Index) -> Turn:
        """Apply the entries that are not yet applied, in order, up to *last_index*, which is committed (§5.3)."""
        state = turn.state
        ledger = Ledger(state.app_state, state.sessions)
        done: list[Apply] = []
        replies: list[Reply] = []
        marks: list[Mark] = []
        for index in range(state.applied_index + 1, last_index + 1):
            entry, answer = state.log.at(index), None
            if isinstance(entry.command, Command):
                ledger, outcome = self.apply_command(ledger, entry.command, index, marks)
                answer = outcome.answer if isinstance(outcome, Done) else None
                if self.answers_for(state, entry):
                    replies.append(Reply(entry.command.client, entry.command.serial, outcome))
            done.append(Apply(index, entry, answer))
        turn = turn.changing(
            app_state=ledger.app_state,
            sessions=ledger.sessions,
            applied_index=max(state.applied_index, last_index),
        )
        return turn.applying(*done).replying(*replies).marked(*marks)

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

    def apply_command(
        self, ledger: Ledger, command: Command, index: Index, marks: list[Mark]
    ) -> tuple[Ledger, Outcome]:
        """Hand *command* to the application, and what its client is told; *marks* gets what else there is to say."""
        if self.states.options.sessions:
            return self.apply_once(ledger, command, index, marks)
        applied = self.states.app.apply(ledger.app_state, command.operation)
        return Ledger(applied.state, ledger.sessions), Done(applied.answer)

    def answers_for(self, state: ServerState, entry: Entry) -> bool:
        """Whether this server owes the client of *entry* an answer: only the leader that took the command does."""
        return False

    def reply(self, turn: Turn, command: Command, outcome: Outcome) -> Turn:
        """Tell the client of *command* its *outcome*."""
        return turn.replying(Reply(command.client, command.serial, outcome))
