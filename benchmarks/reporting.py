"""What the benchmarks of spaces have in common: their options, the median of several runs, and the lines they print."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence

from benchmarks.spaces import UNKNOWN, Measurement, Space, known_counts

HEADER = (
    "N/T/R/H/CR",
    "states",
    "transitions",
    "depth",
    "process",
    "search",
    "states/s",
    "processor",
    "peak",
    "counts",
)
ABOUT = """\
process: from the start of the program to its end; search: of that, what the tool says that its search took; TLC tells
whole seconds, and reads its specification in them. states/s: of the search."""


def arguments(description: str, spaces: Sequence[str]) -> argparse.ArgumentParser:
    """The options that all benchmarks of spaces share."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--space", type=Space.parse, action="append", metavar="N/T/R/H/CR", help=f"default: {' '.join(spaces)}")
    add("--repeat", type=int, default=3, help="runs of each space, of which the median counts (default: 3)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="workers of each tool (default: all cores)")
    return parser


def median_of(measurements: Sequence[Measurement]) -> Measurement:
    """The medians of several runs of one space, which must agree on its counts."""
    counts = {(measurement.counts, measurement.stands_for) for measurement in measurements}
    if len(counts) != 1:
        raise RuntimeError(f"runs of one space differ: {counts}")
    told = [one.search_seconds for one in measurements if one.search_seconds is not None]
    return Measurement(
        measurements[0].counts,
        statistics.median(measurement.seconds for measurement in measurements),
        statistics.median(measurement.processor_seconds for measurement in measurements),
        max(measurement.peak_bytes for measurement in measurements),
        statistics.median(told) if told else None,
        measurements[0].stands_for,
        measurements[0].all_reductions,
    )


def row(space: Space, measured: Measurement) -> list[str]:
    """One line of the printed table."""
    counts, search = measured.counts, measured.search_seconds
    numbers = (counts.states, counts.transitions, counts.depth)
    return [
        str(space),
        *(f"{number:,}" if number is not None else "?" for number in numbers),
        f"{measured.seconds:,.2f} s",
        f"{search:,.2f} s" if search is not None else "?",
        f"{(counts.states or 0) / search:,.0f}" if search else "?",
        f"{measured.processor_seconds:,.2f} s",
        f"{measured.peak_bytes / 2**20:,.0f} MiB",
        verdict_on(space, measured),
    ]


def verdict_on(space: Space, measured: Measurement) -> str:
    """`exact`, `DIFFER`, `reduced`, or `not in the table`; with symmetry, how many states they stand for."""
    known = known_counts().get(space, UNKNOWN)
    if measured.all_reductions:
        return "reduced"
    if known == UNKNOWN:
        return "not in the table"
    if measured.stands_for is not None:
        return f"for {measured.stands_for:,}" if measured.stands_for == known.states else "DIFFER"
    return "exact" if known.agrees_with(measured.counts) else "DIFFER"
