"""The loop closes: what the checker finds becomes a scenario file that breaks the same property."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.explore import check
from checker.minimise import minimise
from checker.mutants import MUTANTS, Mutant
from raftframe.api.app import RecordingApp
from scenarios.counterexample import as_elementary, counterexample_of
from scenarios.language.loader import load
from scenarios.runner.files import run_loaded
from scenarios.runner.replaying import attempt_at
from scenarios.runner.setup import Setup, plain_setup

FRESH = tuple(mutant for mutant in MUTANTS if not mutant.given and not mutant.prelude)


def _setup(mutant: Mutant) -> Setup:
    options = f"noop=off, announce_commit=off, batch={mutant.options.batch}" if mutant.options.batch else ""
    headers = {"state_map": mutant.name, "options": options or "noop=off, announce_commit=off"}
    headers["app"] = "raftframe.api.app:RecordingApp"
    return plain_setup(mutant.servers, mutant.states(RecordingApp()), str, headers)


@pytest.mark.parametrize("mutant", FRESH, ids=lambda mutant: mutant.name)
def test_a_counterexample_is_a_scenario_that_fails_for_the_same_reason(mutant: Mutant, tmp_path: Path) -> None:
    """Explored, minimised, written, loaded again and run: the same property falls, and no event can be spared."""
    system = mutant.system()
    setup = _setup(mutant)
    report = check(system, properties=mutant.properties, bounds=mutant.bound, network=mutant.network)
    events = as_elementary(setup, report.violations[0].events, lambda number: str(system.command(number).operation))

    example = counterexample_of(setup, events, mutant.breaks, properties=mutant.properties)
    path = tmp_path / "counterexample.scenario"
    path.write_text(str(example), encoding="utf-8")
    loaded = load(path)

    assert loaded.errors == ()
    (result,) = run_loaded(loaded).instances
    assert result.failures[0].check == mutant.breaks, str(example)
    again = minimise(example.events, attempt_at(setup, mutant.breaks, mutant.properties))
    assert len(again.events) == len(example.events)
    assert example.trace().violation is not None
