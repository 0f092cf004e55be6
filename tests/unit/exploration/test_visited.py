"""The sets of visited worlds."""

from __future__ import annotations

import random

import numpy as np
import pytest

from checker.engine import kernel
from checker.engine.visited import Fingerprints, collision_probability


def put(words: Fingerprints, word: int) -> bool:
    """Add a word as the kernel does, with one actor's view for each word; whether it was new."""
    views = np.array([word], np.int32)
    rows, out = np.zeros((1, 1), np.int32), np.empty(1, np.int64)
    fresh, _end = kernel.unseen(
        views, 1, -1, rows, 0, 1, np.empty((0, 1), np.int32), np.empty(0, np.int32), words.slots, out
    )
    words.count += fresh
    return bool(fresh)


def test_growing_in_place_loses_nothing() -> None:
    """After any number of growths every word is found, and no other."""
    chance = random.Random(4)
    numbers = chance.sample(range(1 << 30), 3_000)
    words = Fingerprints(8)

    for number in numbers:
        words.reserve(1)
        assert put(words, number)

    assert not any(put(words, number) for number in numbers)
    assert np.count_nonzero(words.slots) == words.count == len(numbers)
    assert words.bytes <= 16 * len(numbers)


@pytest.mark.parametrize("top", [False, True])
def test_growing_with_long_probe_runs(top: bool) -> None:
    """Words that crowd in one place, even around the end of the table, survive growing."""
    crowd = [(2**64 - 1 - number if top else number + 1) for number in range(40)]
    words = Fingerprints(64)
    for word in crowd:
        place = word * len(words.slots) >> 64
        while words.slots[place]:
            place = (place + 1) % len(words.slots)
        words.slots[place] = word
    words.count = len(crowd)

    words.reserve(100)

    for word in crowd:
        place = word * len(words.slots) >> 64
        while words.slots[place] != word:
            assert words.slots[place], f"{word} is lost"
            place = (place + 1) % len(words.slots)


def test_growing_ends_where_it_should() -> None:
    """A table that has a limit grows to just that, as long as its words fit; and beyond, if they don't."""
    words = Fingerprints(large=True)
    words.most_places = 40_960

    words.reserve(30_000)
    at_the_limit = len(words.slots)
    words.reserve(30_721)

    assert at_the_limit == 40_960
    assert len(words.slots) > 40_960


def test_collision_probability() -> None:
    """The bound grows with the square of the number of worlds."""
    assert collision_probability(100_000_000) == pytest.approx(1 / 3690, rel=0.01)
    assert collision_probability(10**12) == 1.0
