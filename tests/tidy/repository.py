"""The repository as data: its files, its modules, and who imports whom.

Files are those that git would commit (tracked, or new and not ignored), so that a rule is broken before the commit and
not after it. Imports are read from the syntax tree, never by importing: also an import inside a function counts.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("raftframe", "checker", "scenarios", "bank_app")
IGNORED_WITHOUT_GIT = {".git", ".venv", "__pycache__", "build", "dist", "reports", "counterexamples"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that is committed or about to be, absolute, sorted."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listing.returncode == 0:
        names = (ROOT / name for name in listing.stdout.decode().split("\0") if name)
    else:  # an unpacked archive
        names = (path for path in ROOT.rglob("*") if not IGNORED_WITHOUT_GIT.intersection(path.relative_to(ROOT).parts))
    return tuple(sorted(path for path in names if path.is_file()))


def python_files() -> tuple[Path, ...]:
    """Every Python file, tests and examples too."""
    return tuple(path for path in files() if path.suffix == ".py")


def text_files() -> Iterator[tuple[Path, str]]:
    """Every file that is UTF-8 text, with its text."""
    for path in files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def shown(path: Path) -> str:
    """*path* as a person names it: from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of *path*."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=shown(path))


@cache
def modules() -> dict[str, Path]:
    """Every module of the four packages by its dotted name; a package is named after its folder."""
    return {dotted_name(path): path for path in python_files() if path.relative_to(ROOT).parts[0] in PACKAGES}


def dotted_name(path: Path) -> str:
    """`checker/properties/base.py` is `checker.properties.base`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> frozenset[str]:
    """The dotted name of everything that *path* imports, relative imports resolved.

    `from raftframe.states import follower` gives both `raftframe.states` and `raftframe.states.follower`: which of the
    two is a module, `modules()` knows.
    """
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(path, node)
            found.add(origin)
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _origin(path: Path, node: ast.ImportFrom) -> str:
    """The absolute name of the module that *node* imports from."""
    if not node.level:
        return node.module or ""
    folder = path.relative_to(ROOT).parts[: -node.level]
    return ".".join([*folder, *([node.module] if node.module else [])])


def below(start: str) -> dict[str, Path]:
    """*start* and every module of its own package that it imports, directly or not; {} if it does not exist."""
    known, package = modules(), start.partition(".")[0]
    reached: dict[str, Path] = {}
    waiting = [start] if start in known else []
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = known[name]
            waiting.extend(other for other in imports(known[name]) & known.keys() if other.startswith(f"{package}."))
    return reached
