"""How servers reach each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from raftframe.messages import Message


@runtime_checkable
class CommsAPI(Protocol):
    """One server's way to the others. Messages may be lost, doubled, delayed and reordered; they are never invented
    or changed.
    """

    def start(self, receive: Callable[[Message], None]) -> None:
        """Begin to pass every message for this server to *receive*, on a thread of the comms' own, or of the sender's.

        *receive* only queues what it gets: whoever calls it must not be kept waiting.
        """

    def send(self, message: Message) -> None:
        """Try to get *message* to its target. Called on the server's thread; returns at once; failing is silent but
        counted.
        """

    def stop(self) -> None:
        """Stop receiving and sending, and return when *receive* will not be called again. Stopping twice is allowed."""


class CommsError(Exception):
    """The comms cannot be set up. The message names the server, its address, and what is in the way."""
