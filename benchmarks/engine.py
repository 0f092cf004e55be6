"""This engine on the spaces of `tla/raft_core.tla`: in a process of its own.

    python -m benchmarks.engine N/T/R/H/CR [WORKERS]

explores one space and prints its counts as JSON. `measure` runs that as a process of its own, so that start-up,
compiling and memory are counted as they are for any other tool.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from attrs import asdict

from benchmarks.running import run
from benchmarks.spaces import Counts, Measurement, Space
from checker.explore import check
from checker.system import Bounds
from examples import raft_core

ROOT = Path(__file__).resolve().parents[1]


def find(workers: int) -> Callable[[Space], Measurement]:
    """The engine, with *workers*, as something that measures a space."""
    return lambda space: measure(space, workers)


def measure(space: Space, workers: int = 1) -> Measurement:
    """One run of the engine on *space*, in a fresh process."""
    ended = run([sys.executable, "-m", "benchmarks.engine", str(space), str(workers)], ROOT)
    if ended.exit_code:
        raise RuntimeError(f"the engine exited with {ended.exit_code}:\n{ended.output}")
    counts = Counts(**json.loads(ended.output.splitlines()[-1]))
    return Measurement(counts, ended.seconds, ended.processor_seconds, ended.peak_bytes)


def explore(space: Space, workers: int) -> Counts:
    """Explore *space* in this process."""
    budgets = {
        "timeouts": space.timeouts,
        "commands": space.requests,
        "heartbeats": space.heartbeats,
        "restarts": space.restarts,
    }
    system = raft_core.raft_core(space.servers)
    result = check(system, bounds=Bounds(budgets), properties=[raft_core.election_safety], workers=workers)
    return Counts(result.states, result.transitions, result.depth)


if __name__ == "__main__":
    print(json.dumps(asdict(explore(Space.parse(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))))
