"""A disk in trouble: what the store says, what is on the disk then, and what a server does."""

from __future__ import annotations

import math
import threading

import pytest

from raftframe import Command, DurableState, Entry, Log
from raftframe.api.storage import StorageError
from raftframe.effects import AppendToLog, WriteTermAndVote
from raftframe.storage.faulty import DiskTrouble, FaultyLogStore, Full, Slow, SyncFails
from raftframe.storage.memory import MemoryLogStore

ENTRY = Entry(1, Command("c1", 1, "credit 10"))


def written_once(trouble: DiskTrouble | None) -> tuple[FaultyLogStore, MemoryLogStore]:
    """A disk in *trouble* after one sync that went well, and what is behind it."""
    behind = MemoryLogStore()
    disk = FaultyLogStore(behind, schedule={1: trouble})
    disk.load()
    disk.write(WriteTermAndVote(1, "s1"))
    disk.sync()
    return disk, behind


def test_a_full_disk_takes_nothing_more() -> None:
    """The write fails; what was synced is there; the store is used up, though the disk be emptied."""
    disk, behind = written_once(Full())

    with pytest.raises(StorageError, match="the disk is full"):
        disk.write(AppendToLog(1, (ENTRY,)))
    disk.trouble = None
    with pytest.raises(StorageError, match="open it anew"):
        disk.sync()
    with pytest.raises(StorageError, match="open it anew"):
        disk.load()
    assert behind.synced == DurableState(1, "s1")


@pytest.mark.parametrize("on_disk", [True, False])
def test_after_a_failed_sync_either_may_be_on_the_disk(on_disk: bool) -> None:
    """The server is told the same either way."""
    disk, behind = written_once(SyncFails(on_disk))
    disk.write(AppendToLog(1, (ENTRY,)))

    with pytest.raises(StorageError, match="syncing failed"):
        disk.sync()
    assert behind.synced == DurableState(1, "s1", Log((ENTRY,)) if on_disk else Log())


def test_a_stuck_disk_goes_on_when_its_trouble_ends() -> None:
    """Another thread ends it."""
    disk, behind = written_once(Slow())
    disk.write(AppendToLog(1, (ENTRY,)))
    syncing = threading.Thread(target=disk.sync)
    syncing.start()
    syncing.join(0.02)

    assert syncing.is_alive()
    assert behind.synced.log == Log()
    disk.trouble = None
    syncing.join(5)
    assert not syncing.is_alive()
    assert behind.synced.log == Log((ENTRY,))


def test_a_schedule_counts_the_syncs_that_went_well() -> None:
    """Trouble comes, changes and goes after so many."""
    disk = FaultyLogStore(MemoryLogStore(), schedule={0: Slow(0), 2: None, 3: Full()})
    seen: list[DiskTrouble | None] = [disk.trouble]

    for _ in range(3):
        disk.sync()
        seen.append(disk.trouble)

    assert seen == [Slow(0), Slow(0), None, Full()]


def test_what_cannot_be_is_refused() -> None:
    """Negative times and negative counts."""
    with pytest.raises(ValueError, match="after 0 syncs or more, not after -1"):
        FaultyLogStore(MemoryLogStore(), schedule={-1: Full()})
    with pytest.raises(ValueError, match="seconds"):
        Slow(-math.inf)
