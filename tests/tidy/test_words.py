"""One word per idea, and no note that only its author understands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .repository import modules, python_files, shown, text_files, tree

BANNED = re.compile(r"\b(FIX" r"ME|XX" r"X)\b")
OPEN_NOTE = re.compile(r"\bTO" r"DO\b")
UNMERGED = re.compile(r"^(<{7}|>{7}|\|{7})( |$)")
DONE_WHEN = re.compile(r"\b(until|when|once)\b", re.IGNORECASE)


def test_no_note_without_an_end() -> None:
    """A note of work to do says what would make it done ("... until X", "... when X"); others are issues, not notes."""
    wrong = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path, text in text_files()
        if path.suffix in {".py", ".md", ".lark", ".scenario", ".toml"}
        for number, line in enumerate(text.splitlines(), start=1)
        if BANNED.search(line) or (OPEN_NOTE.search(line) and not DONE_WHEN.search(line))
    ]

    assert not wrong, "\n".join(wrong)


def test_no_merge_was_left_half_done() -> None:
    """No committed text has the marks that a conflict leaves behind."""
    wrong = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), start=1)
        if UNMERGED.search(line)
    ]

    assert not wrong, "\n".join(wrong)


def test_a_server_is_called_a_server() -> None:
    """No public name of raftframe says "node": the papers, the messages and the docs say "server"."""
    wrong = [
        f"{shown(path)}:{line}: {name}: say server, not node"
        for module, path in modules().items()
        if module.partition(".")[0] == "raftframe"
        for name, line in [(path.stem, 1), *_public_names(path)]
        if {"node", "nodes"} & set(words_of(name))
    ]

    assert not wrong, "\n".join(wrong)


def test_every_module_says_what_it_is() -> None:
    """Every module opens with a docstring."""
    silent = [shown(path) for path in python_files() if not ast.get_docstring(tree(path))]

    assert not silent, "no docstring: " + ", ".join(silent)


def words_of(name: str) -> list[str]:
    """The words of an identifier: `nextNode_id` and `NEXT_NODE_ID` are made of next, node and id."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _public_names(path: Path) -> Iterator[tuple[str, int]]:
    """What *path* names for others: functions, classes, parameters, variables and attributes, with their lines."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case _:
                continue
        if not name.startswith("_"):
            yield name, node.lineno


def test_words_of_an_identifier() -> None:
    """Snake case, camel case and capitals all fall into the same words."""
    assert words_of("nextNode_id") == words_of("NEXT_NODE_ID") == ["next", "node", "id"]
    assert "node" not in words_of("anode")
