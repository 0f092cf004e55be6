"""Machine code: what goes in and comes back, and when what is on disk is used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from checker.engine.compiled import FOLDER, Compiled, compiled, inlined, packed
from checker.engine.layout import Int32s, Int64s, Number, UInt64s, Word

STEP = 3


def twin(made: object) -> Callable[..., Any]:
    """The plain function behind a compiled one."""
    assert isinstance(made, Compiled)
    return made.function


class Pair(NamedTuple):
    """Two arrays and a number, in one."""

    grid: Int32s
    line: Int64s
    add: int


class Other(NamedTuple):
    """As `Pair`, by other names."""

    line: Int32s
    grid: Int64s
    add: int


@inlined
def _stepped(number: Number) -> Number:
    return number + STEP


@compiled
def total(pair: Pair, double: bool) -> Number:
    """The sum of both arrays and the number, stepped; twice if *double*."""
    found = pair.add
    for row in range(pair.grid.shape[0]):
        for column in range(pair.grid.shape[1]):
            found += pair.grid[row, column]
    for place in range(pair.line.shape[0]):
        found += pair.line[place]
    found = _stepped(found)
    return 2 * found if double else found


@compiled
def doubled(line: Int64s) -> None:
    """Double every number of *line*, in place."""
    for place in range(line.shape[0]):
        line[place] *= 2


@compiled
def extremes(line: Int64s) -> tuple[Number, Number]:
    """The least and the greatest number of *line*."""
    least = greatest = line[0]
    for number in line:
        least, greatest = min(least, number), max(greatest, number)
    return least, greatest


@compiled
def ascends(line: Int64s) -> bool:
    """Whether no number of *line* is less than the one before."""
    for place in range(1, line.shape[0]):  # noqa: SIM110  # compiled
        if line[place] < line[place - 1]:
            return False
    return True


@compiled
def inverted(line: UInt64s) -> Word:
    """The first word of *line*, with every bit turned."""
    return ~line[0]


PAIR = Pair(np.arange(6, dtype=np.int32).reshape(2, 3), np.array([10, 20]), 100)
LINE = np.array([3, -1, 7])


def test_machine_code_does_what_the_function_says() -> None:
    """Arrays of one and two dimensions, numbers and truths go in, also within tuples, and results of each kind come
    back: the same as from the function as it is written."""
    line = LINE.copy()

    assert total(PAIR, True) == twin(total)(PAIR, True) == 2 * (15 + 30 + 100 + STEP)
    assert total(PAIR, False) == 15 + 30 + 100 + STEP
    assert inverted(np.array([1], np.uint64)) == 2**64 - 2
    assert extremes(line) == (-1, 7)
    assert (ascends(line), ascends(np.sort(line))) == (False, True)
    assert doubled(line) is None  # type: ignore[func-returns-value]  # that it returns nothing is the point
    assert line.tolist() == [6, -2, 14]
    assert total(PAIR._replace(line=np.empty(0, np.int64)), False) == 15 + 100 + STEP


def test_what_is_packed_is_handed_over_as_it_was() -> None:
    """Several times, and what is in its arrays by then is what counts."""
    grid = PAIR.grid.copy()
    pair = packed(PAIR._replace(grid=grid))
    before = total(pair, True), total(pair, False)
    grid[0, 0] += 1

    assert before == (total(PAIR, True), total(PAIR, False))
    assert total(pair, False) == before[1] + 1


def test_an_array_that_is_not_in_order_is_refused() -> None:
    """Machine code would read past the rows of a transposed array."""
    with pytest.raises(TypeError, match="in C order"):
        total(PAIR._replace(grid=PAIR.grid.T), False)


def test_machine_code_knows_fields_by_their_places() -> None:
    """The same kinds in fields of other names are other code."""
    kinds = (("i", 2), ("l", 1), int)
    assert isinstance(total, Compiled)

    assert total.digest(((Pair, kinds),)) != total.digest(((Other, kinds),))


def test_machine_code_is_found_by_what_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another constant, or another function within, makes another name on disk; the same again makes the same."""
    before = name_of(total)
    monkeypatch.setitem(globals(), "STEP", 4)
    other_constant = name_of(total)
    monkeypatch.undo()
    monkeypatch.setitem(globals(), "_stepped", inlined(lambda number: number - STEP))
    other_function = name_of(total)
    monkeypatch.undo()

    assert len({before, other_constant, other_function}) == 3
    assert name_of(total) == before


def name_of(function: Callable[..., Any]) -> str:
    """What the machine code of *function* for two numbers is called."""
    assert isinstance(function, Compiled)
    return function.digest((int, int))


SEARCH = """
import sys
from benchmarks.engine import SMALL, explore
print(explore(SMALL, 1).states, "numba" in sys.modules, "checker.distributed" in sys.modules)
"""


@pytest.mark.slow
def test_what_is_on_disk_is_used(tmp_path: Path) -> None:
    """The first process compiles; the next one finds the same, and does not even load what compiles. Neither loads what
    a search in one process and in memory has no use for."""
    environment = {**os.environ, FOLDER: str(tmp_path)}

    first, second = (
        subprocess.run([sys.executable, "-c", SEARCH], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    )

    assert first.stdout.split() == ["148", "True", "False"]
    assert second.stdout.split() == ["148", "False", "False"]


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is compiled all the same."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(FOLDER, str(tmp_path / "file" / "below"))

    assert compiled(twin(extremes))(LINE) == (-1, 7)


def test_a_file_that_is_damaged_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code that is not as it was written is made anew."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert compiled(twin(ascends))(LINE) is False
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100])

    assert compiled(twin(ascends))(LINE) is False

    monkeypatch.delattr("checker.engine.compiler.compile_entry")
    assert compiled(twin(ascends))(LINE) is False, "this time what is there is used"
