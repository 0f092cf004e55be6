"""White box: given, set, show. What `given` and `set` write may be what no execution reaches, so it is looked at."""

from __future__ import annotations

from itertools import combinations, pairwise

from raftframe.effects import Timer
from scenarios.language import tree
from scenarios.runner.errors import ActionError
from scenarios.runner.journal import FieldWrite
from scenarios.runner.replaying import write_field
from scenarios.runner.run import Handlers, Recording, Run
from scenarios.runner.showing import show_lines
from scenarios.runner.snapshot import shown


def given_logs(run: Run, statement: tree.GivenLogs) -> None:
    """What is on the disks before the servers start. A term is at least that of the log's end."""
    _must_be_first(run)
    for line in statement.lines:
        name = run.resolver().server(line.server)
        _write(run, FieldWrite("given", name, "log", line.log.terms))
    _look(run, statement)


def given_field(run: Run, statement: tree.GivenField) -> None:
    """One field, before the servers start."""
    _must_be_first(run)
    value = run.resolver().value(statement.value)
    for name in run.resolver().servers(statement.target.servers):
        _write(run, FieldWrite("given", name, statement.target.name, value))
    _look(run, statement)


def set_field(run: Run, statement: tree.SetField) -> None:
    """One field, now."""
    value = run.resolver().value(statement.value)
    for name in run.resolver().servers(statement.target.servers):
        _write(run, FieldWrite("set", name, statement.target.name, value))
    _look(run, statement)


def _write(run: Run, write: FieldWrite) -> None:
    if write.field == "timeout":
        if not isinstance(write.value, int):
            raise ActionError(f"a timeout is a length of time, not {shown(write.value)}")
        run.cluster.clock.start(write.server, Timer.ELECTION, write.value)
        run.cluster.note(str(write))
        return
    run.injected = True
    write_field(run.cluster, write)


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
        first, last = max(log.base_index, their_log.base_index) + 1, min(log.last_index, their_log.last_index)
        common = [index for index in range(first, last + 1) if log.term_at(index) == their_log.term_at(index)]
        if common and log.common_prefix(their_log) < common[-1]:
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
