"""Disks: disk fail, full, slow, ok. A fault stays until `disk n ok`, also through crashes and restarts."""

from __future__ import annotations

from scenarios.language import tree
from scenarios.runner.cluster import SimCluster
from scenarios.runner.disks import FAULTS, Fault
from scenarios.runner.errors import ActionError, NothingToActOn
from scenarios.runner.run import Handlers, Run


def disk(run: Run, statement: tree.Disk) -> None:
    """From here on, writes on these disks go wrong, or right again."""
    assert isinstance(run.cluster, SimCluster), "the loader refuses this verb in other modes"
    if statement.action in ("hold", "release"):
        raise ActionError("this needs the feature `async_storage`, which is not built")
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


HANDLERS: Handlers = {tree.Disk: disk}
