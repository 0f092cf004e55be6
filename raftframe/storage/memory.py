"""A store that lasts as long as the process: for tests, and for servers whose disk is not what is measured."""

from __future__ import annotations

from attrs import define, field

from raftframe.api.storage import StorageError
from raftframe.effects import (
    AppendToLog,
    CompactLog,
    StoreSnapshot,
    TruncateLog,
    Write,
    WriteTermAndVote,
    written,
)
from raftframe.entries import Entry, Index, ServerId, Term
from raftframe.log import Log
from raftframe.server_state import DurableState, Snapshot


@define
class _Synced:
    """A `DurableState` that changes in place, so that a sync costs what was written and not what is stored."""

    term: Term = 0
    voted_for: ServerId | None = None
    entries: list[Entry] = field(factory=list)
    base_index: Index = 0
    base_term: Term = 0
    snapshot: Snapshot | None = None

    @classmethod
    def of(cls, stored: DurableState) -> _Synced:
        log = stored.log
        return cls(stored.term, stored.voted_for, list(log), log.base_index, log.base_term, stored.snapshot)

    def take(self, write: Write) -> None:
        match write:
            case WriteTermAndVote():
                self.term, self.voted_for = write.term, write.voted_for
            case TruncateLog():
                del self.entries[write.last_index - self.base_index :]
            case AppendToLog():
                self.entries.extend(write.entries)
            case StoreSnapshot() | CompactLog():
                after = _Synced.of(written(self.state(), write))
                self.entries, self.base_index, self.base_term = after.entries, after.base_index, after.base_term
                self.snapshot = after.snapshot

    def state(self) -> DurableState:
        log = Log(tuple(self.entries), self.base_index, self.base_term)
        return DurableState(self.term, self.voted_for, log, self.snapshot)


class MemoryLogStore:
    """Implements `raftframe.api.storage.LogStoreAPI`. What was written and what was synced are kept apart, as on a
    disk: `crashed()` is the store that a power failure would leave.
    """

    def __init__(self, stored: DurableState | None = None) -> None:
        stored = stored or DurableState()
        self._synced = _Synced.of(stored)
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
        """Take *write*, to be synced later. Raises ValueError for entries that don't follow the last ones, and for
        the removal of entries that no snapshot covers.
        """
        self._check_open()
        match write:
            case TruncateLog():
                self._last_index = min(self._last_index, write.last_index)
            case AppendToLog():
                if write.first_index != self._last_index + 1:
                    raise ValueError(f"entries at {write.first_index} do not follow the stored {self._last_index}")
                self._last_index += len(write.entries)
            case StoreSnapshot() | CompactLog():
                self._last_index = written(self.written, write).log.last_index
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
