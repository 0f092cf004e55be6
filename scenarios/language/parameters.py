"""`param:`, `assume:` and `pairwise:` into the bindings that a file is read with.

A *factor* is what varies by itself: one parameter with its values, or a table whose rows go together. The bindings
are the product of the factors, filtered by `assume`. `pairwise: on` keeps a subset in which every pair of choices
that the whole holds is still met; it is found greedily, in a fixed order, so that ids never depend on the run.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from scenarios.language.features import BUILTIN_PARAMETERS
from scenarios.language.loaded import Binding
from scenarios.language.reader import LineReader

MOST_INSTANCES = 64
_MOST_COMBINATIONS = 100_000
_NAME = re.compile(r"[A-Za-z_]\w*")
_CELL = re.compile(r'"(?:\\.|[^"\\])*"|\[[^\]]*\]|\S+')


@frozen
class Factor:
    """Parameters that vary together: each row holds a value for each of the names."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@frozen
class HeaderText:
    """The value of one header line: `reader.line.text[start:]`."""

    key: str
    reader: LineReader
    start: int

    @property
    def text(self) -> str:
        return self.reader.line.text[self.start :]

    def error(self, message: str, label: str = "", start: int = 0, end: int | None = None) -> None:
        """Report *message* about `text[start:end]`."""
        stop = None if end is None else self.start + end
        self.reader.error(message, self.reader.line.span(self.start + start, stop), label)


class BadExpression(Exception):
    """An `assume:` or `when` that cannot be evaluated; the message says why."""


def read_factor(header: HeaderText, taken: Mapping[str, object]) -> Factor | None:
    """One `param:` line; None when it is wrong (which was reported)."""
    left, equals, right = header.text.partition("=")
    names = tuple(left.split())
    if not equals or not names or not right.strip():
        header.error("a parameter needs a name and values", "write: param: N = 3, 5")
        return None
    for name in names:
        if not _NAME.fullmatch(name) or name in BUILTIN_PARAMETERS:
            header.error(f"`{name}` cannot be the name of a parameter", "", 0, len(left.rstrip()))
            return None
        if name in taken or names.count(name) > 1:
            header.error(f"parameter `{name}` is given twice", "", 0, len(left.rstrip()))
            return None
    rows = _rows(header, names, right)
    return None if rows is None else Factor(names, rows)


def _rows(header: HeaderText, names: tuple[str, ...], right: str) -> tuple[tuple[str, ...], ...] | None:
    offset = len(header.text) - len(right)
    rows: list[tuple[str, ...]] = []
    position = offset
    for part in _split(right, "," if len(names) == 1 else ";"):
        cells = (" ".join(part.split()),) if len(names) == 1 else tuple(_CELL.findall(part))
        if len(cells) != len(names) or not all(cells):
            message = "an empty value" if not part.strip() else f"a row of {len(cells)} values for {len(names)} names"
            header.error(message, "", position, position + len(part))
            return None
        rows.append(cells)
        position += len(part) + 1
    if len(set(rows)) < len(rows):
        header.error("a value is listed twice", "", offset)
        return None
    return tuple(rows)


def _split(text: str, separator: str) -> list[str]:
    """Like str.split, but a separator inside a string or brackets does not count."""
    pieces = re.findall(rf'(?:"(?:\\.|[^"\\])*"|\[[^\]]*\]|[^{separator}])+|{separator}', text)
    parts = [""]
    for piece in pieces:
        if piece == separator:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def bindings(factors: Sequence[Factor], assumptions: Sequence[HeaderText], pairwise: bool) -> list[Binding] | None:
    """All bindings, in the order of the file; None when there are too many even to filter."""
    if math.prod(len(factor.rows) for factor in factors) > _MOST_COMBINATIONS:
        return None
    kept = []
    for rows in itertools.product(*(factor.rows for factor in factors)):
        pairs = zip(factors, rows, strict=True)
        binding = tuple(pair for factor, row in pairs for pair in zip(factor.names, row, strict=True))
        if all(_assumed(assumption, binding) for assumption in assumptions):
            kept.append((rows, binding))
    if pairwise and len(factors) > 2:
        kept = _pairwise(kept)
    return [binding for _rows, binding in kept]


_Row = tuple[tuple[tuple[str, ...], ...], Binding]


def _pairwise(candidates: list[_Row]) -> list[_Row]:
    """A small subset of *candidates* that meets every pair of rows that they meet."""
    pairs = [frozenset(itertools.combinations(enumerate(rows), 2)) for rows, _binding in candidates]
    missing = set().union(*pairs)
    chosen: set[int] = set()
    while missing:
        best = max(range(len(candidates)), key=lambda place: (len(pairs[place] & missing), -place))
        chosen.add(best)
        missing -= pairs[best]
    return [candidates[place] for place in sorted(chosen)]


def _assumed(assumption: HeaderText, binding: Binding) -> bool:
    try:
        return evaluate(assumption.text, binding)
    except BadExpression as error:
        assumption.error(str(error), "compare parameters: N > 3 or point == after")
        return True


_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def evaluate(text: str, binding: Binding) -> bool:
    """Whether a condition over parameters holds: words and numbers with and, or, not, comparisons, + - * // %."""
    python = re.sub(r"(?<![=!<>])=(?![=])", "==", text.replace("$", ""))
    try:
        parsed = ast.parse(python.strip(), mode="eval")
        return bool(_value(parsed.body, dict(binding)))
    except (SyntaxError, TypeError, ValueError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise BadExpression(f"cannot evaluate `{text.strip()}`") from error


def _value(node: ast.expr, values: Mapping[str, str]) -> Any:  # Any: bool, int or str
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, values) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, values) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return not _value(part, values)
        case ast.Compare(left=first, ops=operators, comparators=others):
            terms = [_value(part, values) for part in (first, *others)]
            return all(
                _COMPARISONS[type(sign)](left, right)
                for sign, left, right in zip(operators, terms, terms[1:], strict=False)
                if type(sign) in _COMPARISONS or _refuse(sign)
            )
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
            return _ARITHMETIC[type(sign)](_number(left, values), _number(right, values))
        case ast.Name(id=name):
            return _literal(values.get(name, name))
        case ast.Constant(value=int() | str() as value):
            return value
    raise ValueError(f"not allowed: {ast.dump(node)}")


def _refuse(sign: ast.cmpop) -> bool:
    raise ValueError(f"not allowed: {type(sign).__name__}")


def _number(node: ast.expr, values: Mapping[str, str]) -> int:
    value = _value(node, values)
    if not isinstance(value, int) or abs(value) > 10**9:
        raise TypeError("not a number")
    return value


def _literal(word: str) -> int | str:
    return int(word) if word.isdecimal() and len(word) < 10 else word


def instance_id(stem: str, binding: Binding) -> str:
    """`file.scenario[N=3,point=after]`; a blank inside a value becomes `_`."""
    if not binding:
        return stem
    return f"{stem}[{','.join(f'{name}={_slug(value)}' for name, value in binding)}]"


def _slug(value: str) -> str:
    return re.sub(r"\s+", "_", value.strip('"'))
