"""What running a scenario comes to, as records that print and turn into JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from checker.runs.trace import Trace
from checker.runs.trace_json import to_json as trace_to_json
from scenarios.language.diagnostics import Diagnostic, render
from scenarios.runner.journal import Elementary

_Json = dict[str, Any]  # the boundary: what json.dumps takes


class Verdict(StrEnum):
    """How an instance ended; see DESIGN: a space that was cut is *unknown*, never *pass*."""

    PASS = "pass"
    FAIL = "fail"
    KNOWN_BUG = "known-bug"
    SKIP = "skip"
    UNKNOWN = "unknown"


@frozen
class Failure:
    """One check that failed, or the action that could not be carried out. `check` is an invariant's name or a kind:

    expect, eventually, always, never, action, pause, hold, golden, vacuous, known-bug, linearizable, setup. `step`
    counts from 1. The diagnostic is complete: `render` gives the text for people.
    """

    check: str
    line: int
    step: int
    diagnostic: Diagnostic

    def __str__(self) -> str:
        return render(self.diagnostic)

    def as_json(self) -> _Json:
        """Plain values."""
        return {"check": self.check, "line": self.line, "step": self.step, "text": str(self)}


@frozen
class Exploration:
    """What one `explore` or `reach` came to."""

    name: str
    line: int
    states: int
    transitions: int
    depth: int
    complete: bool
    cut_by: str | None
    sometimes: Mapping[str, bool]
    notes: tuple[str, ...] = ()

    def as_json(self) -> _Json:
        """Plain values."""
        return {
            "name": self.name,
            "line": self.line,
            "states": self.states,
            "transitions": self.transitions,
            "depth": self.depth,
            "complete": self.complete,
            "cut_by": self.cut_by,
            "sometimes": dict(self.sometimes),
            "notes": list(self.notes),
        }


@frozen(kw_only=True)
class InstanceResult:
    """One instance, run. `elementary` is the run as a flat list of events that can be replayed."""

    id: str
    verdict: Verdict
    reason: str = ""  # of a skip, an unknown, a known bug
    failures: tuple[Failure, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    trace: Trace | None = field(default=None, repr=False)
    elementary: tuple[Elementary, ...] = field(default=(), repr=False)
    marks: Mapping[str, tuple[str, ...]] = field(factory=dict)
    seconds: float = field(default=0.0, eq=False)
    steps: int = 0
    ignored: tuple[str, ...] = ()
    injected: bool = False
    explorations: tuple[Exploration, ...] = ()
    shown: tuple[str, ...] = ()
    transcript: tuple[str, ...] = field(default=(), repr=False)  # the lines that ran, and what their words meant

    @property
    def log(self) -> tuple[str, ...]:
        """The transcript and every step, with everything in it: two runs are the same if these are, byte by byte."""
        steps = () if self.trace is None else self.trace.steps
        return (*self.transcript, *(f"{number} {step!r}" for number, step in enumerate(steps, 1)))

    @property
    def ok(self) -> bool:
        """Whether a suite may be green with this."""
        return self.verdict in (Verdict.PASS, Verdict.KNOWN_BUG, Verdict.SKIP)

    def as_json(self) -> _Json:
        """Plain values; the trace in its own format."""
        return {
            "id": self.id,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "failures": [failure.as_json() for failure in self.failures],
            "warnings": [render(warning) for warning in self.warnings],
            "marks": {name: list(marks) for name, marks in self.marks.items()},
            "seconds": round(self.seconds, 3),
            "steps": self.steps,
            "ignored": list(self.ignored),
            "injected": self.injected,
            "explorations": [one.as_json() for one in self.explorations],
            "shown": list(self.shown),
            "elementary": [str(event) for event in self.elementary],
            "trace": None if self.trace is None else json.loads(trace_to_json(self.trace)),
        }


@frozen
class FileResult:
    """One file, run: its instances, or what is wrong with it."""

    path: str
    instances: tuple[InstanceResult, ...]
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What kept the file from running."""
        return tuple(found for found in self.diagnostics if found.is_error)

    @property
    def ok(self) -> bool:
        """Whether a suite may be green with this."""
        return not self.errors and all(instance.ok for instance in self.instances)

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 a bad file, 3 unknown."""
        if self.errors:
            return 2
        verdicts = {instance.verdict for instance in self.instances}
        return 1 if Verdict.FAIL in verdicts else 3 if Verdict.UNKNOWN in verdicts else 0

    def as_json(self) -> _Json:
        """Plain values."""
        return {
            "path": self.path,
            "diagnostics": [render(found) for found in self.diagnostics],
            "instances": [instance.as_json() for instance in self.instances],
        }
