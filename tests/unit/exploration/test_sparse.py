"""Tables of which most is unknown: whatever they are made of, they hold what was written."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engine import sparse
from checker.engine.compiled import compiled
from checker.engine.layout import UNKNOWN, Cells, Int32s
from checker.engine.sparse import Sparse, cell

PLACES = st.tuples(st.integers(0, 40), st.integers(0, 5_000))
WRITES = st.lists(st.tuples(PLACES, st.integers(-(2**31), 2**31 - 1).filter(lambda value: value != UNKNOWN)))


@compiled
def read_row(cells: Cells, row: int, out: Int32s) -> None:
    """Look every column of *row* up as the kernel does."""
    for column in range(out.shape[0]):
        out[column] = cell(cells, row, column)


def written(table: Sparse, writes: list[tuple[tuple[int, int], int]]) -> dict[tuple[int, int], int]:
    """Make *writes*, with room for each made first; what they come to."""
    for (row, column), value in writes:
        table.cover(row + 1, column + 1)
        table[row, column] = value
    return dict(writes)


@pytest.mark.parametrize("bound", [0, 1 << 12, 1 << 26])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(writes=WRITES)
def test_a_table_is_a_dictionary(bound: int, writes: list[tuple[tuple[int, int], int]]) -> None:
    """A compact table, one that becomes compact, and a grid give back what a dictionary does, singly and in bulk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "DENSE_BYTES", bound)
        table = Sparse()

        expected = written(table, writes)
        known = table.known()

    assert all(table[place] == value for place, value in expected.items())
    pairs = zip(known.row.tolist(), known.column.tolist(), strict=True)
    assert dict(zip(pairs, known.value.tolist(), strict=True)) == dict(sorted(expected.items()))
    assert list(zip(known.row.tolist(), known.column.tolist(), strict=True)) == sorted(expected)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(writes=WRITES)
def test_compiled_code_reads_what_python_wrote(writes: list[tuple[tuple[int, int], int]]) -> None:
    """The kernel's look-up finds what was written, and UNKNOWN everywhere else, in either storage."""
    with pytest.MonkeyPatch.context() as patch:
        dense = Sparse()
        expected = written(dense, writes)
        dense.cover(41, 5_001)
        patch.setattr(sparse, "DENSE_BYTES", 0)
        compact = Sparse()
        written(compact, writes)
        compact.cover(41, 5_001)

    rows = np.empty((2, 41, 5_001), np.int32)
    for row in range(41):
        read_row(dense.cells, row, rows[0, row])
        read_row(compact.cells, row, rows[1, row])

    assert compact.is_compact and not dense.is_compact
    assert np.array_equal(rows[0], rows[1])
    assert all(rows[1][place] == value for place, value in expected.items())
    assert np.count_nonzero(rows[1] != UNKNOWN) == len(expected)


def test_a_table_becomes_compact_when_its_grid_would_be_too_large() -> None:
    """The switch loses nothing, and what is compact takes a small part of what the grid would."""
    table = Sparse()
    for row in range(3_000):
        table.cover(row + 1, 3 * row + 7)
        table[row, 3 * row] = row
        table[row, 3 * row + 6] = -1
    assert table.is_compact

    grid_bytes = 4 * 3_000 * 9_000

    assert all((table[row, 3 * row], table[row, 3 * row + 6]) == (row, -1) for row in range(3_000))
    assert table[0, 3] == UNKNOWN
    assert table.bytes < grid_bytes / 100


def test_blocks_that_were_left_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that grow one after the other take the blocks that those before them left."""
    monkeypatch.setattr(sparse, "DENSE_BYTES", 0)
    table = Sparse()
    table.cover(200, 0)
    for row in range(200):
        for column in range(48):
            table[row, column] = column

    places = len(table.cells.entries)

    assert places <= 1.5 * 200 * 128 + 2 * 128
    assert table[199, 47] == 47


def test_a_table_outlives_its_process() -> None:
    """A table that was pickled goes on where it was."""
    table = Sparse()
    expected = written(table, [((row, row * 90), row) for row in range(3_000)])

    again = pickle.loads(pickle.dumps(table))
    again[3, 1] = 5

    assert all(again[place] == value for place, value in expected.items())
    assert (again[3, 1], table[3, 1]) == (5, UNKNOWN)
