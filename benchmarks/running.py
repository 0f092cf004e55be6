"""Runs one program and measures it from outside, the same way for every tool: time, processor time, memory."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen


@frozen
class Run:
    """A program that has ended: what it printed (errors too), and what it took."""

    exit_code: int
    output: str
    seconds: float
    processor_seconds: float
    peak_bytes: int


def run(command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None) -> Run:
    """Run *command* to its end. Its processor time and memory include its threads; of its children, none is counted."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None  # it is a pipe
    output = process.stdout.read().decode(errors="replace")
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen knows that nobody is left to wait for
    return Run(
        process.returncode,
        output,
        time.perf_counter() - begin,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024,
    )


def machine() -> str:
    """One line about where this was measured: cores, Python, and how busy the machine was."""
    load = os.getloadavg()[0]
    system = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, load {load:.1f}"
