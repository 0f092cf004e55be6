"""Runs a flat list of elementary events again, tolerantly: what cannot happen where it stands is skipped.

This is what minimising rests on. A message is found by its name; if none is called that any more (its term is lower
now, because a timeout was left out), the oldest of its type and way stands in for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from attrs import define, evolve, field, frozen

from checker.properties.base import Property
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import APPLY, RECEIPT, STORE
from checker.world import Delivery, Drop, Duplicate, LocalEvent, WorldEvent
from raftframe import messages as msg
from raftframe.effects import Timer
from scenarios.runner.clients import AGAIN, Operation
from scenarios.runner.cluster import SimCluster
from scenarios.runner.cluster_api import Cluster, Found
from scenarios.runner.disks import LATER_KINDS, LaterKind
from scenarios.runner.errors import ActionError
from scenarios.runner.journal import Elementary, FieldWrite
from scenarios.runner.post import Envelope
from scenarios.runner.scheduler import can_be_delivered, has_election_timer, knows_leader, leads
from scenarios.runner.setup import Setup

LINEARIZABLE = "linearizable"


@frozen
class Replay:
    """A replay: the cluster after it, and the events that took effect."""

    cluster: SimCluster
    events: tuple[Elementary, ...]
    found: Found | None  # the first finding that was looked for

    @property
    def failed(self) -> bool:
        """Whether what was looked for was found."""
        return self.found is not None


def replay(
    setup: Setup,
    events: Iterable[Elementary],
    *,
    looking_for: str | None = None,
    properties: Sequence[Property] = RAFT_PROPERTIES,
) -> Replay:
    """Run *events* on a fresh cluster, up to the first violation of the property *looking_for* (None: to the end)."""
    cluster = SimCluster(setup, title="replay", properties=properties)
    done: list[Elementary] = []
    for event in events:
        known = len(cluster.journal.elementary)
        if happens(cluster, event):
            done.append(_as_it_happened(event, cluster.journal.elementary[known:]))
        found = next((each for each in cluster.found if each.property == looking_for), None)
        found = found or (_seen_by_clients(cluster) if looking_for == LINEARIZABLE else None)
        if found is not None:
            return Replay(cluster, tuple(done), found)
    return Replay(cluster, tuple(done), None)


def _seen_by_clients(cluster: SimCluster) -> Found | None:
    """What no order of the clients' operations explains."""
    problem = cluster.clients.problem(cluster.setup.states)
    return None if problem is None else Found(LINEARIZABLE, problem, cluster.step_count, cluster.journal.line)


def _as_it_happened(event: Elementary, journal: Sequence[Elementary]) -> Elementary:
    """*event*, its message named as in this run: what was left out may have changed its term, or its `nth`."""
    alike = (each for each in journal if each.verb == event.verb)
    return next((evolve(each, line=event.line, serial=event.serial) for each in alike), event)


def attempt_at(
    setup: Setup, looking_for: str, properties: Sequence[Property] = RAFT_PROPERTIES
) -> Callable[[Sequence[Elementary]], tuple[Elementary, ...] | None]:
    """What `minimise` asks of a replay: the events that took effect, or None if nothing failed."""

    def attempt(events: Sequence[Elementary]) -> tuple[Elementary, ...] | None:
        result = replay(setup, events, looking_for=looking_for, properties=properties)
        return result.events if result.failed else None

    return attempt


def happens(cluster: Cluster, event: Elementary) -> bool:
    """Let *event* happen in *cluster*; False if it cannot happen there."""
    if event.message is not None:
        return _moves(cluster, event)
    name = event.server
    if name is None or name not in cluster.servers:
        return False
    cluster.journal.line = event.line
    if event.write is not None:
        return _writes(cluster, event.write)
    return _takes_step(cluster, event, name) if cluster.is_up(name) else _starts(cluster, event, name)


def write_field(cluster: Cluster, write: FieldWrite) -> None:
    """Let *write* happen in *cluster*, as an elementary event. Raises ActionError if it cannot."""
    after = write.on(cluster.servers[write.server])
    event = Elementary("inject", write.server, write=write.as_told(), line=cluster.journal.line)
    cluster.journal.elementary.append(event)
    cluster.inject(write.server, after, str(write))


def _writes(cluster: Cluster, write: FieldWrite) -> bool:
    try:
        write_field(cluster, write)
    except ActionError:
        return False
    return True


def _takes_step(cluster: Cluster, event: Elementary, name: str) -> bool:
    match event.verb:
        case "timeout" if has_election_timer(cluster, name):
            cluster.fire(name, Timer.ELECTION)
        case "heartbeat" if leads(cluster, name):
            cluster.fire(name, Timer.HEARTBEAT)
        case "expire" if knows_leader(cluster, name):
            cluster.fire(name, Timer.LEASE)
        case "order" if event.order is not None:
            cluster.order(name, event.order, event.detail)
        case "client":
            return _asks(cluster, event, name)
        case "disk" if isinstance(cluster, SimCluster):
            return _holds_or_releases(cluster, name, event.detail)
        case "flush":
            return cluster.flush(name)
        case "crash":
            cluster.crash(name, losing_unsynced=event.detail == "losing unsynced")
        case "stop":
            cluster.stop(name)
        case _:
            return False
    return True


def _holds_or_releases(cluster: SimCluster, name: str, detail: str) -> bool:
    action, kind, *count = detail.split()
    for known in LATER_KINDS:
        if kind == known and action == "hold":
            cluster.hold_disk(name, known)
        elif kind == known and cluster.servers[name].state is not None:
            return cluster.release_disk(name, known, int(count[0]) if count else None)
    return action == "hold"


def _asks(cluster: Cluster, event: Elementary, name: str) -> bool:
    try:
        begun = _begun(cluster, event, event.client or "c1")
    except (ValueError, ActionError):
        return False
    cluster.ask(begun, name)
    return True


def _begun(cluster: Cluster, event: Elementary, client: str) -> Operation:
    if event.operation.startswith(AGAIN):
        return cluster.clients.begin_again(client, event.operation.removeprefix(AGAIN), None, follow=False)
    operation = cluster.setup.parse(event.operation)
    return cluster.clients.begin(client, operation, event.operation, None, follow=False, serial=event.serial)


def _starts(cluster: Cluster, event: Elementary, name: str) -> bool:
    match event.verb:
        case "start":
            cluster.start(name, verb="start", empty=event.detail == "empty")
        case "restart":
            cluster.start(name, verb="restart", empty=event.detail == "empty")
        case "wipe":
            cluster.wipe(name)
        case _:
            return False
    return True


def _moves(cluster: Cluster, event: Elementary) -> bool:
    assert event.message is not None
    found = cluster.post.matching(event.message.matcher()) or cluster.post.matching(event.message.matcher(loose=True))
    if not found:
        return False
    cluster.journal.line = event.line
    match event.verb:
        case "deliver":
            cluster.deliver(found[0])
        case "drop":
            cluster.drop(found[0])
        case "duplicate":
            cluster.duplicate(found[0])
    return True


# --- what an exploration found ---------------------------------------------------------------------------------------


@define
class Retelling:
    """Lets what an exploration found happen in *cluster*, one event after the other.

    A world has no outboxes and no inboxes: whatever was sent is on the wire, and a crash does not touch it. A search
    numbers the commands of all clients together, on from those that were sent before; operation(k) has the words of the
    k-th `command` of c1, from 0.
    """

    cluster: Cluster
    operation: Callable[[int], str] = str
    _asked: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._asked = self.cluster.clients.last_serial
        if self.cluster.setup.states.options.async_storage:
            _hold_every_disk(self.cluster)

    def happen_all(self, events: Iterable[WorldEvent]) -> None:
        """Let *events* happen, in order."""
        for event in events:
            self.happen(event)

    def happen(self, event: WorldEvent) -> None:
        """Let *event* happen. Raises ActionError if the cluster is not where the search was."""
        match event:
            case LocalEvent(actor, kind):
                self._local(str(actor), kind)
            case Delivery(message=message):
                self.cluster.deliver(_on_its_way(self.cluster, message))
            case Drop(message=message):
                self.cluster.drop(_on_its_way(self.cluster, message))
            case Duplicate(message=message):
                self.cluster.duplicate(_on_its_way(self.cluster, message))

    def _local(self, name: str, kind: str) -> None:
        cluster = self.cluster
        match kind:
            case "timeout":
                cluster.fire(name, Timer.ELECTION)
            case "heartbeat":
                cluster.fire(name, Timer.HEARTBEAT)
            case "expire":
                cluster.fire(name, Timer.LEASE)
            case "store" | "receipt" | "apply":
                assert isinstance(cluster, SimCluster), "only the simulation has async_storage"
                cluster.release_disk(name, _HELD_AS[kind], 1)
            case _ if kind in cluster.system.orders:
                order = cluster.system.orders[kind]
                cluster.order(name, order.event, order.line(name))
            case "crash":
                for envelope in [*cluster.post.of(name, "arrived"), *cluster.post.of(name, "sent")]:
                    envelope.stage = "in-flight"
                cluster.crash(name, losing_unsynced=True)
            case "restart":
                cluster.start(name)
            case _:
                _asks(cluster, self._asks_for(name, kind), name)
        if cluster.is_running(name):
            cluster.flush(name)

    def _asks_for(self, name: str, kind: str) -> Elementary:
        """The command in the local event *kind*, which is the next of the search, as a line of a scenario."""
        number = self._asked
        self._asked += 1
        if kind == "command":
            return Elementary("client", name, client="c1", operation=self.operation(number), serial=number + 1)
        _, client, text = kind.split(" ", 2)  # as checker.raft_system.Request names it
        request = self.cluster.system.requests.get(kind)
        if request is None or request.serial is None:
            return Elementary("client", name, client=client, operation=text, serial=number + 1)
        again = self.cluster.clients.again_of(client, request.serial)
        words = str(request.operation) if again is None else again
        return Elementary("client", name, client=client, operation=words, serial=request.serial)


_HELD_AS: Final[Mapping[str, LaterKind]] = {STORE: "append", RECEIPT: "sync", APPLY: "apply"}


def _hold_every_disk(cluster: Cluster) -> None:
    """In a search nothing that was left for later happens by itself."""
    assert isinstance(cluster, SimCluster), "only the simulation has async_storage"
    for name in cluster.names:
        for kind in LATER_KINDS:
            if (name, kind) not in cluster.held_disks:
                cluster.hold_disk(name, kind)


def _on_its_way(cluster: Cluster, message: object) -> Envelope:
    for envelope in cluster.post.live:
        if envelope.message == message and not envelope.held_by and can_be_delivered(cluster, envelope) is None:
            return envelope
    assert isinstance(message, msg.Message)
    raise ActionError(f"the found path does not fit: {message} is not on its way (please report this)")
