"""The fair scheduler, where one thing happens after the other: `run until`, `eventually`, `await`, `advance`, `step`.

It always does the earliest thing that can happen: handle what is in an inbox, flush an outbox, deliver the message that
is due first, fire the timer that is due first, let a client try again. Time jumps to it. So every message that may move
is delivered, every timer that runs fires, and nothing can be put off for ever. Servers that are down stay down, the
paused stay paused, cut links stay cut, what is held stays held.

One *step* of the scheduler is one of these things; a message's arrival and its handling are two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scenarios.runner.errors import ActionError
from scenarios.runner.post import Envelope
from scenarios.runner.scheduler import MOST_STEPS, Action, next_retry

if TYPE_CHECKING:
    from scenarios.runner.cluster import OrderedCluster


def next_action(cluster: OrderedCluster, until: int | None = None) -> Action | None:
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
    choices = [choice for choice in (_next_arrival(cluster), _next_timer(cluster), next_retry(cluster)) if choice]
    if not choices:
        return None
    when, action = min(choices, key=lambda choice: choice[0])
    if until is not None and when > until:
        return None

    def happen() -> None:
        cluster.clock.now = max(cluster.clock.now, when)
        action()

    return happen


def step(cluster: OrderedCluster, until: int | None = None) -> bool:
    """Let the earliest thing happen; False when there is none."""
    action = next_action(cluster, until)
    if action is None:
        return False
    action()
    return True


def advance(cluster: OrderedCluster, milliseconds: int) -> None:
    """Let *milliseconds* pass for everyone."""
    end = cluster.clock.now + milliseconds
    taken = 0
    while step(cluster, end):
        taken += 1
        if taken > 20 * MOST_STEPS:
            raise ActionError(f"more than {20 * MOST_STEPS:,} steps in {milliseconds} ms: the cluster runs in circles")
    cluster.clock.now = max(cluster.clock.now, end)


def run_until(
    cluster: OrderedCluster, condition: Callable[[], bool], *, steps: int | None = None, milliseconds: int | None = None
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


def _flush(cluster: OrderedCluster, name: str) -> None:
    cluster.flush(name)


def _next_arrival(cluster: OrderedCluster) -> tuple[int, Action] | None:
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


def _arrive(cluster: OrderedCluster, envelope: Envelope) -> None:
    cluster.arrive(envelope)


def _next_timer(cluster: OrderedCluster) -> tuple[int, Action] | None:
    due = cluster.clock.next()
    if due is None:
        return None
    when, name, timer = due
    return max(when, cluster.clock.now), lambda: cluster.fire(name, timer)
