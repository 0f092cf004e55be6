"""Search: explore and reach."""

from __future__ import annotations

from scenarios.language import tree
from scenarios.runner.errors import ActionError
from scenarios.runner.run import Handlers, Run


def explore(run: Run, statement: tree.Explore) -> None:
    """Search from here, and leave the world as it is."""
    from scenarios.runner import exploring  # slow to import: the compiled kernel

    exploring.explore(run, statement)


def reach(run: Run, statement: tree.Reach) -> None:
    """Search for a state, and go on from it."""
    from scenarios.runner import exploring  # slow to import: the compiled kernel

    exploring.reach(run, statement)


def outside(run: Run, statement: tree.Statement) -> None:
    """An option of a search that stands outside of one."""
    raise ActionError(f"{type(statement).__name__.lower()} belongs into an explore or reach block")


_OPTIONS = (
    tree.Vary,
    tree.Limit,
    tree.Symmetry,
    tree.Strategy,
    tree.Sometimes,
    tree.Prune,
    tree.Fair,
    tree.Whenever,
    tree.OnViolation,
)
HANDLERS: Handlers = {tree.Explore: explore, tree.Reach: reach, **dict.fromkeys(_OPTIONS, outside)}
