"""Explores every interleaving of a system of message-passing actors, running the system's own code.

    from checker import Bounds, check

    report = check(system, properties=[...], bounds=Bounds({"timeouts": 2}))

`system.py` says what a system is, `properties` what can be asked of it, `explore.py` how the search goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.properties import Invariant, Monitor, MonitorMove, StepRule
from checker.system import Bounds, Deliver, Event, Local, LocalKind, Send, Step, System

if TYPE_CHECKING:
    from checker.explore import Report, check

__all__ = [
    "Bounds",
    "Deliver",
    "Event",
    "Invariant",
    "Local",
    "LocalKind",
    "Monitor",
    "MonitorMove",
    "Report",
    "Send",
    "Step",
    "StepRule",
    "System",
    "check",
]


def __getattr__(name: str) -> object:
    """`check` and `Report` load the compiled kernel, so they are loaded when they are asked for."""
    if name in ("check", "Report"):
        from checker import explore

        return getattr(explore, name)
    raise AttributeError(f"module 'checker' has no attribute {name!r}")
