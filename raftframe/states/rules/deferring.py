"""Storing and applying later, while the server goes on (option `async_storage`; dissertation §10.2.1).

    step       what changed becomes one `StoreLater`: the writes, and with them every message that promises something
    driver     carries these out one after the other, in order; each ends with a sync, its messages, and `Stored`
    Stored     moves `Stable`, which is what the server knows to be stored: term, vote, and entries up to an index

A server never says before it is stored that it has granted a vote or taken entries, and a leader counts itself for what
it has stored only. A leader whose term is stored may send entries that it has not: a majority may store them without
it.

Which receipt counts. `Stored` says that the log ended with (index, term of that entry) when the writes were handed
over. The entry may have been overwritten since, and the log may by now have an equal one again, whose write is still to
come:

    term 2   s1 gets entry 5 of term 2                          write A
    term 3   another leader overwrites it                       write B
    term 4   a third one, which has entry 5 of term 2, again    write C    and now A is done: 5 is not stored for good

Within a term this cannot be, for its only leader never takes an entry back (leader append-only, §5.3). So a receipt
counts for the log only in the term in which its writes were handed over. Nothing is lost by that: a new term is itself
a write, and the receipt for it covers all before it.

Committed entries go to the application when it gets to them, and only those that are stored here: a follower may learn
that an entry is committed before it has stored it, and what is applied, or in a snapshot, should not be ahead of the
log that a restart finds.
"""

from __future__ import annotations

from attrs import evolve

from raftframe.effects import ApplyLater, Effect, Send, StoreLater, Write
from raftframe.entries import Index
from raftframe.marks import Mark
from raftframe.messages import (
    AppendEntries,
    InstallSnapshot,
    Message,
    PreVote,
    ReadIndex,
    ReadIndexResponse,
    TimeoutNow,
)
from raftframe.receipts import Applied, Stored
from raftframe.server_state import ServerState, Stable
from raftframe.states.rules.applying import Applying
from raftframe.states.rules.storing import Storing
from raftframe.states.turn import Turn

UNPROMISING = (AppendEntries, InstallSnapshot, TimeoutNow, PreVote, ReadIndex, ReadIndexResponse)
"""Messages whose receiver takes nothing in them for stored at the sender, but its term."""


class Deferring(Storing, Applying):
    """What every server knows of its own storage, and waits for."""

    # Events

    def on_receipt(self, turn: Turn, receipt: Stored | Applied) -> Turn:
        """The driver has done what was left for later."""
        return self.on_stored(turn, receipt) if isinstance(receipt, Stored) else self.on_applied(turn, receipt)

    def on_stored(self, turn: Turn, receipt: Stored) -> Turn:
        """Take note of what is stored."""
        stable = evolve(stable_part(turn.state), term=receipt.term, voted_for=receipt.voted_for)
        if not self.covers_log(turn.state, receipt):
            return turn.changing(stable=stable).marked(Mark.IGNORED_RECEIPT)
        stable = evolve(stable, index=max(stable.index, receipt.last_index))
        return turn.changing(stable=stable).marked(Mark.STORED)

    def on_applied(self, turn: Turn, receipt: Applied) -> Turn:
        """Hand committed entries to the application, in order. A snapshot may have overtaken them."""
        index = min(receipt.index, turn.state.commit_index)
        if index > turn.state.applied_index:
            turn = self.apply_committed(turn, index)
        return self.answer_reads(turn) if turn.state.reads else turn

    # What is left for later

    def recovered_as_stable(self, state: ServerState) -> ServerState:
        """A server that begins again has all that it knows from its storage."""
        stable = Stable(state.term, state.voted_for, state.log.last_index, applying=state.applied_index)
        return evolve(state, stable=stable)

    def settled(self, before: ServerState, turn: Turn) -> Turn:
        """At the end of a step: what it has overwritten is not stored, and what may be applied is asked for."""
        state, known = turn.state, stable_part(turn.state)
        index = known.index if state.log is before.log else min(known.index, self.index_still_stored(before, state))
        stable = evolve(known, index=index)
        stable = evolve(stable, applying=max(stable.applying, state.applied_index, self.appliable_index(state, stable)))
        return turn if stable == known else turn.changing(stable=stable)

    def effects_later(self, before: ServerState, turn: Turn) -> tuple[Effect, ...]:
        """All that a settled *turn* makes its driver do: at once, or later."""
        state = turn.state
        writes = () if before.durable is state.durable else self.writes(before, state)
        waits = bool(writes) or not self.is_all_stored(state)
        late = tuple(message for message in turn.sends if waits and not self.may_leave_early(state, message))
        early = tuple(Send(message) for message in turn.sends if message not in late)
        store = (self.store_later(state, writes, late),) if writes or late else ()
        apply_index = stable_part(state).applying
        asks = apply_index > max(stable_part(before).applying, state.applied_index)
        apply = (ApplyLater(Applied(apply_index)),) if asks else ()
        return (*early, *store, *turn.applied, *apply, *turn.replies, *turn.timers)

    def store_later(self, state: ServerState, writes: tuple[Write, ...], messages: tuple[Message, ...]) -> StoreLater:
        """*writes*, the *messages* that wait for them, and the receipt."""
        receipt = Stored(state.term, state.voted_for, state.log.last_index, state.log.last_term)
        return StoreLater(writes, messages, receipt)

    # Rules

    def covers_log(self, state: ServerState, receipt: Stored) -> bool:
        """Whether the log as it is now is stored as far as *receipt* says: its writes were handed over in this term, so
        that nothing of them can have been overwritten and come back.
        """
        return receipt.term == state.term and state.log.has(receipt.last_index, receipt.last_term)

    def index_still_stored(self, before: ServerState, after: ServerState) -> Index:
        """How far what was stored still counts: as far as the log has not changed."""
        return self.common_prefix(before.log, after.log)

    def is_all_stored(self, state: ServerState) -> bool:
        """Whether nothing that a message could promise is still to be stored."""
        stable = stable_part(state)
        return self.has_stored_office(state) and stable.index >= state.log.last_index

    def has_stored_office(self, state: ServerState) -> bool:
        """Whether term and vote are stored: without them a restart could go through the same term again."""
        stable = stable_part(state)
        return (stable.term, stable.voted_for) == (state.term, state.voted_for)

    def may_leave_early(self, state: ServerState, message: Message) -> bool:
        """Whether *message* may leave before all is stored: a leader may send what it has not stored itself
        (dissertation §10.2.1), but nobody says what a crash could make untrue.
        """
        return isinstance(message, UNPROMISING) and self.has_stored_office(state)

    def appliable_index(self, state: ServerState, stable: Stable) -> Index:
        """What is committed and stored here."""
        return min(state.commit_index, stable.index)


def stable_part(state: ServerState) -> Stable:
    """What *state* knows to be stored."""
    assert state.stable is not None, f"{state.identity} stores before it goes on: it runs without async_storage"
    return state.stable
