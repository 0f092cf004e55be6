"""What can be wrong with a statement in its scenario, though its line is well formed.

Servers, operations and holds that do not exist, verbs that a mode lacks, features that are not built. Each check
reads the flat list of statements that the assembler kept, and reports through the reader of the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scenarios.language import features
from scenarios.language.assembler import Made
from scenarios.language.diagnostics import did_you_mean, suggest
from scenarios.language.features import COMMANDS, MODES
from scenarios.language.loaded import Header
from scenarios.language.terms import (
    Amount,
    Compare,
    Contains,
    FieldRef,
    Node,
    Number,
    OutcomeIs,
    Pattern,
    ProgressIs,
    RoleIs,
    Selector,
    Starts,
    Word,
    children,
)
from scenarios.language.tree import (
    Await,
    Client,
    Crash,
    Disk,
    GivenField,
    GivenLogs,
    Hold,
    Reconfigure,
    Release,
    Start,
    Statement,
)
from scenarios.language.verbs import verb_of


def own_nodes(statement: Statement) -> Iterator[Node]:
    """The nodes of the statement's own line, its block left out."""
    yield statement
    pending = list(children(statement))
    while pending:
        node = pending.pop(0)
        if not isinstance(node, Statement):
            yield node
            pending = [*children(node), *pending]


def check(made: Iterable[Made], header: Header, modes: Iterable[str]) -> None:
    """Every check, over every statement of an instance."""
    statements = list(made)
    _check_servers(statements, header)
    _check_operations(statements)
    _check_holds(statements)
    _check_given(statements)
    _check_commands(statements, header)
    for entry in statements:
        _check_modes(entry, [mode for mode in MODES if mode in modes])


def _check_servers(made: list[Made], header: Header) -> None:
    """Servers must be in `servers:`, or be added or started somewhere."""
    known = set(header.servers)
    if not known:  # which was reported
        return
    for entry in made:
        if isinstance(entry.statement, Start | Reconfigure):
            known |= {node.name for node in own_nodes(entry.statement) if isinstance(node, Selector)}
    for entry in made:
        for node in own_nodes(entry.statement):
            if isinstance(node, Selector) and node.kind == "server" and node.name not in known:
                entry.reader.error(f"there is no server `{node.name}`", node.span, f"servers: {len(header.servers)}")


def _check_operations(made: list[Made]) -> None:
    """`op1` must be the name of some client's statement."""
    known = {entry.statement.name for entry in made if isinstance(entry.statement, Client) and entry.statement.name}
    for entry in made:
        for node in own_nodes(entry.statement):
            if isinstance(node, OutcomeIs | Await) and node.operation not in known:
                hint = suggest(node.operation, known) if known else "name one: client c1 credit 10 as op1"
                entry.reader.error(f"no client statement is named `{node.operation}`", node.span, hint)
            elif isinstance(node, Contains | Compare | Starts):
                _check_word(entry, node, known)
            elif isinstance(node, ProgressIs):
                _check_progress(entry, node)


def _check_word(entry: Made, node: Contains | Compare | Starts, operations: set[str]) -> None:
    """A bare word that a field is compared with must mean something."""
    value = node.right if isinstance(node, Compare) else node.value
    if not isinstance(value, Word):
        return
    known = features.FIELD_WORDS | set(features.ROLES) | operations
    if value.text not in known and node.left.name in features.FIELDS:
        entry.reader.error(f"unknown word `{value.text}`", value.span, suggest(value.text, known))


def _check_progress(entry: Made, node: ProgressIs) -> None:
    """`progress` is a state, `inflight` a number."""
    if node.measure == "inflight":
        if not isinstance(node.value, Number | Selector):
            entry.reader.error("`inflight` is a number", node.value.span)
    elif not isinstance(node.value, Word) or node.value.text not in features.PROGRESS_STATES:
        word = node.value.text if isinstance(node.value, Word) else ""
        entry.reader.error("unknown state of progress", node.value.span, suggest(word, features.PROGRESS_STATES))


def _check_holds(made: list[Made]) -> None:
    known = {entry.statement.name for entry in made if isinstance(entry.statement, Hold)}
    for entry in made:
        statement = entry.statement
        if isinstance(statement, Release) and statement.name is not None and statement.name not in known:
            hint = suggest(statement.name, {name for name in known if name}) if known - {None} else ""
            hint = hint or "hold messages first: hold P as name"
            entry.reader.error(f"nothing is held as `{statement.name}`", statement.span, hint)


def _check_given(made: list[Made]) -> None:
    """`given` speaks of the time before the servers start, so it comes before everything that acts."""
    acted = False
    for entry in made:
        given = isinstance(entry.statement, GivenLogs | GivenField)
        if given and acted:
            entry.reader.error("`given` after the first action", entry.statement.span, "use `set`, or move it up")
        acted = acted or (not given and verb_of(entry.statement).group not in ("checks", "structure", "white box"))


def _check_modes(entry: Made, modes: list[str]) -> None:
    verb = verb_of(entry.statement)
    lacking = [mode for mode in modes if mode not in verb.modes]
    if lacking:
        start = entry.reader.line.text.index(verb.name)
        span = entry.reader.line.span(start, start + len(verb.name))
        entry.reader.error(f"`{verb.name}` does not exist in mode {', '.join(lacking)}", span, _only(verb.modes))
    real = [mode for mode in modes if mode != "sim"]
    for node in own_nodes(entry.statement):
        if isinstance(node, Amount) and node.unit == "steps" and real:
            entry.reader.error(f"steps do not exist in mode {', '.join(real)}", node.span, "give a duration: 2s")


def _only(modes: tuple[str, ...]) -> str:
    return f"only in {', '.join(modes)}"


def _check_commands(made: list[Made], header: Header) -> None:
    """The bank's commands are known. Without `app:` it is the bank when one of its commands is used, or nearly."""
    clients = [(entry.reader, entry.statement) for entry in made if isinstance(entry.statement, Client)]
    if header.app not in (None, "bank"):
        return
    bank = header.app == "bank" or any(client.command in COMMANDS for _reader, client in clients)
    for reader, client in clients:
        if client.command not in COMMANDS and (bank or did_you_mean(client.command, COMMANDS)):
            start = reader.line.text.index(client.command)
            span = reader.line.span(start, start + len(client.command))
            reader.error(f"unknown command `{client.command}`", span, suggest(client.command, COMMANDS))


def needed_features(statement: Statement) -> set[str]:
    """The features that the statement's line cannot do without."""
    needed = {verb_of(statement).feature}
    for node in own_nodes(statement):
        needed |= _needed_by(node)
    return {feature for feature in needed if feature is not None}


def _needed_by(node: Node) -> set[str | None]:
    match node:
        case Pattern():
            return {features.MESSAGE_TYPES.get(node.type)}
        case FieldRef():
            return {features.FIELDS.get(node.name)}
        case RoleIs():
            return {features.ROLES.get(node.role)}
        case ProgressIs():
            return {"progress"}
        case Reconfigure():
            learner = any(change.action == "learner" for change in node.changes)
            return {"joint" if node.style == "joint" else None, "learners" if learner else None}
        case Crash(losing_unsynced=True):
            return {"unsynced"}
        case Disk():
            return {"async_storage" if node.action in ("hold", "release") else "disk_faults"}
        case Selector(name="learner" | "learners"):
            return {"learners"}
    return set()
