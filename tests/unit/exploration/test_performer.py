"""Steps are run on copies that serve again: what that must not cost."""

from __future__ import annotations

import gc
from itertools import count

import pytest
from attrs import define, field, frozen

from checker.engine.garbage import OBJECTS, seldom_collected
from checker.engine.tables import Tables
from checker.stepping import DETERMINISTIC_STEP, UNCHANGED_INPUT
from checker.system import ActorId, Bounds, Event, Local, LocalKind, State, Step
from checker.world import Rules

from .toys import Shelf, Steps

SHARE, SPOIL = 0, 1  # event columns


@frozen
class Sharers:
    """`share` keeps the shelf as it is, in another state; `spoil` puts something on the shelf that it was given."""

    actors: tuple[str, ...] = ("a",)
    local_kinds: tuple[LocalKind, ...] = (LocalKind("share", "events"), LocalKind("spoil", "events"))

    def initial(self, actor: ActorId) -> State:
        """A shelf, shared no time so far."""
        return 0, Shelf([0])

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """The next state has the very shelf that was given."""
        assert isinstance(state, tuple) and isinstance(event, Local)
        times, shelf = state
        if event.kind == "spoil":
            shelf.items.append(1)
        return Step((times + 1, shelf))


def found_at(tables: Tables, number: int) -> list[str]:
    """The properties that a transition breaks."""
    return [finding.property for finding in tables.findings.get(number, ())]


def test_what_is_known_is_not_spoilt_by_a_later_step() -> None:
    """A state that shares a part with what its step was given stays as it was when another step changes that part."""
    tables = Tables(Rules(system=Sharers(), bounds=Bounds({"events": 2})))
    first = tables.state_id(0, (0, Shelf([0])))
    shared = tables.transitions[tables.step(first, SHARE)].after
    spoilt = tables.step(first, SPOIL)

    assert found_at(tables, spoilt) == [UNCHANGED_INPUT]
    assert tables.states[shared][1] == (1, Shelf([0]))
    assert tables.states[first][1] == (0, Shelf([0]))


def test_copies_that_were_changed_do_not_serve_again() -> None:
    """The step after one that changed its input is given what it was before."""
    tables = Tables(Rules(system=Sharers(), bounds=Bounds({"events": 2})))
    first = tables.state_id(0, (0, Shelf([0])))
    tables.step(first, SPOIL)
    shared = tables.step(first, SHARE)

    assert found_at(tables, shared) == []
    assert tables.states[tables.transitions[shared].after][1] == (1, Shelf([0]))


@pytest.mark.parametrize("guilty", [0, 1])
def test_either_run_that_changes_its_input_is_found(guilty: int) -> None:
    """Whether the first run of a step changes what it was given, or the second, which comes to the same."""
    runs = count()

    def take(state: State) -> Step:
        assert isinstance(state, Shelf)
        if next(runs) == guilty:
            state.items.append(1)
        return Step(Shelf([7]))

    tables = Tables(Rules(system=Steps(take, start=Shelf([0])), bounds=Bounds({"goes": 1})))
    number = tables.step(tables.state_id(0, Shelf([0])), 0)

    assert found_at(tables, number) == [UNCHANGED_INPUT]


@define(unsafe_hash=True)
class Counted:
    """A state that counts the steps that were taken on it, where nobody who compares it looks."""

    number: int
    steps: int = field(default=0, eq=False)


@frozen
class Counters:
    """A step adds how many others were taken on the very state that it is given."""

    actors: tuple[str, ...] = ("a",)
    local_kinds: tuple[LocalKind, ...] = (LocalKind("one", "events"), LocalKind("other", "events"))

    def initial(self, actor: ActorId) -> State:
        """Nothing was taken so far."""
        return Counted(0)

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """Counts itself too, in what it was given."""
        assert isinstance(state, Counted)
        state.steps += 1
        return Step(Counted(state.number + state.steps - 1))


def test_what_a_step_leaves_behind_unseen_shows_in_the_next_one() -> None:
    """What `==` does not show is found by the first step to which it makes a difference, and nothing rests on it."""
    tables = Tables(Rules(system=Counters(), bounds=Bounds({"events": 2})))
    first = tables.state_id(0, Counted(0))
    one, other = tables.step(first, 0), tables.step(first, 1)

    assert found_at(tables, one) == []
    assert found_at(tables, other) == [DETERMINISTIC_STEP]
    assert "== leaves out" in tables.findings[other][0].reason
    assert tables.states[tables.transitions[other].after][1] == Counted(0)


def test_garbage_is_looked_for_as_before_when_a_search_has_ended() -> None:
    """Whatever ends it; and nothing looks for garbage where that was switched off."""
    before = gc.get_threshold()
    within = []
    try:
        for threshold in (700, 0):
            gc.set_threshold(threshold, 10, 10)
            with pytest.raises(KeyError), seldom_collected():
                within.append(gc.get_threshold())
                raise KeyError
            within.append(gc.get_threshold())
    finally:
        gc.set_threshold(*before)

    assert within == [(OBJECTS, 10, 10), (700, 10, 10), (0, 10, 10), (0, 10, 10)]
