"""What a `ProcessCluster` asks its servers: each function here runs in a server's process, on its main thread."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from attrs import frozen

from raftframe.clusters.agent import Agent, Rule
from raftframe.clusters.gates import GatedServer, Where
from raftframe.comms.memory import Envelope, Predicate
from raftframe.effects import Outcome, Timer
from raftframe.entries import ClientId, ServerId
from raftframe.messages import Message
from raftframe.server import Order, ServerError, ServerStatus
from raftframe.server_state import ServerState
from raftframe.storage.faulty import DiskTrouble, FaultyLogStore

T = TypeVar("T")

PAUSE_TIMEOUT_S: Final = 5.0


@frozen
class Waiting:
    """A message that is on the wire to *server*, in whose process it has the number *number*; *held* says by whom."""

    server: ServerId
    number: int
    message: Message
    held: frozenset[str]


def status(agent: Agent) -> ServerStatus:
    """How the server stands."""
    return agent.server.status()


def state(agent: Agent) -> ServerState:
    """The latest state whose writes are synced."""
    return agent.server.state


def pause(agent: Agent) -> None:
    """Let the server stand still."""
    agent.gates.close([agent.spec.identity], "pause").wait(PAUSE_TIMEOUT_S)


def resume(agent: Agent) -> bool:
    """Let the server go on; whether it was paused."""
    return bool(agent.gates.open([agent.spec.identity]))


def arm(agent: Agent, number: int, where: Where) -> None:
    """Pause at *where*, once."""
    agent.arm(number, where, str(where))


def cut_exactly(agent: Agent, links: frozenset[tuple[ServerId, ServerId]]) -> None:
    """From now on exactly *links* are cut."""
    agent.network.cut_exactly(links)


def hold(agent: Agent, name: str, matches: Predicate) -> None:
    """Keep the messages to this server that match."""
    agent.hold(name, matches)


def release(agent: Agent, name: str) -> None:
    """End a hold."""
    agent.network.release(name)


def set_rule(agent: Agent, name: str, rule: Rule | None) -> None:
    """Begin a rule, or end it."""
    agent.set_rule(name, rule)


def set_disk(agent: Agent, trouble: DiskTrouble | None) -> None:
    """Give the disk trouble, or end it. Raises ServerError if the store is none that can have trouble."""
    if not isinstance(agent.store, FaultyLogStore):
        raise ServerError(f"{agent.spec.identity} has a disk without faults: make the cluster with store=faulty_store")
    agent.store.trouble = trouble


def _envelopes(agent: Agent) -> dict[int, Envelope]:
    return {envelope.number: envelope for envelope in agent.network.wire(agent.spec.identity)}


def wire(agent: Agent) -> tuple[Waiting, ...]:
    """What waits to arrive."""
    name = agent.spec.identity
    return tuple(Waiting(name, n, e.message, frozenset(e.held)) for n, e in _envelopes(agent).items())


def deliver(agent: Agent, number: int) -> bool:
    """Let a message arrive; whether it waited."""
    envelope = _envelopes(agent).get(number)
    return envelope is not None and agent.network.deliver(envelope)


def drop(agent: Agent, number: int) -> bool:
    """Lose a message; whether it waited."""
    envelope = _envelopes(agent).get(number)
    return envelope is not None and agent.network.drop(envelope)


def duplicate(agent: Agent, number: int) -> bool:
    """Copy a message; whether it waited."""
    envelope = _envelopes(agent).get(number)
    if envelope is not None:
        agent.network.duplicate(envelope)
    return envelope is not None


def delay(agent: Agent, number: int, seconds: float) -> bool:
    """Keep a message for a while; whether it waited."""
    envelope = _envelopes(agent).get(number)
    if envelope is not None:
        agent.network.delay(envelope, seconds)
    return envelope is not None


def submit(agent: Agent, operation: Hashable, client: ClientId, serial: int) -> Future[Outcome]:
    """Hand the server a command."""
    return agent.server.submit(operation, client=client, serial=serial)


def fire(agent: Agent, timer: Timer) -> None:
    """Let a timer time out."""
    agent.server.fire(timer)


def order(agent: Agent, order: Order) -> None:
    """Hand the server an order."""
    agent.server.order(order)


def call(agent: Agent, function: Callable[[GatedServer], T]) -> Future[T]:
    """Run *function* on the server's thread."""
    return agent.server.call(lambda: function(agent.server))


def comms_stats(agent: Agent) -> tuple[Any, ...]:
    """The fields of a `CommsStats`, as what can be pickled."""
    stats = agent.outside.stats()
    counts = (stats.sent, stats.received, stats.sent_datagrams, stats.received_datagrams)
    return (*counts, dict(stats.unsent), dict(stats.dropped))
