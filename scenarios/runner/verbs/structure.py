"""Structure: section, note, let, repeat, for, when, case, call, try."""

from __future__ import annotations

from scenarios.language import tree
from scenarios.language.diagnostics import Via
from scenarios.language.terms import Selector
from scenarios.runner.errors import NothingToActOn
from scenarios.runner.run import Handlers, Run
from scenarios.runner.snapshot import Plain


def section(run: Run, statement: tree.Section) -> None:
    """A heading in the trace."""
    run.cluster.note(f"section: {statement.title}")


def note(run: Run, statement: tree.Note) -> None:
    """A remark in the trace."""
    run.cluster.note(statement.text)


def let(run: Run, statement: tree.Let) -> None:
    """Bind a name, now."""
    run.variables[statement.name] = run.resolver(statement).value(statement.value)


def repeat(run: Run, statement: tree.Repeat) -> None:
    """The body, several times."""
    for _ in range(run.resolver().number(statement.count)):
        run.carry_out(statement.body)


def for_each(run: Run, statement: tree.For) -> None:
    """The body, once for each item."""
    resolver = run.resolver()
    items: list[Plain] = []
    for item in statement.items:
        many = isinstance(item, Selector) and item.kind in ("role", "group")
        items += resolver.select(item) if isinstance(item, Selector) and many else [resolver.value(item)]
    for value in items:
        run.variables[statement.name] = value
        run.carry_out(statement.body)


def when(run: Run, statement: tree.When) -> None:
    """The body, if the condition holds now."""
    if run.test(statement.condition)():
        run.carry_out(statement.body)


def case(run: Run, statement: tree.Case) -> None:
    """The continuation that this instance is."""
    run.cluster.note(f"case: {statement.title}")
    run.carry_out(statement.body)


def call(run: Run, statement: tree.Call) -> None:
    """The body of a define; errors inside say how they were reached."""
    run.chain.append(Via(statement.span, run.reporter.sources.text(statement.span)))
    run.carry_out(statement.body)
    run.chain.pop()


def try_(run: Run, statement: tree.Try) -> None:
    """The statement; having nothing to act on is fine."""
    from scenarios.runner.verbs import HANDLERS  # this module is a part of it

    try:
        HANDLERS[type(statement.statement)](run, statement.statement)
    except NothingToActOn as error:
        run.cluster.note(f"tried in vain: {error}")


HANDLERS: Handlers = {
    tree.Section: section,
    tree.Note: note,
    tree.Let: let,
    tree.Repeat: repeat,
    tree.For: for_each,
    tree.When: when,
    tree.Case: case,
    tree.Call: call,
    tree.Try: try_,
}
