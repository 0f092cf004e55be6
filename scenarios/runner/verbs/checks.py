"""Checks: expect, eventually, always, never, ignore invariant."""

from __future__ import annotations

from scenarios.language import tree
from scenarios.runner import scheduler
from scenarios.runner.run import Handlers, Run, Watcher, check_name
from scenarios.runner.snapshot import snapshot_of
from scenarios.runner.verbs.acting import limits_of


def expect(run: Run, statement: tree.Expect) -> None:
    """The condition holds now."""
    _judge(run, statement, "expect")


def eventually(run: Run, statement: tree.Eventually) -> None:
    """The fair scheduler gets there in time."""
    limits = limits_of(run, statement.within, scheduler.FOREVER_MS)
    run.cluster.run_until(run.test(statement.condition), **limits)
    _judge(run, statement, "eventually")


def _judge(run: Run, statement: tree.Expect | tree.Eventually, check: str) -> None:
    found = run.falsehood(statement.condition)
    if found is None:
        run.passed()
        return
    name = check_name(statement.condition, check)
    run.fail(name, found.label, statement, part=found.part, because=statement.because)


def watch(run: Run, statement: tree.Always | tree.Never) -> None:
    """From here on, after every step."""
    run.watchers.append(Watcher(statement, snapshot_of(run.cluster)))


def ignore(run: Run, statement: tree.IgnoreInvariant) -> None:
    """From here on, do not report this invariant; the report says so."""
    run.cluster.ignored.setdefault(statement.name, run.cluster.journal.line or statement.span.line)


HANDLERS: Handlers = {
    tree.Expect: expect,
    tree.Eventually: eventually,
    tree.Always: watch,
    tree.Never: watch,
    tree.IgnoreInvariant: ignore,
}
