"""Random systems whose actors crash and restart, most of them unseen: what is fused, and what nearly is."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping
from typing import Any

from checker.properties import Invariant, Monitor, MonitorMove, StepRule
from checker.runs.replay import Properties
from checker.system import ActorId, Bounds, Event, LocalKind, Send, State, Step
from checker.world import Rules, Vary

from .random_systems import RandomSystem

DOWN = 10  # and above: the states of an actor that is down


def parity(_actor: ActorId, state: State) -> int:
    """What is seen of a state."""
    assert isinstance(state, int)
    return state % 2


def draw_crashing(seed: int) -> tuple[Rules, tuple[Invariant | Monitor | StepRule, ...]]:
    """Rules for a random system with crashes, of which a restart may be wanting, and properties that may break."""
    chance = random.Random(seed)
    network = chance.choice(("unordered", "unordered", "ever-sent"))
    spent = chance.choice(("restarts",) * 6 + ("ticks", "drops" if network == "unordered" else "restarts"))
    kinds = (
        LocalKind("tick", "ticks", numbered=chance.random() < 0.5),
        LocalKind("crash", "crashes"),
        LocalKind("restart", spent),
        LocalKind("tear", chance.choice(("crashes", "tears"))),
    )
    system = _draw_system(chance, kinds)
    crashes, tears = chance.randint(0, 2), chance.randint(0, 1)
    budgets = {"ticks": chance.randint(1, 2), "crashes": crashes, "tears": tears}
    budgets["restarts"] = max(0, crashes + tears + chance.choice((-1, 0, 0, 0, 1)))
    if network == "unordered":
        budgets |= {"drops": chance.randint(0, 2), "duplicates": chance.choice((0, 0, 1))}
    known = {kind.budget for kind in kinds} | {"drops", "duplicates"}
    pairs = {(kind.name, actor) for kind in kinds for actor in system.actors if chance.random() < 0.8}
    properties = _draw_properties(chance) if chance.random() < 0.5 else ()
    checked = Properties.sort(properties)
    rules = Rules(
        system=system,
        bounds=Bounds({name: many for name, many in budgets.items() if name in known}),
        network=network,
        vary=Vary(local=pairs) if chance.random() < 0.2 else Vary(),
        monitors=checked.monitors,
        step_rules=checked.step_rules,
    )
    return rules, properties


def _draw_system(chance: random.Random, kinds: tuple[LocalKind, ...]) -> RandomSystem:
    """Two or three actors of two to four states, each of which leaves one of two behind when it crashes."""
    actors = tuple(range(chance.randint(2, 3)))
    up, messages, odd = range(chance.randint(2, 4)), chance.randint(1, 3), chance.choice((0, 0, 0.1, 0.2))
    table: dict[Hashable, Step | str | None] = {}

    def sends(limit: int) -> tuple[Send, ...]:
        many = chance.choice((0, 0, 1, 1, 2)) if limit else 0
        return tuple(Send(chance.choice(actors), chance.randrange(limit)) for _ in range(many))

    def step(limit: int) -> Step | None:
        after = DOWN if chance.random() < odd / 2 else chance.choice(up)
        return None if chance.random() < 0.15 else Step(after, sends(limit))

    for actor in actors:
        for state in (*up, *range(DOWN, DOWN + 2)):
            is_up = state < DOWN
            crash = Step(DOWN + (state % 2 if chance.random() < 0.8 else chance.randrange(2)))
            restart = Step(chance.choice(up), sends(messages) if chance.random() < 0.1 else ())
            table[actor, state, ("crash", 0)] = crash if is_up else None
            table[actor, state, ("tear", 0)] = crash if is_up and chance.random() < 0.5 else None
            table[actor, state, ("restart", 0)] = restart if is_up == (chance.random() < odd) else None
            for number in range(3):
                ticks = is_up or chance.random() < odd
                table[actor, state, ("tick", number)] = step(messages) if ticks else chance.choice((None, Step(state)))
            for source in actors:
                for message in range(messages):
                    acts = is_up or chance.random() < odd
                    table[actor, state, (source, message)] = step(message) if acts else Step(state)
    return RandomSystem(actors, kinds, table)


def _draw_properties(chance: random.Random) -> tuple[Invariant | Monitor | StepRule, ...]:
    """A monitor of what actors do that are up, perhaps of restarts too, an invariant of what is seen, and a step rule;
    each may break.
    """
    moves = {(state, seen): (chance.randrange(3), chance.random() < 0.05) for state in range(3) for seen in range(4)}
    forbidden = tuple(chance.randrange(2) for _ in range(3))
    bad = (chance.randrange(3), chance.randrange(4), chance.randrange(4))
    watched = chance.choice((DOWN, DOWN, DOWN + 2))  # with the last, restarts are seen too

    def advance(state: int, seen: int) -> MonitorMove:
        after, broken = moves[state, seen]
        return MonitorMove(after, "bad move" if broken else None)

    def observe(actor: ActorId, before: State, event: Event, step: Step) -> Any:
        assert isinstance(before, int) and isinstance(step.state, int)
        return step.state if step.state != before and before < watched and step.state < DOWN else None

    def parities(views: Mapping[ActorId, int], history: Any) -> str | None:
        return "forbidden parities" if (*views.values(), 0)[:3] == forbidden else None

    def rule(actor: ActorId, before: State, event: Event, step: Step) -> str | None:
        return "bad step" if (actor, before, step.state) == bad else None

    return (
        Monitor("moves", 0, observe, advance),
        Invariant("parities", parities, view=parity),
        StepRule("rule", rule),
    )


__all__ = ["draw_crashing", "parity"]
