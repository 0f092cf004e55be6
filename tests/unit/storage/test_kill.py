"""A server that is killed at any moment finds everything that was synced, and nothing half."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from raftframe import DurableState

from . import writer

ROOT = Path(__file__).resolve().parents[3]


def killed(path: Path, seed: int, after_s: float) -> list[str]:
    """The lines of a writer that was killed *after_s* seconds after it had loaded; after its start, if negative."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.storage.writer", str(path), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline()] if after_s >= 0 else []
        process.wait(timeout=abs(after_s))
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.readlines()  # what was in the pipe outlives the process
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, lines
    return [line.rstrip("\n") for line in lines if line.endswith("\n")]


def allowed(lines: list[str], before: set[str]) -> set[str]:
    """The states that a killed writer may have left: the last that was synced, or one that was about to be."""
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "loaded":
            assert rest in before, "what the writer found is not what the one before may have left"
            before = {rest}
        elif word == "syncing":
            before = {*before, rest}
            latest = rest
        else:
            before = {latest}
    return before


def kill_often(path: Path, times: int, seed: int) -> int:
    """Kill *times* writers of the same file, each at a random moment, and check what is left; how much was synced."""
    chooser = random.Random(seed)
    possible, syncs = {writer.summary(DurableState())}, 0
    for number in range(times):
        lines = killed(path, seed + number, chooser.choice([chooser.uniform(0, 0.02), chooser.uniform(0, 0.3)]))
        possible = allowed(lines, possible)
        syncs += lines.count("synced")
        store = writer.open_store(str(path))
        found = writer.summary(store.load())
        if chooser.random() < 0.5:
            store.close()
        assert found in possible, f"after kill {number}"
        possible = {found}
        del store
    return syncs


def test_kill_9_at_any_moment_loses_nothing_that_was_synced(tmp_path: Path) -> None:
    """One file, killed again and again; every restart finds a state between two syncs, and not before the last."""
    assert kill_often(tmp_path / "s1.raft", times=10, seed=1) > 10


def test_kill_9_while_the_file_is_made(tmp_path: Path) -> None:
    """The file is there whole, or not at all."""
    chooser = random.Random(2)
    for number in range(4):
        path = tmp_path / f"{number}.raft"
        lines = killed(path, seed=1, after_s=-chooser.uniform(0.1, 0.25))
        found = writer.summary(writer.open_store(str(path)).load())
        assert found in allowed(lines, {writer.summary(DurableState())})


@pytest.mark.slow
def test_kill_9_two_hundred_times(tmp_path: Path) -> None:
    """The same for some minutes."""
    assert kill_often(tmp_path / "s1.raft", times=200, seed=1000) > 1000
