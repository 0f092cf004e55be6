"""A command that is sent again is applied once, and answered as it was (dissertation §6.3)."""

from __future__ import annotations

from collections.abc import Hashable

from raftframe.effects import Done, Expired, Outcome
from raftframe.entries import Command, Index
from raftframe.marks import Mark
from raftframe.server_state import ServerState
from raftframe.sessions import Sessions
from raftframe.states.rules.base import Rules
from raftframe.states.turn import Turn


class Remembering(Rules):
    """Every server keeps the table of sessions, as a part of what it has applied."""

    def apply_once(self, turn: Turn, command: Command, index: Index) -> tuple[Turn, Outcome]:
        """Apply *command*, which is committed at *index*, unless it is a repetition; and what its client is told."""
        known = self.answer_known(turn.state, command)
        if known is not None:
            turn = turn.changing(applied_index=index)
            return turn.marked(Mark.PASSED_OVER_REPETITION), Done(known[0])
        if self.has_expired(turn.state, command):
            turn = turn.changing(applied_index=index)
            return turn.marked(Mark.PASSED_OVER_EXPIRED), Expired()
        applied = self.states.app.apply(turn.state.app_state, command.operation)
        sessions = self.sessions_after(turn.state, command, applied.answer, index)
        turn = turn.changing(app_state=applied.state, sessions=sessions, applied_index=index)
        return turn, Done(applied.answer)

    def answer_known(self, state: ServerState, command: Command) -> tuple[Hashable] | None:
        """The answer that *command* has got, alone in a tuple: a client's serial names one command, whichever leader
        took it.
        """
        return state.sessions.answer_to(command)

    def has_expired(self, state: ServerState, command: Command) -> bool:
        """Whether it is not known any more if *command* was applied: then it is not applied again."""
        return state.sessions.has_expired(command)

    def sessions_after(self, state: ServerState, command: Command, answer: Hashable, index: Index) -> Sessions:
        """The table with *command* in it. What closes for want of room depends on the log alone, so that all servers
        close the same.
        """
        return state.sessions.having(command, answer, index, most=self.states.options.most_sessions)
