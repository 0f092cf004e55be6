"""What can happen to a server. Time, the network and clients enter the protocol here and nowhere else."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from raftframe.entries import Command
from raftframe.messages import Message


@frozen
class MessageReceived:
    """A message from another server arrived."""

    message: Message


@frozen
class ElectionTimeout:
    """The election timer fired: no word from a leader, or no majority, for one election timeout."""


@frozen
class HeartbeatTimeout:
    """The heartbeat timer fired: it is time to tell the followers that their leader lives."""


@frozen
class ClientRequest:
    """A client hands over a command."""

    command: Command


Event: TypeAlias = MessageReceived | ElectionTimeout | HeartbeatTimeout | ClientRequest
