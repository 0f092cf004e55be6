"""The working value of one step: the state so far, and what is to be done about it. Immutable, like everything else
here."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from raftframe.changing import changed
from raftframe.effects import Apply, Reply, StartTimer, StopTimer, Timer
from raftframe.entries import Term
from raftframe.marks import Mark
from raftframe.messages import Message
from raftframe.server_state import ServerState


@frozen
class Turn:
    """A rule takes a turn and returns the turn after it. Storage writes are not listed: they follow from the change
    of state."""

    state: ServerState
    sends: tuple[Message, ...] = ()
    applied: tuple[Apply, ...] = ()
    replies: tuple[Reply, ...] = ()
    timers: tuple[StartTimer | StopTimer, ...] = ()
    marks: tuple[Mark, ...] = ()

    # The names and types of the fields are attrs' business: Any is the boundary of changed.
    def changing(self, **fields: Any) -> Turn:
        """With *fields* of the server's state changed."""
        state = changed(self.state, **fields)
        return Turn(state, self.sends, self.applied, self.replies, self.timers, self.marks)

    def storing(self, **fields: Any) -> Turn:
        """With *fields* of the durable state changed."""
        return self.changing(durable=changed(self.state.durable, **fields))

    def sending(self, *messages: Message) -> Turn:
        """With *messages* to be sent, in this order, after those before them."""
        return Turn(self.state, self.sends + messages, self.applied, self.replies, self.timers, self.marks)

    def applying(self, *applied: Apply) -> Turn:
        """With these entries applied, after those before them."""
        return Turn(self.state, self.sends, self.applied + applied, self.replies, self.timers, self.marks)

    def replying(self, *replies: Reply) -> Turn:
        """With *replies* to clients."""
        return Turn(self.state, self.sends, self.applied, self.replies + replies, self.timers, self.marks)

    def starting(self, timer: Timer, *, longest: bool = False) -> Turn:
        """With *timer* started anew, for the *longest* time that it takes or for one as usual."""
        return Turn(
            self.state, self.sends, self.applied, self.replies, (*self.timers, StartTimer(timer, longest)), self.marks
        )

    def stopping(self, timer: Timer) -> Turn:
        """With *timer* stopped."""
        return Turn(self.state, self.sends, self.applied, self.replies, (*self.timers, StopTimer(timer)), self.marks)

    def marked(self, *marks: Mark) -> Turn:
        """With *marks* left."""
        return Turn(self.state, self.sends, self.applied, self.replies, self.timers, self.marks + marks)

    @property
    def term(self) -> Term:
        """The server's term, so far."""
        return self.state.term
