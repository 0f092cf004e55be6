"""What moves a cluster on: settling, electing, and the fair scheduler with its clock.

The fair scheduler always does the earliest thing that can happen: handle what is in an inbox, flush an outbox, deliver
the message that is due first, fire the timer that is due first, let a client try again. Time jumps to it. So every
message that may move is delivered, every timer that runs fires, and nothing can be put off for ever. Servers that are
down stay down, the paused stay paused, cut links stay cut, what is held stays held.

One *step* of the scheduler is one of these things; a message's arrival and its handling are two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from raftframe import Role
from raftframe.effects import Timer
from raftframe.messages import RequestVote, RequestVoteResponse
from scenarios.runner.cluster import SimCluster
from scenarios.runner.errors import ActionError
from scenarios.runner.post import Envelope

MOST_STEPS = 10_000
MOST_ROUNDS = 10
FOREVER_MS = 10_000
"""How long `eventually`, `run until` and `await` go on when the line does not say."""

Action = Callable[[], None]


def settle(cluster: SimCluster, servers: Collection[str]) -> None:
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


def _next_for(cluster: SimCluster, servers: Collection[str]) -> Envelope | None:
    delayed = None
    for envelope in cluster.post.live:
        if envelope.stage == "sent" or envelope.target not in servers or not cluster.may_move(envelope):
            continue
        if envelope.not_before_step <= cluster.step_count and envelope.due <= cluster.clock.now + _longest(cluster):
            return envelope
        delayed = delayed or envelope
    return delayed


def _longest(cluster: SimCluster) -> int:
    return cluster.clock.timing.latency_ms[1]


def elect(cluster: SimCluster, name: str) -> None:
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


def leads(cluster: SimCluster, name: str) -> bool:
    """Whether *name* believes that it leads."""
    state = cluster.servers[name].state
    return state is not None and state.role is Role.LEADER


def _next_vote(cluster: SimCluster, name: str) -> Envelope | None:
    """The oldest vote message from or to *name* that may move."""
    for envelope in cluster.post.live:
        own = (isinstance(envelope.message, RequestVote) and envelope.source == name) or (
            isinstance(envelope.message, RequestVoteResponse) and envelope.target == name
        )
        if own and not envelope.held_by and can_be_delivered(cluster, envelope) is None:
            return envelope
    return None


def can_be_delivered(cluster: SimCluster, envelope: Envelope) -> str | None:
    """Why `deliver` cannot move *envelope* now, or None when it can."""
    if envelope.stage == "sent" and not cluster.is_running(envelope.source):
        return f"{envelope.source} is paused, and the message is in its outbox"
    if envelope.target in cluster.pauses.paused:
        return f"{envelope.target} is paused"
    return None


# --- the fair scheduler ----------------------------------------------------------------------------------------------


def next_action(cluster: SimCluster, until: int | None = None) -> Action | None:
    """The earliest thing that can happen, as a function that lets it happen; None when nothing can (before
    *until*).
    """
    outboxes = set()
    for envelope in cluster.post.live:
        if envelope.stage == "arrived" and cluster.may_move(envelope):
            return lambda envelope=envelope: cluster.handle(envelope)  # type: ignore[misc]
        if envelope.stage == "sent":
            outboxes.add(envelope.source)
    for name in cluster.names:
        if cluster.is_running(name) and (name in outboxes or cluster.replies.get(name)):
            return lambda name=name: _flush(cluster, name)  # type: ignore[misc]
    choices = [choice for choice in (_next_arrival(cluster), _next_timer(cluster), _next_retry(cluster)) if choice]
    if not choices:
        return None
    when, action = min(choices, key=lambda choice: choice[0])
    if until is not None and when > until:
        return None

    def happen() -> None:
        cluster.clock.now = max(cluster.clock.now, when)
        action()

    return happen


def step(cluster: SimCluster, until: int | None = None) -> bool:
    """Let the earliest thing happen; False when there is none."""
    action = next_action(cluster, until)
    if action is None:
        return False
    action()
    return True


def advance(cluster: SimCluster, milliseconds: int) -> None:
    """Let *milliseconds* pass for everyone."""
    end = cluster.clock.now + milliseconds
    taken = 0
    while step(cluster, end):
        taken += 1
        if taken > 20 * MOST_STEPS:
            raise ActionError(f"more than {20 * MOST_STEPS:,} steps in {milliseconds} ms: the cluster runs in circles")
    cluster.clock.now = max(cluster.clock.now, end)


def run_until(
    cluster: SimCluster, condition: Callable[[], bool], *, steps: int | None = None, milliseconds: int | None = None
) -> bool:
    """Run until *condition* holds; False when the limit came first, or nothing is left that could happen."""
    end = None if milliseconds is None else cluster.clock.now + milliseconds
    limit = steps if steps is not None else 20 * MOST_STEPS
    for _ in range(limit):
        if condition():
            return True
        if not step(cluster, end):
            break
    if end is not None:
        cluster.clock.now = max(cluster.clock.now, end) if not condition() else cluster.clock.now
    return condition()


def tick(cluster: SimCluster, servers: Collection[str], milliseconds: int) -> int:
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


def describe(cluster: SimCluster, envelope: Envelope) -> str:
    """*envelope* in words: its type, its way, and what tells it from others."""
    kind, _, rest = cluster.system.describe_message(envelope.message).partition(" ")
    return f"{kind} {envelope.source} -> {envelope.target} {rest}".rstrip()


def _flush(cluster: SimCluster, name: str) -> None:
    cluster.flush(name)


def _next_arrival(cluster: SimCluster) -> tuple[int, Action] | None:
    now, best = cluster.clock.now, None
    for envelope in cluster.post.live:
        if envelope.stage != "in-flight" or not cluster.may_move(envelope):
            continue
        when = max(envelope.due, now)
        late = envelope.not_before_step > cluster.step_count
        if best is None or (late, when) < best[:2]:
            best = (late, when, envelope)
    if best is None:
        return None
    found = best[2]
    return best[1], lambda: _arrive(cluster, found)


def _arrive(cluster: SimCluster, envelope: Envelope) -> None:
    cluster.arrive(envelope)


def _next_timer(cluster: SimCluster) -> tuple[int, Action] | None:
    due = cluster.clock.next()
    if due is None:
        return None
    when, name, timer = due
    return max(when, cluster.clock.now), lambda: cluster.fire(name, timer)


def _next_retry(cluster: SimCluster) -> tuple[int, Action] | None:
    waiting = [one for one in cluster.clients.pending() if one.retry_at is not None]
    running = [name for name in cluster.names if cluster.is_running(name)]
    if not waiting or not running:
        return None
    operation = min(waiting, key=lambda one: one.retry_at or 0)
    reachable = [name for name in running if (operation.client, name) not in cluster.cut] or running
    target = reachable[operation.asked % len(reachable)]
    return max(operation.retry_at or 0, cluster.clock.now), lambda: cluster.ask(operation, target)
