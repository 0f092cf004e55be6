"""A store that lasts as long as the process: for tests, and for servers whose disk is not what is measured."""

from __future__ import annotations

from attrs import define, field

from raftframe.api.storage import StorageError
from raftframe.effects import AppendToLog, TruncateLog, Write, WriteTermAndVote, written
from raftframe.entries import Entry, ServerId, Term
from raftframe.log import Log
from raftframe.server_state import DurableState


@define
class _Synced:
    """A `DurableState` that changes in place, so that a sync costs what was written and not what is stored."""

    term: Term = 0
    voted_for: ServerId | None = None
    entries: list[Entry] = field(factory=list)

    def take(self, write: Write) -> None:
        match write:
            case WriteTermAndVote():
                self.term, self.voted_for = write.term, write.voted_for
            case TruncateLog():
                del self.entries[write.last_index :]
            case AppendToLog():
                self.entries.extend(write.entries)

    def state(self) -> DurableState:
        return DurableState(self.term, self.voted_for, Log(tuple(self.entries)))


class MemoryLogStore:
    """Implements `raftframe.api.storage.LogStoreAPI`. What was written and what was synced are kept apart, as on a
    disk: `crashed()` is the store that a power failure would leave.
    """

    def __init__(self, stored: DurableState | None = None) -> None:
        stored = stored or DurableState()
        self._synced = _Synced(stored.term, stored.voted_for, list(stored.log))
        self._pending: list[Write] = []
        self._last_index = stored.log.last_index
        self._closed = False

    def __repr__(self) -> str:
        return f"MemoryLogStore({self._last_index} entries, {len(self._pending)} writes not synced)"

    @property
    def synced(self) -> DurableState:
        """What a crash would leave now."""
        return self._synced.state()

    @property
    def written(self) -> DurableState:
        """What the server that writes here believes to be stored."""
        state = self.synced
        for write in self._pending:
            state = written(state, write)
        return state

    def crashed(self) -> MemoryLogStore:
        """A new store with what was synced in this one. This one stays as it is."""
        return MemoryLogStore(self.synced)

    def load(self) -> DurableState:
        """What was synced before."""
        self._check_open()
        return self.synced

    def write(self, write: Write) -> None:
        """Take *write*, to be synced later. Raises ValueError for entries that don't follow the last ones."""
        self._check_open()
        match write:
            case TruncateLog():
                self._last_index = min(self._last_index, write.last_index)
            case AppendToLog():
                if write.first_index != self._last_index + 1:
                    raise ValueError(f"entries at {write.first_index} do not follow the stored {self._last_index}")
                self._last_index += len(write.entries)
        self._pending.append(write)

    def sync(self) -> None:
        """Everything written so far is now what `crashed()` gives."""
        self._check_open()
        for write in self._pending:
            self._synced.take(write)
        self._pending.clear()

    def close(self) -> None:
        """Refuse to be used any further; `crashed()` still gives a store that goes on."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("this store in memory was closed: nothing more can be read from it or written to it")
