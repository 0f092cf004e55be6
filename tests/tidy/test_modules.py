"""Modules are alive, export what they say, and cost nothing until they are used."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib

import pytest

from scenarios.cli import COMMANDS

from .repository import ROOT, imports, modules, python_files, shown, text_files, tree

HEAVY = ("numba", "llvmlite", "numpy", "scipy", "networkx", "lark", "rich")
DISCOVERY = {"pkgutil", "importlib.resources"}  # a package that imports one of these finds its modules by itself
PLUGIN = "scenarios.pytest_plugin"


def _exporting() -> list[str]:
    """Modules that assign `__all__`."""
    return [
        module
        for module, path in sorted(modules().items())
        if any(
            isinstance(target, ast.Name) and target.id == "__all__"
            for statement in tree(path).body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        )
    ]


@pytest.mark.parametrize("module", _exporting())
def test_what_is_exported_exists(module: str) -> None:
    """Every name of `__all__` is there, once."""
    loaded = importlib.import_module(module)

    missing = [name for name in loaded.__all__ if not hasattr(loaded, name)]
    assert not missing, f"{module} exports what it lacks: {', '.join(missing)}"
    assert len(set(loaded.__all__)) == len(loaded.__all__), f"{module} exports a name twice"


def entry_points() -> set[str]:
    """Modules that pyproject.toml starts, or `python -m`, or the command line for one of its commands."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project.get("scripts", {}), *project.get("entry-points", {}).values()]
    started = {target.partition(":")[0] for group in groups for target in group.values()}
    commands = {f"scenarios.commands.{name}" for name in COMMANDS}  # loaded by name, when they are used
    return started | commands | {module for module in modules() if module.endswith(".__main__")}


def _named_somewhere(module: str) -> bool:
    """Whether a text other than the module's own names *module* by its dotted path, as scenario files do."""
    dotted = re.compile(rf"(?<![\w.]){re.escape(module)}(?![\w])")
    return any(dotted.search(text) for path, text in text_files() if path != modules()[module])


def test_no_module_is_dead() -> None:
    """Every module is imported, named by dotted path, found by its package, or an entry point; packages are exempt."""
    imported = {name for path in python_files() for name in imports(path)}
    discovering = {module for module, path in modules().items() if DISCOVERY & imports(path)}

    dead = [
        shown(path)
        for module, path in modules().items()
        if path.name != "__init__.py"
        and module not in imported | entry_points()
        and module.rpartition(".")[0] not in discovering
        and not _named_somewhere(module)
    ]
    assert not dead, "imported by nothing: " + ", ".join(dead)


def test_the_pytest_plugin_loads_nothing_heavy() -> None:
    """Every pytest run where raftframe is installed imports the plugin, so it brings in nothing slow to import."""
    if PLUGIN not in modules():
        pytest.skip(f"{PLUGIN} is not there")
    program = f"import sys, {PLUGIN}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"

    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    heavy = set(loaded.stdout.split()) & set(HEAVY)
    assert not heavy, f"import {PLUGIN} loads {', '.join(sorted(heavy))}: import them where they are used"
