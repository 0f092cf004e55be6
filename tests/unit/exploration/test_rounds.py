"""Rounds: what workers do with many chunks is what the loops of the kernel do with one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engine import rounds
from checker.engine.chunks import CHUNKS, Chunks
from checker.engine.compiled import call
from checker.engine.kernel import sort
from checker.engine.layout import CACHE_LINE, CLAIMING, N_CANDIDATES, N_TRANSITIONS, REGIONS, UInt64s
from checker.engine.visited import MAX_LOAD, Fingerprints
from checker.engine.workers import Workers

NO_PAGES = np.empty(0, np.int64)
WORDS = st.lists(st.lists(st.integers(0, 60), max_size=40), min_size=1, max_size=6)  # of chunks; 0 is no marker here


@pytest.mark.parametrize("workers", [1, 3])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(WORDS)
def test_claims_find_what_a_set_finds(workers: int, words: list[list[int]]) -> None:
    """What is new is what comes first, chunk by chunk; each region has its own, in order. The set has all of them."""
    chunks, slots = Chunks(1, 64), np.zeros(REGIONS << 6, np.uint64)
    spread = [[number * 0x9E3779B97F4A7C15 % 2**64 for number in numbers] for numbers in words]
    for number, numbers in enumerate(spread):
        chunks.round.fingerprint[number, : len(numbers)] = numbers
        chunks.round.counts[number, N_CANDIDATES] = len(numbers)
        one = chunks.all[number]
        sort(one.found, len(numbers), one.by_region)
    together, whole = Workers(workers), chunks.begin(CLAIMING)

    together.all(call(rounds.claim_regions, slots, len(words), whole, NO_PAGES), REGIONS)
    together.close()

    seen: set[int] = set()
    for number, numbers in enumerate(spread):
        expected = [place for place, word in enumerate(numbers) if word not in seen | set(numbers[:place])]
        seen |= set(numbers)
        assert sorted(new_of(chunks, number)) == expected
    assert set(slots[slots != 0].tolist()) == {word or 1 for word in seen}


def test_no_two_chunks_share_a_cache_line() -> None:
    """What workers write to all the time, each for a chunk of its own, lies a line apart from what others write to."""
    whole, line = Chunks(17).round, CACHE_LINE * 8

    assert whole.counts.strides[0] >= 8 * (N_TRANSITIONS + 1) + line
    assert whole.start.strides[0] >= 8 * (REGIONS + 1) + line
    assert whole.world.strides[0] >= 4 * 17 + line
    assert whole.turns.strides[0] >= line


def new_of(chunks: Chunks, number: int) -> list[int]:
    """The candidates of one chunk that a claim found to be new."""
    whole = chunks.round
    starts, many = whole.start[number, :REGIONS].tolist(), whole.made[:, number].tolist()
    return [
        int(whole.candidate[number, place])
        for start, count in zip(starts, many, strict=True)
        for place in range(start, start + count)
    ]


def claimed(known: Fingerprints, words: UInt64s, workers: Workers) -> int:
    """Claim *words*, which must be fewer than a round has place for; how many were new."""
    chunks = Chunks(1, len(words) // CHUNKS + 1)
    for number, part in enumerate(np.array_split(words, CHUNKS)):
        one = chunks.all[number]
        one.found.fingerprint[: len(part)] = part
        sort(one.found, len(part), one.by_region)
    known.reserve(len(words), workers)
    slots, whole = known.slots, chunks.begin(CLAIMING)
    workers.all(call(rounds.claim_regions, slots, CHUNKS, whole, NO_PAGES), REGIONS)
    many = int(chunks.round.made.sum())
    known.count += many
    return many


@pytest.mark.parametrize("workers", [1, 3])
def test_regions_grow_and_lose_nothing(workers: int) -> None:
    """Whatever was claimed is there after each growth, wherever it lies, and a table is never too full."""
    chance, known, together = np.random.default_rng(7), Fingerprints(large=True), Workers(workers)
    begin, before = [], len(known.slots)
    known.add_first(2**64 - 1)

    for _ in range(6):
        begin.append(chance.integers(1, 2**64 - 1, 30_000, np.uint64))
        assert claimed(known, begin[-1], together) == 30_000
        assert claimed(known, np.concatenate(begin)[-100_000:], together) == 0

    assert claimed(known, np.array([2**64 - 1], np.uint64), together) == 0
    assert len(known.slots) > 8 * before
    assert known.count == np.count_nonzero(known.slots) == 180_001 < MAX_LOAD * len(known.slots)
    together.close()


@pytest.mark.parametrize("at", ["begin", "end"])
def test_a_crowded_line_spills_into_the_next(at: str) -> None:
    """Words that all belong into one cache line are found in those behind it, around the end of a region too."""
    known, alone = Fingerprints(large=True), Workers()
    region_end = 2**64 // REGIONS
    crowd = np.array([number + 1 if at == "begin" else region_end - 1 - number for number in range(40)], np.uint64)

    assert claimed(known, crowd, alone) == 40
    assert claimed(known, crowd, alone) == 0
    claimed(known, np.arange(1, 40_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15), alone)  # makes it grow
    assert claimed(known, crowd, alone) == 0
