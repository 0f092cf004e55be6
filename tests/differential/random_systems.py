"""Random systems of two or three tiny actors, and the plain exploration that the kernel is compared with."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

from attrs import define, field, frozen

from checker.properties import Invariant, Monitor, MonitorMove, StepRule
from checker.runs.replay import Properties
from checker.system import ActorId, Bounds, Deliver, Event, LocalKind, Send, State, Step
from checker.world import NETWORKS, Rules, Transition, Vary, World, judge


@frozen
class RandomSystem:
    """Actors whose steps were drawn at random. A message can only cause smaller ones, so that runs end."""

    actors: tuple[int, ...]
    local_kinds: tuple[LocalKind, ...]
    table: Mapping[Hashable, Step | str | None] = field(eq=False)

    def initial(self, actor: ActorId) -> State:
        """Everybody begins in state 0."""
        return 0

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """What was drawn. Messages are pairs of a number and the source."""
        key: Hashable = (event.source, event.message) if isinstance(event, Deliver) else (event.kind, event.number)
        drawn = self.table[actor, state, key]
        if isinstance(drawn, str):
            raise ValueError(drawn)
        return drawn


def draw_system(chance: random.Random, kinds: tuple[LocalKind, ...], numbers: int) -> RandomSystem:
    """A system with 2 or 3 actors of 2 to 4 states, and up to 3 messages."""
    actors = tuple(range(chance.randint(2, 3)))
    states, messages = chance.randint(2, 4), chance.randint(1, 3)
    table: dict[Hashable, Step | str | None] = {}

    def draw(limit: int) -> Step | str | None:
        if chance.random() < 0.15:
            return None
        if chance.random() < 0.01:
            return "cannot"
        many = chance.choice((0, 0, 1, 1, 2)) if limit else 0
        sends = tuple(Send(chance.choice(actors), chance.randrange(limit)) for _ in range(many))
        return Step(chance.randrange(states), sends)

    for actor in actors:
        for state in range(states):
            for kind in kinds:
                for number in range(numbers):
                    table[actor, state, (kind.name, number)] = draw(messages)
            for source in actors:
                for message in range(messages):
                    table[actor, state, (source, message)] = draw(message)
    return RandomSystem(actors, kinds, table)


def draw_rules(seed: int) -> tuple[Rules, tuple[Invariant | Monitor | StepRule, ...]]:
    """Rules for a random system: any network, budgets, blocked channels, limits, and properties that may break."""
    chance = random.Random(seed)
    kinds = (LocalKind("tick", "ticks", numbered=chance.random() < 0.5), LocalKind("tock", "tocks"))
    system = draw_system(chance, kinds, numbers=3)
    network = chance.choice(NETWORKS)
    budgets = {"ticks": chance.randint(1, 2), "tocks": chance.randint(0, 1)}
    if network != "ever-sent":
        budgets |= {"drops": chance.randint(0, 1), "duplicates": chance.randint(0, 1)}
    channels = [(source, target) for source in system.actors for target in system.actors]
    blocked = frozenset(chance.sample(channels, chance.choice((0, 0, 1))))
    pairs = {(kind.name, actor) for kind in kinds for actor in system.actors if chance.random() < 0.8}
    vary = Vary(local=pairs, drop=chance.random() < 0.8) if chance.random() < 0.3 else Vary()
    limit = chance.randint(1, 3)
    properties = draw_properties(chance)
    sorted_properties = Properties.sort(properties)
    rules = Rules(
        system=system,
        bounds=Bounds(budgets),
        network=network,
        blocked=blocked,
        vary=vary,
        within=(lambda actor, state: state <= limit) if chance.random() < 0.3 else None,
        monitors=sorted_properties.monitors,
        step_rules=sorted_properties.step_rules,
    )
    return rules, properties


def draw_properties(chance: random.Random) -> tuple[Invariant | Monitor | StepRule, ...]:
    """A monitor, invariants with and without it, and a step rule; each may break, or raise."""
    moves = {(state, seen): (chance.randrange(3), chance.random() < 0.05) for state in range(3) for seen in range(4)}
    forbidden = {tuple(chance.randrange(2) for _ in range(3)) for _ in range(2)}
    bad = (chance.randrange(3), chance.randrange(4), chance.randrange(4))

    def advance(state: int, seen: int) -> MonitorMove:
        after, broken = moves[state, seen]
        return MonitorMove(after, "bad move" if broken else None)

    def observe(actor: ActorId, before: State, event: Event, step: Step) -> Any:
        return step.state if step.state != before else None

    monitor = Monitor("moves", 0, observe, advance)

    def parities(views: Mapping[ActorId, int], history: Any) -> str | None:
        return "forbidden parities" if (*views.values(), 0)[:3] in forbidden else None

    def with_history(views: Mapping[ActorId, int], history: Any) -> str | None:
        if history == bad[0] and views[0] == bad[1]:
            raise RuntimeError("cannot judge")
        return None

    def rule(actor: ActorId, before: State, event: Event, step: Step) -> str | None:
        return "bad step" if (actor, before, step.state) == bad else None

    return (
        monitor,
        Invariant("parities", parities, view=lambda actor, state: int(str(state)) % 2),
        Invariant("with_history", with_history, monitor=monitor),
        StepRule("rule", rule),
    )


@define
class Explored:
    """What the plain exploration found."""

    worlds: set[World]
    edges: Counter[tuple[World, object, World]]
    depth: int
    deadlocks: int
    broken: dict[str, int]  # the depth at which each property first breaks


def explore_plainly(rules: Rules, properties: Properties, max_depth: int) -> Explored:
    """Breadth first through `world.py`, levels counted from 1."""
    first = rules.initial()
    found = Explored({first}, Counter(), 1, 0, {})
    _judge(rules, properties, first, 1, found)
    level = [first]
    for depth in range(1, max_depth):
        following: list[World] = []
        for world in level:
            transitions = list(rules.transitions(world))
            found.deadlocks += not transitions
            for transition in transitions:
                _follow(rules, properties, world, transition, depth + 1, found, following)
        if not following:
            break
        level, found.depth = following, depth + 1
    return found


def _follow(
    rules: Rules,
    properties: Properties,
    world: World,
    transition: Transition,
    depth: int,
    found: Explored,
    following: list[World],
) -> None:
    found.edges[world, transition.event, transition.world] += 1
    for finding in transition.findings:
        found.broken.setdefault(finding.property, depth)
    if transition.world not in found.worlds:
        found.worlds.add(transition.world)
        following.append(transition.world)
        _judge(rules, properties, transition.world, depth, found)


def _judge(rules: Rules, properties: Properties, world: World, depth: int, found: Explored) -> None:
    for invariant in properties.invariants:
        if judge(rules.system, invariant, world) is not None:
            found.broken.setdefault(invariant.name, depth)
