"""What a worker does in a round of the search: chunk after chunk, or region after region, without ever asking Python.

A round has three phases, and a phase begins when every worker has ended the one before. Workers take turns at the
chunks (`expand_chunks`, `build_chunks`) or at the regions of the visited set (`claim_regions`): whoever is free takes
the next one. What comes out depends on the chunks alone, and not on who took which.

Workers write to memory of their own: a claim leaves the new candidates of a region as a list, in place of all of that
region, and whoever builds a chunk marks them. If claims marked them, two workers would write to the same cache lines.
"""

from __future__ import annotations

import numpy as np

from checker.engine.compiled import clear, compiled, inlined, lowest, matches, prefetch, take
from checker.engine.kernel import _home, _place_shown, _shown, _shows_the_same, build, expand, sort
from checker.engine.layout import (
    BUILDING,
    CACHE_LINE,
    CLAIMING,
    EXPANDING,
    FRESH,
    LACKING,
    LISTED,
    N_CANDIDATES,
    N_MISSES,
    PIECE,
    PREFETCH_DISTANCE,
    REGIONS,
    TOUCHING,
    Candidates,
    Int32s,
    Int64s,
    Level,
    Lookup,
    Notes,
    Number,
    Round,
    Sorted,
    UInt8s,
    UInt64s,
    Word,
)

APART = 5  # regions that are claimed at the same time: what is written of neighbours shares cache lines
NEAR = 64 * CACHE_LINE  # how far the next word is put from the last one, while a table grows


@inlined
def _found(chunks: Round, chunk: Number) -> Candidates:
    return Candidates(chunks.fingerprint[chunk], chunks.source[chunk], chunks.code[chunk])


@inlined
def _sorted(chunks: Round, chunk: Number) -> Sorted:
    return Sorted(chunks.by_region[chunk], chunks.candidate[chunk], chunks.start[chunk])


@inlined
def _notes(chunks: Round, chunk: Number) -> Notes:
    return Notes(
        chunks.misses[chunk], chunks.alarms[chunk], chunks.retry[chunk], chunks.counts[chunk], chunks.world[chunk]
    )


@compiled
def expand_chunks(
    look: Lookup, rows: Int32s, fingerprints: UInt64s, todo: Int64s, size: Number, loops: bool, chunks: Round
) -> None:
    """Expand the worlds rows[todo], *size* of them a chunk, and sort the candidates, as long as there are chunks."""
    chunk = take(chunks.turns[EXPANDING], 0)
    while chunk * size < todo.shape[0]:
        end = min(todo.shape[0], (chunk + 1) * size)
        found, notes = _found(chunks, chunk), _notes(chunks, chunk)
        expand(look, rows, fingerprints, todo[chunk * size : end], loops, found, notes)
        sort(found, notes.counts[N_CANDIDATES], _sorted(chunks, chunk))
        chunk = take(chunks.turns[EXPANDING], 0)


@inlined
def _claim(slots: UInt64s, region: Number, by_region: Sorted) -> Number:
    """As `kernel.claim`, but the new candidates are not marked: they come first among those of *region*."""
    size = slots.shape[0] // REGIONS
    start, end = by_region.start[region], by_region.start[region + 1]
    many = 0
    for ahead in range(start, min(start + PREFETCH_DISTANCE, end)):
        prefetch(slots, _home(by_region.fingerprint[ahead], region, size))
    for index in range(start, end):
        if index + PREFETCH_DISTANCE < end:
            prefetch(slots, _home(by_region.fingerprint[index + PREFETCH_DISTANCE], region, size))
        by_region.candidate[start + many] = by_region.candidate[index]
        many += _put(slots, by_region.fingerprint[index], region, size)
    return many


@inlined
def _put(slots: UInt64s, word: Word, region: Number, size: Number) -> Number:
    """Put *word* where it belongs, unless it is there: 1 if it was not. What `kernel._find` does place by place, this
    does a cache line at a time: of its eight comparisons none is a branch that the processor would have to guess."""
    line = _home(word, region, size)
    while True:
        if matches(slots, line, word) != 0:
            return 0
        free = matches(slots, line, np.uint64(0))
        if free != 0:
            slots[line + lowest(free)] = word
            return 1
        line += CACHE_LINE
        if line == (region + 1) * size:
            line -= size


@compiled
def touch(pages: Int64s, turns: Int64s) -> None:
    """Write to each of *pages*, addresses of fresh memory, as long as there are any. So one worker makes each page:
    if two first write to it at the same time, both have to clear one, and one of those is thrown away."""
    page = take(turns, 0)
    while page < pages.shape[0]:
        clear(pages[page])
        page = take(turns, 0)


@compiled
def claim_regions(slots: UInt64s, count: Number, chunks: Round, pages: Int64s) -> None:
    """Put the candidates of the first *count* chunks into the visited set, as long as there are regions.

    made[region, chunk] says how many were not there; they are the first of that region. Before that, see to *pages*, to
    which nobody writes yet (see `touch`).
    """
    touch(pages, chunks.turns[TOUCHING])
    turn = take(chunks.turns[CLAIMING], 0)
    while turn < REGIONS:
        region = turn * APART % REGIONS
        for chunk in range(count):
            chunks.made[region, chunk] = _claim(slots, region, _sorted(chunks, chunk))
        turn = take(chunks.turns[CLAIMING], 0)


@inlined
def _mark(chunks: Round, chunk: Number) -> None:
    """Mark the new candidates of *chunk*."""
    fresh = chunks.fresh[chunk]
    for candidate in range(chunks.counts[chunk, N_CANDIDATES]):
        fresh[candidate] = 0
    for region in range(REGIONS):
        first = chunks.start[chunk, region]
        for index in range(first, first + chunks.made[region, chunk]):
            fresh[chunks.candidate[chunk, index]] = FRESH


@compiled
def build_chunks(
    look: Lookup, rows: Int32s, new: Level, fills: Int64s, count: Number, which: Number, chunks: Round
) -> None:
    """Build the rows of what is new in the first *count* chunks, of each from its place in *fills* on; see
    `kernel.build`. *which* is LISTED, MARKED, or LACKING."""
    chunk = take(chunks.turns[BUILDING], 0)
    while chunk < count:
        notes = _notes(chunks, chunk)
        if which == LISTED:
            _mark(chunks, chunk)
        if which != LACKING or notes.counts[N_MISSES] > 0:
            candidates = notes.counts[N_CANDIDATES]
            build(look, _found(chunks, chunk), chunks.fresh[chunk], candidates, rows, new, fills[chunk], notes)
        chunk = take(chunks.turns[BUILDING], 0)


@compiled
def gather_regions(
    slots: UInt64s, before: Number, first: Number, end: Number, held: UInt64s, many: Int64s, turns: Int64s
) -> None:
    """Move the fingerprints of the regions from *first* to *end* out of *slots*, as long as there are any. Each region
    had *before* places, and has as many in *held*; *many* says how many of those are taken."""
    turn = take(turns, 0)
    while first + turn < end:
        fill = turn * before
        for place in range((first + turn) * before, (first + turn + 1) * before):
            word = slots[place]
            held[fill] = word
            fill += word != 0
            slots[place] = 0
        many[turn] = fill - turn * before
        turn = take(turns, 0)


@compiled
def place_regions(
    slots: UInt64s, before: Number, first: Number, end: Number, held: UInt64s, many: Int64s, turns: Int64s
) -> None:
    """Put back what `gather_regions` moved, when *slots* has grown and all behind *end* is in its place."""
    turn = take(turns, 0)
    while first + turn < end:
        _place_region(slots, first + turn, held, turn * before, many[turn])
        turn = take(turns, 0)


@inlined
def _place_region(slots: UInt64s, region: Number, held: UInt64s, begin: Number, many: Number) -> None:
    """Put the words held[begin:begin + many] into *region*, which is empty.

    They are in the order in which they lay, which is that of their lines but for the few that had no place in their
    own. So nearly all go to the line that the last one went to, or soon after it, and no line is read as soon as it was
    written to, for which the processor would have to wait.
    """
    size = slots.shape[0] // REGIONS
    line, free = region * size, _free(slots, region * size)
    for index in range(begin, begin + many):
        word = held[index]
        ahead = _home(word, region, size) - line
        if ahead < 0 or ahead > NEAR:
            _put(slots, word, region, size)
            free = _free(slots, line)
            continue
        if ahead > 0:
            line += ahead
            free = _free(slots, line)
        while free == CACHE_LINE:
            line += CACHE_LINE
            if line == (region + 1) * size:
                line -= size
            free = _free(slots, line)
        slots[line + free] = word
        free += 1


@inlined
def _free(slots: UInt64s, line: Number) -> Number:
    """Which place of *line* is free; CACHE_LINE if none is. Free places are the last ones."""
    free = matches(slots, line, np.uint64(0))
    return lowest(free) if free != 0 else CACHE_LINE


@compiled
def mark_unseen(
    views: Int32s,
    actors: Number,
    history: Number,
    rows: Int32s,
    before: Int32s,
    source: Int32s,
    seen: UInt64s,
    marks: UInt8s,
    turns: Int64s,
) -> None:
    """Mark the worlds that show what is not in *seen*, PIECE by piece, as long as there are any; see `kernel.unseen`.

    Nothing is put there: several worlds may be marked that show the same.
    """
    begin = take(turns, 0) * PIECE
    while begin < rows.shape[0]:
        for index in range(begin, min(begin + PIECE, rows.shape[0])):
            row = rows[index]
            marks[index] = 0
            if before.shape[0] == 0 or not _shows_the_same(views, actors, history, row, before[source[index]]):
                word = _shown(views, actors, history, row)
                marks[index] = seen[_place_shown(seen, word)] != word
        begin = take(turns, 0) * PIECE
