"""Messages: deliver, drop, duplicate, delay, reorder, hold, release, settle, flush."""

from __future__ import annotations

from scenarios.language import tree
from scenarios.language.terms import Pattern
from scenarios.runner import scheduler
from scenarios.runner.clock import TICK_MS
from scenarios.runner.errors import ActionError, NothingToActOn
from scenarios.runner.post import LIVE, Envelope, Hold
from scenarios.runner.run import Handlers, Run
from scenarios.runner.verbs.acting import acting, not_running


def matches(run: Run, statement: tree.Statement, pattern: Pattern, *, held: bool = True) -> list[Envelope]:
    """The messages that *pattern* means, oldest first. Raises NothingToActOn that says where matches are instead."""
    matcher = run.resolver(statement).matcher(pattern)
    found = run.cluster.post.matching(matcher, held=held)
    if found:
        return found
    post = run.cluster.post
    counts = {stage: post.count(matcher, stage) for stage in (*LIVE, "held", "handled", "dropped")}
    where = ", ".join(f"{count} {stage}" for stage, count in counts.items() if count)
    raise NothingToActOn(f"no message matches `{matcher.text}`; matches: {where or 'none was ever sent'}")


def deliver(run: Run, statement: tree.Deliver) -> None:
    """The oldest match (or all that are there now) through its handler."""
    chosen = matches(run, statement, statement.pattern, held=False)
    for envelope in chosen if statement.every else chosen[:1]:
        if not envelope.live:
            continue  # lost by what the one before it caused
        problem = scheduler.can_be_delivered(run.cluster, envelope)
        if problem is not None:
            raise NothingToActOn(f"{scheduler.describe(run.cluster, envelope)} cannot be delivered: {problem}")
        run.cluster.deliver(envelope)


def drop(run: Run, statement: tree.Drop) -> None:
    """All matches are lost."""
    for envelope in matches(run, statement, statement.pattern):
        run.cluster.drop(envelope)


def duplicate(run: Run, statement: tree.Duplicate) -> None:
    """A second copy of the oldest match."""
    run.cluster.duplicate(matches(run, statement, statement.pattern)[0])


def delay(run: Run, statement: tree.Delay) -> None:
    """The matches move later."""
    amount = run.resolver().number(statement.amount.value)
    for envelope in matches(run, statement, statement.pattern):
        if statement.amount.unit == "steps":
            envelope.not_before_step = run.cluster.step_count + amount
        else:
            if envelope.stage == "sent":
                run.cluster.leave(envelope)
            envelope.due = run.cluster.clock.now + amount * (TICK_MS if statement.amount.unit == "ticks" else 1)


def reorder(run: Run, statement: tree.Reorder) -> None:
    """The matches change places."""
    found = matches(run, statement, statement.pattern)
    if sorted(statement.order) != list(range(1, len(found) + 1)):
        raise ActionError(f"{len(found)} messages match; name each of 1 to {len(found)} once")
    live = run.cluster.post.live
    places = [live.index(envelope) for envelope in found]
    dues = sorted(envelope.due for envelope in found)
    for place, due, position in zip(places, dues, statement.order, strict=True):
        live[place] = found[position - 1]
        live[place].due = due


def hold(run: Run, statement: tree.Hold) -> None:
    """Matches stay, until the release."""
    post = run.cluster.post
    name = statement.name or f"line {statement.span.line}"
    if name in post.holds:
        raise ActionError(f"there is a hold `{name}` already")
    post.hold(Hold(name, run.resolver(statement).matcher(statement.pattern), statement.span.line))


def release(run: Run, statement: tree.Release) -> None:
    """One hold ends, or all of them."""
    holds = run.cluster.post.holds
    if not holds or (statement.name is not None and statement.name not in holds):
        raise NothingToActOn(f"there is no hold `{statement.name}`" if statement.name else "nothing is held")
    for name in [statement.name] if statement.name is not None else list(holds):
        run.cluster.post.release(name)


def settle(run: Run, statement: tree.Settle) -> None:
    """Until nothing changes."""
    names = run.resolver(statement).servers(statement.servers) if statement.servers else run.cluster.names
    scheduler.settle(run.cluster, names)


def flush(run: Run, statement: tree.Flush) -> None:
    """Outboxes are handed to the wire."""
    moved = [run.cluster.flush(name) for name in acting(run, statement, statement.servers, not_running(run))]
    if not any(moved):
        raise NothingToActOn("there is nothing in the outbox")


HANDLERS: Handlers = {
    tree.Deliver: deliver,
    tree.Drop: drop,
    tree.Duplicate: duplicate,
    tree.Delay: delay,
    tree.Reorder: reorder,
    tree.Hold: hold,
    tree.Release: release,
    tree.Settle: settle,
    tree.Flush: flush,
}
