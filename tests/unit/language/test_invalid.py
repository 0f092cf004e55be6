"""Wrong files, and exactly what is said about each.

To record what is said now, after having read it: `python tests/unit/language/test_invalid.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.language.diagnostics import render_all
from scenarios.language.loader import load

HERE = Path(__file__).parent / "invalid"
FILES = sorted(HERE.glob("*.scenario"))


def said(file: Path) -> str:
    """The diagnostics of *file*, with paths as if it were loaded from its own folder."""
    return render_all(load(file.name, read=lambda path: (HERE / path).read_text(encoding="utf-8")).diagnostics)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_said(file: Path) -> None:
    """Each wrong file gives the diagnostics recorded beside it, and nothing of it would run."""
    expected = file.with_suffix(".expected").read_text(encoding="utf-8")

    assert said(file) == expected
    loaded = load(file)
    assert loaded.errors
    assert not loaded.instances


def test_enough_files() -> None:
    """There is a wrong file for every kind of mistake, and no recording without its file."""
    assert len(FILES) >= 30
    assert {file.stem for file in FILES} == {file.stem for file in HERE.glob("*.expected")}


if __name__ == "__main__":
    for wrong in FILES:
        wrong.with_suffix(".expected").write_text(said(wrong), encoding="utf-8")
