"""The inner loops of a search that spills, compiled: they merge sorted words, and pack rows."""

from __future__ import annotations

from checker.compiled import compiled
from checker.layout import Int32s, Int64s, Level, Number, UInt8s, UInt64s


@compiled
def mark(words: UInt64s, run: UInt64s, known: UInt8s) -> None:
    """Set known[i] to 1 for each words[i] that is in *run*. Both are sorted.

    From each word to the next the run is searched in steps that double, then halve: where words are few, most of it is
    never looked at.
    """
    place = 0
    size = run.shape[0]
    for index in range(words.shape[0]):
        word = words[index]
        step = 1
        while place + step < size and run[place + step] < word:
            place += step
            step <<= 1
        while step > 0:
            if place + step < size and run[place + step] < word:
                place += step
            step >>= 1
        if place < size and run[place] < word:
            place += 1
        if place == size:
            return
        if run[place] == word:
            known[index] = 1


@compiled
def squeeze(level: Level, begin: Number, end: Number, known: UInt8s) -> Number:
    """Take the worlds begin + i for which known[i] is set out of *level*; where its worlds end then."""
    fill = begin
    for index in range(begin, end):
        if known[index - begin]:
            continue
        if fill != index:
            for slot in range(level.rows.shape[1]):
                level.rows[fill, slot] = level.rows[index, slot]
            level.fingerprint[fill] = level.fingerprint[index]
            level.source[fill] = level.source[index]
            level.code[fill] = level.code[index]
        fill += 1
    return fill


@compiled
def pack(rows: Int32s, begin: Number, end: Number, least: Int32s, sizes: Int64s, packed: UInt8s) -> None:
    """Write rows[begin:end] as bytes: of each slot what it has more than *least*, in as many bytes as *sizes* says."""
    for index in range(begin, end):
        place = 0
        for slot in range(sizes.shape[0]):
            rest = rows[index, slot] - least[slot]
            for _byte in range(sizes[slot]):
                packed[index, place] = rest & 255
                rest >>= 8
                place += 1


@compiled
def unpack(packed: UInt8s, begin: Number, end: Number, least: Int32s, sizes: Int64s, rows: Int32s) -> None:
    """Undo `pack`."""
    for index in range(begin, end):
        place = 0
        for slot in range(sizes.shape[0]):
            value = 0
            for byte in range(sizes[slot]):
                value |= packed[index, place] << (8 * byte)
                place += 1
            rows[index, slot] = value + least[slot]
