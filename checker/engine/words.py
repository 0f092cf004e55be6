"""64-bit words that stand for interned values, of which fingerprints are made."""

from __future__ import annotations

WORD = (1 << 64) - 1

_SPACES = {"state": 1, "content": 2, "budget": 3, "monitor": 4, "message": 5}


def word_of(space: str, number: int) -> int:
    """The 64-bit word of an interned value: a bijection of (space, number), never 0 (the splitmix64 finalizer)."""
    word = (_SPACES[space] << 32 | number) * 0x9E3779B97F4A7C15 & WORD
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & WORD
    word = (word ^ word >> 27) * 0x94D049BB133111EB & WORD
    return word ^ word >> 31
