"""Lets a cluster of threads run: what `eventually`, `run until`, `await` and `advance` do in `threads` mode.

It goes round after round. In a round everything that can happen at the moment is let happen at once: what is due
arrives, all inboxes are handled, every server at the same time; then the timers that are due fire, all of them. When
nothing is left the clock moves on to the next moment at which something is due. The condition is looked at when the
servers rest, and after every single arrival, so that `run until ... is arrived` stops before the handling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scenarios.runner.errors import ActionError
from scenarios.runner.scheduler import MOST_STEPS, next_retry

if TYPE_CHECKING:
    from scenarios.runner.threads import ThreadCluster


def run_until(cluster: ThreadCluster, condition: Callable[[], bool], end: int) -> bool:
    """Go on until *condition* holds, or the clock shows *end*; whether it holds then."""
    for _ in range(20 * MOST_STEPS):
        if condition():
            return True
        if _messages(cluster, condition) or _retry(cluster) or cluster.fire_due():
            continue
        when = _next_moment(cluster)
        if when is None or when > end:
            cluster.move_on(end)
            return condition()
        cluster.move_on(when)
    raise ActionError(f"more than {20 * MOST_STEPS:,} rounds: the cluster runs in circles")


def _messages(cluster: ThreadCluster, condition: Callable[[], bool]) -> bool:
    """Let messages move that are due; whether any did."""
    moved = [name for name in cluster.names if cluster.is_running(name) and cluster.flush(name)]
    due = [e for e in cluster.post.live if e.stage == "in-flight" and e.due <= cluster.clock.now]
    for envelope in due:
        if cluster.may_move(envelope):
            cluster.arrive(envelope)
            moved.append(envelope.target)
            if condition():
                return True
    inboxes = [e for e in cluster.post.live if e.stage == "arrived" and cluster.may_move(e)]
    if inboxes:
        cluster.handle_together(inboxes)
    return bool(moved or inboxes)


def _retry(cluster: ThreadCluster) -> bool:
    """Let a client try again whose moment has come; whether there is one."""
    retry = next_retry(cluster)
    if retry is None or retry[0] > cluster.clock.now:
        return False
    retry[1]()
    return True


def _next_moment(cluster: ThreadCluster) -> int | None:
    """When the next thing is due."""
    moments = [e.due for e in cluster.post.live if e.stage == "in-flight" and cluster.may_move(e)]
    timer, retry = cluster.clock.next(), next_retry(cluster)
    moments += [due[0] for due in (timer, retry) if due is not None]
    return min(moments, default=None)
