"""Scenario texts that the tests of the language share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from scenarios.language.diagnostics import render_all
from scenarios.language.loaded import Instance, LoadedFile
from scenarios.language.loader import load
from scenarios.language.tree import Statement

FILES = Path(__file__).parent / "files"
CORPUS = sorted(itertools.chain(FILES.glob("*.scenario"), FILES.glob("etcd/*.scenario"), FILES.glob("lib/*.scenario")))


def loaded(body: str, header: str = "servers: 3", **options: str) -> LoadedFile:
    """The file with this body."""
    return load("some.scenario", text=f"scenario: some\n{header}\n\n{body}", **options)  # type: ignore[arg-type]


def instance(body: str, header: str = "servers: 3") -> Instance:
    """The only instance of the file with this body, which must be right."""
    file = loaded(body, header)
    assert file.ok, render_all(file.diagnostics)
    (only,) = file.instances
    return only


def statement(line: str) -> Statement:
    """The statement that one line makes."""
    return instance(line).statements[-1]


def said(body: str, header: str = "servers: 3", **options: str) -> list[str]:
    """The messages about the file with this body."""
    return [found.message for found in loaded(body, header, **options).diagnostics]


def texts() -> Iterator[tuple[str, str]]:
    """Name and text of every file of the corpus."""
    for file in CORPUS:
        yield str(file), file.read_text(encoding="utf-8")
