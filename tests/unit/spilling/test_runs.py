"""Sorted runs on disk are a set of words, however many batches there were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engine.layout import UInt64s
from checker.engine.workers import Workers
from checker.spilling import Spill, runs
from checker.spilling.disk import Disk
from checker.spilling.runs import FAN, Runs

# Words that crowd at both ends, at the bounds of pieces, and anywhere.
WORD = (
    st.integers(1, 2**64 - 1) | st.integers(1, 40) | st.integers(2**64 - 40, 2**64 - 1) | st.integers(2**60, 2**60 + 9)
)
BATCHES = st.lists(st.sets(WORD, max_size=60), max_size=3 * FAN)


@contextmanager
def small_pieces() -> Iterator[None]:
    """Blocks and pieces so small that a few words have many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "BLOCK", 4)
        patch.setattr(runs, "PIECE", 8)
        patch.setattr(runs, "CODED", 12)
        patch.setattr(runs, "FEW", 3)
        yield


def ascending(words: set[int]) -> UInt64s:
    """The words in order."""
    return np.array(sorted(words), np.uint64)


def filled(folder: Path, batches: Sequence[set[int]], workers: Workers) -> Runs:
    """The set of all words of *batches*, each of which comes in two parts."""
    made = Runs(Disk(Spill(folder=folder)))
    for batch in batches:
        words = ascending(batch)
        made.add([words[: len(words) // 3], words[len(words) // 3 :]], workers)
    return made


def known(made: Runs, words: set[int]) -> set[int]:
    """Which of *words* the runs have."""
    asked = ascending(words)
    marks = np.zeros(len(asked), np.uint8)
    made.mark(asked, marks)
    return set(asked[marks == 1].tolist())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(batches=BATCHES, others=st.sets(WORD, max_size=60))
def test_runs_are_a_set(tmp_path_factory: pytest.TempPathFactory, batches: list[set[int]], others: set[int]) -> None:
    """Exactly the words that were put in are found, among others, by looking for all at once or for one."""
    inside = set().union(*batches)
    with small_pieces():
        made = filled(tmp_path_factory.mktemp("runs"), batches, Workers())

        found = known(made, inside | others)

        assert found == inside
        assert all(known(made, {word}) == {word} & inside for word in others)
    made.close()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(batches=st.lists(st.sets(WORD, min_size=1, max_size=30), min_size=FAN, max_size=FAN))
def test_merging_keeps_each_word_once(tmp_path_factory: pytest.TempPathFactory, batches: list[set[int]]) -> None:
    """When there are as many runs as are merged, one is left, and what was in several of them is in it once."""
    workers = Workers(2)
    with small_pieces():
        made = filled(tmp_path_factory.mktemp("runs"), batches, workers)

        found = known(made, set().union(*batches))

        assert made.count == len(set().union(*batches)) == len(found)
    workers.close()
    made.close()


@pytest.mark.parametrize("many", [3, 20_000])
def test_runs_of_many_pieces(tmp_path: Path, many: int) -> None:
    """With blocks and pieces as large as they are: a few words, and many, in a run of two pieces and a short one."""
    steps = np.random.default_rng(5).integers(1, 1 << 43, 1_400_000, np.uint64)
    words = steps.cumsum(dtype=np.uint64)
    is_inside = np.arange(len(words)) % 3 != 0
    made = Runs(Disk(Spill(folder=tmp_path)))
    made.add([words[is_inside][:900_000].copy()], Workers())
    made.add([words[is_inside][900_000:].copy()], Workers())
    asked = np.linspace(0, len(words) - 1, many).astype(np.int64)

    marks = np.zeros(many, np.uint8)
    made.mark(words[asked], marks)

    assert (marks == is_inside[asked]).all()
    made.close()


def test_space_is_given_back(tmp_path: Path) -> None:
    """Merged runs take no more space, closed ones none; and the folder never shows a file."""
    disk = Disk(Spill(folder=tmp_path))
    made = Runs(disk)
    for start in range(FAN):
        made.add([np.arange(start + 1, 100_000, FAN, dtype=np.uint64)], Workers())

    assert 99_999 // 8 < disk.bytes < 99_999 // 7, "each step is 1, and takes a bit"
    assert disk.most_bytes > 5 * disk.bytes, "in each of the runs it is 8, and takes four"
    assert not list(tmp_path.iterdir())
    made.close()
    assert disk.bytes == 0
