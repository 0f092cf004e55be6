"""White box: given, set, show. What `given` and `set` write may be what no execution reaches, so it is looked at."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

from attrs import evolve

from checker.raft_system import Disk, RaftServer
from raftframe import NOOP, DurableState, Entry, Log
from raftframe.effects import Timer
from raftframe.server_state import FollowerData
from scenarios.language import tree
from scenarios.runner.errors import ActionError
from scenarios.runner.run import Handlers, Recording, Run
from scenarios.runner.showing import show_lines
from scenarios.runner.snapshot import Plain, shown


def given_logs(run: Run, statement: tree.GivenLogs) -> None:
    """What is on the disks before the servers start. A term is at least that of the log's end."""
    _must_be_first(run)
    for line in statement.lines:
        name = run.resolver().server(line.server)
        log = _log_of(line.log.terms)
        stored = run.cluster.servers[name].durable
        stored = DurableState(max(stored.term, log.last_term), stored.voted_for, log)
        _inject(run, name, _begun(run, name, stored), f"given {name}.log = {shown(log)}")
    _look(run, statement)


def given_field(run: Run, statement: tree.GivenField) -> None:
    """One field, before the servers start."""
    _must_be_first(run)
    value = run.resolver().value(statement.value)
    for name in run.resolver().servers(statement.target.servers):
        _write(run, name, statement.target.name, value, verb="given")
    _look(run, statement)


def set_field(run: Run, statement: tree.SetField) -> None:
    """One field, now."""
    value = run.resolver().value(statement.value)
    for name in run.resolver().servers(statement.target.servers):
        _write(run, name, statement.target.name, value, verb="set")
    _look(run, statement)


def _write(run: Run, name: str, field: str, value: Plain, *, verb: str) -> None:
    text = f"{verb} {name}.{field} = {shown(value)}"
    if field == "timeout":
        if not isinstance(value, int):
            raise ActionError(f"a timeout is a length of time, not {shown(value)}")
        run.cluster.clock.start(name, Timer.ELECTION, value)
        run.cluster.note(text)
        return
    server = run.cluster.servers[name]
    durable = _durable_with(server.durable, field, value)
    if durable is not None:
        disk = Disk(durable, durable)
        state = None if server.state is None else evolve(server.state, durable=durable)
        _inject(run, name, RaftServer(state, disk), text)
        return
    if server.state is None:
        raise ActionError(f"{name} is down, and {field} is only in memory")
    if field == "leader":
        state = evolve(server.state, data=FollowerData(None if value is None else str(value)))
    else:
        attribute = {"commit": "commit_index", "applied": "applied_index", "balance": "app_state", "state": "app_state"}
        if field not in attribute:
            raise ActionError(
                f"{field} cannot be written; what can: term, voted_for, log, last, {', '.join(attribute)}"
            )
        changes: dict[str, Any] = {attribute[field]: value}  # Any: the boundary of evolve
        state = evolve(server.state, **changes)
    _inject(run, name, RaftServer(state, server.disk), text)


def _durable_with(durable: DurableState, field: str, value: Plain) -> DurableState | None:
    """*durable* with *field* written; None when the field is no part of it."""
    match field, value:
        case "term", int():
            return evolve(durable, term=value)
        case "voted_for", None | str():
            return evolve(durable, voted_for=value)
        case "log", Log():
            return evolve(durable, log=value)
        case "log", tuple():
            return evolve(durable, log=_log_of(tuple(each for each in value if isinstance(each, int))))
        case "last", int():
            missing = max(0, value - durable.log.last_index)
            entries = (Entry(max(durable.term, 1), NOOP),) * missing
            return evolve(durable, log=durable.log.up_to(value).followed_by(entries))
        case "term" | "voted_for" | "log" | "last", _:
            raise ActionError(f"{field} cannot be {shown(value)}")
    return None


def _log_of(terms: tuple[int, ...]) -> Log:
    """Equal index and term mean equal entries, as log matching demands: all of them are no-ops."""
    return Log(tuple(Entry(term, NOOP) for term in terms))


def _begun(run: Run, name: str, stored: DurableState) -> RaftServer:
    down = RaftServer(None, Disk(stored, stored))
    return down if not run.cluster.is_up(name) else run.cluster.system.restarted(name, down)


def _inject(run: Run, name: str, server: RaftServer, text: str) -> None:
    run.injected = True
    run.cluster.inject(name, server, text)


def _must_be_first(run: Run) -> None:
    if any(event.verb != "inject" for event in run.cluster.journal.elementary):
        raise ActionError("`given` says what there is before anything happens; from here on, write `set`")


def _look(run: Run, statement: tree.Statement) -> None:
    """Warn of logs that no execution makes."""
    logs = {name: server.durable.log for name, server in run.cluster.servers.items()}
    for name, log in logs.items():
        if any(earlier > later for earlier, later in pairwise(log.terms)):
            run.warn(f"no execution makes the log of {name}, {shown(log)}: its terms fall", statement)
        if log.last_term > run.cluster.servers[name].durable.term:
            run.warn(f"no execution makes {name}: its log ends in term {log.last_term}, later than its own", statement)
    for (one, log), (other, their_log) in combinations(logs.items(), 2):
        common = [i for i, (a, b) in enumerate(zip(log, their_log, strict=False), 1) if a.term == b.term]
        if common and log.up_to(common[-1]) != their_log.up_to(common[-1]):
            where = f"agree at index {common[-1]} and differ before it"
            run.warn(f"no execution makes the logs of {one} and {other}: they {where}", statement)


def show(run: Run, statement: tree.Show) -> None:
    """Print, and compare with what was recorded."""
    names = run.resolver().servers(statement.servers) if statement.servers else run.cluster.names
    lines = tuple(show_lines(run.cluster, names, statement.facets))
    run.recordings.append(Recording(statement, lines))
    if statement.golden is not None and tuple(line.rstrip() for line in statement.golden) != lines:
        changes = [f"- {line}" for line in statement.golden if line.rstrip() not in lines]
        changes += [f"+ {line}" for line in lines if line not in statement.golden]
        run.fail("golden", "what is shown is not what was recorded", statement, extra=changes or ["the order differs"])


HANDLERS: Handlers = {
    tree.GivenLogs: given_logs,
    tree.GivenField: given_field,
    tree.SetField: set_field,
    tree.Show: show,
}
