"""What a step asks its driver to do. The order within a step is part of the contract; see `Step.effects`."""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum
from typing import TypeAlias

from attrs import evolve, frozen

from raftframe.entries import ClientId, Entry, Index, ServerId, Term
from raftframe.log import Log
from raftframe.messages import Message
from raftframe.receipts import Applied, Stored
from raftframe.server_state import DurableState, Snapshot


@frozen
class WriteTermAndVote:
    """Store term and vote, together: a crash between the two could forget a vote (Raft figure 2, persistent state)."""

    term: Term
    voted_for: ServerId | None


@frozen
class TruncateLog:
    """Remove the entries behind *last_index* from storage."""

    last_index: Index


@frozen
class AppendToLog:
    """Store *entries* at *first_index* and on."""

    first_index: Index
    entries: tuple[Entry, ...]


@frozen
class StoreSnapshot:
    """Store *snapshot* in the place of the one before. If the log lacks its last entry, remove the whole log, which
    goes on behind the snapshot: both or neither, for neither is of use alone (Raft §7).
    """

    snapshot: Snapshot


@frozen
class CompactLog:
    """Remove the entries up to *index* from the beginning of the log; a snapshot that is stored covers them."""

    index: Index


@frozen
class Sync:
    """Everything written so far must survive a power failure before the next effect happens."""


@frozen
class Send:
    """Hand *message* to the network, which may lose it."""

    message: Message


@frozen
class Apply:
    """Entry *index* was applied to the application; `answer` is what the application said (None for a no-op)."""

    index: Index
    entry: Entry
    answer: Hashable


@frozen
class Done:
    """The command was committed and applied; *answer* is the application's, which may be a refusal of its own."""

    answer: Hashable


@frozen
class Refused:
    """The command never entered the log; *reason* says why."""

    reason: str


@frozen
class Redirected:
    """Another server leads, as far as known. None: nobody is known to lead; try again later."""

    leader: ServerId | None


@frozen
class Unknown:
    """The leader lost its office before the command was decided: it may or may not take effect."""


@frozen
class Expired:
    """The client's session has forgotten the command, or is closed (dissertation §6.3): it is not applied now, and may
    have been applied before.
    """


Outcome: TypeAlias = Done | Refused | Redirected | Unknown | Expired


@frozen
class Reply:
    """Answer request *serial* of *client*."""

    client: ClientId
    serial: int
    outcome: Outcome


class Timer(StrEnum):
    """The timers of a server. The lease is a follower's: how long it is loyal to a leader that it has heard from."""

    ELECTION = "election"
    HEARTBEAT = "heartbeat"
    LEASE = "lease"


@frozen
class StartTimer:
    """Start *timer*, or start it anew.

    An election timer gets a fresh random duration (Raft §5.2); with *longest* the longest, for a leader, which has no
    rival to be kept apart from. A lease is as long as the shortest election timeout (dissertation §4.2.3).
    """

    timer: Timer
    longest: bool = False


@frozen
class StopTimer:
    """Stop *timer*; stopping an idle one does nothing."""

    timer: Timer


Write: TypeAlias = WriteTermAndVote | StoreSnapshot | CompactLog | TruncateLog | AppendToLog


@frozen
class StoreLater:
    """Carry *writes* out and sync, some time after all that came before in a `StoreLater`; then send *messages*, and
    hand *receipt* in as an event. Without writes it only waits for those before it, so it may be joined to the last of
    them, whose receipt is the same. Only with the option `async_storage`.
    """

    writes: tuple[Write, ...]
    messages: tuple[Message, ...]
    receipt: Stored


@frozen
class ApplyLater:
    """Hand *receipt* in as an event when the application has time for more, some time after all that came before in an
    `ApplyLater`. Only with the option `async_storage`.
    """

    receipt: Applied


Effect: TypeAlias = Write | Sync | Send | Apply | Reply | StartTimer | StopTimer | StoreLater | ApplyLater


def written(durable: DurableState, write: Write) -> DurableState:
    """What storage that held *durable* holds after *write*: the meaning of a write, for every store and model."""
    match write:
        case WriteTermAndVote():
            return evolve(durable, term=write.term, voted_for=write.voted_for)
        case TruncateLog():
            return evolve(durable, log=durable.log.up_to(write.last_index))
        case AppendToLog():
            if write.first_index != durable.log.last_index + 1:
                raise ValueError(f"entries at {write.first_index} do not follow the stored {durable.log.last_index}")
            return evolve(durable, log=durable.log.followed_by(write.entries))
        case StoreSnapshot(snapshot):
            return evolve(durable, snapshot=snapshot, log=log_behind(durable.log, snapshot))
        case CompactLog():
            covered = 0 if durable.snapshot is None else durable.snapshot.last_index
            if write.index > covered:
                raise ValueError(f"no stored snapshot covers the entries up to {write.index}, only those to {covered}")
            return evolve(durable, log=durable.log.behind(write.index))


def log_behind(log: Log, snapshot: Snapshot) -> Log:
    """What is left of *log* beside *snapshot*: all of it if it has the snapshot's last entry, else nothing (§7)."""
    if log.has(snapshot.last_index, snapshot.last_term):
        return log
    return Log((), snapshot.last_index, snapshot.last_term)
