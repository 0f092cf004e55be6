"""The stores of raftframe keep the contract."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

from raftframe.api.storage import LogStoreAPI
from raftframe.storage.faulty import FaultyLogStore, Slow
from raftframe.storage.memory import MemoryLogStore
from raftframe.storage.sqlite import SqliteLogStore

from .storage_contract import LogStoreContract

_copies = count(1)


class TestMemoryLogStore(LogStoreContract):
    """Writes and syncs are kept apart."""

    def make_store(self, folder: Path) -> LogStoreAPI:
        """A new one."""
        return MemoryLogStore()

    def crashed(self, store: LogStoreAPI, folder: Path) -> LogStoreAPI:
        """It says so itself."""
        assert isinstance(store, MemoryLogStore)
        return store.crashed()


class TestSqliteLogStore(LogStoreContract):
    """A file."""

    def make_store(self, folder: Path) -> LogStoreAPI:
        """The file of one server."""
        return SqliteLogStore(folder / "s1.raft", cluster="contract", identity="s1")

    def crashed(self, store: LogStoreAPI, folder: Path) -> LogStoreAPI:
        """The files as they are on the disk while the store is open, copied: SQLite never gets to close them."""
        assert isinstance(store, SqliteLogStore)
        copy = folder / f"copy {next(_copies)}"
        copy.mkdir()
        for file in store.path.parent.glob("s1.raft*"):
            shutil.copy(file, copy)
        store.close()
        return self.make_store(copy)


class TestFaultyLogStore(LogStoreContract):
    """A slow disk keeps the contract: it only takes its time."""

    def make_store(self, folder: Path) -> LogStoreAPI:
        """Every sync but the first waits."""
        return FaultyLogStore(MemoryLogStore(), schedule={1: Slow(0.0005)})

    def crashed(self, store: LogStoreAPI, folder: Path) -> LogStoreAPI:
        """What the store behind it says."""
        assert isinstance(store, FaultyLogStore)
        assert isinstance(store.store, MemoryLogStore)
        return FaultyLogStore(store.store.crashed(), trouble=store.trouble)
