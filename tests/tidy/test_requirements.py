"""requirements.txt pins what pyproject.toml asks for, all of it, and nothing else than names and versions."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .repository import ROOT

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[\w.]+)$")


def lines() -> list[str]:
    """The lines of requirements.txt that are not comments."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins() -> dict[str, str]:
    """Version by canonical name."""
    return {canonicalize_name(pin["name"]): pin["version"] for line in lines() if (pin := PIN.match(line))}


def declared() -> list[Requirement]:
    """Everything that pyproject.toml asks for: to run, to test, to develop, to build."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    extras = project["optional-dependencies"].values()
    groups = [project["dependencies"], settings["build-system"]["requires"], *extras]
    return [Requirement(text) for group in groups for text in group]


def test_it_is_a_plain_list_of_pins() -> None:
    """Each line is name==version: no address, no option, no marker, no name twice."""
    wrong = [line for line in lines() if not PIN.match(line)]

    assert not wrong, f"not name==version: {wrong}"
    assert len(pins()) == len(lines()), "a name is listed twice"


def test_every_declared_dependency_is_pinned_to_an_allowed_version() -> None:
    """A pin exists for each dependency of pyproject.toml, and lies within the range declared there."""
    versions = pins()

    missing = [str(wanted) for wanted in declared() if canonicalize_name(wanted.name) not in versions]
    outside = [
        f"{wanted} is pinned to {version}"
        for wanted in declared()
        if (version := versions.get(canonicalize_name(wanted.name))) and version not in wanted.specifier
    ]
    assert not missing, f"add to requirements.txt: {missing}"
    assert not outside, outside


def test_what_dependencies_need_is_pinned_too() -> None:
    """The list is closed: whatever an installed dependency needs on this Python is in it."""
    waiting = [canonicalize_name(wanted.name) for wanted in declared()]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or not (found := _installed(name)):
            continue
        seen.add(name)
        for needed in map(Requirement, found.requires or ()):
            if not needed.marker or needed.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(needed.name))

    assert seen <= set(pins()), f"add to requirements.txt: {sorted(seen - set(pins()))}"


def _installed(name: str) -> metadata.Distribution | None:
    """The distribution called *name*, or None: what builds the package is not installed beside it."""
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
