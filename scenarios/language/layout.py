"""Text into lines, lines into a header and blocks. Knows comments, strings and indentation, and not one verb.

Every line is looked at, whatever was wrong with the lines before it: a line that cannot be placed is reported and put
where its author most likely meant it, so that one slip gives one error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import field, frozen

from scenarios.language.diagnostics import Diagnostic, Severity
from scenarios.language.terms import Span

HEADER_LINE = re.compile(r"(?P<key>[A-Za-z][\w-]*) *: *(?P<text>.*)")
_MOST_LEVELS = 20
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")


@frozen
class SourceLine:
    """One line of a file. *code* is the line without indentation, comment and trailing blanks."""

    path: str
    number: int
    indent: int
    code: str
    comment: str | None
    raw: str = field(eq=False, repr=False)

    def span(self, start: int = 0, end: int | None = None) -> Span:
        """The span of `code[start:end]`."""
        end = len(self.code) if end is None else end
        return Span(self.path, self.number, self.indent + start + 1, max(0, end - start))


@frozen
class Block:
    """A line and the lines indented below it."""

    line: SourceLine
    children: tuple[Block, ...] = ()


@frozen
class Layout:
    """A file split up: *header* and *blocks* hold the lines with code, *lines* all of them."""

    header: tuple[SourceLine, ...]
    blocks: tuple[Block, ...]
    diagnostics: tuple[Diagnostic, ...]
    lines: tuple[SourceLine, ...]


@frozen
class CodeLine:
    """A line after its parameters were replaced, and where each of its characters was written.

    *origins* holds a (start, end) in the source's code for each character; None when nothing was replaced. *used* are
    the parameters that took part, with their values.
    """

    source: SourceLine
    text: str
    origins: tuple[tuple[int, int], ...] | None = None
    used: tuple[tuple[str, str], ...] = ()

    def span(self, start: int = 0, end: int | None = None) -> Span:
        """Where `text[start:end]` was written. At the end of the line: one column behind it."""
        end = len(self.text) if end is None else end
        if self.origins is None or not self.origins:
            return self.source.span(start, end)
        if start >= len(self.text):
            return self.source.span(len(self.source.code), len(self.source.code) + 1)
        return self.source.span(self.origins[start][0], self.origins[max(start, end - 1)][1])


def expand(line: SourceLine, values: dict[str, str]) -> CodeLine:
    """*line* with every `$name` that *values* knows replaced by its tokens; others stay as they are."""
    if "$" not in line.code:
        return CodeLine(line, line.code)
    text, origins, used, position = "", [], [], 0
    for match in _VARIABLE.finditer(line.code):
        if match[1] not in values:
            continue
        text += line.code[position : match.start()] + values[match[1]]
        origins += [(place, place + 1) for place in range(position, match.start())]
        origins += [match.span()] * len(values[match[1]])
        used.append((match[1], values[match[1]]))
        position = match.end()
    text += line.code[position:]
    origins += [(place, place + 1) for place in range(position, len(line.code))]
    return CodeLine(line, text, tuple(origins), tuple(dict.fromkeys(used)))


def variables(text: str) -> Iterable[re.Match[str]]:
    """The `$name`s of *text* outside strings; group 1 is the name."""
    blanked = re.sub(r'"(\\.|[^"\\])*"', lambda match: " " * len(match[0]), text)
    return _VARIABLE.finditer(blanked)


def read_layout(path: str, text: str) -> Layout:
    """Split a file up. Never fails; what is wrong is in the diagnostics."""
    return _Splitter(path).split(text)


class _Splitter:
    """One pass over a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[Diagnostic] = []

    def split(self, text: str) -> Layout:
        lines = self.lines(text)
        code = [line for line in lines if line is not None and line.code]
        in_header = 0
        while in_header < len(code) and code[in_header].indent == 0 and HEADER_LINE.fullmatch(code[in_header].code):
            in_header += 1
        blocks = self._blocks(code[in_header:])
        return Layout(tuple(code[:in_header]), blocks, tuple(self._found), tuple(line for line in lines if line))

    def lines(self, text: str) -> list[SourceLine | None]:
        """Every line, blank ones included; None for what is beyond repair."""
        return [self._line(number, raw.rstrip("\r")) for number, raw in enumerate(text.split("\n"), 1)]

    def _line(self, number: int, raw: str) -> SourceLine | None:
        """The line, or None when it is beyond repair (which was reported)."""
        if number == 1 and raw.startswith("\ufeff"):
            raw = raw[1:]
            self._error("byte order mark", self._at(number, raw, 0), raw, "save the file as UTF-8 without it")
        if "\t" in raw:
            self._error("tab character", self._at(number, raw, raw.index("\t")), raw, "use spaces: two for each level")
            raw = raw.replace("\t", "  ")
        stripped = raw.lstrip(" ")
        indent = len(raw) - len(stripped)
        end, comment_at, quote_at = _scan(stripped)
        if quote_at is not None:
            span = Span(self._path, number, indent + quote_at + 1, len(stripped.rstrip()) - quote_at)
            self._error("unterminated string", span, raw, 'add the closing "')
            return None
        comment = None if comment_at is None else stripped[comment_at:].rstrip()
        line = SourceLine(self._path, number, indent, stripped[:end].rstrip(), comment, raw)
        for place, character in enumerate(line.code):
            if ord(character) < 32 or ord(character) == 127 or character in "\x85\u2028\u2029\xa0\ufeff":
                self._error(f"control character U+{ord(character):04X}", line.span(place, place + 1), raw, "remove it")
                return None
        return line

    def _blocks(self, lines: list[SourceLine]) -> tuple[Block, ...]:
        """Nest by indentation; *open_lines* are the lines that a deeper line may belong to, outermost first."""
        root: list[_Open] = []
        stack: list[tuple[int, list[_Open]]] = [(0, root)]
        for line in lines:
            depth, siblings = stack[-1]
            if line.indent > depth and line.indent >= depth + 2 and siblings:
                self._check_indent(line, depth + 2)
                if len(stack) > _MOST_LEVELS:
                    self._error("nested too deeply", line.span(), line.raw, f"{_MOST_LEVELS} levels are the most")
                    continue
                stack.append((line.indent, siblings[-1].children))
            elif line.indent < depth or line.indent % 2:
                while len(stack) > 1 and stack[-1][0] > line.indent:
                    stack.pop()
                self._check_indent(line, stack[-1][0])
            elif line.indent > depth:
                self._check_indent(line, depth)
            stack[-1][1].append(_Open(line))
        return tuple(entry.closed() for entry in root)

    def _check_indent(self, line: SourceLine, expected: int) -> None:
        if line.indent == expected:
            return
        span = Span(self._path, line.number, 1, max(1, line.indent))
        message = f"indented by {line.indent} spaces, expected {expected}"
        self._error(message, span, line.raw, "blocks are indented by two spaces")

    def _at(self, number: int, raw: str, place: int) -> Span:
        return Span(self._path, number, place + 1, 1)

    def _error(self, message: str, span: Span, raw: str, hint: str) -> None:
        # A tab would move the carets of every terminal differently, so it is drawn as one blank.
        self._found.append(Diagnostic(Severity.ERROR, message, span, raw.replace("\t", " "), label=hint))


@frozen
class _Open:
    """A block that may still get children."""

    line: SourceLine
    children: list[_Open] = field(factory=list)

    def closed(self) -> Block:
        return Block(self.line, tuple(child.closed() for child in self.children))


def _scan(text: str) -> tuple[int, int | None, int | None]:
    """Where the code of *text* ends, where its comment starts, and where a string starts that never ends."""
    if text.startswith("|"):  # recorded output: nothing in it is a comment or a string
        return len(text), None, None
    position, quote_at = 0, None
    while position < len(text):
        character = text[position]
        if quote_at is not None:
            if character == "\\":
                position += 1
            elif character == '"':
                quote_at = None
        elif character == '"':
            quote_at = position
        elif character == "#" and (position == 0 or text[position - 1] == " "):
            return position, position, None
        position += 1
    return len(text), None, quote_at
