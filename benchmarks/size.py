"""How large a space this engine explores, and what that takes: time, memory, disk.

    python -m benchmarks.size --space 3/2/2/0/0
    python -m benchmarks.size --space 3/2/2/0/1 --spill FOLDER --spare 20480

The second keeps on disk what memory does not hold. One line a level is printed while the search runs. Peak memory is
what was resident at most, pages of mapped files included (the engine maps none: it reads its files).
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.running import machine
from benchmarks.spaces import UNKNOWN, Counts, Space, known_counts
from checker.engine.watch import Progress
from checker.explore import Report, check
from checker.spilling import Spill
from checker.system import Bounds
from examples import raft_core

MIB: Final = 1 << 20


def told_by_level() -> Any:
    """Something that prints one line when a search has come to another level."""
    depths: set[int] = set()

    def tell(progress: Progress) -> None:
        if progress.depth not in depths:
            depths.add(progress.depth)
            expected = f", {progress.expected:,} expected" if progress.expected else ""
            pace = f"{progress.seconds:,.0f} s, {progress.states_per_second:,.0f} states/s"
            print(f"depth {progress.depth}: {progress.states:,} states{expected}, {pace}, {peak()} MiB", flush=True)

    return tell


def peak() -> int:
    """The most memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def explore(space: Space, given: argparse.Namespace) -> Report:
    """Explore *space* as asked."""
    spill = None
    if given.spill is not None:
        limits = {} if given.spill_at is None else {"memory_bytes": given.spill_at * MIB}
        spill = Spill(folder=given.spill, spare_bytes=given.spare * MIB, **limits)
    return check(
        raft_core.raft_core(space.servers),
        bounds=Bounds(space.budgets),
        properties=[raft_core.election_safety],
        reduce=(),
        workers=given.workers,
        max_states=given.max_states,
        max_time_s=given.max_time,
        spill=spill,
        progress=told_by_level(),
    )


def verdict_on(space: Space, report: Report) -> str:
    """Whether the counts are those that are known."""
    known = known_counts().get(space, UNKNOWN)
    if not report.complete:
        return f"cut by {', '.join(report.limits_hit)}"
    if known == UNKNOWN:
        return "complete; no other tool has counted it"
    agrees = known.agrees_with(Counts(report.states, report.transitions, report.depth))
    return "complete, exact" if agrees else "complete, and DIFFERENT from what is known"


def main() -> None:
    """Explore, and print what came of it."""
    parser = argparse.ArgumentParser(description="How large a space is explored, and what that takes.")
    add = parser.add_argument
    add("--space", type=Space.parse, default=Space.parse("3/2/1/0/0"), metavar="N/T/R/H/CR", help="default: 3/2/1/0/0")
    add("--workers", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)")
    add("--spill", type=Path, metavar="FOLDER", help="where to keep what memory does not hold")
    add("--spill-at", type=int, metavar="MIB", help="the memory to use before (default: half of the machine's)")
    add("--spare", type=int, default=20 << 10, metavar="MIB", help="how much of the disk to leave free (20480)")
    add("--max-states", type=int, help="where to end")
    add("--max-time", type=float, metavar="S", help="when to end")
    given = parser.parse_args()
    print(f"{given.space}, {given.workers} workers, on {machine()}", flush=True)
    report = explore(given.space, given)
    verdict = verdict_on(given.space, report)
    print(f"{verdict}: {report.states:,} states, {report.transitions:,} transitions, depth {report.depth}")
    print(f"{report.seconds:,.1f} s, {report.states_per_second:,.0f} states/s")
    print(f"peak memory {peak():,} MiB ({peak() * MIB:,} bytes); the visited set {report.visited_bytes // MIB:,} MiB")
    print(f"at most {report.disk_bytes // MIB:,} MiB on disk")
    print(f"probability that two states were taken for one: less than {report.collision_probability:.2g}")
    sys.exit("DIFFERENT" in verdict)


if __name__ == "__main__":
    main()
