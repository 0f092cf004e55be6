"""Rounds: what workers do with many chunks is what the loops of the kernel do with one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import rounds
from checker.chunks import Chunks
from checker.kernel import sort
from checker.layout import CLAIMING, N_CANDIDATES, REGIONS
from checker.workers import Workers

WORDS = st.lists(st.lists(st.integers(0, 60), max_size=40), min_size=1, max_size=6)  # of chunks; 0 is no marker here


@pytest.mark.parametrize("workers", [1, 3])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(WORDS)
def test_claims_find_what_a_set_finds(workers: int, words: list[list[int]]) -> None:
    """What is new is what comes first, chunk by chunk; each region has its own, in order. The set has all of them."""
    chunks, slots = Chunks(1, 64), np.zeros(REGIONS << 4, np.uint64)
    spread = [[number * 0x9E3779B97F4A7C15 % 2**64 for number in numbers] for numbers in words]
    for number, numbers in enumerate(spread):
        chunks.round.fingerprint[number, : len(numbers)] = numbers
        chunks.round.counts[number, N_CANDIDATES] = len(numbers)
        one = chunks.all[number]
        sort(one.found, len(numbers), one.by_region)
    together, whole = Workers(workers), chunks.begin(CLAIMING)

    together.all(lambda: rounds.claim_regions(slots, len(words), whole), REGIONS)
    together.close()

    seen: set[int] = set()
    for number, numbers in enumerate(spread):
        expected = [place for place, word in enumerate(numbers) if word not in seen | set(numbers[:place])]
        seen |= set(numbers)
        assert sorted(new_of(chunks, number)) == expected
    assert set(slots[slots != 0].tolist()) == {word or 1 for word in seen}


def new_of(chunks: Chunks, number: int) -> list[int]:
    """The candidates of one chunk that a claim found to be new."""
    whole = chunks.round
    starts, many = whole.start[number, :-1].tolist(), whole.made[:, number].tolist()
    return [
        int(whole.candidate[number, place])
        for start, count in zip(starts, many, strict=True)
        for place in range(start, start + count)
    ]
