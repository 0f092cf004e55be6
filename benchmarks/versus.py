"""This engine beside TLC and Stateright on the same specification, in one run: same spaces, same machine.

    python -m benchmarks.versus [--space N/T/R/H/CR ...] [--repeat 3] [--workers 2]

All are measured from the start of their process to its end, so starting a Java machine counts, and so does loading a
kernel. Their runs take turns: what else the machine does hits all of them. A tool that is not to be had is named, and
the others are measured all the same. All must count the same: exits with 1 if one differs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import engine, stateright, tlc
from benchmarks.reporting import HEADER, arguments, median_of, row
from benchmarks.running import machine
from benchmarks.spaces import Measurement, Space, Unavailable, table

DEFAULT_SPACES = ("3/2/0/0/0", "3/2/1/0/0")
Tool = Callable[[Space], Measurement]


def find_tools(workers: int) -> dict[str, Tool]:
    """The tools that are here, by name; prints what it lacks of the others."""
    finders: dict[str, Callable[[], Tool]] = {
        f"raftframe, {workers} workers": lambda: engine.find(workers),
        "raftframe, 1 worker": lambda: engine.find(1),
        "Stateright": lambda: stateright.find(workers),
        "TLC": lambda: tlc.find(workers),
    }
    tools: dict[str, Tool] = {}
    for name, find in finders.items():
        try:
            tools[name] = find()
        except Unavailable as lack:
            print(f"{name} is missing. {lack}\n")
    return tools


def compare(space: Space, tools: dict[str, Tool], repeat: int) -> list[list[str]]:
    """One line of the table for each tool, the last cell being how many times longer it took than the first."""
    runs: dict[str, list[Measurement]] = {name: [] for name in tools}
    for _ in range(repeat):
        for name, measure in tools.items():
            runs[name].append(measure(space))
    medians = {name: median_of(measured) for name, measured in runs.items()}
    first = next(iter(medians.values()))
    return [[name, *row(space, median), f"{median.seconds / first.seconds:,.1f} x"] for name, median in medians.items()]


def main() -> int:
    """Measure what the command line names; print one table."""
    options = arguments("This engine beside TLC and Stateright on raft_core.", DEFAULT_SPACES).parse_args()
    tools = find_tools(options.workers)
    spaces = options.space or [Space.parse(text) for text in DEFAULT_SPACES]
    rows = [line for space in spaces for line in compare(space, tools, options.repeat)]
    print(f"median of {options.repeat} runs (whole processes), with {options.workers} workers\n{machine()}\n")
    print(table(("", *HEADER, "time taken"), rows))
    return 1 if any("DIFFER" in cells for cells in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
