"""What coordinator and owners tell each other, and the loops that sort what is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from checker.engine.compiled import compiled, inlined, scale
from checker.engine.layout import Candidates, Int32s, Int64s, Number, UInt8s, UInt64s, Word

SHARDS: Final = 256  # of the fingerprint space, by the lowest bits; the highest ones order each visited set
SHARD_MASK: Final = np.uint64(SHARDS - 1)
MOST_OWNERS: Final = SHARDS  # an owner without a shard would have nothing to do
OWNER_BITS: Final = 16  # of a world's number: ordinal << OWNER_BITS | owner

Rows: TypeAlias = NDArray[np.uint16] | NDArray[np.int32]  # of worlds on their way: as narrow as their numbers allow


def owners_of_shards(owners: int) -> UInt8s:
    """Which of *owners* each shard belongs to: runs that follow each other, as equal as can be."""
    return (np.arange(SHARDS) * owners // SHARDS).astype(np.uint8)


def home_of(fingerprint: int, owners: int) -> int:
    """Which of *owners* the world with *fingerprint* belongs to."""
    return int(owners_of_shards(owners)[fingerprint & SHARDS - 1])


def shards_of(fingerprints: UInt64s) -> UInt8s:
    """The shard of each fingerprint."""
    return (fingerprints & SHARD_MASK).astype(np.uint8)


Field: TypeAlias = tuple[str, str]  # of `Lookup`; and of `Cells`, if that is what it is, else ""


class Group(NamedTuple):
    """What an owner must know of a group of properties: the slot of its monitor or -1, and what is asked of it."""

    history: int
    prunes: bool


class Shape(NamedTuple):
    """What an owner must know of worlds and properties before all else."""

    actors: int
    monitors: int
    groups: tuple[Group, ...]

    @property
    def head(self) -> int:
        """How many slots a row has before those of its channels."""
        return self.actors + 1 + self.monitors


class Update(NamedTuple):
    """What has changed in the tables since the last update."""

    arrays: dict[Field, Any]  # each whole, or as `Changes`
    views: tuple[Int32s, ...]  # of each group: the view of each actor's state
    empty: tuple[int, ...]  # what the slots of new channels hold
    pruned: tuple[UInt64s, ...]  # of each group: the words of the tuples of views at which the search ends
    narrow: bool  # no number is above 65,535


class Changes(NamedTuple):
    """The elements of an array that have changed: where, counted through the array, and what they are now."""

    place: Int64s
    value: NDArray[Any]


class Order(NamedTuple):
    """What an owner is to do in a turn, beside seeing to its mail. `batch` is the number of the batch to expand, of
    `size` worlds a shard; None to expand nothing. `advance` says to go to the next level first.
    """

    advance: bool = False
    batch: int | None = None
    size: int = 0


class Offers(NamedTuple):
    """Fingerprints of worlds that may be new, in order of the shards that they were found in; how many in each."""

    fingerprints: UInt64s
    by_shard: Int32s  # [SHARDS]


class Worlds(NamedTuple):
    """New worlds for their owner, in the order in which they were offered. Parents count from `first`."""

    rows: Rows
    source: Int32s
    code: Int32s
    first: int


class Mended(NamedTuple):
    """Rows that were missing: of which batch of the level, which of its worlds, and the rows."""

    batch: Int64s
    place: Int64s
    rows: Rows


class Mail(NamedTuple):
    """What one owner writes to another in a turn; None where there is nothing to say."""

    offers: Offers | None = None
    answers: UInt8s | None = None  # packed bits, one for each fingerprint offered in the turn before
    worlds: Worlds | None = None
    mended: Mended | None = None
    full: bool = False  # whoever wrote this does nothing any more

    @property
    def bytes(self) -> int:
        """How much travels, without what any message has."""
        arrays = [*(self.offers or ()), self.answers, *(self.worlds or ())[:3], *(self.mended or ())]
        return sum(array.nbytes for array in arrays if array is not None)


class Sighting(NamedTuple):
    """Transitions that the coordinator is to look at, in order: the numbers of actors and monitors before them (alarms)
    or after them (views), the world that they come from, and their event codes.
    """

    heads: Int32s
    sources: Int64s
    codes: Int32s


class Told(NamedTuple):
    """What an owner tells the coordinator about its turn."""

    transitions: int
    deadlocks: int
    taken: int  # worlds expanded, to the end or put aside
    pruned: int
    misses: Int64s  # [n, 3], each once, in order
    alarms: Sighting
    views: Sighting
    fresh: Int64s  # [SHARDS] new worlds
    put_aside: int  # the most worlds of a shard that had misses in this pass
    unbuilt: int  # worlds whose rows wait for misses
    memory: int  # bytes of visited set and levels
    full: bool  # that they did not fit, and this owner does nothing any more


class Holding(NamedTuple):
    """What one worker of a distributed search held at its end, and what it wrote to the others."""

    machine: str
    process: int
    states: int
    visited_bytes: int
    peak_bytes: int  # of visited set and levels, at most
    resident_bytes: int  # of the whole process, at most
    link_bytes: int  # on its disk
    sent_bytes: int


class Outbox(NamedTuple):
    """Candidates of a batch, in the order in which they were found, and the offers made of them.

    The fingerprints offered to owner i are offers[start[i]:start[i + 1]]; that of candidate c is offers[place[c]].
    """

    found: Candidates
    offers: UInt64s
    start: Int64s
    place: Int32s
    by_shard: Int32s  # [owners, SHARDS] how many of an owner's were found in each shard


class Current(NamedTuple):
    """The level that an owner expands: its rows by shard, where each shard begins, and the ordinal of the first."""

    rows: Int32s
    fingerprints: UInt64s
    start: Int64s  # [SHARDS + 1]
    shards: UInt8s  # of each world
    first: int


def current(rows: Int32s, fingerprints: UInt64s, start: Int64s, first: int) -> Current:
    """A level, with what follows from the rest."""
    return Current(rows, fingerprints, start, np.repeat(np.arange(SHARDS, dtype=np.uint8), np.diff(start)), first)


def chosen(found: Candidates, which: Any) -> Candidates:
    """The candidates of *found* at *which*: indices, a mask or a slice."""
    return Candidates(found.fingerprint[which], found.source[which], found.code[which])


def each_once(misses: Int64s) -> Int64s:
    """Each of *misses* once, in order of their numbers."""
    return np.unique(misses, axis=0) if len(misses) > 1 else misses.copy()


def joined_misses(parts: Sequence[Int64s]) -> Int64s:
    """All misses of *parts*, each once, in order of their numbers."""
    return each_once(np.concatenate([np.empty((0, 3), np.int64), *parts]))


def no_sighting(width: int) -> Sighting:
    """Nothing to look at, of heads of *width* numbers."""
    return Sighting(np.empty((0, width), np.int32), np.empty(0, np.int64), np.empty(0, np.int32))


@compiled
def sift(
    found: Candidates,
    count: Number,
    shards: UInt8s,
    recent: UInt64s,
    latest: Int64s,
    batch: Number,
    kept: Candidates,
    fill: Number,
) -> Number:
    """Append to *kept*, from *fill* on, those of the first *count* candidates that are worth an offer; the new fill.

    *recent* remembers at each place the last fingerprint that belongs there, and *latest* when it was kept: batch << 32
    | index. What was kept in an earlier batch has been offered. Of two in this batch, that whose source is in the shard
    that comes first for this fingerprint is the one to offer; if it is the later one, the earlier gets the source -1.
    *shards* has the shard of each source.
    """
    size = recent.shape[0]
    for candidate in range(count):
        word = found.fingerprint[candidate]
        source = found.source[candidate]
        place = scale(word, size)
        if recent[place] == word and word != 0:  # 0 marks a free place
            if latest[place] >> 32 != batch:
                continue
            known = latest[place] & 0xFFFFFFFF
            if _turn_of(word, shards[source]) >= _turn_of(word, shards[kept.source[known]]):
                continue
            kept.source[known] = -1
        recent[place] = word
        latest[place] = batch << 32 | fill
        kept.fingerprint[fill] = word
        kept.source[fill] = source
        kept.code[fill] = found.code[candidate]
        fill += 1
    return fill


@inlined
def _turn_of(word: Word, shard: Number) -> Number:
    """When *shard* has its turn to be the first to find the fingerprint *word*: each is first for some."""
    return (np.int64(shard) - np.int64(word >> np.uint64(8))) & (SHARDS - 1)


def turns_of(fingerprints: UInt64s, shards: UInt8s) -> UInt8s:
    """When the shard that each fingerprint was found in has its turn, as in `sift`."""
    return shards - (fingerprints >> np.uint64(8)).astype(np.uint8)


@compiled
def compact(kept: Candidates, fill: Number) -> Number:
    """Close up the gaps that candidates with the source -1 leave among the first *fill*; how many are left."""
    left = 0
    for candidate in range(fill):
        kept.fingerprint[left] = kept.fingerprint[candidate]
        kept.source[left] = kept.source[candidate]
        kept.code[left] = kept.code[candidate]
        left += kept.source[candidate] >= 0
    return left


@compiled
def deal(
    found: Candidates,
    shards: UInt8s,
    owners: UInt8s,
    start: Int64s,
    offers: UInt64s,
    place: Int32s,
    by_shard: Int32s,
) -> None:
    """Sort the fingerprints of *found* by owner into *offers*, keeping their order; *place* says where each went.

    *start*, one longer than owners are, is all 0, and becomes where each owner's begin. by_shard[owner, shard], all 0
    too, becomes how many of an owner's were found in the shard.
    """
    mask = np.uint64(SHARDS - 1)
    count = found.code.shape[0]
    for candidate in range(count):
        start[owners[found.fingerprint[candidate] & mask] + 1] += 1
    for owner in range(1, start.shape[0]):
        start[owner] += start[owner - 1]
    for candidate in range(count):
        word = found.fingerprint[candidate]
        owner = owners[word & mask]
        by_shard[owner, shards[found.source[candidate]]] += 1
        offers[start[owner]] = word
        place[candidate] = start[owner]
        start[owner] += 1
    for owner in range(start.shape[0] - 1, 0, -1):
        start[owner] = start[owner - 1]
    start[0] = 0


__all__ = [
    "MOST_OWNERS",
    "OWNER_BITS",
    "SHARDS",
    "Changes",
    "Current",
    "Field",
    "Group",
    "Holding",
    "Mail",
    "Mended",
    "Offers",
    "Order",
    "Outbox",
    "Shape",
    "Sighting",
    "Told",
    "Update",
    "Worlds",
    "chosen",
    "compact",
    "current",
    "deal",
    "each_once",
    "home_of",
    "joined_misses",
    "no_sighting",
    "owners_of_shards",
    "shards_of",
    "sift",
    "turns_of",
]
