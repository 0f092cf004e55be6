"""Commands that are numbered by order of issue need no symmetry: one order stands for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import frozen

from checker.explore import Report, check
from checker.properties import Property
from checker.system import ActorId, Bounds, Event, Local, LocalKind, State, Step
from examples.raft_core import RaftCore, election_safety, raft_core

NAMES = ("put a", "put b", "put c")


@frozen
class Named(RaftCore):
    """As `raft_core`, but each command is a kind of event of its own, which may come once."""

    local_kinds: tuple[LocalKind, ...] = (LocalKind("timeout", "timeouts"), *(LocalKind(name, name) for name in NAMES))

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """A command has the number of its name."""
        if isinstance(event, Local) and event.kind in NAMES:
            event = Local("command", NAMES.index(event.kind))
        return super().step(actor, state, event)


def nobody_commits_two(states: Mapping[ActorId, Any]) -> str | None:
    """Broken by a run with two commands."""
    return next((f"{actor} has" for actor, state in states.items() if state.commit_index == 2), None)


def search(system: RaftCore, budgets: dict[str, int], properties: list[Property], **options: Any) -> Report:
    """Explore with one timeout."""
    return check(system, properties=properties, bounds=Bounds({"timeouts": 1, **budgets}), **options)


@pytest.mark.parametrize(
    ("commands", "numbered", "named"),
    [
        (2, 4_216, 8_371),
        pytest.param(3, 97_222, 580_030, marks=pytest.mark.slow),
    ],
)
def test_one_order_of_issue_stands_for_all(commands: int, numbered: int, named: int) -> None:
    """R commands that have names of their own have about R! times the worlds, and the same verdict."""
    reduce = ("dead", "confluent")
    by_number = search(raft_core(), {"commands": commands}, [election_safety], reduce=reduce)
    by_name = search(Named(), dict.fromkeys(NAMES[:commands], 1), [election_safety], reduce=reduce)

    assert (by_number.verdict, by_name.verdict) == ("pass", "pass")
    assert (by_number.states, by_name.states) == (numbered, named)


def test_what_breaks_breaks_as_soon() -> None:
    """The shortest run with two commands is as long, whichever way they are told apart."""
    by_number = search(raft_core(), {"commands": 2}, [nobody_commits_two], reduce=())
    by_name = search(Named(), dict.fromkeys(NAMES[:2], 1), [nobody_commits_two], reduce=())

    assert [len(one.violations[0].events) for one in (by_number, by_name)] == [9, 9]
