"""What can happen to a server. Time, the network and clients enter the protocol here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from attrs import frozen

from raftframe.effects import Timer
from raftframe.entries import ClientId, Command, Index, ServerId
from raftframe.membership import Change, Transition
from raftframe.messages import Message
from raftframe.receipts import Applied, Stored


@frozen
class MessageReceived:
    """A message from another server arrived."""

    message: Message


@frozen
class ElectionTimeout:
    """The election timer fired: no word from a leader, or no majority, for one election timeout.

    A leader's runs only while it must show a majority of answers (option `check_quorum`), or hands over its office.
    """


@frozen
class LeaseTimeout:
    """The lease timer fired: no word from a leader for the shortest election timeout (dissertation §4.2.3). Only with
    the option `check_quorum`."""


@frozen
class HeartbeatTimeout:
    """The heartbeat timer fired: it is time to tell the followers that their leader lives."""


@frozen
class ClientRequest:
    """A client hands over a command."""

    command: Command


@frozen
class ClientRequests:
    """Clients hand over several commands before the server gets to any: as one `ClientRequest` each, in this order, but
    that all of them are sent to the followers together.
    """

    commands: tuple[Command, ...]


@frozen
class ClientRead:
    """A client hands over a command that only reads. With the option `linearizable_reads` it is answered without an
    entry (dissertation §6.4); without, it is a command like any other.
    """

    command: Command


@frozen
class TransferLeadership:
    """An operator tells a leader to hand its office over to *successor*; None: to whom it finds fit (dissertation
    §3.10).
    """

    successor: ServerId | None = None


@frozen
class ForgetLeader:
    """An operator, or whoever watches the servers, tells a follower that its leader is no more."""


@frozen
class ReportUnreachable:
    """Whoever watches the network tells a leader that messages to *follower* do not arrive, or that a snapshot has
    failed to.
    """

    follower: ServerId


@frozen
class TakeSnapshot:
    """An operator, or the driver, tells a server to take a snapshot of what it has applied, and to remove the entries
    up to *compact_to* from its log; None: all that the snapshot covers (Raft §7).
    """

    compact_to: Index | None = None


@frozen
class SendSnapshot:
    """An operator tells a leader to take a snapshot and to send it to *follower*, whether that needs it or not."""

    follower: ServerId


@frozen
class Reconfigure:
    """An operator asks for a change of the cluster's servers (dissertation §4). (*client*, *serial*) names the request,
    as it does for a command; the answer comes when the change is committed.
    """

    client: ClientId
    serial: int
    change: Change
    transition: Transition = Transition.AUTO


@frozen
class LeaveJoint:
    """An operator asks for the end of a joint configuration that does not end by itself (dissertation §4.3)."""

    client: ClientId
    serial: int


Event: TypeAlias = (
    MessageReceived
    | ElectionTimeout
    | LeaseTimeout
    | HeartbeatTimeout
    | ClientRequest
    | ClientRequests
    | ClientRead
    | TransferLeadership
    | ForgetLeader
    | ReportUnreachable
    | TakeSnapshot
    | SendSnapshot
    | Reconfigure
    | LeaveJoint
    | Stored
    | Applied
)

TIMEOUTS: Final[Mapping[Timer, Event]] = {
    Timer.ELECTION: ElectionTimeout(),
    Timer.HEARTBEAT: HeartbeatTimeout(),
    Timer.LEASE: LeaseTimeout(),
}
"""What happens to a server when a timer of its own fires."""
