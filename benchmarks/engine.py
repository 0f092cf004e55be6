"""This engine on the spaces of `tla/raft_core.tla`: in a process of its own.

    python -m benchmarks.engine N/T/R/H/CR [--workers 2] [--reduce symmetry] [--engine ray]

explores one space and prints its counts, and the seconds of its search, as JSON; with `--best-of N`, those of the
fastest of N searches, which says more of the engine and less of a machine that others use too. `measure` runs that as a
process of its own, so that start-up, compiling and memory are counted as they are for any other tool. `search_together`
has several such processes begin their searches at the same moment.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import asdict

from benchmarks.running import run
from benchmarks.spaces import Counts, Measurement, Space
from checker.explore import Report, check
from checker.system import Bounds
from examples import raft_core

ROOT = Path(__file__).resolve().parents[1]
REDUCE: dict[str, tuple[str, ...] | None] = {"none": (), "symmetry": ("symmetry",), "all": None}
SMALL = Space(3, 1, 0, 0, 0)  # explored before the search that counts, so that every kernel is loaded


def find(workers: int, *, reduce: str = "none") -> Callable[[Space], Measurement]:
    """The engine, with *workers*, as something that measures a space; *reduce* is one of REDUCE."""
    return lambda space: measure(space, workers, reduce=reduce)


def measure(space: Space, workers: int = 1, *, reduce: str = "none") -> Measurement:
    """One run of the engine on *space*, in a fresh process."""
    ended = run(_command(space, workers, "--reduce", reduce), ROOT)
    if ended.exit_code:
        raise RuntimeError(f"the engine exited with {ended.exit_code}:\n{ended.output}")
    told = json.loads(ended.output.splitlines()[-1])
    counts = Counts(**told["counts"])
    return Measurement(
        counts,
        ended.seconds,
        ended.processor_seconds,
        ended.peak_bytes,
        told["seconds"],
        told["stands_for"],
        all_reductions=reduce == "all",
    )


def search_together(space: Space, *workers: int) -> list[float]:
    """The seconds of searches with so many *workers* each, in processes that all begin to search when all can."""
    pipe = subprocess.PIPE
    with ExitStack() as running:
        commands = [_command(space, count, "--wait") for count in workers]
        processes = [
            running.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
            for command in commands
        ]
        for process in processes:
            assert process.stdout is not None  # it is a pipe
            process.stdout.readline()
        for process in processes:
            assert process.stdin is not None  # it is a pipe
            process.stdin.write("\n")
            process.stdin.flush()
        outputs = [process.communicate()[0] for process in processes]
    return [float(json.loads(output.splitlines()[-1])["seconds"]) for output in outputs]


def _command(space: Space, workers: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.engine", str(space), "--workers", str(workers), *more]


def explore(space: Space, workers: int, *, reduce: str = "none", engine: str = "local") -> Report:
    """Explore *space* in this process."""
    return check(
        raft_core.raft_core(space.servers),
        bounds=Bounds(space.budgets),
        properties=[raft_core.election_safety],
        workers=workers,
        reduce=REDUCE[reduce],
        engine=engine,
    )


def told(report: Report) -> dict[str, Any]:
    """What is printed of *report*."""
    counts = Counts(report.states, report.transitions, report.depth)
    return {
        "counts": asdict(counts),
        "seconds": report.seconds,
        "compile_seconds": report.compile_seconds,
        "stands_for": report.stands_for,
        "holdings": [holding._asdict() for holding in report.holdings],
    }


def main() -> None:
    """Explore what the command line names."""
    parser = argparse.ArgumentParser(description="This engine on one space of raft_core.")
    parser.add_argument("space", type=Space.parse, metavar="N/T/R/H/CR")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--reduce", choices=list(REDUCE), default="none", help="what may be left out")
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--best-of", type=int, default=1, metavar="N", help="explore so often, and tell the fastest")
    parser.add_argument("--wait", action="store_true", help="load everything, print a line, and search when told one")
    given = parser.parse_args()
    if given.wait:
        explore(SMALL, given.workers)
        print("ready", flush=True)
        sys.stdin.readline()
    searches = (
        explore(given.space, given.workers, reduce=given.reduce, engine=given.engine) for _ in range(given.best_of)
    )
    print(json.dumps(told(min(searches, key=lambda report: report.seconds))))


if __name__ == "__main__":
    main()
