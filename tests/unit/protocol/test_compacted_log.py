"""A log whose beginning is in a snapshot is the same log from there on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftframe import Log
from raftframe.run import CHUNK

from .support import entries, log_of

terms = st.lists(st.integers(1, 3), min_size=1, max_size=12).map(sorted)


@given(terms, st.data())
def test_what_is_left_is_as_it_was(given_terms: list[int], data: st.DataObject) -> None:
    """Every index means the same entry; up to where it was cut only the last term is known."""
    whole = log_of(*given_terms)
    base = data.draw(st.integers(1, len(whole)))
    cut = whole.behind(base)

    assert (cut.last_index, cut.last_term, cut.base_index) == (whole.last_index, whole.last_term, base)
    assert [cut.at(index) for index in range(base + 1, cut.last_index + 1)] == list(whole)[base:]
    assert cut.has(base, whole.term_at(base))
    assert not cut.has(base - 1, 1)
    for index in (0, base, cut.last_index + 1):
        with pytest.raises(IndexError):
            cut.at(index)


@given(terms, st.data())
def test_what_is_done_to_it_can_be_done_before_it_is_cut(given_terms: list[int], data: st.DataObject) -> None:
    """Appending, truncating and cutting once more."""
    whole = log_of(*given_terms)
    base = data.draw(st.integers(1, len(whole)))
    later = data.draw(st.integers(base, len(whole)))
    more = entries([3, 3], len(whole) + 1)

    cut = whole.behind(base)

    assert cut.behind(later) == whole.behind(later)
    assert cut.up_to(later) == whole.up_to(later).behind(base)
    assert cut.followed_by(more) == whole.followed_by(more).behind(base)
    assert cut.between(base + 1, later) == whole.between(base + 1, later)


@given(terms, terms, st.data())
def test_two_logs_agree_as_far_as_they_did(one: list[int], other: list[int], data: st.DataObject) -> None:
    """Cut where they agree, each at an index of its own, their common prefix is what it was."""
    mine, theirs = log_of(*one), log_of(*other)
    common = mine.common_prefix(theirs)
    cuts = st.integers(0, common)

    cut_mine, cut_theirs = mine.behind(data.draw(cuts)), theirs.behind(data.draw(cuts))

    assert cut_mine.common_prefix(cut_theirs) == cut_theirs.common_prefix(cut_mine) == common
    assert cut_mine.starts_with(cut_theirs) == mine.starts_with(theirs)


def test_a_snapshot_of_another_history_is_noticed() -> None:
    """Its last entry is of another term there, so nothing is known to be equal."""
    assert log_of(1, 1, 1).common_prefix(Log((), 2, 2)) == 0
    assert not log_of(1, 1, 1).starts_with(Log((), 2, 2))


@pytest.mark.parametrize("base", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_long_log_is_cut_like_a_short_one(base: int) -> None:
    """Wherever its chunks end; equal logs are equal values, however they came about."""
    whole = log_of(*[1] * (3 * CHUNK + 5))

    cut = whole.behind(base)

    assert cut == Log(entries([1] * (3 * CHUNK + 5 - base), base + 1), base, 1)
    assert cut.up_to(base + 2).behind(base + 1) == whole.up_to(base + 2).behind(base + 1)
