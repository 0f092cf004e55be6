"""The folder for what memory does not hold: what can be wrong with it, and that nothing is left in it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checker.errors import DiskError, UsageError
from checker.explore import Report, check
from checker.spilling import Spill
from checker.spilling.disk import Disk
from checker.system import Bounds
from examples.raft_core import election_safety, raft_core

ROOT = Path(__file__).parents[3]
KILLED = """
import os, signal, sys
from tests.unit.spilling.test_disk import explore
explore(sys.argv[1], memory_bytes=1 << 16, stop=lambda: os.kill(os.getpid(), getattr(signal, sys.argv[2])))
"""


def explore(folder: str | Path, memory_bytes: int = 1 << 20, spare_bytes: int = 0, **options: Any) -> Report:
    """raft_core, with a timeout less and a heartbeat, so that there are 113,068 worlds."""
    bounds = Bounds({"timeouts": 1, "commands": 1, "heartbeats": 1})
    spill = Spill(folder=folder, memory_bytes=memory_bytes, spare_bytes=spare_bytes)
    return check(raft_core(3), properties=[election_safety], bounds=bounds, spill=spill, **options)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Numbers come back as they were, from anywhere, in any order."""
    file = Disk(Spill(folder=tmp_path)).open()

    file.write(np.arange(10, dtype=np.uint64))
    file.write(b"")
    file.write(np.arange(7, dtype=np.uint8))

    assert file.words(8, 2).tolist() == [8, 9]
    assert file.array(80, 7, np.uint8).tolist() == list(range(7))
    assert file.array(80, 0, np.uint8).tolist() == []
    with pytest.raises(DiskError, match="shorter than it was"):
        file.words(10, 1)
    file.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    """It is refused before the search, by name."""
    tmp_path.chmod(0o500)

    with pytest.raises(UsageError, match=r"nothing can be written there: Permission denied"):
        explore(tmp_path)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """It is refused before the search, by name."""
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"file: nothing can be written there: File exists"):
        explore(tmp_path / "file")


def test_a_disk_without_room_to_spare(tmp_path: Path) -> None:
    """The search ends when less would be left free than was asked for, with what was found until then."""
    report = explore(tmp_path, spare_bytes=1 << 60)

    assert (report.verdict, report.limits_hit) == ("unknown", ("disk",))
    assert report.states < 113_068


@pytest.mark.parametrize("allowed", [1, 30, 100])
def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    """The same, if the disk says so itself, whatever it is that is written; half of the last write may get through."""
    writes = iter(range(allowed))
    write = os.pwrite

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        if next(writes, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: len(data) // 2 + 1], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)

    report = explore(tmp_path, memory_bytes=1 << 16)

    assert (report.verdict, report.limits_hit) == ("unknown", ("disk",))
    assert report.states < 113_068
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_nothing_is_left(tmp_path: Path, signal: str) -> None:
    """However the process ends, the folder is empty."""
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), signal], cwd=ROOT, capture_output=True, timeout=100, check=False
    )

    assert ended.returncode != 0
    assert not list(tmp_path.iterdir())


def test_what_spill_says_is_checked(tmp_path: Path) -> None:
    """No memory at all, and less than nothing to spare, are refused."""
    with pytest.raises(ValueError, match="memory_bytes"):
        Spill(folder=tmp_path, memory_bytes=0)
    with pytest.raises(ValueError, match="spare_bytes"):
        Spill(folder=tmp_path, spare_bytes=-1)
    assert Spill(folder=tmp_path).memory_bytes > 1 << 28


@pytest.mark.parametrize("options", [{"exact": True}, {"graph": True}, {"reduce": ["dead"]}, {"order": "depth"}])
def test_what_does_not_go_together(tmp_path: Path, options: dict[str, Any]) -> None:
    """Only a full search with fingerprints, breadth first, spills."""
    with pytest.raises(UsageError, match="spills to disk"):
        explore(tmp_path, **options)
