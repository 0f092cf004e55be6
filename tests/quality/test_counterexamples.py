"""The loop closes: what the checker finds becomes a scenario file that breaks the same property."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve, fields, frozen

from checker.explore import check
from checker.mutants import MUTANTS, Mutant, find_mutant
from checker.runs.minimise import minimise
from raftframe import Options
from scenarios.counterexample import Counterexample, as_elementary, counterexample_of
from scenarios.language.features import INVARIANTS
from scenarios.language.loader import load
from scenarios.runner.files import run_loaded
from scenarios.runner.journal import Elementary, FieldWrite
from scenarios.runner.replaying import attempt_at
from scenarios.runner.setup import Setup, plain_setup


@frozen
class Found:
    """A mutant's bug as the checker found it, in the words of scenarios."""

    mutant: Mutant
    setup: Setup
    events: tuple[Elementary, ...]

    def example(self) -> Counterexample:
        """Minimised, and verified."""
        return counterexample_of(self.setup, self.events, self.mutant.breaks, properties=self.mutant.properties)


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _setup(mutant: Mutant) -> Setup:
    said, standard = mutant.options, Options()
    changed = {one.name: getattr(said, one.name) for one in fields(Options)}
    options = ", ".join(
        f"{name}={_switch(value) if isinstance(value, bool) else value}"
        for name, value in changed.items()
        if value != getattr(standard, name)
    )
    headers = {"state_map": mutant.name, "options": options, "app": f"raftframe.api.app:{mutant.app.__name__}"}
    setup = plain_setup(mutant.servers, mutant.states(mutant.app()), str, headers, mutant.learners)
    return evolve(
        setup, joining=mutant.joining, orders=mutant.orders, requests=(*mutant.asked_before, *mutant.requests)
    )


def _given(mutant: Mutant) -> Iterator[Elementary]:
    """The disks that the mutant's search begins with, as lines of a scenario."""
    if not mutant.given and not mutant.given_term:
        return
    for number in range(1, mutant.servers + 1):
        name = f"s{number}"
        for field, value in (("log", mutant.given.get(name, ())), ("term", mutant.given_term)):
            yield Elementary("inject", name, write=FieldWrite("given", name, field, value))


def _found(mutant: Mutant) -> Found:
    """Explored from where the mutant begins; the events are told from a fresh cluster on."""
    system, setup = mutant.system(), _setup(mutant)
    report = check(
        system,
        properties=mutant.properties_of(system),
        bounds=mutant.bound,
        network=mutant.network,
        initial=mutant.start(system),
        reduce=(),
    )
    before = mutant.prelude_events(system) if mutant.prelude else ()
    events = as_elementary(
        setup,
        (*before, *report.violations[0].events),
        lambda number: str(system.command(number).operation),
        given=_given(mutant),
    )
    return Found(mutant, setup, events)


TOLD = tuple(mutant for mutant in MUTANTS if mutant.breaks in INVARIANTS)
UNTOLD = tuple(mutant for mutant in MUTANTS if mutant not in TOLD and mutant.goal is None)


@pytest.mark.parametrize("mutant", TOLD, ids=lambda mutant: mutant.name)
def test_a_counterexample_is_a_scenario_that_fails_for_the_same_reason(mutant: Mutant, tmp_path: Path) -> None:
    """Explored, minimised, written, loaded again and run: the same property falls, and no event can be spared."""
    found = _found(mutant)

    example = found.example()
    path = tmp_path / "counterexample.scenario"
    path.write_text(str(example), encoding="utf-8")
    loaded = load(path)

    assert loaded.errors == ()
    (result,) = run_loaded(loaded).instances
    assert mutant.breaks in [failure.check for failure in result.failures], str(example)
    again = minimise(example.events, attempt_at(found.setup, mutant.breaks, mutant.properties))
    assert len(again.events) == len(example.events)
    assert example.trace().violation is not None


@pytest.mark.parametrize("mutant", UNTOLD, ids=lambda mutant: mutant.name)
def test_what_the_language_has_no_name_for_is_refused(mutant: Mutant) -> None:
    """No file is better than one that fails for another reason."""
    with pytest.raises(ValueError, match=f"no scenario can tell how {mutant.breaks} breaks"):
        _found(mutant).example()


def test_a_run_that_its_text_does_not_repeat_is_refused() -> None:
    """The headers do not say which rules were broken: run as a file, nothing breaks."""
    found = _found(find_mutant("votes_for_everybody"))
    with pytest.raises(ValueError, match="was to break one_vote_per_term"):
        evolve(found, setup=evolve(found.setup, headers={})).example()


@pytest.mark.parametrize("line", ["given s1.log = [1 2]", "given logs\n  s1: 1 2"])
def test_both_forms_of_a_given_log_raise_the_term(line: str) -> None:
    """And what is replayed is what the line says."""
    loaded = load(text=f"scenario: x\nformat: 1\nservers: 3\n\n{line}\nexpect s1.term == 2\n")
    (result,) = run_loaded(loaded).instances
    assert result.failures == ()
    assert [str(event) for event in result.elementary] == ["given s1.log = [1 2]"]
