"""Warnings: what is allowed, but most likely not what its author means."""

from __future__ import annotations

from collections.abc import Iterable

from scenarios.language import tree
from scenarios.language.assembler import Made
from scenarios.language.checks import needed_features, own_nodes
from scenarios.language.loaded import Header
from scenarios.language.terms import LogsMatch, MessageCount, Number
from scenarios.language.verbs import verb_of

_STEADYING = (tree.Settle, tree.Await, tree.RunUntil, tree.Eventually, tree.Reach)
_NEUTRAL_GROUPS = ("checks", "structure", "white box", "search options")


def lint(made: Iterable[Made], header: Header, modes: Iterable[str]) -> None:
    """Every warning, over every statement of an instance."""
    statements = list(made)
    if set(modes) - {"sim"}:
        _unstable_expects(statements)
    _undeclared_features(statements, header)
    _never_released(statements)
    _last_statements(statements)
    _vacuous_searches(statements)
    for entry in statements:
        _pointless(entry)


def _unstable_expects(made: list[Made]) -> None:
    """With real threads only what has come to rest can be checked: traps to stay clear of, number 8."""
    steady = False
    for entry in made:
        statement = entry.statement
        if _looks(statement) and not steady:
            label = "put settle, await, run until or eventually before it"
            entry.reader.warn("in threads and udp this check races with the servers", statement.span, label)
        elif isinstance(statement, _STEADYING) or (isinstance(statement, tree.Client) and statement.outcome):
            steady = True
        elif verb_of(statement).group not in _NEUTRAL_GROUPS and not isinstance(statement, tree.Pause | tree.Drop):
            steady = False


def _looks(statement: tree.Statement) -> bool:
    """Whether what *statement* finds at this very moment decides something."""
    recorded = isinstance(statement, tree.Show) and statement.golden is not None
    return recorded or isinstance(statement, tree.Expect | tree.When)


def _undeclared_features(made: list[Made], header: Header) -> None:
    warned: set[str] = set(header.requires)
    for entry in made:
        for feature in sorted(needed_features(entry.statement) - warned):
            warned.add(feature)
            entry.reader.warn(f"needs {feature}", entry.statement.span, f"add it to the header: requires: {feature}")


def _never_released(made: list[Made]) -> None:
    """A hold that another hold of the same name hides, or that has a name nobody releases."""
    released = {entry.statement.name for entry in made if isinstance(entry.statement, tree.Release)}
    for entry in made:
        statement = entry.statement
        if isinstance(statement, tree.Hold) and statement.name and not {statement.name, None} & released:
            entry.reader.warn(
                f"`{statement.name}` is never released", statement.span, "leave the name out if that is meant"
            )


def _last_statements(made: list[Made]) -> None:
    """Watches and pauses after which nothing moves can never bite."""
    for entry in reversed(made):
        if isinstance(entry.statement, tree.Always | tree.Never | tree.Pause | tree.Hold):
            verb = verb_of(entry.statement).name
            entry.reader.warn(f"nothing happens after this `{verb}`, so it never bites", entry.statement.span)
        elif verb_of(entry.statement).group not in ("checks", "structure"):
            return


def _vacuous_searches(made: list[Made]) -> None:
    for entry in made:
        statement = entry.statement
        if not isinstance(statement, tree.Explore | tree.Reach):
            continue
        if not any(isinstance(option, tree.Vary) for option in statement.options):
            entry.reader.warn("without `vary` nothing may be chosen", statement.span, "vary deliver, timeout")
        if isinstance(statement, tree.Explore) and not any(
            isinstance(option, tree.Sometimes) for option in statement.options
        ):
            entry.reader.warn("without `sometimes` nothing shows that the search gets anywhere", statement.span)


def _pointless(entry: Made) -> None:
    """Lines that cannot change or catch anything."""
    statement = entry.statement
    parameterised = bool(entry.reader.line.used)  # one row of a matrix may well say 0
    if isinstance(statement, tree.Repeat) and statement.count == Number(0) and not parameterised:
        entry.reader.warn("repeated no times", statement.span)
    if isinstance(statement, tree.Reorder) and statement.order == tuple(range(1, len(statement.order) + 1)):
        entry.reader.warn("this order is the one they have", statement.span)
    for node in own_nodes(statement):
        if isinstance(node, LogsMatch) and len(node.servers) == 1 and node.servers[0].kind == "server":
            entry.reader.warn("one log always matches itself", node.span)
        if isinstance(node, MessageCount) and node.operator == ">=" and node.value == Number(0):
            entry.reader.warn("a count is never below 0", node.span)


def unused_let(made: Iterable[Made], used: set[str]) -> None:
    for entry in made:
        if isinstance(entry.statement, tree.Let | tree.For) and entry.statement.name not in used:
            entry.reader.warn(f"`{entry.statement.name}` is never used", entry.statement.span)
