"""Verbs of features that are not built. Loading skips such files; this is for statements that a program made."""

from __future__ import annotations

from scenarios.language import tree
from scenarios.runner.errors import ActionError
from scenarios.runner.run import Handlers, Run

_NEEDS: dict[type[tree.Statement], str] = {
    tree.Snapshot: "snapshots",
    tree.Compact: "snapshots",
}


def refuse(run: Run, statement: tree.Statement) -> None:
    """Say what is missing."""
    raise ActionError(f"this needs the feature `{_NEEDS[type(statement)]}`, which is not built")


HANDLERS: Handlers = dict.fromkeys(_NEEDS, refuse)
