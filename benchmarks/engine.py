"""This engine on the spaces of `tla/raft_core.tla`: the one place where the benchmarks touch `checker.explore`.

    python -m benchmarks.engine N/T/R/H/CR

explores one space and prints its counts as JSON. `measure` runs that as a process of its own, so that start-up,
compiling and memory are counted as they are for any other tool.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import asdict

from benchmarks.running import run
from benchmarks.spaces import Counts, Measurement, Space, Unavailable
from checker.system import Bounds

ROOT = Path(__file__).resolve().parents[1]


def find() -> Callable[[Space], Measurement]:
    """The engine as something that measures a space. Raises `Unavailable` as long as there is none."""
    if importlib.util.find_spec("checker.explore") is None:
        raise Unavailable("this engine is not here: there is no checker.explore")
    return measure


def measure(space: Space) -> Measurement:
    """One run of the engine on *space*, in a fresh process."""
    ended = run([sys.executable, "-m", "benchmarks.engine", str(space)], ROOT)
    if ended.exit_code:
        raise RuntimeError(f"the engine exited with {ended.exit_code}:\n{ended.output}")
    counts = Counts(**json.loads(ended.output.splitlines()[-1]))
    return Measurement(counts, ended.seconds, ended.processor_seconds, ended.peak_bytes)


def explore(space: Space) -> Counts:
    """Explore *space* in this process."""
    check: Any = importlib.import_module("checker.explore").check
    model: Any = importlib.import_module("examples.raft_core")
    budgets = {
        "timeouts": space.timeouts,
        "commands": space.requests,
        "heartbeats": space.heartbeats,
        "restarts": space.restarts,
    }
    result = check(model.raft_core(space.servers), bounds=Bounds(budgets), properties=[model.election_safety])
    return Counts(result.states, result.transitions, result.depth)


if __name__ == "__main__":
    print(json.dumps(asdict(explore(Space.parse(sys.argv[1])))))
