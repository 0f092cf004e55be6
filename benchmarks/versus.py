"""This engine beside TLC and Stateright on the same specification, in one run: same spaces, same machine.

    python -m benchmarks.versus [--space N/T/R/H/CR ...] [--repeat 3] [--workers 2] [--full-only]

Two times are told of each: of its process, from start to end, so starting a Java machine counts, and so does loading a
kernel; and of the search in it, as the tool tells it itself. The last columns compare both with those of the first row.
The tools' runs take turns: what else the machine does hits all of them. A tool that is not to be had is named, and the
others are measured all the same. All must count the same: exits with 1 if one differs. With symmetry, one world stands
for all that differ in the servers' names; its row says for how many its worlds stand, and that must be the number too.
The last row is the default search, which leaves out all that cannot matter: it comes to the same verdict, on fewer
worlds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import engine, stateright, tlc
from benchmarks.reporting import ABOUT, HEADER, arguments, median_of, row
from benchmarks.running import machine
from benchmarks.spaces import Measurement, Space, Unavailable, table

DEFAULT_SPACES = ("3/2/0/0/0", "3/2/1/0/0")
Tool = Callable[[Space], Measurement]


def find_tools(workers: int, reduced: bool) -> dict[str, Tool]:
    """The tools that are here, by name; prints what it lacks of the others."""
    finders: dict[str, Callable[[], Tool]] = {
        f"raftframe, {workers} workers": lambda: engine.find(workers),
        "raftframe, 1 worker": lambda: engine.find(1),
        "Stateright": lambda: stateright.find(workers),
        "TLC": lambda: tlc.find(workers),
    }
    if reduced:
        finders["raftframe, symmetry"] = lambda: engine.find(1, reduce="symmetry")
        finders["raftframe, default"] = lambda: engine.find(1, reduce="all")
    tools: dict[str, Tool] = {}
    for name, find in finders.items():
        try:
            tools[name] = find()
        except Unavailable as lack:
            print(f"{name} is missing. {lack}\n")
    return tools


def compare(space: Space, tools: dict[str, Tool], repeat: int) -> list[list[str]]:
    """One line of the table for each tool, the last cells being how many times longer it took than the first."""
    runs: dict[str, list[Measurement]] = {name: [] for name in tools}
    for _ in range(repeat):
        for name, measure in tools.items():
            runs[name].append(measure(space))
    medians = {name: median_of(measured) for name, measured in runs.items()}
    first = next(iter(medians.values()))
    return [[name, *row(space, median), *_ratios(median, first)] for name, median in medians.items()]


def _ratios(measured: Measurement, first: Measurement) -> tuple[str, str]:
    """How many times longer than *first* the process took, and its search."""
    process = f"{measured.seconds / first.seconds:,.1f}"
    if measured.search_seconds is None or not first.search_seconds:
        return process, "?"
    return process, f"{measured.search_seconds / first.search_seconds:,.2f}"


def main() -> int:
    """Measure what the command line names; print one table."""
    parser = arguments("This engine beside TLC and Stateright on raft_core.", DEFAULT_SPACES)
    parser.add_argument("--full-only", action="store_true", help="leave the reduced searches out")
    options = parser.parse_args()
    tools = find_tools(options.workers, not options.full_only)
    spaces = options.space or [Space.parse(text) for text in DEFAULT_SPACES]
    rows = [line for space in spaces for line in compare(space, tools, options.repeat)]
    print(f"median of {options.repeat} runs, with {options.workers} workers\n{machine()}\n{ABOUT}\n")
    print(table(("", *HEADER, "process ratio", "search ratio"), rows))
    return 1 if any("DIFFER" in cells for cells in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
