"""Explores with shares: the search of several owners, all of them in this process."""

from __future__ import annotations

from typing import Any
from unittest import mock

from attrs import asdict

from checker.distributed.crew import LocalCrew
from checker.distributed.exchange import Shape
from checker.distributed.ray_crew import Ray
from checker.explore import Report, check
from checker.system import System

# What no machine and no number of workers may change. A counterexample is compared by what breaks, and after how many
# events: of several runs that are equally short, the local engine may tell another.
SAME = (
    *("verdict", "complete", "limits_hit", "states", "transitions", "depth", "deadlocks", "pruned", "distinct_steps"),
    *("sometimes", "marks", "events", "never_happened", "first_depth", "collision_probability"),
)


def check_in_shares(system: System, *, workers: int, **options: Any) -> Report:
    """As `check` with the engine "ray", without Ray."""

    def crew(size: int, shape: Shape, _place: Ray) -> LocalCrew:
        return LocalCrew(size, shape)

    with mock.patch("checker.distributed.ray_crew.RayCrew", crew):
        return check(system, engine="ray", workers=workers, reduce=(), **options)


def summary(report: Report) -> dict[str, object]:
    """What every engine must agree on."""
    told: dict[str, object] = {name: getattr(report, name) for name in SAME}
    told["broken"] = {failure.property: len(failure.events) for failure in report.violations}
    told["reached"] = None if report.reached is None else len(report.reached.events)
    return told


def everything(report: Report) -> dict[str, object]:
    """All that a report says, but its times, and who held what."""
    kept = asdict(report, recurse=False)
    return {name: value for name, value in kept.items() if "seconds" not in name and name not in OF_MACHINES}


OF_MACHINES = ("holdings", "visited_bytes")
