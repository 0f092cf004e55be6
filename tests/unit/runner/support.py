"""Runs a few lines of the scenario language, given as text."""

from __future__ import annotations

from typing import Any

from scenarios.language.loader import load
from scenarios.runner import InstanceResult, Verdict, run_loaded


def run(steps: str, *, header: str = "servers: 3\n", **options: Any) -> InstanceResult:
    """The result of the only instance of a scenario that consists of *steps*."""
    loaded = load(text=f"scenario: test\n{header}\n{steps}\n")
    assert loaded.ok, "\n".join(map(str, loaded.errors))
    (result,) = run_loaded(loaded, **options).instances
    return result


def passes(steps: str, **options: Any) -> InstanceResult:
    """As `run`; the result must be a pass."""
    result = run(steps, **options)
    assert result.verdict is Verdict.PASS, "\n".join(map(str, result.failures))
    return result


def fails(steps: str, check: str, words: str = "", **options: Any) -> InstanceResult:
    """As `run`; the first failure must be of *check*, and its text must have *words*."""
    result = run(steps, **options)
    assert result.verdict is Verdict.FAIL, f"{result.verdict}, where {check} was to fail"
    first = result.failures[0]
    assert first.check == check, str(first)
    assert words in str(first), str(first)
    return result
