"""Disks: disk fail, full, slow, ok; hold, release. What is wrong stays so until `disk n ok`, and what is held until it
is released, also through crashes and restarts.
"""

from __future__ import annotations

from scenarios.language import tree
from scenarios.runner.cluster import SimCluster
from scenarios.runner.disks import FAULTS, LATER_KINDS, Fault, LaterKind
from scenarios.runner.errors import ActionError, NothingToActOn
from scenarios.runner.run import Handlers, Run


def disk(run: Run, statement: tree.Disk) -> None:
    """From here on, writes on these disks go wrong, or right again."""
    assert isinstance(run.cluster, SimCluster), "the loader refuses this verb in other modes"
    if statement.action in ("hold", "release"):
        _hold_or_release(run, run.cluster, statement)
        return
    if statement.count is not None:
        raise ActionError(f"`disk ... {statement.action}` takes no count: a disk misbehaves until it is ok")
    if statement.kind is not None and (statement.action != "fail" or statement.kind not in FAULTS):
        kinds = ", ".join(FAULTS)
        raise ActionError(f"`disk ... {statement.action} {statement.kind}`: only `fail` takes a kind, of {kinds}")
    for name in run.resolver(statement).servers(statement.servers):
        if statement.action == "ok" and name not in run.cluster.disks:
            raise NothingToActOn(f"the disk of {name} is ok")
        fault = None if statement.action == "ok" else Fault(statement.action, statement.kind)
        run.cluster.set_disk(name, fault)


def _hold_or_release(run: Run, cluster: SimCluster, statement: tree.Disk) -> None:
    if statement.kind not in (None, *LATER_KINDS):
        kinds = " or ".join(LATER_KINDS)
        raise ActionError(f"`disk ... {statement.action} {statement.kind}`: what is done later is {kinds}")
    if not run.setup.states.options.async_storage:
        raise ActionError(f"`disk ... {statement.action}`: these servers leave nothing for later without async_storage")
    resolver = run.resolver(statement)
    count = None if statement.count is None else resolver.number(statement.count)
    for name in resolver.servers(statement.servers):
        for kind in LATER_KINDS:
            if statement.kind in (None, kind):
                _one(cluster, name, kind, statement.action == "hold", count)


def _one(cluster: SimCluster, name: str, kind: LaterKind, hold: bool, count: int | None) -> None:
    if hold and count is not None:
        raise ActionError("`disk ... hold` takes no count: it holds until the release")
    if hold:
        cluster.hold_disk(name, kind)
    elif not cluster.release_disk(name, kind, count) and count is None:
        raise NothingToActOn(f"the disk of {name} holds no {kind}")


HANDLERS: Handlers = {tree.Disk: disk}
