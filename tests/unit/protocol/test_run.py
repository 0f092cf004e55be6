"""A long log behaves as a tuple of its entries would."""

from __future__ import annotations

import random
from time import perf_counter

import pytest

from raftframe import Command, Entry, Log
from raftframe.run import CHUNK, Run, common_length, shared

LENGTHS = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK + 7)


def entries(count: int, term: int = 1) -> tuple[Entry, ...]:
    """So many entries, each another one."""
    return tuple(Entry(term, Command("c", number, number)) for number in range(1, count + 1))


@pytest.mark.parametrize("length", LENGTHS)
def test_any_slice_and_any_element_is_that_of_the_tuple(length: int) -> None:
    """Whether the log is short or long, and wherever the slice begins and ends."""
    plain, rng = entries(length), random.Random(length)
    log = shared(plain)

    slices = [slice(rng.randrange(length + 2), rng.randrange(length + 2)) for _ in range(100)]

    assert [log[one] for one in slices] == [plain[one] for one in slices]
    assert [log[at] for at in range(-length, length)] == [plain[at] for at in range(-length, length)]
    assert (tuple(log), len(log)) == (plain, length)


@pytest.mark.parametrize("length", LENGTHS)
def test_equal_logs_are_equal_values_however_they_came_about(length: int) -> None:
    """Built entry by entry, in one piece, in two, or cut out of a longer one."""
    plain = entries(length)
    grown = Log()
    for entry in plain:
        grown = grown.followed_by([entry])

    same = [
        Log(plain),
        Log(plain[: length // 2]).followed_by(plain[length // 2 :]),
        Log(entries(length + CHUNK)).up_to(length),
        Log((*plain, *entries(3, term=2))).up_to(length),
    ]

    assert all(one == grown and hash(one) == hash(grown) for one in same)
    assert isinstance(grown.entries, Run) is (length > CHUNK)


@pytest.mark.parametrize("at", [0, 1, CHUNK - 1, CHUNK, 3 * CHUNK, 5 * CHUNK + 6])
def test_the_first_entry_that_differs_ends_what_two_logs_have_in_common(at: int) -> None:
    """In the first chunk, on the edge of one, and in the tail."""
    one = entries(5 * CHUNK + 7)
    other = (*one[:at], Entry(9, Command("c", 1, 1)), *one[at + 1 :])

    assert common_length(shared(one), shared(other)) == at
    assert not Log(one).starts_with(Log(other[: at + 1]))
    assert Log(one).starts_with(Log(other[:at]))


def test_an_index_outside_is_refused() -> None:
    """As a tuple does."""
    with pytest.raises(IndexError):
        shared(entries(2 * CHUNK))[2 * CHUNK]


def test_appending_to_a_long_log_costs_what_it_costs_for_a_short_one() -> None:
    """A hundred thousand entries, or three hundred: less than ten times the time (a copied tuple: a hundred)."""
    short, long = Log(entries(300)), Log(entries(100_000))

    assert _appending_s(long) < 10 * _appending_s(short)


def _appending_s(log: Log) -> float:
    """The best of several tries: the machine may have other things to do."""
    tries = []
    for _ in range(7):
        begun_s, grown = perf_counter(), log
        for entry in entries(100):
            after = grown.followed_by([entry])
            after.common_prefix(grown)
            grown = after
        tries.append(perf_counter() - begun_s)
    return min(tries)
