"""Where a server keeps what must survive a crash."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from raftframe.effects import Write
from raftframe.server_state import DurableState


@runtime_checkable
class LogStoreAPI(Protocol):
    """Storage for one server. The server calls every method on its own thread, one at a time.

    A store that cannot do what it is asked raises `StorageError`; the server then stops rather than answer for what
    is not stored.
    """

    def load(self) -> DurableState:
        """What was synced before; an empty `DurableState` in a new store. Called once, first.

        Raises StorageError, saying what is lost, if the content is torn or corrupted: nothing is repaired in silence.
        """

    def write(self, write: Write) -> None:
        """Take *write*, which follows all writes before it (see `effects.written`). It need not survive a crash
        before `sync`.
        """

    def sync(self) -> None:
        """Return when everything written so far would survive a power failure."""

    def close(self) -> None:
        """Release what is held. Closing twice is allowed; what was not synced may be lost."""


class StorageError(Exception):
    """The store cannot go on. The message names the file, what is wrong with it, and what is lost."""
