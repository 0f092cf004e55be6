"""What moves a cluster on, one elementary action at a time: settling, electing, ticking. The same in every mode."""

from __future__ import annotations

from collections.abc import Callable, Collection

from raftframe import Role
from raftframe.effects import Timer
from scenarios.runner.cluster_api import Cluster
from scenarios.runner.errors import ActionError
from scenarios.runner.post import ANSWERS_WITH_VOTES, ASKS_FOR_VOTES, Envelope

MOST_STEPS = 10_000
MOST_ROUNDS = 10
FOREVER_MS = 10_000
"""How long `eventually`, `run until` and `await` go on when the line does not say."""

Action = Callable[[], None]


def settle(cluster: Cluster, servers: Collection[str]) -> None:
    """Flush, deliver and handle what is addressed to *servers* until nothing changes. No timer fires; time stands
    still.

    Delayed messages come last. Raises ActionError when it does not come to an end.
    """
    last: list[str] = []
    for _ in range(MOST_STEPS):
        for name in servers:
            if cluster.is_running(name):
                cluster.flush(name)
        envelope = _next_for(cluster, servers)
        if envelope is None:
            return
        last = [*last[-4:], describe(cluster, envelope)]
        cluster.deliver(envelope)
    raise ActionError(f"did not settle after {MOST_STEPS:,} steps; the last messages: " + "; ".join(last))


def _next_for(cluster: Cluster, servers: Collection[str]) -> Envelope | None:
    delayed = None
    for envelope in cluster.post.live:
        if envelope.stage == "sent" or envelope.target not in servers or not cluster.may_move(envelope):
            continue
        if envelope.not_before_step <= cluster.step_count and envelope.due <= cluster.clock.now + _longest(cluster):
            return envelope
        delayed = delayed or envelope
    return delayed


def _longest(cluster: Cluster) -> int:
    return cluster.clock.timing.latency_ms[1]


def elect(cluster: Cluster, name: str) -> None:
    """Fire the election timer of *name* and deliver its vote traffic until it leads; again, at most ten times.

    Everything else stays where it is: what the new leader has to say waits in its outbox.
    """
    for _ in range(MOST_ROUNDS):
        cluster.fire(name, Timer.ELECTION)
        while not leads(cluster, name):
            envelope = _next_vote(cluster, name)
            if envelope is None:
                break
            cluster.deliver(envelope, straight=False)
        if leads(cluster, name):
            return
        if not cluster.is_running(name):
            raise ActionError(f"{name} came to a pause before it was elected")
    state = cluster.servers[name].state
    role = state.role if state is not None else "down"
    raise ActionError(
        f"{name} was not elected in {MOST_ROUNDS} rounds: it is {role} in term {cluster.servers[name].durable.term}"
    )


def leads(cluster: Cluster, name: str) -> bool:
    """Whether *name* believes that it leads."""
    state = cluster.servers[name].state
    return state is not None and state.role is Role.LEADER


def has_election_timer(cluster: Cluster, name: str) -> bool:
    """Whether an election timeout can happen to *name*: a leader has a timer only for what some options ask of it."""
    state = cluster.servers[name].state
    return state is not None and cluster.system.is_possible(state, "timeout")


def knows_leader(cluster: Cluster, name: str) -> bool:
    """Whether *name* follows a leader that it knows."""
    state = cluster.servers[name].state
    return state is not None and state.role is Role.FOLLOWER and state.leader is not None


def _next_vote(cluster: Cluster, name: str) -> Envelope | None:
    """The oldest vote message from or to *name* that may move."""
    for envelope in cluster.post.live:
        own = (isinstance(envelope.message, ASKS_FOR_VOTES) and envelope.source == name) or (
            isinstance(envelope.message, ANSWERS_WITH_VOTES) and envelope.target == name
        )
        if own and not envelope.held_by and can_be_delivered(cluster, envelope) is None:
            return envelope
    return None


def can_be_delivered(cluster: Cluster, envelope: Envelope) -> str | None:
    """Why `deliver` cannot move *envelope* now, or None when it can."""
    if envelope.stage == "sent" and not cluster.is_running(envelope.source):
        return f"{envelope.source} is paused, and the message is in its outbox"
    if envelope.target in cluster.pauses.paused:
        return f"{envelope.target} is paused"
    return None


def tick(cluster: Cluster, servers: Collection[str], milliseconds: int) -> int:
    """Let *milliseconds* pass for the timers of *servers* alone; how many fired. Messages stay where they are."""
    fired, left = 0, milliseconds
    while True:
        due = cluster.clock.next([name for name in servers if cluster.is_running(name)])
        if due is None or due[0] - cluster.clock.now > left:
            cluster.clock.hasten(servers, left)
            return fired
        passed = max(0, due[0] - cluster.clock.now)
        cluster.clock.hasten(servers, passed)
        left -= passed
        cluster.fire(due[1], due[2])
        fired += 1


def describe(cluster: Cluster, envelope: Envelope) -> str:
    """*envelope* in words: its type, its way, and what tells it from others."""
    kind, _, rest = cluster.system.describe_message(envelope.message).partition(" ")
    return f"{kind} {envelope.source} -> {envelope.target} {rest}".rstrip()


def next_retry(cluster: Cluster) -> tuple[int, Action] | None:
    """When the next client tries again that found no leader, and how to let it; None when nobody waits for that."""
    waiting = [one for one in cluster.clients.pending() if one.retry_at is not None]
    running = [name for name in cluster.names if cluster.is_running(name)]
    if not waiting or not running:
        return None
    operation = min(waiting, key=lambda one: one.retry_at or 0)
    reachable = [name for name in running if (operation.client, name) not in cluster.cut] or running
    target = reachable[operation.asked % len(reachable)]
    return max(operation.retry_at or 0, cluster.clock.now), lambda: cluster.ask(operation, target)
