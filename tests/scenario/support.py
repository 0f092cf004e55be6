"""What the tests of the modes share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scenarios.language import tree
from scenarios.language.loaded import Instance
from scenarios.language.loader import load
from scenarios.language.verbs import VERBS, verb_of
from scenarios.runner import InstanceResult, Verdict, run_loaded

LIBRARY = Path("scenarios/library")


def instances_of(name: str, mode: str) -> tuple[Instance, ...]:
    """The instances of the file *name* of the library, which can run in *mode*."""
    loaded = load(LIBRARY / f"{name}.scenario", mode=mode)
    assert loaded.ok and loaded.instances, loaded.errors
    return loaded.instances


def run(steps: str, mode: str, *, header: str = "servers: 3\n") -> InstanceResult:
    """What comes of a scenario with these lines."""
    loaded = load(text=f"scenario: test\n{header}\n{steps}\n", mode=mode)
    assert loaded.ok, "\n".join(map(str, loaded.errors))
    return run_loaded(loaded).instances[0]


def only_failure(result: InstanceResult) -> str:
    """The text of the one failure of *result*."""
    assert result.verdict is Verdict.FAIL and len(result.failures) == 1, list(map(str, result.failures))
    return str(result.failures[0])


def verbs_of_mode(mode: str) -> set[str]:
    """The statements that *mode* has, without those of optional features."""
    there = {verb.name for verb in VERBS.values() if mode in verb.modes and verb.place != "option"}
    return there - {verb.name for verb in VERBS.values() if verb.feature is not None} - {"disk"}


def verbs_used(names: Iterable[str], mode: str) -> set[str]:
    """The verbs of the files *names* of the library."""
    statements = (each.statements for name in names for each in instances_of(name, mode))
    lines = (each for some in statements for each in tree.walk_all(some) if isinstance(each, tree.Statement))
    return {verb_of(line).name for line in lines}
