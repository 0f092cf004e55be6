"""Snapshots: take one, send one, and discard what it covers. What changes nothing is an error."""

from __future__ import annotations

from raftframe.events import SendSnapshot, TakeSnapshot
from raftframe.marks import Mark
from scenarios.language import tree
from scenarios.runner import scheduler
from scenarios.runner.errors import NothingToActOn
from scenarios.runner.run import Handlers, Run
from scenarios.runner.verbs.acting import acting, not_running


def snapshot(run: Run, statement: tree.Snapshot) -> None:
    """The server takes a snapshot of what it has applied; a leader sends it to a follower, if one is named."""
    (name,) = acting(run, statement, (statement.server,), not_running(run))
    if statement.target is None:
        _order(run, name, TakeSnapshot(compact_to=0), f"snapshot {name}")
        return
    if not scheduler.leads(run.cluster, name):
        raise NothingToActOn(f"{name} does not lead: it sends to no followers")
    target = run.resolver().server(statement.target)
    _order(run, name, SendSnapshot(target), f"snapshot {name} -> {target}")


def compact(run: Run, statement: tree.Compact) -> None:
    """The server takes a snapshot of what it has applied, and discards its log up to an index, or as far as it can."""
    (name,) = acting(run, statement, (statement.server,), not_running(run))
    if statement.index is None:
        _order(run, name, TakeSnapshot(), f"compact {name}")
        return
    state = run.cluster.servers[name].state
    index = run.resolver(statement).number(statement.index)
    if state is None or index > state.applied_index:
        raise NothingToActOn(f"{name} has not applied its log up to {index}, and no snapshot has more")
    _order(run, name, TakeSnapshot(index), f"compact {name} to {index}")


def _order(run: Run, name: str, event: TakeSnapshot | SendSnapshot, text: str) -> None:
    known = run.cluster.step_count
    run.cluster.order(name, event, text)
    if any(Mark.IGNORED_ORDER in step.marks for step in run.cluster.journal.steps[known:]):
        raise NothingToActOn(f"{name} has ignored it: there is nothing new to take, to send or to discard")


HANDLERS: Handlers = {tree.Snapshot: snapshot, tree.Compact: compact}
