"""`raftframe fmt`: one layout for all scenario files.

Lines keep their order and their meaning. Blanks between tokens become what the examples show; comments keep
their column where the code leaves room; blank lines never come in pairs. Formatting twice changes nothing more, and the
trees before and after are equal. A file whose lines cannot be told apart (tabs, strings without an end, indentation
that fits no block) is left alone: its errors come first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from attrs import frozen

from scenarios.language.diagnostics import Diagnostic
from scenarios.language.layout import HEADER_LINE, SourceLine, read_layout

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|->|=>|[=!<>]=|[\w$*]+(?:-\w+)*(?:\.\d+\w*)?|\S')
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_FREE_HEADERS = frozenset({"scenario", "summary", "generated", "from", "minimised", "known-bug", "assume"})
_TIGHT_TESTS = frozenset({"term", "entries", "index", "commit"})
_COMPARISONS = frozenset({"=", "==", "!=", "<", "<=", ">", ">="})
_FUNCTIONS = frozenset({"count", "progress", "inflight"})
_Tight: TypeAlias = Literal["all", "tests", "none"]


@frozen
class Formatted:
    """*text* is the file in the canonical layout; with *diagnostics* it is the file as it was."""

    text: str
    diagnostics: tuple[Diagnostic, ...] = ()


def format_text(text: str, path: str = "<text>") -> Formatted:
    """The canonical layout of a scenario file's text."""
    layout = read_layout(path, text)
    if layout.diagnostics:
        return Formatted(text, layout.diagnostics)
    header = {line.number for line in layout.header}
    result: list[str] = []
    for place, line in enumerate(layout.lines):
        if not line.code and line.comment is None:
            if result and result[-1]:
                result.append("")
            continue
        if _starts_the_body(layout.lines, place, header) and result[-1]:
            result.append("")
        result.append(_formatted_line(layout.lines, place, line.number in header))
    while result and not result[-1]:
        result.pop()
    return Formatted("".join(line + "\n" for line in result))


def _starts_the_body(lines: Sequence[SourceLine], place: int, header: set[int]) -> bool:
    """Whether a statement follows a header line at once."""
    return (
        place > 0
        and lines[place - 1].number in header
        and bool(lines[place].code)
        and lines[place].number not in header
    )


def _formatted_line(lines: Sequence[SourceLine], place: int, in_header: bool) -> str:
    line = lines[place]
    if not line.code:
        return " " * _comment_indent(lines, place) + (line.comment or "")
    glued = "#" in _STRING.sub("", line.code)  # no comment as it stands: a blank before it would make it one
    tidy = line.code if glued else _header(line.code) if in_header else _statement(line.code)
    code = " " * line.indent + tidy
    if line.comment is None:
        return code
    column = line.raw.rstrip("\r").rstrip().rindex(line.comment)
    return code + " " * max(2, column - len(code)) + line.comment


def _comment_indent(lines: Sequence[SourceLine], place: int) -> int:
    """A comment stands as deep as it stood, but no deeper than the code around it."""
    before = next((line.indent for line in reversed(lines[:place]) if line.code), 0)
    after = next((line.indent for line in lines[place:] if line.code), 0)
    return min(lines[place].indent // 2 * 2, max(before, after))


def _header(code: str) -> str:
    match = HEADER_LINE.fullmatch(code)
    if match is None:
        return code
    key, text = match["key"], match["text"].strip()
    if key not in _FREE_HEADERS:
        if key in ("param", "options"):
            text = _spaced(_TOKEN.findall(text), text, "all" if key == "options" else "none")
        text = re.sub(r" *, *", ", ", text) if '"' not in text else text
    return f"{key}: {text}".rstrip()


def _statement(code: str) -> str:
    if code.startswith("|"):
        return code
    if re.match(r"(try +)?(explore|call)\b", code):  # free words: only their number of blanks may change
        parts = re.findall(r'"(?:\\.|[^"\\])*"|[^"]+', code)
        return "".join(part if part.startswith('"') else re.sub(r" +", " ", part) for part in parts)
    return _spaced(_TOKEN.findall(code), code, "none" if re.match(r"let\b", code) else "tests")


def _spaced(tokens: Sequence[str], code: str, tight: _Tight) -> str:
    """The tokens with canonical blanks between them, but none around the comparisons that are *tight*."""
    text = ""
    position = 0
    for place, token in enumerate(tokens):
        start = code.index(token, position)
        gap = start > position
        position = start + len(token)
        if place and _wants_blank(tokens, place, gap, tight):
            text += " "
        text += token
    return text


def _wants_blank(tokens: Sequence[str], place: int, gap: bool, tight: _Tight) -> bool:
    """Whether a blank goes before `tokens[place]`; *gap*: whether one was there."""
    before, token = tokens[place - 1], tokens[place]
    if token in (",", ")", "]", ";", ":", ".") or before in ("(", "[", "."):
        return False
    if token == "(":
        return before not in _FUNCTIONS
    if token in _COMPARISONS:
        return not _is_tight(tokens, place, tight)
    if before in _COMPARISONS:
        return not _is_tight(tokens, place - 1, tight)
    if before in (",", ";", ":", ")", "]") or token in ("[", "|", "->", "=>") or before in ("|", "->", "=>"):
        return True
    return gap


def _is_tight(tokens: Sequence[str], place: int, tight: _Tight) -> bool:
    """Whether the comparison at *place* has no blanks. "tests" are those of a pattern: `entries>0`, but not
    `s1.commit > 0`."""
    if tight != "tests":
        return tight == "all"
    return place > 0 and tokens[place - 1] in _TIGHT_TESTS and (place < 2 or tokens[place - 2] != ".")
