"""Snapshots: take one, send one, and discard what it covers."""

from __future__ import annotations

from raftframe.events import SendSnapshot, TakeSnapshot
from scenarios.language import tree
from scenarios.runner import scheduler
from scenarios.runner.errors import NothingToActOn
from scenarios.runner.run import Handlers, Run
from scenarios.runner.verbs.acting import acting, not_running


def snapshot(run: Run, statement: tree.Snapshot) -> None:
    """The server takes a snapshot of what it has applied; a leader sends it to a follower, if one is named."""
    (name,) = acting(run, statement, (statement.server,), not_running(run))
    state = run.cluster.servers[name].state
    assert state is not None, f"{name} runs"
    if state.applied_index == 0:
        raise NothingToActOn(f"{name} has applied nothing: there is nothing to take a snapshot of")
    if statement.target is None:
        run.cluster.order(name, TakeSnapshot(compact_to=0), f"snapshot {name}")
        return
    if not scheduler.leads(run.cluster, name):
        raise NothingToActOn(f"{name} does not lead: it sends to no followers")
    target = run.resolver().server(statement.target)
    if target not in state.peers:
        raise NothingToActOn(f"{name} sends nothing to {target}, which is none of its followers")
    run.cluster.order(name, SendSnapshot(target), f"snapshot {name} -> {target}")


def compact(run: Run, statement: tree.Compact) -> None:
    """The server takes a snapshot of what it has applied, and discards its log up to an index, or as far as it can."""
    (name,) = acting(run, statement, (statement.server,), not_running(run))
    state = run.cluster.servers[name].state
    assert state is not None, f"{name} runs"
    index = state.applied_index if statement.index is None else run.resolver(statement).number(statement.index)
    if index > state.applied_index:
        raise NothingToActOn(f"{name} has applied its log up to {state.applied_index} only, and no snapshot has more")
    if index <= state.log.base_index:
        raise NothingToActOn(f"{name} has no entry at {index} or before: its log begins behind {state.log.base_index}")
    run.cluster.order(name, TakeSnapshot(index), f"compact {name} to {index}")


HANDLERS: Handlers = {tree.Snapshot: snapshot, tree.Compact: compact}
