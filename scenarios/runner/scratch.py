"""A folder for the logs of one run, which is gone after it, whatever ends the run.

A process that is killed puts nothing in order. So a process holds a lock on a file in each folder of its own, which the
operating system lets go of when the process ends in whatever way; and whoever makes a folder removes those whose locks
nobody holds. One that has just been made is left alone, for its maker may be about to take the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

PREFIX: Final = "raftframe-scenario-"
YOUNG_S: Final = 60.0
_LOCK: Final = ".held"
_IN_MEMORY: Final = Path("/dev/shm")
_ROOM_FOR_LOGS: Final = 16 << 20


class ScratchFolder:
    """A new folder in *parent*; by default where logs are written fastest."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = _fastest() if parent is None else parent
        remove_left_behind(parent)
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent)
        self.path: Final = Path(self._folder.name)
        self._lock: int | None = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def cleanup(self) -> None:
        """Remove it with all that is in it. Once more does nothing."""
        self._folder.cleanup()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def remove_left_behind(parent: Path) -> None:
    """Remove the folders in *parent* whose processes have ended without."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # held, another user's, or removed in this moment
            if time.time() - folder.stat().st_mtime >= YOUNG_S:
                _remove_unheld(folder)


def _remove_unheld(folder: Path) -> None:
    lock = os.open(folder / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)


def _fastest() -> Path:
    """Logs need to survive processes, not the machine, so memory will do, and a sync need not wait for a disk."""
    with contextlib.suppress(OSError):
        if os.access(_IN_MEMORY, os.W_OK) and shutil.disk_usage(_IN_MEMORY).free >= _ROOM_FOR_LOGS:
            return _IN_MEMORY
    return Path(tempfile.gettempdir())
