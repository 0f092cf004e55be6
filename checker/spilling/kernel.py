"""The inner loops of a search that spills, compiled: they code and merge sorted words, and pack rows."""

from __future__ import annotations

import numpy as np

from checker.engine.compiled import compiled
from checker.engine.layout import Int32s, Int64s, Level, Number, UInt8s, UInt64s, Word


@compiled
def measure(words: UInt64s, block: Number, bits: Int64s) -> None:
    """How many bits the steps from word to word take, in each block of so many ascending *words*."""
    for number in range(bits.shape[0]):
        every: Word = np.uint64(0)
        for index in range(number * block + 1, min((number + 1) * block, words.shape[0])):
            every |= words[index] - words[index - 1]
        bits[number] = 0
        while every != 0:
            every >>= np.uint64(1)
            bits[number] += 1


@compiled
def encode(words: UInt64s, block: Number, bits: Int64s, starts: Int64s, coded: UInt64s) -> None:
    """Write the steps from word to word of each block one after the other into *coded*, which is all 0, from its place
    in *starts* on, each in as many *bits* as `measure` said.
    """
    for number in range(bits.shape[0]):
        size = bits[number]
        bit = starts[number] * 64
        for index in range(number * block + 1, min((number + 1) * block, words.shape[0])):
            step = words[index] - words[index - 1]
            shift = np.uint64(bit & 63)
            coded[bit >> 6] |= step << shift
            if (bit & 63) + size > 64:
                coded[(bit >> 6) + 1] |= step >> (np.uint64(64) - shift)
            bit += size


@compiled
def decode(coded: UInt64s, firsts: UInt64s, bits: Int64s, starts: Int64s, counts: Int64s, words: UInt64s) -> None:
    """Undo `encode`, of blocks of *counts* words that begin with *firsts*. The place of the first block is that of
    coded[0]; behind the last there is one word more in *coded*.
    """
    fill = 0
    for number in range(firsts.shape[0]):
        word = firsts[number]
        words[fill] = word
        fill += 1
        size = bits[number]
        mask = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - size)
        bit = (starts[number] - starts[0]) * 64
        for _index in range(1, counts[number]):
            shift = np.uint64(bit & 63)
            high = coded[(bit >> 6) + 1] << (np.uint64(63) - shift) << np.uint64(1)  # 64 at once is undefined
            word += (coded[bit >> 6] >> shift | high) & mask
            words[fill] = word
            fill += 1
            bit += size


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
