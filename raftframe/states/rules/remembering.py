"""A command that is sent again is applied once, and answered as it was (dissertation §6.3)."""

from __future__ import annotations

from collections.abc import Hashable

from attrs import frozen

from raftframe.effects import Done, Expired, Outcome
from raftframe.entries import Command, Index
from raftframe.marks import Mark
from raftframe.sessions import Sessions
from raftframe.states.rules.base import Rules


@frozen
class Ledger:
    """What changes with each entry that is applied, so that a step which applies many makes one new state."""

    app_state: Hashable
    sessions: Sessions


class Remembering(Rules):
    """Every server keeps the table of sessions, as a part of what it has applied."""

    def apply_once(self, ledger: Ledger, command: Command, index: Index, marks: list[Mark]) -> tuple[Ledger, Outcome]:
        """Apply *command*, which is committed at *index*, unless it is a repetition; and what its client is told."""
        known = self.answer_known(ledger.sessions, command)
        if known is not None:
            marks.append(Mark.PASSED_OVER_REPETITION)
            return ledger, Done(known[0])
        if self.has_expired(ledger.sessions, command):
            marks.append(Mark.PASSED_OVER_EXPIRED)
            return ledger, Expired()
        applied = self.states.app.apply(ledger.app_state, command.operation)
        sessions = self.sessions_after(ledger.sessions, command, applied.answer, index)
        return Ledger(applied.state, sessions), Done(applied.answer)

    def answer_known(self, sessions: Sessions, command: Command) -> tuple[Hashable] | None:
        """The answer that *command* has got, alone in a tuple: a client's serial names one command, whichever leader
        took it.
        """
        return sessions.answer_to(command)

    def has_expired(self, sessions: Sessions, command: Command) -> bool:
        """Whether it is not known any more if *command* was applied: then it is not applied again."""
        return sessions.has_expired(command)

    def sessions_after(self, sessions: Sessions, command: Command, answer: Hashable, index: Index) -> Sessions:
        """The table with *command* in it. What closes for want of room depends on the log alone, so that all servers
        close the same.
        """
        return sessions.having(command, answer, index, most=self.states.options.most_sessions)
