"""A disk that is slow, full, or fails: around any store, for tests of what a server does then.

    disk = FaultyLogStore(SqliteLogStore(...), schedule={100: Slow(0.2), 200: None, 500: Full()})
    server = Server("s1", ..., store=disk, ...)
    disk.trouble = SyncFails(on_disk=True)      # from any thread, at any time

A *schedule* counts syncs, so that the same run has the same trouble; setting `trouble` is for whoever watches. After an
error the store is used up, as a real one is: what a failed sync has left on the disk is known only when the file is
opened anew.

In a `clusters.processes.ProcessCluster`, `store=faulty_store` gives every server such a disk, and
`cluster.set_disk(name, Full())` changes it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Final, TypeAlias

from attrs import field, frozen
from attrs.validators import ge

from raftframe.api.storage import LogStoreAPI, StorageError
from raftframe.effects import Write
from raftframe.server_state import DurableState


@frozen
class Slow:
    """Each sync takes *seconds* longer. With `math.inf` the disk is stuck: a sync returns when the trouble changes."""

    seconds: float = field(default=math.inf, validator=ge(0))


@frozen
class Full:
    """There is no room: what is written next fails."""


@frozen
class SyncFails:
    """Writing goes well, and the next sync fails. Whether what was written has got *on_disk* all the same, the server
    cannot know: it is told the same either way.
    """

    on_disk: bool


DiskTrouble: TypeAlias = Slow | Full | SyncFails

_AFTER_ERROR: Final = "it has failed before, so nothing more is read or written: open it anew"


class FaultyLogStore:
    """Implements `raftframe.api.storage.LogStoreAPI` by *store*, as far as its disk lets it.

    trouble: what is wrong with the disk now; None: nothing. Any thread may set it.
    schedule: what is wrong after how many syncs of this store; a change replaces whatever was set before it.

    Raises ValueError for a schedule with a negative number of syncs.
    """

    def __init__(
        self,
        store: LogStoreAPI,
        *,
        trouble: DiskTrouble | None = None,
        schedule: Mapping[int, DiskTrouble | None] | None = None,
    ) -> None:
        self.store = store
        self.syncs = 0  # that have gone well
        self._schedule = dict(schedule or {})
        if min(self._schedule, default=0) < 0:
            raise ValueError(f"trouble is scheduled after 0 syncs or more, not after {min(self._schedule)}")
        self._changed = threading.Condition()
        self._trouble = trouble
        self._failed = False
        self._keep_schedule()

    def __repr__(self) -> str:
        return f"FaultyLogStore({self.store!r}, trouble={self._trouble!r})"

    @property
    def trouble(self) -> DiskTrouble | None:
        """What is wrong with the disk now."""
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: DiskTrouble | None) -> None:
        with self._changed:
            self._trouble = trouble
            self._changed.notify_all()

    def load(self) -> DurableState:
        """What the store has."""
        self._check()
        return self.store.load()

    def write(self, write: Write) -> None:
        """Hand *write* on. Raises StorageError on a full disk."""
        self._check()
        if isinstance(self._trouble, Full):
            raise self._failure("writing failed (the disk is full)")
        self.store.write(write)

    def sync(self) -> None:
        """Sync, if and when the disk lets it. Raises StorageError if it does not."""
        self._check()
        trouble = self._trouble
        if isinstance(trouble, SyncFails):
            if trouble.on_disk:
                self.store.sync()
            raise self._failure("syncing failed (input/output error)")
        if isinstance(trouble, Slow):
            self._wait(trouble)
        self.store.sync()
        self.syncs += 1
        self._keep_schedule()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _wait(self, slow: Slow) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._trouble != slow, min(slow.seconds, threading.TIMEOUT_MAX))

    def _keep_schedule(self) -> None:
        if self.syncs in self._schedule:
            self.trouble = self._schedule[self.syncs]

    def _check(self) -> None:
        if self._failed:
            raise StorageError(f"{self!r}: {_AFTER_ERROR}")

    def _failure(self, what: str) -> StorageError:
        self._failed = True
        return StorageError(
            f"{self!r}: {what}. What was written since the last sync may be lost, all before it is safe"
        )
