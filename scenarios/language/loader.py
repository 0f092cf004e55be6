"""`load`: a scenario file in, its instances and everything wrong with it out.

    layout      lines, header, blocks; tabs, strings, indentation
    includes    the defines within reach
    parameters  bindings; `case` blocks count as one more parameter
    for each binding: header, statements (assembler), checks, lints

All of it runs whatever was found before, so that one pass shows every error. The same finding in several instances is
shown once, with the binding of the first. With any error there are no instances: nothing runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from attrs import evolve, frozen

from scenarios.language.assembler import Assembler, Define, Scope
from scenarios.language.checks import check, needed_features
from scenarios.language.diagnostics import Diagnostic, Severity, suggest
from scenarios.language.features import MODES, STANDARD, Vocabulary
from scenarios.language.header import (
    MOST_SERVERS,
    builtin_parameters,
    check_keys,
    header_text,
    newer_format,
    option_features,
    read_header,
)
from scenarios.language.includes import Collected, Includer, ReadText, unused
from scenarios.language.layout import Block, Layout, SourceLine, read_layout, variables
from scenarios.language.lint import lint, unused_let
from scenarios.language.loaded import Binding, Header, Instance, LoadedFile
from scenarios.language.parameters import (
    MOST_INSTANCES,
    Factor,
    HeaderText,
    bindings,
    instance_id,
    read_factor,
)
from scenarios.language.reader import LineContext, LineReader
from scenarios.language.terms import Span


def read_text(path: Path) -> str:
    """The text of a scenario file."""
    return path.read_text(encoding="utf-8")


def load(
    path: str | Path | None = None,
    *,
    text: str | None = None,
    mode: str = "sim",
    vocabulary: Vocabulary = STANDARD,
    read: ReadText = read_text,
) -> LoadedFile:
    """Load the file at *path*, or *text* as if it stood there. Never raises for what the file says.

    *mode* is the one that it is to run in: its verbs are checked for those of its `modes:`, or for *mode* if it says
    none. *read* gives the text of files, those that are used included.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}: {suggest(mode, MODES)}")
    name = Path(path).as_posix() if path is not None else "<text>"
    if text is None:
        try:
            text = read(Path(name))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            found = Diagnostic(Severity.ERROR, f"cannot read this file: {reason}", Span(name, 1, 1, 1))
            return LoadedFile(name, "", Header(), (), (found,))
    return _Loader(name, text, mode, vocabulary, read).load()


def load_if_fit(path: str | Path, *, mode: str = "sim") -> LoadedFile:
    """As `load`, for one of many files: if it says no `modes:` and cannot run in *mode*, that is no error, but its
    instances are skipped, and say why.
    """
    loaded = load(path, mode=mode)
    if loaded.ok or mode == "sim":
        return loaded
    plain = load(path)
    if not plain.ok:
        return loaded
    reason = f"line {loaded.errors[0].span.line}: {loaded.errors[0].message}"
    return evolve(plain, instances=tuple(evolve(one, unfit=reason) for one in plain.instances))


@frozen
class _Choice:
    """One instance to be: a binding, and the title of its `case` (None: the file has none)."""

    binding: Binding
    case: str | None

    @property
    def named(self) -> Binding:
        return self.binding if self.case is None else (*self.binding, ("case", self.case))


class _Loader:
    """Loads one file."""

    def __init__(self, path: str, text: str, mode: str, vocabulary: Vocabulary, read: ReadText) -> None:
        self._path, self._text, self._mode = path, text, mode
        self._vocabulary = vocabulary
        self._read = read
        self._found: list[Diagnostic] = []
        self._called: set[str] = set()
        self._context = LineContext(vocabulary, self._found)

    def load(self) -> LoadedFile:
        layout = read_layout(self._path, self._text)
        self._found += layout.diagnostics
        collected = Includer(self._read, self._vocabulary, self._found).collect(self._path, layout)
        raw = [header_text(line, {}, self._context) for line in layout.header]
        newer = newer_format(raw)
        if newer is not None:  # nothing else about it can be trusted
            return LoadedFile(self._path, self._text, Header(), (), (newer,))
        check_keys(raw)
        factors = self._factors(raw)
        choices = self._choices(raw, factors, collected.steps)
        instances = [self._instance(choice, layout, collected) for choice in choices]
        self._check_whole(layout, collected, factors)
        found = _distinct(self._found)
        header = instances[0].header if instances else self._quiet_header(layout)
        wrong = any(diagnostic.is_error for diagnostic in found)
        runs = [] if wrong or not collected.steps else instances
        return LoadedFile(self._path, self._text, header, tuple(runs), found, tuple(collected.defines))

    # --- parameters ---------------------------------------------------------------------------------------------------

    def _factors(self, raw: Sequence[HeaderText]) -> list[Factor]:
        factors: list[Factor] = []
        for header in raw:
            if header.key == "param":
                taken = {name: factor for factor in factors for name in factor.names}
                factor = read_factor(header, taken)
                factors += [] if factor is None else [factor]
        return factors

    def _choices(self, raw: Sequence[HeaderText], factors: list[Factor], steps: Sequence[Block]) -> list[_Choice]:
        assumptions = [header for header in raw if header.key == "assume"]
        thinned = any(header.key == "pairwise" and header.text.strip() == "on" for header in raw)
        cases = self._cases(steps)
        listed = bindings(factors, assumptions, thinned)
        count = None if listed is None else len(listed) * len(cases)
        if count == 0 and assumptions:
            assumptions[-1].error("no combination of the parameters is left")
        if count is None or count > MOST_INSTANCES:
            size = "more than 100,000" if count is None else str(count)
            where = next(header for header in reversed(raw) if header.key == "param") if factors else raw[-1]
            hint = "use `assume:`, a table, or `pairwise: on`"
            where.error(f"{size} instances, and {MOST_INSTANCES} are the most", hint)
        kept = (listed or [self._first(factors)])[:MOST_INSTANCES]
        return [_Choice(binding, case) for binding in kept for case in cases][:MOST_INSTANCES]

    def _first(self, factors: Iterable[Factor]) -> Binding:
        return tuple(pair for factor in factors for pair in zip(factor.names, factor.rows[0], strict=True))

    def _cases(self, steps: Sequence[Block]) -> list[str | None]:
        """The titles of the `case` blocks, which must stand together; one None when there are none."""
        places = [place for place, block in enumerate(steps) if _is_case(block)]
        if not places:
            return [None]
        titles = [steps[place].line.code.removeprefix("case").strip().strip('"') for place in places]
        for before, place in pairwise(places):
            if place != before + 1:
                self._error(steps[place].line, "cases must follow one another", "move it up to the other cases")
        for position, title in enumerate(titles):
            if title in titles[:position]:
                self._error(steps[places[position]].line, f"two cases are called `{title}`")
        return list(dict.fromkeys(titles))

    def _error(self, line: SourceLine, message: str, label: str = "") -> None:
        self._found.append(Diagnostic(Severity.ERROR, message, line.span(), line.raw, label=label))

    # --- one instance -------------------------------------------------------------------------------------------------

    def _instance(self, choice: _Choice, layout: Layout, collected: Collected) -> Instance:
        values = dict(choice.binding)
        headers = [header_text(line, values, self._context) for line in layout.header]
        header = read_header(headers, self._vocabulary, choice.binding)
        known = values | builtin_parameters(header)
        for text in headers:
            self._check_header_variables(text.reader, known)
        steps = [block for block in collected.steps if not _is_case(block) or choice.case in (None, _title(block))]
        assembler = Assembler(collected.defines, self._vocabulary, self._found)
        statements = assembler.block(steps, Scope(known, outermost=True))
        self._called |= assembler.called
        modes = set(header.modes) if _says_modes(layout) else {self._mode}
        check(assembler.made, header, modes)
        lint(assembler.made, header, modes)
        unused_let(assembler.made, assembler.variables_used)
        needs = set(header.requires) | option_features(header)
        for made in assembler.made:
            needs |= needed_features(made.statement)
        return Instance(
            instance_id(self._path, choice.named),
            self._path,
            choice.named,
            header if _says_modes(layout) else evolve(header, modes=(self._mode,)),
            statements,
            tuple(sorted(needs)),
            tuple(sorted(needs - self._vocabulary.built)),
            self._mode,
        )

    def _check_header_variables(self, reader: LineReader, known: Mapping[str, str]) -> None:
        for match in variables(reader.line.text):
            if match[1] not in known:
                hint = suggest(match[0], [f"${name}" for name in known])
                reader.error(f"unknown parameter `{match[0]}`", reader.line.span(*match.span()), hint)

    def _quiet_header(self, layout: Layout) -> Header:
        """The header of a file without instances, its errors having been reported or not being errors there."""
        context = LineContext(self._vocabulary, [])
        return read_header([header_text(line, {}, context) for line in layout.header], self._vocabulary, ())

    # --- the file as a whole ------------------------------------------------------------------------------------------

    def _check_whole(self, layout: Layout, collected: Collected, factors: Iterable[Factor]) -> None:
        keys = {line.code.partition(":")[0].strip() for line in layout.header}
        library = not collected.steps and bool(collected.defines)
        first = Span(self._path, 1, 1, 1)
        source = self._text.split("\n", 1)[0].replace("\t", " ").rstrip("\r")
        if "scenario" not in keys:
            hint = "write: scenario: what it shows, in one sentence"
            self._found.append(Diagnostic(Severity.ERROR, "the header lacks `scenario:`", first, source, label=hint))
        if "servers" not in keys and not library:
            hint = f"write: servers: 3 (1 to {MOST_SERVERS})"
            self._found.append(Diagnostic(Severity.ERROR, "the header lacks `servers:`", first, source, label=hint))
        if not library:
            if not collected.steps and "servers" in keys:
                self._warn(Span(self._path, 1, 1, 1), source, "no statements: nothing happens and nothing is checked")
            self._unused(layout, collected, factors)
        self._check_uncalled(collected)

    def _warn(self, span: Span, source: str, message: str, label: str = "") -> None:
        self._found.append(Diagnostic(Severity.WARNING, message, span, source, label=label))

    def _unused(self, layout: Layout, collected: Collected, factors: Iterable[Factor]) -> None:
        used = {match[1] for match in re.finditer(r"\$([A-Za-z_]\w*)", self._text)}
        for factor in factors:
            for name in set(factor.names) - used:
                line = next(line for line in layout.header if re.match(rf"param *:.*\b{name}\b", line.code))
                self._warn(line.span(), line.raw, f"parameter `{name}` is never used", "every instance is the same")
        for define in unused(collected.defines.values(), self._called, self._path):
            self._warn(define.line.span(), define.line.raw, f"define `{define.name}` is never called")
        if collected.uses and not any(_from_elsewhere(collected.defines, name, self._path) for name in self._called):
            line = collected.uses[0].line
            self._warn(line.span(), line.raw, "nothing of what this loads is called")

    def _check_uncalled(self, collected: Collected) -> None:
        """Of defines that nothing calls, the lines that hold no argument can still be checked."""
        assembler = Assembler(collected.defines, self._vocabulary, self._found)
        for define in unused(collected.defines.values(), self._called, self._path):
            lines = [block for block in define.body if not _has_variable(block)]
            assembler.block(lines, Scope({}, chain=define.chain))


def _from_elsewhere(defines: Mapping[str, Define], name: str, path: str) -> bool:
    return name in defines and defines[name].line.path != path


def _is_case(block: Block) -> bool:
    return block.line.code.split()[0] == "case"


def _title(block: Block) -> str:
    return block.line.code.removeprefix("case").strip().strip('"')


def _has_variable(block: Block) -> bool:
    return "$" in block.line.code or any(_has_variable(child) for child in block.children)


def _says_modes(layout: Layout) -> bool:
    return any(line.code.partition(":")[0].strip() == "modes" for line in layout.header)


def _distinct(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Each finding once, in the order of the file, findings of other files last. Warnings wait until nothing is wrong.

    The same words about the same place count as one finding, whichever instance or call came upon it.
    """
    kept: dict[tuple[str, Span], Diagnostic] = {}
    for one in found:
        kept.setdefault((one.message, one.span), one)
    wrong = any(one.is_error for one in kept.values())
    chosen = [one for one in kept.values() if one.is_error or not wrong]
    return tuple(sorted(chosen, key=lambda one: (one.chain != (), one.span.path, one.span.line, one.span.column)))
