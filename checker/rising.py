"""Rising bounds: explore a small space whole, then a larger one, and so on, until time is up or something is found.

What is found is found in the smallest space that shows it; what is not, is not there in the largest that was complete.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any

from attrs import frozen

from checker.errors import UsageError
from checker.explore import Report, check
from checker.system import Bounds, System


@frozen
class Round:
    """One exploration of several."""

    bounds: Bounds
    report: Report


def rising(bounds: Bounds) -> Iterator[Bounds]:
    """*bounds*, and then ever larger ones: each budget is raised by one in turn, by name; those of 0 stay 0.

    Raises UsageError if all are 0.
    """
    raised = sorted(name for name, amount in bounds.budgets.items() if amount)
    if not raised:
        raise UsageError("bounds that are all 0 cannot rise: allow something to begin with")
    now = dict(bounds.budgets)
    yield bounds
    for name in cycle(raised):
        now[name] += 1
        yield Bounds(dict(now))


def check_rising(system: System, *, bounds: Bounds, max_time_s: float, **options: Any) -> Iterator[Round]:
    """Explore *system* within *bounds*, and then within ever larger ones, for *max_time_s* in all.

    *options* are those of `explore.check`. The last round is the one that failed, reached the goal, or was cut.
    """
    end_s = time.perf_counter() + max_time_s
    for now in rising(bounds):
        left_s = end_s - time.perf_counter()
        if left_s <= 0:
            return
        report = check(system, bounds=now, max_time_s=left_s, **options)
        yield Round(now, report)
        if report.violations or report.reached or not report.complete:
            return


def outcome(rounds: list[Round]) -> Round:
    """The round that tells what came of all: the last, unless that was only cut, and one before it was complete."""
    last = rounds[-1]
    whole = [one for one in rounds if one.report.complete]
    return whole[-1] if last.report.verdict == "unknown" and whole else last
