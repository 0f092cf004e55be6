"""Real files: all of them load, fast, and say what they need."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from scenarios.language.diagnostics import render_all
from scenarios.language.features import STANDARD
from scenarios.language.loader import load

from .support import CORPUS, FILES


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_loads_without_errors(file: Path) -> None:
    """Every example, the include file and every etcd sketch loads."""
    loaded = load(file)

    assert loaded.ok, render_all(loaded.diagnostics)
    assert loaded.instances or loaded.is_library
    assert "Token(" not in repr([instance.statements for instance in loaded.instances])


def test_the_corpus_is_whole() -> None:
    """Thirteen examples, one include file, twenty-eight sketches."""
    assert len(CORPUS) == 13 + 1 + 28


def test_instances_are_named_by_their_parameters() -> None:
    """The id of an instance shows its binding, in the order of the file."""
    path = FILES / "07_vote_survives_restart.scenario"

    ids = [instance.id.removeprefix(path.as_posix()) for instance in load(path).instances]

    assert ids == ["[N=3,point=before]", "[N=3,point=after]", "[N=5,point=before]", "[N=5,point=after]"]


def test_rows_of_a_table_go_together() -> None:
    """The matrix of crash points has 2 x 2 x 4 instances, not 2 x 2 x 4 x 4 x 4."""
    assert len(load(FILES / "11_matrix_crash_points.scenario").instances) == 16


def test_missing_features_are_named() -> None:
    """A file that needs what is not built is skipped, with the names of the features."""
    without = evolve(STANDARD, built=STANDARD.built - {"async_storage"})
    (instance,) = load(FILES / "etcd" / "async_storage_writes.scenario", vocabulary=without).instances

    assert instance.missing == ("async_storage",)
    assert instance.skip_reason == "requires async_storage (not built)"
