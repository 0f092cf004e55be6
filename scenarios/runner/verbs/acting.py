"""Which servers a verb acts on, and when it has nothing to act on."""

from __future__ import annotations

from collections.abc import Callable

from scenarios.language import tree
from scenarios.language.terms import Amount, Selectors
from scenarios.runner.clock import TICK_MS
from scenarios.runner.errors import NothingToActOn
from scenarios.runner.run import Run

Objection = Callable[[str], str | None]


def acting(run: Run, statement: tree.Statement, selectors: Selectors, objection: Objection) -> list[str]:
    """The servers of *selectors*, none of which *objection* speaks against.

    A group (`all`, `majority`) means those of it that the verb fits; any other server that it does not fit is an
    error.
    """
    names = run.resolver(statement).servers(selectors)
    objections = {name: why for name in names if (why := objection(name)) is not None}
    fitting = [name for name in names if name not in objections]
    whole = bool(selectors) and all(selector.kind == "group" for selector in selectors)
    if objections and not (whole and fitting):
        raise NothingToActOn("; ".join(objections.values()))
    return fitting


def not_running(run: Run) -> Objection:
    """Objects to servers that cannot take a step."""

    def objection(name: str) -> str | None:
        if name not in run.cluster.servers:
            return f"{name} is no server"
        if not run.cluster.is_up(name):
            return f"{name} is {run.cluster.down[name]}"
        return None if run.cluster.is_running(name) else f"{name} is paused"

    return objection


def not_up(run: Run) -> Objection:
    """Objects to servers that are down."""
    return lambda name: None if run.cluster.is_up(name) else f"{name} is {run.cluster.down[name]}"


def not_down(run: Run) -> Objection:
    """Objects to servers that run."""
    return lambda name: f"{name} is running" if run.cluster.is_up(name) else None


def limits_of(run: Run, within: Amount | None, default_ms: int) -> dict[str, int]:
    """*within* as arguments of `run_until`."""
    if within is None:
        return {"milliseconds": default_ms}
    number = run.resolver().number(within.value)
    match within.unit:
        case "steps":
            return {"steps": number}
        case "ticks":
            return {"milliseconds": number * TICK_MS}
    return {"milliseconds": number}
