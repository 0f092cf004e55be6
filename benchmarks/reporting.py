"""What the benchmarks of spaces have in common: their options, the median of several runs, and the lines they print."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence

from benchmarks.spaces import UNKNOWN, Counts, Measurement, Space, known_counts

HEADER = ("N/T/R/H/CR", "states", "transitions", "depth", "time", "states/s", "processor", "peak", "counts")


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
    counts = {measurement.counts for measurement in measurements}
    if len(counts) != 1:
        raise RuntimeError(f"runs of one space differ: {counts}")
    return Measurement(
        counts.pop(),
        statistics.median(measurement.seconds for measurement in measurements),
        statistics.median(measurement.processor_seconds for measurement in measurements),
        max(measurement.peak_bytes for measurement in measurements),
    )


def row(space: Space, measured: Measurement) -> list[str]:
    """One line of the printed table."""
    counts = measured.counts
    numbers = (counts.states, counts.transitions, counts.depth)
    return [
        str(space),
        *(f"{number:,}" if number is not None else "?" for number in numbers),
        f"{measured.seconds:,.2f} s",
        f"{(counts.states or 0) / measured.seconds:,.0f}",
        f"{measured.processor_seconds:,.2f} s",
        f"{measured.peak_bytes / 2**20:,.0f} MiB",
        verdict_on(space, counts),
    ]


def verdict_on(space: Space, counts: Counts) -> str:
    """`exact`, `DIFFER`, or `not in the table`."""
    known = known_counts().get(space, UNKNOWN)
    if known == UNKNOWN:
        return "not in the table"
    return "exact" if known.agrees_with(counts) else "DIFFER"
