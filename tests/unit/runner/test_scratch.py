"""A run's logs are gone after it, even if it was killed: the next run sees to that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from scenarios.runner.scratch import PREFIX, YOUNG_S, ScratchFolder

MAKES_ONE = """
import sys, time
from pathlib import Path
from scenarios.runner.scratch import ScratchFolder
made = ScratchFolder(Path(sys.argv[1]))
(made.path / "s1.sqlite").write_text("a log")
print(made.path, flush=True)
time.sleep(600)
"""


def folders(parent: Path) -> set[Path]:
    """The folders of runs."""
    return set(parent.glob(f"{PREFIX}*"))


def aged(folder: Path) -> None:
    """Let *folder* be older than those that are left alone."""
    os.utime(folder, (time.time() - YOUNG_S - 1,) * 2)


def test_a_folder_is_gone_after_its_cleanup(tmp_path: Path) -> None:
    """With what is in it; a second time does nothing."""
    made = ScratchFolder(tmp_path)
    (made.path / "s1.sqlite").write_text("a log")

    made.cleanup()
    made.cleanup()
    assert folders(tmp_path) == set()


def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    """Not while it lives, and not while it is young: somebody may be about to hold it."""
    process = subprocess.Popen([sys.executable, "-c", MAKES_ONE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    aged(left)
    ScratchFolder(tmp_path).cleanup()
    beside_living = folders(tmp_path)

    process.send_signal(signal.SIGKILL)
    process.communicate()
    os.utime(left)
    ScratchFolder(tmp_path).cleanup()
    while_young = folders(tmp_path)

    aged(left)
    ScratchFolder(tmp_path).cleanup()
    assert beside_living == while_young == {left}
    assert folders(tmp_path) == set()


def test_folders_of_others_stay(tmp_path: Path) -> None:
    """What nobody has ever held is not ours to remove."""
    strange = tmp_path / f"{PREFIX}strange"
    strange.mkdir()
    aged(strange)

    ScratchFolder(tmp_path).cleanup()
    assert folders(tmp_path) == {strange}
