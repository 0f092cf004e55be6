"""A search in shares finds what one engine finds, and the very same for any number of owners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from checker.distributed import search
from checker.distributed.owner import Owner
from checker.engine.checkpoints import Checkpoint
from checker.engine.layout import UInt8s, UInt64s
from checker.engine.walks import Walks
from checker.errors import UsageError
from checker.explore import check
from checker.mutants import find_mutant
from checker.properties.base import Predicate
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import RaftSystem
from checker.spilling.disk import Spill
from checker.system import ActorId, Bounds, State
from examples.raft_core import Role, Server, election_safety, raft_core
from raftframe import StandardStateMap
from raftframe.api.app import RecordingApp

from .shares import check_in_shares, everything, summary


def nobody_leads_term_two(states: Mapping[ActorId, State]) -> str | None:
    """A property that does not hold."""
    leading = [state for state in states.values() if isinstance(state, Server) and state.role is Role.LEADER]
    return "a leader of term 2" if any(server.term == 2 for server in leading) else None


def two_lead(states: Mapping[ActorId, State]) -> bool:
    """Whether two servers believe that they lead."""
    return sum(isinstance(state, Server) and state.role is Role.LEADER for state in states.values()) == 2


TWO_TIMEOUTS = {"properties": [election_safety], "bounds": Bounds({"timeouts": 2})}
OPTIONS: dict[str, dict[str, Any]] = {
    "the whole space": TWO_TIMEOUTS,
    "heartbeats": {"properties": [election_safety], "bounds": Bounds({"timeouts": 1, "commands": 1, "heartbeats": 1})},
    "ever-sent": {**TWO_TIMEOUTS, "network": "ever-sent"},
    "fifo": {**TWO_TIMEOUTS, "network": "fifo"},
    "drops": {"bounds": Bounds({"timeouts": 1, "drops": 1, "duplicates": 1}), "properties": [election_safety]},
    "a violation": {**TWO_TIMEOUTS, "properties": [election_safety, nobody_leads_term_two]},
    "all violations": {**TWO_TIMEOUTS, "properties": [nobody_leads_term_two], "stop_at_first": False},
    "a goal": {**TWO_TIMEOUTS, "goal": two_lead},
    "sometimes": {**TWO_TIMEOUTS, "sometimes": [two_lead, Predicate("never", lambda views, _history: False)]},
    "prune": {**TWO_TIMEOUTS, "prune": [two_lead]},
    "max_depth": {**TWO_TIMEOUTS, "max_depth": 9},
}
CUT: dict[str, dict[str, Any]] = {
    "max_states": {"max_states": 20_000},
    "max_memory_bytes": {"max_memory_bytes": 1 << 19},
    "max_time_s": {"max_time_s": 1e-9},
    "interrupted": {"stop": lambda: True},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_finds_what_the_local_engine_finds(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts, verdict, marks and lengths are those of the local engine; all else is the same for 1, 2 and 5 owners."""
    monkeypatch.setattr(search, "SMALLEST_BATCH", 8)  # so that every level has many batches
    local = check(raft_core(3), reduce=(), **options)

    one, two, five = (check_in_shares(raft_core(3), workers=owners, **options) for owners in (1, 2, 5))

    assert summary(one) == summary(local)
    assert everything(one) == everything(two) == everything(five)


@pytest.mark.parametrize("name", CUT)
def test_limits_are_told(name: str) -> None:
    """A limit that is hit makes the verdict unknown, and is named; what was found is counted, up to the limit."""
    report = check_in_shares(raft_core(3), workers=2, **TWO_TIMEOUTS, **CUT[name])

    assert (report.verdict, report.complete, report.limits_hit) == ("unknown", False, (name,))
    assert 1 <= report.states <= CUT[name].get("max_states", 33_051)


def test_where_a_limit_on_states_cuts_does_not_depend_on_owners() -> None:
    """Nor does what is found before it."""
    one, three = (check_in_shares(raft_core(3), workers=owners, **TWO_TIMEOUTS, max_states=20_000) for owners in (1, 3))

    assert everything(one) == everything(three)
    assert one.states == 20_000


def test_memory_that_does_not_suffice_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner whose visited set is full ends the search, and what was found is told."""
    monkeypatch.setattr(Owner, "_claim", full_after(5))

    report = check_in_shares(raft_core(3), workers=2, **TWO_TIMEOUTS)

    assert (report.verdict, report.limits_hit) == ("unknown", ("memory",))


def full_after(calls: int) -> Callable[[Owner, UInt64s], UInt8s]:
    """Claiming, as it is until so many *calls* were made, and without memory from then on."""
    claim, made = Owner._claim, iter(range(calls))

    def claim_or_not(owner: Owner, words: UInt64s) -> UInt8s:
        if len(words) and next(made, None) is None:
            raise MemoryError
        return claim(owner, words)

    return claim_or_not


def test_raft_itself() -> None:
    """The protocol, with its default properties and their monitors."""
    options: dict[str, Any] = {"properties": RAFT_PROPERTIES, "bounds": Bounds({"timeouts": 1})}
    system = RaftSystem(StandardStateMap(RecordingApp()))

    one, three = (check_in_shares(system, workers=owners, **options) for owners in (1, 3))

    assert summary(one) == summary(check(system, reduce=(), **options))
    assert everything(one) == everything(three)


@pytest.mark.parametrize("name", ["forgets_vote_on_step_down", "forgets_term_on_restart"])
def test_a_planted_bug(name: str) -> None:
    """The same property falls, after as many events, and by the same run for one owner and for three."""
    mutant = find_mutant(name)
    system = mutant.system()
    options: dict[str, Any] = {"bounds": mutant.bound, "network": mutant.network, "initial": mutant.start(system)}

    one, three = (
        check_in_shares(system, workers=owners, properties=mutant.properties_of(system), **options) for owners in (1, 3)
    )

    assert everything(one) == everything(three)
    assert (one.violations[0].property, len(one.violations[0].events)) == (mutant.breaks, mutant.steps)


def test_every_owner_has_its_share() -> None:
    """Worlds, and what travels, are nearly equal between owners, and no world belongs to two."""
    report = check_in_shares(raft_core(3), workers=3, **TWO_TIMEOUTS)

    states = [holding.states for holding in report.holdings]
    sent = [holding.sent_bytes for holding in report.holdings]
    assert sum(states) == report.states == 33_052
    assert max(states) < 1.1 * min(states) and max(sent) < 1.1 * min(sent)
    assert report.visited_bytes == sum(holding.visited_bytes for holding in report.holdings)


@pytest.mark.parametrize(
    "options",
    [
        {"reduce": ("dead",)},
        {"exact": True},
        {"graph": True},
        {"walks": Walks(count=1, length=1)},
        {"order": "depth"},
        {"spill": Spill(folder=Path("somewhere"))},
        {"checkpoint": Checkpoint(folder=Path("somewhere"))},
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any]) -> None:
    """The engine makes one kind of search, and the message says which."""
    with pytest.raises(UsageError, match="a full search with fingerprints, breadth first, in memory"):
        check(raft_core(3), engine="ray", **{**TWO_TIMEOUTS, "reduce": (), **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "rya"}, "did you mean 'ray'"),
        ({"engine": "ray", "workers": 257}, "256 at most"),
    ],
)
def test_engines_are_named_rightly(options: dict[str, Any], message: str) -> None:
    """A message says what to write instead."""
    with pytest.raises(UsageError, match=message):
        check(raft_core(3), reduce=(), **TWO_TIMEOUTS, **options)
