"""Elections and time: elect, timeout, heartbeat, tick, advance, step."""

from __future__ import annotations

from raftframe.effects import Timer
from raftframe.events import ForgetLeader, ReportUnreachable, TransferLeadership
from scenarios.language import tree
from scenarios.language.terms import ONE, Selector
from scenarios.runner import fair, scheduler
from scenarios.runner.clock import TICK_MS
from scenarios.runner.cluster import SimCluster
from scenarios.runner.errors import NothingToActOn
from scenarios.runner.run import Handlers, Run
from scenarios.runner.verbs.acting import acting, not_running


def elect(run: Run, statement: tree.Elect) -> None:
    """Until each server leads, with vote traffic only."""
    for name in acting(run, statement, statement.servers, not_running(run)):
        if scheduler.leads(run.cluster, name):
            raise NothingToActOn(f"{name} leads already, term {run.cluster.servers[name].durable.term}")
        scheduler.elect(run.cluster, name)


def timeout(run: Run, statement: tree.Timeout) -> None:
    """The election timer fires; a leader takes no notice."""
    for name in acting(run, statement, statement.servers, not_running(run)):
        run.cluster.fire(name, Timer.ELECTION)


def heartbeat(run: Run, statement: tree.Heartbeat) -> None:
    """The heartbeat timer fires, which only leaders have."""
    running = not_running(run)

    def objection(name: str) -> str | None:
        return running(name) or (None if scheduler.leads(run.cluster, name) else f"{name} does not lead: no heartbeat")

    for name in acting(run, statement, statement.servers, objection):
        run.cluster.fire(name, Timer.HEARTBEAT)


def expire(run: Run, statement: tree.Expire) -> None:
    """The lease timer fires: the server knows no leader any more."""
    running = not_running(run)

    def objection(name: str) -> str | None:
        known = scheduler.knows_leader(run.cluster, name)
        return running(name) or (None if known else f"{name} knows no leader: no lease")

    for name in acting(run, statement, statement.servers, objection):
        run.cluster.fire(name, Timer.LEASE)


def transfer(run: Run, statement: tree.Transfer) -> None:
    """The leader is told to hand its office over."""
    (source,) = acting(run, statement, (statement.source,), not_running(run))
    if not scheduler.leads(run.cluster, source):
        raise NothingToActOn(f"{source} does not lead: it has no office to hand over")
    target = None if statement.target is None else run.resolver().server(statement.target)
    to = "" if target is None else f" -> {target}"
    run.cluster.order(source, TransferLeadership(target), f"transfer {source}{to}")


def forget_leader(run: Run, statement: tree.ForgetLeader) -> None:
    """The server is told that its leader is gone."""
    for name in acting(run, statement, (statement.server,), not_running(run)):
        run.cluster.order(name, ForgetLeader(), f"forget leader {name}")


def unreachable(run: Run, statement: tree.Unreachable) -> None:
    """The leader is told that its messages to a follower do not arrive."""
    (source,) = acting(run, statement, (statement.source,), not_running(run))
    if not scheduler.leads(run.cluster, source):
        raise NothingToActOn(f"{source} does not lead: it sends to no followers")
    target = run.resolver().server(statement.target)
    run.cluster.order(source, ReportUnreachable(target), f"unreachable {source} -> {target}")


def tick(run: Run, statement: tree.Tick) -> None:
    """Time passes for these servers' timers alone."""
    timing = run.cluster.clock.timing
    unit = {"ticks": TICK_MS, "heartbeats": timing.heartbeat_ms, "elections": timing.election_ms[1]}[statement.unit]
    servers, count = statement.servers, statement.count
    if isinstance(count, Selector) and not isinstance(run.resolver().value_of(count.name), int):
        servers, count = (*servers, count), ONE  # `tick s1 $other`
    names = acting(run, statement, servers, not_running(run))
    scheduler.tick(run.cluster, names, unit * run.resolver().number(count))


def advance(run: Run, statement: tree.Advance) -> None:
    """Time passes for everyone."""
    run.cluster.advance(statement.duration.milliseconds)


def step(run: Run, statement: tree.Step) -> None:
    """The scheduler takes steps."""
    assert isinstance(run.cluster, SimCluster), "the loader refuses this verb in other modes"
    for _ in range(run.resolver().number(statement.count)):
        if not fair.step(run.cluster):
            raise NothingToActOn("nothing is left that could happen")


HANDLERS: Handlers = {
    tree.Elect: elect,
    tree.Timeout: timeout,
    tree.Heartbeat: heartbeat,
    tree.Expire: expire,
    tree.Transfer: transfer,
    tree.ForgetLeader: forget_leader,
    tree.Unreachable: unreachable,
    tree.Tick: tick,
    tree.Advance: advance,
    tree.Step: step,
}
