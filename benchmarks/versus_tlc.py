"""This engine beside TLC on the same specification, in one run: same spaces, same machine, counts compared.

    python -m benchmarks.versus_tlc [--space N/T/R/H/CR ...] [--repeat 3] [--workers 2]

Both are measured from the start of their process to its end, so starting a Java machine counts, and so does compiling a
kernel. Runs of the two take turns: what else the machine does hits both. A tool that is not to be had is named, and the
other one is measured all the same. Exits with 1 if a count differs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import engine, tlc
from benchmarks.running import machine
from benchmarks.spaces import Measurement, Space, Unavailable, table

DEFAULT_SPACES = ("3/2/0/0/0", "3/2/1/0/0")
Tool = Callable[[Space], Measurement]


def find_tools(workers: int) -> dict[str, Tool]:
    """The tools that are here, by name; prints what it lacks of the others."""
    tools: dict[str, Tool] = {}
    for name, find in (("raftframe", engine.find), ("TLC", lambda: tlc.find(workers))):
        try:
            tools[name] = find()
        except Unavailable as lack:
            print(f"{lack}\n")
    return tools


def compare(space: Space, tools: dict[str, Tool], repeat: int) -> list[list[str]]:
    """One line of the table for each tool, and one that says how many times faster the first is than the second."""
    runs: dict[str, list[Measurement]] = {name: [] for name in tools}
    for _ in range(repeat):
        for name, measure in tools.items():
            runs[name].append(measure(space))
    medians = {name: tlc.median_of(measured) for name, measured in runs.items()}
    rows = [[name, *tlc.row(space, median, tlc.verdict_on(space, median.counts))] for name, median in medians.items()]
    if len(medians) == 2:
        ours, theirs = medians.values()
        ratio = f"{theirs.seconds / ours.seconds:,.1f} x"
        processor_ratio = f"{theirs.processor_seconds / ours.processor_seconds:,.1f} x"
        rows.append(["  TLC : raftframe", *[""] * 4, ratio, processor_ratio, "", ""])
    return rows


def main() -> int:
    """Measure what the command line names; print one table."""
    options = tlc.arguments("This engine beside TLC on raft_core.tla.", DEFAULT_SPACES).parse_args()
    tools = find_tools(options.workers)
    if not tools:
        return 3
    spaces = options.space or [Space.parse(text) for text in DEFAULT_SPACES]
    rows = [line for space in spaces for line in compare(space, tools, options.repeat)]
    print(f"median of {options.repeat} runs (whole processes); TLC with {options.workers} workers\n{machine()}\n")
    print(table(("", *tlc.HEADER), rows))
    return 1 if any(cells[-1] == "DIFFER" for cells in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
