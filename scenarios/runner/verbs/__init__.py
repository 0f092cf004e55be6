"""The verb table: which handler carries out which kind of statement in `sim` mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scenarios.language.tree import Statement
from scenarios.runner.run import Run
from scenarios.runner.verbs import (
    checks,
    clients,
    elections,
    faults,
    flow,
    messages,
    missing,
    search,
    structure,
    whitebox,
)

HANDLERS: Mapping[type[Statement], Callable[[Run, Any], None]] = {  # Any: each takes the statement of its own kind
    **elections.HANDLERS,
    **messages.HANDLERS,
    **flow.HANDLERS,
    **faults.HANDLERS,
    **clients.HANDLERS,
    **whitebox.HANDLERS,
    **checks.HANDLERS,
    **structure.HANDLERS,
    **search.HANDLERS,
    **missing.HANDLERS,
}
