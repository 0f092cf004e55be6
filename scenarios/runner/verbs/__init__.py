"""The verb table: which handler carries out which kind of statement, in every mode."""

from __future__ import annotations

from scenarios.runner.run import Handlers
from scenarios.runner.verbs import (
    checks,
    clients,
    disks,
    elections,
    faults,
    flow,
    membership,
    messages,
    search,
    snapshots,
    structure,
    whitebox,
)

HANDLERS: Handlers = {
    **elections.HANDLERS,
    **messages.HANDLERS,
    **flow.HANDLERS,
    **faults.HANDLERS,
    **disks.HANDLERS,
    **membership.HANDLERS,
    **snapshots.HANDLERS,
    **clients.HANDLERS,
    **whitebox.HANDLERS,
    **checks.HANDLERS,
    **structure.HANDLERS,
    **search.HANDLERS,
}
