"""What a default search costs: beside one that leaves nothing out, and with workers (docs/reductions.md).

python -m benchmarks.defaults             every planted bug, searched with all reductions, and with none
python -m benchmarks.defaults --workers   reduced spaces, by one worker and by two, and what of it they share
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

from attrs import evolve

from benchmarks.reductions import Case, core, raft
from benchmarks.spaces import table
from checker.engine.layout import Int32s
from checker.explore import Report, check
from checker.mutants import MUTANTS, Mutant
from checker.reductions.layout import Pairs
from checker.reductions.shares import Share
from checker.system import Bounds

RUNS = 3
LARGE: Sequence[Callable[[], Case]] = (
    lambda: core(timeouts=2, commands=2),
    lambda: core(5, timeouts=3),
    lambda: core(5, timeouts=2, commands=1),
    lambda: raft(timeouts=3, crashes=1, restarts=1),
)


def explored(mutant: Mutant, reduce: Sequence[str] | None) -> tuple[Report, float]:
    """The report of the search for a planted bug, and its processor time, of several the median."""
    times: list[float] = []
    for _ in range(RUNS):
        system = mutant.system()
        properties, initial = mutant.properties_of(system), mutant.start(system)
        begun = time.process_time()
        report = check(
            system,
            properties=properties,
            bounds=mutant.bound,
            network=mutant.network,
            initial=initial,
            goal=mutant.goal,
            reduce=reduce,
        )
        times.append(time.process_time() - begun)
    return report, statistics.median(times)


def mutants(least: float) -> Iterator[list[str]]:
    """Each planted bug that takes at least so many seconds without reductions."""
    for mutant in MUTANTS:
        full, none = explored(mutant, ())
        if none >= least:
            report, default = explored(mutant, None)
            sizes = [f"{one.states:,}" for one in (full, report)]
            sizes += [f"{one.distinct_steps:,}" for one in (full, report)]
            where = "reduced" if report.reduced_by else "full"
            yield [mutant.name, *sizes, where, f"{none:.2f} s", f"{default:.2f} s", f"{default / none:.2f}"]


def workers() -> Iterator[list[str]]:
    """Large reduced spaces by one worker and by two: medians; and the part of the time that they share."""
    for make in LARGE:
        times: dict[int, list[float]] = {1: [], 2: []}
        reports: list[Report] = []
        for _ in range(RUNS):
            for many, took in times.items():
                reports.append(searched(make(), many))
                took.append(reports[-1].seconds)
        bare = [evolve(report, seconds=0.0, compile_seconds=0.0) for report in reports]
        assert all(report == bare[0] for report in bare)
        one, two = (statistics.median(took) for took in times.values())
        part = expanding(make()) / one
        yield [
            make().name, f"{bare[0].states:,}", f"{one:.2f} s", f"{two:.2f} s", f"{one / two:.2f}", f"{part:.0%}"
        ]  # fmt: skip


def searched(case: Case, many: int) -> Report:
    """The report of the default search by so many workers."""
    bounds = Bounds(case.bounds)
    return check(case.system, properties=case.properties, bounds=bounds, network=case.network, workers=many)


def expanding(case: Case) -> float:
    """How long worlds are expanded in the search by one worker, in seconds: all that workers share of a reduced one."""
    spent, expand = 0.0, Share.expand

    def timed(share: Share, look: Pairs, rows: Int32s) -> None:
        nonlocal spent
        begun = time.perf_counter()
        expand(share, look, rows)
        spent += time.perf_counter() - begun

    with mock.patch.object(Share, "expand", timed):
        searched(case, 1)
    return spent


def main() -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", action="store_true", help="reduced spaces, by one worker and by two")
    parser.add_argument("--least", type=float, default=0.0, help="leave out what takes less seconds without reductions")
    asked = parser.parse_args()
    if asked.workers:
        print(table(("space", "states", "one worker", "two", "faster", "shared"), workers()))
    else:
        heads = (
            "planted bug",
            "states, none",
            "default",
            "steps, none",
            "default",
            "found in",
            "none",
            "default",
            "ratio",
        )
        print(table(heads, mutants(asked.least)))


if __name__ == "__main__":
    main()
