"""The arrows of ARCHITECTURE.md: who may import whom, and what the pure protocol may not touch."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from .repository import PACKAGES, below, imports, modules, shown, tree

ARROWS: dict[str, set[str]] = {
    "raftframe": set(),
    "checker": {"raftframe"},
    "scenarios": {"checker", "raftframe"},  # and names bank_app only by dotted path
    "bank_app": {"raftframe"},
}

# The checker explores any system, and Raft is one of them: nothing else in the checker has ever heard of it.
RAFT_AWARE = ("mutants", "prompt", "properties", "raft_system", "spaces")

# What the protocol, and everything below it, may import beside raftframe: values and pure functions, nothing that could
# read a clock, draw a number, log, wait, or reach outside the process.
PURE = {
    *("__future__", "abc", "attr", "attrs", "bisect", "collections", "copy", "dataclasses", "enum", "functools"),
    *("hashlib", "heapq", "itertools", "json", "math", "operator", "re", "string", "struct", "types", "typing"),
}
IMPURE_BUILTINS = {"open", "print", "input", "exec", "eval", "breakpoint", "id", "hash"}  # hash: of texts, it varies


@pytest.mark.parametrize("package", PACKAGES)
def test_only_drawn_arrows_are_imported(package: str) -> None:
    """A package imports no other of the four than ARCHITECTURE.md draws an arrow to."""
    forbidden = set(PACKAGES) - {package} - ARROWS[package]

    wrong = [
        f"{shown(path)} imports {name}: no arrow leads from {package} to {name.partition('.')[0]}"
        for module, path in modules().items()
        if module.partition(".")[0] == package
        for name in sorted(imports(path))
        if name.partition(".")[0] in forbidden
    ]
    assert not wrong, "\n".join(wrong)


def test_what_explores_knows_no_raft() -> None:
    """The checker imports nothing of raftframe, but in the few rooms that are about Raft."""
    explores = {
        module: path
        for module, path in modules().items()
        if module.startswith("checker.") and module.split(".")[1] not in RAFT_AWARE
    }

    wrong = [
        f"{module} imports {name}: that belongs in checker.raft_system"
        for module, path in explores.items()
        for name in sorted(imports(path))
        if name.partition(".")[0] == "raftframe"
    ]
    assert not wrong, "\n".join(wrong)
    assert "checker.engine.kernel" in explores


def pure_modules() -> dict[str, object]:
    """The protocol, the role classes, and everything that these import."""
    found = dict(below("raftframe.protocol"))
    for name in modules():
        if name.startswith("raftframe.states."):
            found.update(below(name))
    return dict(sorted(found.items()))


def test_the_protocol_imports_nothing_impure() -> None:
    """No clock, no randomness, no logging, no threads, no I/O at or below protocol.py: time enters only as events."""
    impure = [
        f"{module} imports {name}; what the protocol may import: {' '.join(sorted(PURE))}"
        for module in pure_modules()
        for name in sorted(imports(modules()[module]))
        if name.partition(".")[0] not in PURE | {"raftframe"}
    ]

    assert not impure, "\n".join(impure)


def test_the_protocol_calls_nothing_impure() -> None:
    """No built-in that prints, reads, or depends on where a value lies in memory."""
    impure = [
        f"{shown(modules()[module])}:{node.lineno}: calls {node.func.id}()"
        for module in pure_modules()
        for node in ast.walk(tree(modules()[module]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS
    ]

    assert not impure, "\n".join(impure)


def test_the_protocol_walks_no_set_unsorted() -> None:
    """The order of a set changes with PYTHONHASHSEED, so a loop over one sorts it first."""
    unsorted = [
        f"{shown(modules()[module])}:{iterated.lineno}: walks a set; write sorted(...)"
        for module in pure_modules()
        for iterated in _iterated(tree(modules()[module]))
        if _is_set(iterated)
    ]

    assert not unsorted, "\n".join(unsorted)


def _iterated(module: ast.Module) -> Iterator[ast.expr]:
    """What loops and list displays of *module* walk over, in an order that matters."""
    for node in ast.walk(module):
        if isinstance(node, ast.For):
            yield node.iter
        elif isinstance(node, ast.ListComp):
            yield from (generator.iter for generator in node.generators)


def _is_set(node: ast.expr) -> bool:
    """Whether *node* plainly is a set: a display, a comprehension, or a call of `set` or `frozenset`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in {"set", "frozenset"}
    return isinstance(node, ast.Set | ast.SetComp)
