"""One line through lark, and lark's errors into sentences.

The parser is built once in a process and what it gives is cached by text: instances of one file mostly share their
lines.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache
from pathlib import Path

from attrs import frozen
from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from scenarios.language.diagnostics import did_you_mean
from scenarios.language.verbs import GRAMMAR_STARTS

_KEYWORD = re.compile(r'"([a-z]+)"')
_PHRASES = (
    (frozenset({"QUANTITY", "_NOT", "LPAR"}), "a condition"),
    (frozenset({"NAME", "STAR", "VARIABLE"}), "a server"),
)
_TERMINALS = {
    "NAME": "a name",
    "TYPE": "a message type",
    "ROUTED": "a message type",
    "NUMBER": "a number",
    "LENGTH": "a duration",
    "STRING": 'a "string"',
    "VARIABLE": "a $variable",
    "STAR": "`*`",
    "OPERATOR": "a comparison",
    "ONE_WAY": "`->`",
    "QUANTITY": "`no`, `one`, `some`",
    "MEASURE": "`progress`, `inflight`",
    "TESTED": "`term`, `entries`, `index`, `commit`",
    "ANSWER": "`grant`, `reject`",
    "SIDE": "`before`, `after`",
    "STYLE": "`direct`, `joint`",
    "CHANGE": "`add`, `remove`, `learner`",
    "DISK_ACTION": "`fail`, `slow`, `full`, `ok`, `hold`, `release`",
}


@frozen
class SyntaxProblem(Exception):
    """The line does not fit its rule: *message* about `text[start:end]`, with a *hint* that may be empty."""

    message: str
    start: int
    end: int
    hint: str


def parse_line(rule: str, text: str) -> Tree[Token]:
    """The parse tree of *text* (verb blanked out); raises `SyntaxProblem`."""
    result = _parsed(rule, text)
    if isinstance(result, SyntaxProblem):
        raise result
    return result


@lru_cache(maxsize=65536)
def _parsed(rule: str, text: str) -> Tree[Token] | SyntaxProblem:
    try:
        return _parser().parse(text, start=rule)
    except UnexpectedToken as error:
        return _unexpected_token(error, text)
    except UnexpectedCharacters as error:
        start = error.pos_in_stream or 0
        return SyntaxProblem(f"unexpected `{text[start]}`", start, start + 1, "")
    except UnexpectedInput as error:  # no other kind is raised today; a new one must not become a crash
        return SyntaxProblem("cannot read this line", error.pos_in_stream or 0, len(text), "")


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("scenario.lark").read_text(encoding="utf-8")
    words = sorted(set(_KEYWORD.findall(grammar)))
    whole_words = "".join(f"_{word.upper()}.3: /{word}(?![\\w-])/\n" for word in words)
    grammar = _KEYWORD.sub(lambda match: f"_{match[1].upper()}", grammar) + whole_words
    return Lark(grammar, start=list(GRAMMAR_STARTS), parser="lalr", propagate_positions=True, maybe_placeholders=True)


@cache
def _keywords() -> dict[str, str]:
    """Terminal name -> its fixed text, for terminals that have one."""
    words = {terminal.name: terminal.name[1:].lower() for terminal in _parser().terminals if terminal.name[0] == "_"}
    signs = {
        terminal.name: terminal.pattern.value for terminal in _parser().terminals if terminal.pattern.type == "str"
    }
    single = {name: name.lower() for name in ("VIA", "LOSING", "EMPTY", "LOGS", "WRITE", "MINIMISE", "NOT", "ANY")}
    return {**signs, **words, **single}


def _unexpected_token(error: UnexpectedToken, text: str) -> SyntaxProblem:
    expected = sorted(set(error.accepts or error.expected or ()) - {"$END"})
    token: Token = error.token
    if token.type == "$END":
        end = len(text.rstrip())
        return SyntaxProblem(f"something is missing: expected {_listed(expected)}", end + 1, end + 2, "")
    start = _start_of_word(text, token.start_pos or 0)
    word = str(token) if token.type == "STRING" else text[start:].split(maxsplit=1)[0]
    hint = did_you_mean(word, [_keywords()[name] for name in expected if name in _keywords()])
    wanted = f"expected {_listed(expected)}" if expected else "the line should end here"
    return SyntaxProblem(f"unexpected `{word}`: {wanted}", start, start + len(word), hint)


def _start_of_word(text: str, place: int) -> int:
    """Where the word or sign that *place* is in starts: lark may stop in the middle of a number such as `3x`."""
    while place and text[place].isalnum() and text[place - 1].isalnum():
        place -= 1
    return place


def _listed(terminals: Collection[str]) -> str:
    """The terminals in words; keywords last, for the kinds of words say more."""
    for names, phrase in _PHRASES:
        if names <= set(terminals):
            terminals = set(terminals) - names
            return phrase if not terminals or phrase == "a condition" else f"{phrase}, {_listed(sorted(terminals))}"
    kinds = list(dict.fromkeys(_TERMINALS[name] for name in terminals if name in _TERMINALS))
    words = [f"`{_keywords()[name]}`" for name in terminals if name not in _TERMINALS and name in _keywords()]
    listed = kinds + words
    return listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + " or " + listed[-1] if listed else "nothing"
