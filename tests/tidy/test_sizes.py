"""Functions and files stay short enough to be read in one go."""

from __future__ import annotations

import ast

from .repository import python_files, shown, tree

LONGEST_FUNCTION = 70
LONGEST_FILE = 700


def test_no_function_is_longer_than_a_screen() -> None:
    """A function over 70 lines does two things: keep the branches in it, move the work out."""
    long = [
        f"{shown(path)}:{node.lineno}: {node.name} has {length} lines, {LONGEST_FUNCTION} are allowed"
        for path in python_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]

    assert not long, "\n".join(long)


def test_no_file_is_longer_than_a_chapter() -> None:
    """A file over 700 lines holds two subjects: split it where they meet."""
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}

    long = [f"{name}: {length} lines" for name, length in lengths.items() if length > LONGEST_FILE]
    assert not long, "\n".join(long)
