"""Blocks of lines into statements, for one binding of the parameters.

Theory of operation
-------------------
`Assembler.block` walks the blocks of a file. Each line is expanded (parameters in), its verb looked up in the table,
the rest read by `LineReader`, and the tree class made. A `call` is expanded in place: the define's body is read again
with the arguments as values, with the calling line added to the chain that errors show.

Names live in a `Scope`: *values* are replaced before parsing (parameters, arguments of defines), *variables* are left
for the run (`let`, `for`). A block sees the variables of the blocks around it; a define sees its arguments only.

Every statement is also kept, flat and in order, with the reader of its line: checks.py and lint.py go over that list
and report through the reader, so that their findings show the same chain and binding as any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from attrs import evolve, frozen

from scenarios.language import features, tree
from scenarios.language.diagnostics import Diagnostic, Via, suggest
from scenarios.language.features import Vocabulary
from scenarios.language.layout import Block, CodeLine, SourceLine, expand, variables
from scenarios.language.reader import LineContext, LineReader, Parts
from scenarios.language.tree import Statement
from scenarios.language.verbs import OPTION_VERBS, STATEMENT_VERBS, VERBS, Verb

_FIRST_WORD = re.compile(r"\S+")
_ARGUMENT = re.compile(r'"(?:\\.|[^"\\])*"|\[[^\]]*\]|\S+')


@frozen
class Define:
    """A named block. *chain* leads from its file to the one being loaded."""

    name: str
    parameters: tuple[str, ...]
    line: SourceLine
    body: tuple[Block, ...]
    chain: tuple[Via, ...] = ()


@frozen
class Made:
    """A statement with the reader of its line."""

    statement: Statement
    reader: LineReader


@frozen
class Scope:
    """What names mean here. *calls* are the defines being expanded, outermost first."""

    values: Mapping[str, str]
    variables: frozenset[str] = frozenset()
    chain: tuple[Via, ...] = ()
    calls: tuple[str, ...] = ()
    options: bool = False
    outermost: bool = False


class Assembler:
    """Makes the statements of one instance."""

    def __init__(self, defines: Mapping[str, Define], vocabulary: Vocabulary, found: list[Diagnostic]) -> None:
        self._defines = defines
        self._vocabulary = vocabulary
        self._found = found
        self.made: list[Made] = []
        self.called: set[str] = set()
        self.variables_used: set[str] = set()

    def block(self, blocks: Iterable[Block], scope: Scope) -> tuple[Statement, ...]:
        """The statements of one block; those with errors are left out, for they were reported."""
        statements: list[Statement] = []
        for block in _with_golden_lines(blocks):
            statement = self._statement(block, scope)
            if statement is None:
                continue
            statements.append(statement)
            if isinstance(statement, tree.Let):
                scope = evolve(scope, variables=scope.variables | {statement.name})
        return tuple(statements)

    def _statement(self, block: Block, scope: Scope) -> Statement | None:
        reader = self._reader(block.line, scope)
        self._check_variables(reader, scope)
        start, optional = _skip_try(reader.line.text)
        word = cast(re.Match[str], _FIRST_WORD.match(reader.line.text + " ?", start))[0]
        known = OPTION_VERBS if scope.options else STATEMENT_VERBS
        if word not in known or word == "try":
            self._unknown_verb(reader, word, start, scope)
            return None
        verb = VERBS[word]
        statement = self._make(verb, start, block, reader, scope)
        if statement is None:
            return None
        made = Made(statement, reader)
        self.made.append(made)
        if optional:
            return tree.Try(statement, span=reader.line.span())
        return statement

    def _make(self, verb: Verb, start: int, block: Block, reader: LineReader, scope: Scope) -> Statement | None:
        span = reader.line.span(start)
        if verb.name == "call":
            return self._call(block, start, reader, scope)
        parts: Parts | None = reader.read(verb.rule, start + len(verb.name), verb.syntax)
        misplaced = verb.name in ("define", "use") or (verb.name == "case" and not scope.outermost)
        if misplaced and parts is not None:
            reader.error(
                f"`{verb.name}` belongs at the outermost level", reader.line.span(start, start + len(verb.name))
            )
        if parts is not None and "name" in parts and verb.name == "for":
            scope = evolve(scope, variables=scope.variables | {parts["name"]})
        node, more = self._with_block(verb, parts, block, reader, evolve(scope, outermost=False))
        if parts is None or not reader.clean or verb.node is Statement:
            return None
        if verb.rule == "quoted" and verb.name != "note":
            parts = {"title": parts["text"]}
        return node(**parts, **more, span=span)

    def _with_block(
        self, verb: Verb, parts: Parts | None, block: Block, reader: LineReader, scope: Scope
    ) -> tuple[type[Statement], Parts]:
        """The class to make and what the lines below give it."""
        kind = verb.block
        if kind == "logs" and parts:  # `given all.term = 7`
            kind = "none"
        if kind == "none":
            self._refuse_block(verb, block, scope)
            return verb.node, {}
        if kind == "golden":
            return verb.node, {"golden": _golden(block) if block.children else None}
        if kind == "options":
            return verb.node, {"options": self.block(block.children, evolve(scope, options=True))}
        if not block.children:
            reader.error(f"`{verb.name}` needs a block", reader.line.span(), "indent its lines by two more spaces")
        if kind == "logs":
            return tree.GivenLogs, {"lines": self._log_lines(block, scope)}
        return verb.node, {"body": self.block(block.children, scope)}

    def _refuse_block(self, verb: Verb, block: Block, scope: Scope) -> None:
        """Lines below a verb that takes none: one error, then they are read as if they were not indented."""
        if not block.children:
            return
        child = self._reader(block.children[0].line, scope)
        child.error(f"`{verb.name}` takes no block", child.line.span(), "indent this as the line above")
        self.block(block.children, scope)

    def _log_lines(self, block: Block, scope: Scope) -> tuple[tree.LogLine, ...]:
        lines = []
        for child in block.children:
            reader = self._reader(child.line, scope)
            self._check_variables(reader, scope)
            lines.append(reader.read("log_line", 0, "s1: 1 1 4"))
            self._refuse_block(VERBS["given"], child, scope)
        return tuple(line for line in lines if line is not None)

    def _call(self, block: Block, start: int, reader: LineReader, scope: Scope) -> Statement | None:
        self._refuse_block(VERBS["call"], block, scope)
        words = list(_ARGUMENT.finditer(reader.line.text, start))[1:]
        if not words:
            reader.error("`call` lacks the name of a define", reader.line.span(), "", ("write: call name s1 3",))
            return None
        name, arguments = words[0][0], tuple(_tidied(match[0]) for match in words[1:])
        self.called.add(name)
        define = self._defines.get(name)
        if define is None:
            reader.error(f"unknown define `{name}`", reader.line.span(*words[0].span()), suggest(name, self._defines))
            return None
        if name in scope.calls:
            reader.error(
                f"`{name}` calls itself", reader.line.span(*words[0].span()), " -> ".join((*scope.calls, name))
            )
            return None
        if len(arguments) != len(define.parameters):
            wanted = " ".join(("call", name, *(f"${parameter}" for parameter in define.parameters)))
            message = f"`{name}` takes {len(define.parameters)} arguments, not {len(arguments)}"
            reader.error(message, reader.line.span(start), f"write: {wanted}")
            return None
        body = self.block(define.body, self._inside(define, arguments, reader.line, scope))
        return tree.Call(name, arguments, body, span=reader.line.span(start))

    def _inside(self, define: Define, arguments: Sequence[str], line: CodeLine, scope: Scope) -> Scope:
        """The scope of a define's body. Variables that were handed in as arguments stay variables."""
        builtin = {name: scope.values[name] for name in features.BUILTIN_PARAMETERS if name in scope.values}
        values = builtin | dict(zip(define.parameters, arguments, strict=True))
        handed = frozenset(match[1] for argument in arguments for match in variables(argument))
        return Scope(
            values,
            handed & scope.variables,
            (Via(line.span(), line.source.code), *scope.chain),
            (*scope.calls, define.name),
        )

    def _reader(self, line: SourceLine, scope: Scope) -> LineReader:
        code = expand(line, dict(scope.values))
        return LineReader(code, LineContext(self._vocabulary, self._found, scope.chain))

    def _check_variables(self, reader: LineReader, scope: Scope) -> None:
        for match in variables(reader.line.text):
            self.variables_used.add(match[1])
            if match[1] not in scope.variables:
                known = [f"${name}" for name in {*scope.values, *scope.variables}]
                hint = suggest(match[0], known)
                reader.error(f"unknown parameter `{match[0]}`", reader.line.span(*match.span()), hint)

    def _unknown_verb(self, reader: LineReader, word: str, start: int, scope: Scope) -> None:
        span = reader.line.span(start, start + len(word))
        if word == "try":
            reader.error("`try` lacks a statement", span, "write: try deliver P")
        elif word in VERBS and scope.options:
            reader.error(f"`{word}` is not an option of a search", span, "indent it as the line above")
        elif word in VERBS:
            reader.error(f"`{word}` belongs below `explore` or `reach`", span)
        elif word.startswith("|"):
            reader.error("recorded output without a `show` above it", span)
        elif re.fullmatch(r"[\w-]+:.*", word) and not scope.calls:
            reader.error("a header line after the first statement", span, "headers come first")
        else:
            known = OPTION_VERBS if scope.options else STATEMENT_VERBS
            what = "option" if scope.options else "verb"
            reader.error(f"unknown {what} `{word}`", span, suggest(word, known))


def _skip_try(text: str) -> tuple[int, bool]:
    match = re.match(r"try +(?=\S)", text)
    return (match.end(), True) if match else (0, False)


def _with_golden_lines(blocks: Iterable[Block]) -> list[Block]:
    """The blocks, with `| ` lines that follow a `show` at its own depth moved below it."""
    result: list[Block] = []
    for block in blocks:
        if block.line.code.startswith("|") and result and result[-1].line.code.split()[0] == "show":
            result[-1] = Block(result[-1].line, (*result[-1].children, block))
        else:
            result.append(block)
    return result


def _golden(block: Block) -> tuple[str, ...]:
    return tuple(_without_bar(child.line.code) for child in block.children)


def _without_bar(code: str) -> str:
    text = code.removeprefix("|")
    return text.removeprefix(" ")


def _tidied(argument: str) -> str:
    """An argument with single blanks, so that `[1  2]` and `[1 2]` are the same."""
    return argument if argument.startswith('"') else " ".join(argument.split())
