"""`use "lib/common.scenario"` and `define`: the named blocks that a file may call.

A file that is used gives its defines, and those of the files it uses; it may not contain steps. Paths are relative to
the file that names them. A cycle is an error, and every error inside a used file shows how it was reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import evolve, frozen

from scenarios.language.assembler import Define
from scenarios.language.diagnostics import Diagnostic, Via
from scenarios.language.features import Vocabulary
from scenarios.language.header import check_keys, header_text, newer_format, read_header
from scenarios.language.layout import Block, CodeLine, Layout, read_layout
from scenarios.language.reader import LineContext, LineReader
from scenarios.language.verbs import VERBS

ReadText = Callable[[Path], str]
"""Gives the text of a file; raises OSError or UnicodeDecodeError."""


@frozen
class Collected:
    """*defines* by name. *steps* are the blocks that are neither `use` nor `define`; *used* the lines with `use`."""

    defines: Mapping[str, Define]
    steps: tuple[Block, ...]
    uses: tuple[Block, ...]


@frozen
class _Place:
    """A file on the way from the one being loaded."""

    path: str
    chain: tuple[Via, ...]
    stack: tuple[Path, ...]


class Includer:
    """Follows `use` lines, each file once for each way it is reached."""

    def __init__(self, read_text: ReadText, vocabulary: Vocabulary, found: list[Diagnostic]) -> None:
        self._read_text = read_text
        self._vocabulary = vocabulary
        self._found = found
        self._defines: dict[str, Define] = {}

    def collect(self, path: str, layout: Layout) -> Collected:
        """The defines within reach of *path*, and its own steps."""
        place = _Place(path, (), (_resolved(Path(path)),))
        steps, uses = self._file(place, layout)
        return Collected(self._defines, steps, uses)

    def _file(self, place: _Place, layout: Layout) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        steps, uses = [], []
        for block in layout.blocks:
            word = block.line.code.split()[0]
            if word == "define":
                self._define(place, block)
            elif word == "use":
                uses.append(block)
                self._use(place, block)
            else:
                steps.append(block)
        return tuple(steps), tuple(uses)

    def _reader(self, place: _Place, block: Block) -> LineReader:
        line = CodeLine(block.line, block.line.code)
        return LineReader(line, LineContext(self._vocabulary, self._found, place.chain))

    def _define(self, place: _Place, block: Block) -> None:
        reader = self._reader(place, block)
        parts = reader.read("define", len("define"), VERBS["define"].syntax)
        if parts is None:
            return
        name, parameters = parts["name"], parts["parameters"]
        if not block.children:
            reader.error("`define` needs a block", reader.line.span(), "indent its lines by two more spaces")
        if len(set(parameters)) < len(parameters):
            reader.error("a parameter is named twice", reader.line.span())
        if name in self._defines and self._defines[name].line != block.line:
            reader.error(
                f"`{name}` is defined twice", reader.line.span(), f"first at {self._defines[name].line.span()}"
            )
            return
        self._defines[name] = Define(name, parameters, block.line, block.children, place.chain)

    def _use(self, place: _Place, block: Block) -> None:
        reader = self._reader(place, block)
        parts = reader.read("quoted", len("use"), VERBS["use"].syntax)
        if block.children:
            child = self._reader(place, block.children[0])
            child.error("`use` takes no block", child.line.span(), "indent this as the line above")
        if parts is None:
            return
        if "\0" in parts["text"]:
            reader.error("not a path", reader.line.span())
            return
        path = Path(place.path).parent / parts["text"]
        resolved = _resolved(path)
        if resolved in place.stack:
            names = " -> ".join(file.name for file in (*place.stack[place.stack.index(resolved) :], resolved))
            reader.error("a file uses itself", reader.line.span(), names)
            return
        try:
            text = self._read_text(path)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
            reader.error(f"cannot read `{path.as_posix()}`", reader.line.span(4), reason.lower())
            return
        via = Via(reader.line.span(), block.line.code)
        self._included(_Place(path.as_posix(), (via, *place.chain), (*place.stack, resolved)), text)

    def _included(self, place: _Place, text: str) -> None:
        layout = read_layout(place.path, text)
        self._found += [evolve(found, chain=place.chain) for found in layout.diagnostics]
        context = LineContext(self._vocabulary, self._found, place.chain)
        headers = [header_text(line, {}, context) for line in layout.header]
        newer = newer_format(headers)
        if newer is not None:
            self._found.append(evolve(newer, chain=place.chain))
            return
        check_keys(headers)
        read_header(headers, self._vocabulary, ())
        steps, _uses = self._file(place, layout)
        for block in steps[:1]:
            reader = self._reader(place, block)
            word = re.match(r"\S+", block.line.code)
            span = reader.line.span(0, word.end() if word else None)
            reader.error("a file that is used holds defines only", span, "move this into a define")


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path


def unused(defines: Iterable[Define], called: Iterable[str], path: str) -> list[Define]:
    """The defines of file *path* itself that nothing calls."""
    names = set(called)
    return [define for define in defines if define.line.path == path and define.name not in names]
