"""What `show` prints: facets of servers, one line each, in an order that never changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from raftframe.effects import Timer
from raftframe.server_state import LeaderData
from scenarios.language.features import FACETS
from scenarios.runner.cluster_api import Cluster
from scenarios.runner.scheduler import describe


def show_lines(cluster: Cluster, servers: Sequence[str], facets: Collection[str]) -> Iterator[str]:
    """The lines for *servers* and *facets* (none: all of them)."""
    for name in servers:
        for facet in facets or FACETS:
            if facet != "clients":
                yield from _facet(cluster, name, facet)
    if not facets or "clients" in facets:
        for one in cluster.clients.operations.values():
            yield f"{one.name}: {one.client} {one.text} => {one.outcome} {one.told}".rstrip()


def _facet(cluster: Cluster, name: str, facet: str) -> Iterator[str]:
    server = cluster.servers[name]
    match facet:
        case "state":
            fields = cluster.system.describe_state(name, server)
            paused = " paused" if name in cluster.pauses.paused else ""
            yield f"{name}{paused} " + " ".join(f"{field}={value}" for field, value in fields.items())
        case "log":
            entries = enumerate(server.durable.log, 1)
            words = [f"{index}:{entry.term} {_command(entry.command)}" for index, entry in entries]
            yield f"{name} log " + ("; ".join(words) or "empty")
        case "messages":
            for envelope in cluster.post.live:
                if name in (envelope.source, envelope.target):
                    held = f", held by {' '.join(sorted(envelope.held_by))}" if envelope.held_by else ""
                    yield f"{name} message {describe(cluster, envelope)} ({envelope.stage}{held})"
        case "timers":
            for timer in Timer:
                left = cluster.clock.left(name, timer)
                yield f"{name} {timer} timer " + ("stopped" if left is None else f"{left} ms")
        case "disk":
            disk = server.disk.synced
            synced = "" if server.disk.written == disk else " (not all of what was written)"
            yield f"{name} disk term={disk.term} voted_for={disk.voted_for or '-'} log={list(disk.log.terms)}{synced}"
        case "progress" if server.state is not None and isinstance(server.state.data, LeaderData):
            for one in server.state.data.progress:
                yield f"{name} progress of {one.server}: next={one.next_index} match={one.match_index}"
        case "config" if server.state is not None:
            yield f"{name} config {server.state.configuration}"


def _command(command: object) -> str:
    operation = getattr(command, "operation", None)
    return "no-op" if operation is None else f"{getattr(command, 'client', '')} {operation}"
