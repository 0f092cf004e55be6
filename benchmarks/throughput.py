"""How fast this engine is, and how little it needs: every figure that the documentation states, measured.

    python -m benchmarks.throughput              start-up, compiling, and the spaces up to 3.4 million worlds
    python -m benchmarks.throughput --large      also 14 million worlds (4 GB of memory)
    python -m benchmarks.throughput --largest    also 368 million worlds (15 GB, minutes)

`cpu s` is processor time: what `s` would be on an idle machine. The spaces are those of `tla/raft_core.tla`; counts
that differ from the known ones are an error.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

from benchmarks.spaces import Counts, Space, known_counts, table

ONE_SPACE = "from benchmarks.throughput import warm; warm()"
LARGE, LARGEST = 4_000_000, 100_000_000  # worlds


def explore(space: Space, network: str = "unordered") -> tuple[str, ...]:
    """Explore one space and say what it took. Raises AssertionError if the counts are wrong."""
    from checker.explore import check
    from checker.system import Bounds
    from examples.raft_core import election_safety, raft_core

    begun = time.process_time()
    report = check(
        raft_core(space.servers),
        properties=[election_safety],
        bounds=Bounds(space.budgets),
        network=network,
        reduce=(),
    )
    processor_s = time.process_time() - begun
    found = Counts(report.states, report.transitions, report.depth)
    if network == "unordered":
        known = known_counts().get(space, found)
        assert found.agrees_with(known), f"{space}: {found}, known are {known}"
    return (
        f"{space} {network}",
        f"{report.states:,}",
        f"{report.transitions:,}",
        str(report.depth),
        f"{report.distinct_steps:,}",
        f"{report.seconds:.2f}",
        f"{report.states_per_second:,.0f}",
        f"{processor_s:.2f}",
        f"{report.transitions / report.seconds:,.0f}",
        f"{report.visited_bytes / report.states:.1f}",
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}",
    )


HEADER = (
    "space",
    "states",
    "transitions",
    "depth",
    "steps",
    "s",
    "states/s",
    "cpu s",
    "transitions/s",
    "bytes/state",
    "peak MB",
)


def warm() -> None:
    """The smallest thing worth a process: some ten thousand worlds."""
    explore(Space(3, 1, 1, 0, 0))


def process_seconds(environment: Mapping[str, str]) -> tuple[float, float]:
    """What a whole process takes that explores 6,868 worlds: seconds, and seconds of processor time."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", ONE_SPACE], env={**os.environ, **environment}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: list[str]) -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as empty:
        for what in ("compiles the kernel", "loads the kernel"):
            seconds, processor_s = process_seconds({"RAFTFRAME_CACHE": empty})
            print(f"a process that {what} and explores 6,868 worlds: {seconds:.1f} s, cpu {processor_s:.1f} s")
    limit = 10**12 if "--largest" in arguments else LARGEST if "--large" in arguments else LARGE
    rows = []
    for space, counts in known_counts().items():
        if counts.states is not None and counts.states <= limit:
            rows.append(explore(space))
    rows.append(explore(Space(3, 2, 1, 0, 0), "ever-sent"))
    print(table(HEADER, rows))


if __name__ == "__main__":
    main(sys.argv[1:])
