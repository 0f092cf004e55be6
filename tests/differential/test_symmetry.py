"""With symmetry, one world of each orbit is kept, no more and no less; verdicts, views and lengths stay."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping
from itertools import permutations
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.explore import check
from checker.reductions.choice import REDUCTIONS
from checker.spaces import Space
from checker.system import ActorId, Bounds, Deliver, Event, Local, LocalKind, Send, State, Step
from checker.world import Rules, Vary, World
from examples.raft_core import Role, election_safety, raft_core
from raftframe import Options

from .test_reduced_is_full import assert_same_verdicts, explore, role_term_log_commit

DOWN = 10
KINDS = [("symmetry",), ("dead", "symmetry"), ("dead", "confluent", "symmetry"), REDUCTIONS]


@frozen
class Alike:
    """Three actors that all step alike, as drawn. A state is a number and a friend; a message can only cause smaller
    ones.
    """

    table: Mapping[Hashable, tuple[int, tuple[tuple[str, int], ...]]]
    actors: tuple[str, ...] = ("a", "b", "c")
    local_kinds: tuple[LocalKind, ...] = (LocalKind("tick", "ticks"),)

    def initial(self, actor: ActorId) -> State:
        """Nobody has a friend yet."""
        return 0, None

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """Who sent the last message is the new friend."""
        assert isinstance(state, tuple)
        number, friend = state
        if isinstance(event, Deliver):
            after, sends = self.table[number, event.message]
            return Step((after, event.source), self._sent(sends, actor, event.source))
        after, sends = self.table[number, "tick"]
        return Step((after, friend), self._sent(sends, actor, friend))

    def rename(self, thing: Hashable, names: Mapping[ActorId, ActorId]) -> Hashable:
        """The friend is another."""
        if isinstance(thing, tuple):
            return thing[0], None if thing[1] is None else names[thing[1]]
        return thing

    def _sent(self, sends: tuple[tuple[str, int], ...], me: ActorId, friend: ActorId) -> tuple[Send, ...]:
        found: list[Send] = []
        for to, message in sends:
            targets = [friend] if to == "friend" else [one for one in self.actors if one != me]
            found += [Send(target, message) for target in targets if target is not None]
        return tuple(found)


@frozen
class CrashingAlike(Alike):
    """They may crash too, which leaves the parity of the number, and restart without a friend."""

    local_kinds: tuple[LocalKind, ...] = (
        LocalKind("tick", "ticks"),
        LocalKind("crash", "crashes"),
        LocalKind("restart", "restarts"),
    )

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """Who is down has the number of what is left, and 10 more."""
        assert isinstance(state, tuple)
        number, _friend = state
        if event == Local("restart"):
            return Step((number - DOWN, None)) if number >= DOWN else None
        if number >= DOWN:
            return Step(state) if isinstance(event, Deliver) else None
        return Step((DOWN + number % 2, None)) if event == Local("crash") else super().step(actor, state, event)


def draw(seed: int) -> Alike:
    """A system of actors that are alike."""
    chance = random.Random(seed)
    table: dict[Hashable, tuple[int, tuple[tuple[str, int], ...]]] = {}
    for number in range(3):
        for event, limit in ((0, 0), (1, 1), (2, 2), ("tick", 3)):
            many = chance.choice((0, 1, 1)) if limit else 0
            sends = tuple((chance.choice(("friend", "all")), chance.randrange(limit)) for _ in range(many))
            table[number, event] = chance.randrange(3), sends
    return Alike(table)


def orbits_of(system: Alike, worlds: frozenset[World]) -> int:
    """How many there are, by looking at every image of every world."""
    return len({frozenset(images(system, world)) for world in worlds})


def images(system: Alike, world: World) -> list[Hashable]:
    """*world* with its actors interchanged in every way."""
    found: list[Hashable] = []
    for order in permutations(system.actors):
        names = dict(zip(system.actors, order, strict=True))
        states = {
            names[one]: system.rename(state, names) for one, state in zip(system.actors, world.states, strict=True)
        }
        flight = [(names[a], names[b], m) for (a, b), content in world.channels for m in content.messages()]
        found.append((tuple(sorted(states.items(), key=repr)), tuple(sorted(flight)), world.used))
    return found


def worlds_of(rules: Rules) -> frozenset[World]:
    """Every world, found plainly."""
    met, todo = {rules.initial()}, [rules.initial()]
    while todo:
        new = {transition.world for transition in rules.transitions(todo.pop())} - met
        met |= new
        todo += new
    return frozenset(met)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), network=st.sampled_from(("unordered", "ever-sent")))
def test_one_world_an_orbit(seed: int, network: str) -> None:
    """On random systems of actors that are alike, as many are kept as a plain search finds orbits."""
    system, bounds = draw(seed), Bounds({"ticks": 2})
    full = explore(system, parity, bounds=bounds, network=network, max_states=2_000, reduce=())
    if not full.report.complete:
        return

    for kinds in KINDS:
        reduced = explore(system, parity, bounds=bounds, network=network, reduce=kinds)
        assert_same_verdicts(reduced, full)
        assert dict(reduced.report.not_reduced) == {}
        if kinds == ("symmetry",):
            orbits = orbits_of(system, worlds_of(Rules(system=system, bounds=bounds, network=network)))
            assert (reduced.report.states, reduced.report.stands_for) == (orbits, full.report.states)


def test_one_orbit_of_restarts() -> None:
    """On random systems of actors that are alike and crash: which restarts are fused is the same for all images."""
    bounds, fused = Bounds({"ticks": 1, "crashes": 2, "restarts": 2}), 0
    for seed in range(12):
        system = CrashingAlike(draw(seed).table)
        full = explore(system, parity, bounds=bounds, reduce=())
        plain = explore(system, parity, bounds=bounds, reduce=("fused",))

        reduced = explore(system, parity, bounds=bounds, reduce=("symmetry", "fused"))

        assert_same_verdicts(reduced, full)
        assert_same_verdicts(explore(system, parity, bounds=bounds, reduce=REDUCTIONS), full)
        assert reduced.report.reduced_by[1:] == plain.report.reduced_by
        assert plain.report.states / 6 <= reduced.report.states <= plain.report.states
        fused += "fused" in plain.report.reduced_by

    assert fused == 12


def parity(_actor: ActorId, state: State) -> Hashable:
    """A view that hides some steps."""
    assert isinstance(state, tuple)
    return state[0] % 2


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize(
    ("network", "budgets"),
    [
        ("unordered", {"timeouts": 1, "commands": 1}),
        ("unordered", {"timeouts": 1, "restarts": 1, "drops": 1}),
        ("unordered", {"timeouts": 1, "drops": 1, "duplicates": 1}),
        ("ever-sent", {"timeouts": 1, "commands": 1}),
    ],
)
def test_raft_core(network: str, budgets: dict[str, int], kinds: tuple[str, ...]) -> None:
    """The same verdicts and views; the worlds kept stand for exactly as many as there are without symmetry."""
    options: dict[str, Any] = {"properties": [election_safety], "bounds": Bounds(budgets), "network": network}
    full = explore(raft_core(), role_term_log_commit, reduce=(), **options)
    plain = explore(raft_core(), role_term_log_commit, reduce=kinds[:-1], **options)

    reduced = explore(raft_core(), role_term_log_commit, reduce=kinds, **options)

    assert_same_verdicts(reduced, full)
    if "confluent" not in kinds:
        assert reduced.report.stands_for == plain.report.states


def test_how_far() -> None:
    """The factor is near 6 for three servers, and near 120 for five."""
    three = check(raft_core(), bounds=Bounds({"timeouts": 2}), reduce=("dead", "symmetry"))
    five = check(raft_core(5), bounds=Bounds({"timeouts": 1}), reduce=("dead", "confluent", "symmetry"))

    assert (three.states, three.stands_for) == (358, 2_101)
    assert five.verdict == "pass" and five.stands_for is not None


@pytest.mark.parametrize("network", ["unordered", "ever-sent"])
def test_raft_with_default_properties(network: str) -> None:
    """raftframe's Raft and its monitors are symmetric, and its worlds stand for the full space."""
    space = Space(bounds={"timeouts": 1, "commands": 1}, network=network)
    system = space.cluster()
    options: dict[str, Any] = {"properties": space.properties_of(system), "bounds": space.bound, "network": network}
    full = check(system, reduce=(), **options)

    reduced = check(system, reduce=("symmetry",), **options)

    assert (reduced.verdict, dict(reduced.not_reduced)) == ("pass", {})
    assert (reduced.stands_for, reduced.reduced_by) == (full.states, ("symmetry",))


@pytest.mark.parametrize("kinds", KINDS)
def test_a_property_of_one_server(kinds: tuple[str, ...]) -> None:
    """A property that singles one server out is judged on every image; its run is of that very server."""

    def server_2_never_leads(states: Mapping[ActorId, Any]) -> str | None:
        return "server 2 leads" if states[2].role is Role.LEADER else None

    options: dict[str, Any] = {"properties": [server_2_never_leads], "bounds": Bounds({"timeouts": 1})}
    full = check(raft_core(), reduce=(), **options)

    reduced = check(raft_core(), reduce=kinds, **options)

    assert (reduced.verdict, {*reduced.reduced_by, "fused"}) == ("fail", {*kinds, "fused"})  # which needs crashes
    [failure] = reduced.violations
    assert failure.property == "server_2_never_leads"
    assert len(failure.events) == len(full.violations[0].events)


@frozen
class Favours(Alike):
    """As its actors are alike, except that `c` never listens."""

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """See the class."""
        return Step(state) if actor == "c" and isinstance(event, Deliver) else super().step(actor, state, event)


def test_what_is_not_symmetric_is_refused() -> None:
    """A system that treats an actor differently is found out; the other reductions are used, and the report says so."""
    system = Favours({**draw(1).table, (0, "tick"): (0, (("all", 0),)), (0, 0): (1, ())})
    full = explore(system, parity, bounds=Bounds({"ticks": 2}), reduce=())

    reduced = explore(system, parity, bounds=Bounds({"ticks": 2}), reduce=("dead", "symmetry"))

    assert reduced.report.reduced_by == ("dead",)
    assert "does not do what an image of it does" in reduced.report.not_reduced["symmetry"]
    assert_same_verdicts(reduced, full)


def test_who_is_not_alike_at_the_start() -> None:
    """A budget that one actor alone may spend leaves nobody interchangeable with it."""
    only = Vary(local={("timeout", 0), ("command", 1)})
    report = check(raft_core(), bounds=Bounds({"timeouts": 1}), vary=only, reduce=("symmetry",))

    assert report.reduced_by == ()
    assert "no two actors are alike" in report.not_reduced["symmetry"]


def test_orders_that_name_a_server() -> None:
    """`transfer to s2` becomes `transfer to s3`: what is kept stands for the full space."""
    space = Space(options=Options(transfer=True), bounds={"timeouts": 1, "transfers": 1})
    system = space.cluster()
    options: dict[str, Any] = {"properties": space.properties_of(system), "bounds": space.bound}
    full = check(system, reduce=(), **options)

    reduced = check(system, reduce=("symmetry",), **options)

    assert (reduced.verdict, dict(reduced.not_reduced)) == ("pass", {})
    assert (reduced.stands_for, full.marks.get("began_transfer", 0) > 0) == (full.states, True)
    assert reduced.states < full.states / 5
