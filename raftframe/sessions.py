"""What a server remembers of the clients whose commands it has applied (dissertation §6.3).

A client that gets no answer sends its command again, perhaps to another leader, and so a command may be in the log
twice. The table of sessions makes the second a repetition: it is not applied, and its client is told what came of the
first. The table is part of the applied state. It is a function of the log and nothing else, so all servers have the
same, and a new leader knows what the old one had answered.

The table is bounded, by rules that every server follows at the same index of the log:

* A session opens with the first command of its client that is applied.
* It keeps the answers of the latest `MOST_ANSWERS` serials. A serial that is below all of them, where answers were
  given up, has *expired*: whether it was applied is no longer known here, so it is not applied.
* When there is no room for another session, that one closes whose latest command is the furthest back in the log. From
  then on only serial 1 opens a session: a later serial of an unknown client may be the repetition of what a closed
  session had applied, so it has expired.

So a client is safe from everything if its first command, serial 1, is one that changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable
from operator import attrgetter
from typing import Final

from attrs import evolve, frozen

from raftframe.entries import ClientId, Command, Index

MOST_ANSWERS: Final = 8
"""How many answers a session keeps: a client may have so many commands on their way at a time."""


@frozen
class Session:
    """What is known of one client. `answers` are pairs of serial and answer, by serial; all serials up to `given_up`
    have expired. `used` is the index of the latest command that was applied.
    """

    client: ClientId
    used: Index
    answers: tuple[tuple[int, Hashable], ...]
    given_up: int = 0


_CLIENT: Final = attrgetter("client")  # a look-up of it compares seven times: a lambda would cost most of the step


@frozen
class Sessions:
    """The table, by client. `some_closed` says whether it was ever too small."""

    table: tuple[Session, ...] = ()
    some_closed: bool = False

    def of(self, client: ClientId) -> Session | None:
        """The session of *client*, if it has one."""
        table, at = self.table, self._place(client)
        return table[at] if at < len(table) and table[at].client == client else None

    def answer_to(self, command: Command) -> tuple[Hashable] | None:
        """What the client of *command* was told when it was applied, alone in a tuple; None if it was not, as far as
        is known.
        """
        session = self.of(command.client)
        if session is None or session.answers[-1][0] < command.serial:
            return None
        for serial, answer in session.answers:
            if serial == command.serial:
                return (answer,)
        return None

    def has_expired(self, command: Command) -> bool:
        """Whether *command*, to which no answer is known, may have been applied all the same."""
        session = self.of(command.client)
        if session is None:
            return self.some_closed and command.serial > 1
        return command.serial <= session.given_up

    def having(self, command: Command, answer: Hashable, index: Index, *, most: int) -> Sessions:
        """The table after *command* was applied at *index*, with *answer*; of no more than *most* sessions."""
        table, at = self.table, self._place(command.client)
        if at < len(table) and table[at].client == command.client:
            answered = _answered(table[at], command, answer, index)
            return Sessions((*table[:at], answered, *table[at + 1 :]), self.some_closed)
        room = self if len(self.table) < most else self._without_the_oldest()
        at = room._place(command.client)
        opened = Session(command.client, index, ((command.serial, answer),))
        return evolve(room, table=(*room.table[:at], opened, *room.table[at:]))

    def _without_the_oldest(self) -> Sessions:
        oldest = min(self.table, key=lambda session: session.used)
        return Sessions(tuple(session for session in self.table if session is not oldest), some_closed=True)

    def _place(self, client: ClientId) -> int:
        return bisect_left(self.table, client, key=_CLIENT)


def _answered(session: Session, command: Command, answer: Hashable, index: Index) -> Session:
    answers = (*session.answers, (command.serial, answer))
    if len(session.answers) and session.answers[-1][0] > command.serial:
        answers = tuple(sorted(answers, key=lambda pair: pair[0]))
    if len(answers) <= MOST_ANSWERS:
        return Session(session.client, index, answers, session.given_up)
    return Session(session.client, index, answers[1:], given_up=answers[0][0])


NO_SESSIONS: Final = Sessions()
"""The table before the first command."""
