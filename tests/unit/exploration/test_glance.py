"""The glance at the full space that a default search takes when the reduced space turns out not to be small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any

import pytest
from attrs import evolve

from checker import reduced
from checker.explore import Report, check
from checker.mutants import MUTANTS, Mutant
from checker.raft_system import RaftSystem
from checker.reductions import search
from checker.reductions.choice import REDUCTIONS
from checker.system import ActorId, Bounds, Event, Step
from examples.raft_core import election_safety, raft_core

BUG = next(mutant for mutant in MUTANTS if mutant.name == "switches_directly")


def explored(mutant: Mutant, system: RaftSystem, **options: Any) -> Report:
    """The report of the search for the bug of *mutant*."""
    properties = mutant.properties_of(system)
    initial = mutant.start(system)
    return check(system, properties=properties, bounds=mutant.bound, network=mutant.network, initial=initial, **options)


def told(report: Report) -> Report:
    """*report* without what is not the same on every run, or says how it was found."""
    return evolve(report, seconds=0.0, compile_seconds=0.0, not_reduced={}, violations=())


def test_what_breaks_in_a_space_of_few_worlds_a_step_is_found_in_the_full_one() -> None:
    """The report is that of the search without reductions, and says why nothing was left out."""
    default, full = (explored(BUG, BUG.system(), **options) for options in ({}, {"reduce": ()}))

    assert told(default) == told(full)
    assert [failure.events for failure in default.violations] == [failure.events for failure in full.violations]
    assert set(default.not_reduced) == set(REDUCTIONS)
    assert "few worlds" in default.not_reduced["dead"]


def test_no_step_is_run_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both searches together run the code twice at most on each state and event, as one does; then it is replayed."""
    asked: Counter[Hashable] = Counter()
    step = RaftSystem.step

    def counted(system: RaftSystem, actor: ActorId, state: Any, event: Event) -> Step | None:
        asked[actor, state, event] += 1
        return step(system, actor, state, event)

    monkeypatch.setattr(RaftSystem, "step", counted)

    report = explored(BUG, BUG.system())

    assert report.reduced_by == ()
    replayed = [key for key, times in asked.items() if times > 2]
    assert len(replayed) <= len(report.violations[0].events)
    assert max(asked.values()) <= 3


def test_a_glance_that_finds_nothing_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reduced search that is interrupted by a glance comes to the same in the end as one that is not."""
    taken: list[bool] = []
    take = reduced.Glance.take
    monkeypatch.setattr(reduced.Glance, "take", lambda glance: taken.append(take(glance)) or taken[-1])
    reports = []
    for small in (100, 1_000_000):
        monkeypatch.setattr(search, "SMALL", small)
        bounds = Bounds({"timeouts": 2, "commands": 1})
        reports.append(check(raft_core(), properties=[election_safety], bounds=bounds))

    assert taken == [False]
    assert told(reports[0]) == told(reports[1])
    assert (reports[0].verdict, reports[0].states) == ("pass", 976)


@pytest.mark.parametrize("options", [{"stop_at_first": False}, {"reduce": ("dead", "covered")}])
def test_no_glance_is_taken_where_it_answers_nothing(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    """Whoever wants all that breaks, or certain reductions, gets the reduced space."""
    monkeypatch.setattr(search, "SMALL", 1)

    report = check(raft_core(), properties=[election_safety], bounds=Bounds({"timeouts": 1}), **options)

    assert "dead" in report.reduced_by


def test_a_limit_cuts_the_glance_and_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """More worlds than are allowed are found by neither."""
    monkeypatch.setattr(search, "SMALL", 10)

    report = explored(BUG, BUG.system(), max_states=500)

    assert (report.verdict, report.states, report.limits_hit) == ("unknown", 500, ("max_states",))
