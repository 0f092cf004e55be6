"""Where the time of a transition goes, part by part, beside what a random access to memory takes in the same run.

    python -m benchmarks.transition [--space N/T/R/H/CR] [--repeat 3]

The search is run up to its largest level. Then one worker expands this level, round by round as the search does, and
each part of the work is measured by itself, in processor time; medians of all rounds and repeats. What cannot be taken
apart is taken from what can: a copy of every world and a candidate for every transition are made once more, by loops
that do nothing else.

Memory is read in the same way, at random places of an array as large as the visited set: one read after the other, each
of which tells where the next is; many at once; and many at once that were asked for some reads ago, as `claim` does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import numpy as np
from attrs import Factory, define

from benchmarks.running import machine
from benchmarks.spaces import Space, table
from checker.engine import kernel, rounds
from checker.engine.chunks import CHUNKS, WORLDS, Chunks
from checker.engine.compiled import call, compiled, inlined, prefetch, scale
from checker.engine.judging import Judge, groups_of
from checker.engine.layout import (
    BUILDING,
    CLAIMING,
    LISTED,
    PREFETCH_DISTANCE,
    Candidates,
    Int32s,
    Int64s,
    Number,
    UInt64s,
    Word,
)
from checker.engine.layout import Level as Worlds
from checker.engine.search import Search
from checker.engine.stores import HashStore
from checker.engine.tables import Tables
from checker.engine.visited import address_space, new_level
from checker.engine.watch import Limits, Watch
from checker.engine.workers import ALONE
from checker.system import Bounds
from checker.world import Rules
from examples.raft_core import election_safety, raft_core

SPACE = "3/2/1/0/0"
READS = 1 << 22


@compiled
def copy_worlds(rows: Int32s, todo: Int64s, world: Int32s) -> None:
    """What `kernel.expand` does first with each world, and nothing else."""
    for source in todo:
        for slot in range(world.shape[0]):
            world[slot] = rows[source, slot]


@compiled
def emit(found: Candidates, fingerprints: UInt64s, count: Number) -> None:
    """What `kernel.expand` does last with each transition, and nothing else."""
    for place in range(count):
        found.fingerprint[place] = fingerprints[place & 1023] + np.uint64(place)
        found.source[place] = place
        found.code[place] = place


@inlined
def _next(word: Word) -> Word:
    return word * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)


@compiled
def chase(array: UInt64s, reads: Number) -> Number:
    """Random reads, each of which tells where the next one is."""
    word: Word = np.uint64(1)
    for _ in range(reads):
        word = _next(word + array[scale(word, array.shape[0])])
    return np.int64(word >> np.uint64(1))


@compiled
def gather(array: UInt64s, reads: Number) -> Number:
    """Random reads of which none depends on another."""
    word: Word = np.uint64(1)
    total: Word = np.uint64(0)
    for _ in range(reads):
        word = _next(word)
        total += array[scale(word, array.shape[0])]
    return np.int64(total >> np.uint64(1))


@compiled
def gather_ahead(array: UInt64s, reads: Number) -> Number:
    """The same, asked for some reads before."""
    ahead: Word = np.uint64(1)
    word: Word = np.uint64(1)
    total: Word = np.uint64(0)
    for _ in range(PREFETCH_DISTANCE):
        ahead = _next(ahead)
        prefetch(array, scale(ahead, array.shape[0]))
    for _ in range(reads):
        ahead = _next(ahead)
        prefetch(array, scale(ahead, array.shape[0]))
        word = _next(word)
        total += array[scale(word, array.shape[0])]
    return np.int64(total >> np.uint64(1))


def rules_of(space: Space) -> Rules:
    """raft_core within the bounds of *space*."""
    budgets = {
        "timeouts": space.timeouts,
        "commands": space.requests,
        "heartbeats": space.heartbeats,
        "restarts": space.restarts,
    }
    return Rules(system=raft_core(space.servers), bounds=Bounds(budgets))


def searched(tables: Tables, depth: int | None = None) -> Search:
    """A search that has ended; before the level at *depth*, if one is given."""
    groups = groups_of([election_safety], [], [])
    row = tables.row(tables.rules.initial())
    store, watch = HashStore(row, tables.fingerprint(row)), Watch(Limits(depth=depth))
    search = Search(tables=tables, store=store, judge=Judge(tables, groups), watch=watch)
    search.compile()
    search.run()
    return search


@define
class Level:
    """The level at which *search* stands, and what each part of expanding it took: nanoseconds a transition, by round.

    The tables know all that the level needs, so no round is left for later.
    """

    search: Search
    taken: dict[str, list[float]] = Factory(lambda: defaultdict(list))

    def expand(self) -> None:
        """Expand all but the last worlds, which are no whole round."""
        rows, _fingerprints, count = self.search.store.now
        chunks, new = Chunks(rows.shape[1]), new_level(CHUNKS * WORLDS * 2, rows.shape[1])
        for begin in range(0, count - CHUNKS * WORLDS + 1, CHUNKS * WORLDS):
            todo = np.arange(begin, begin + CHUNKS * WORLDS)
            self._list(chunks, todo)
            added = self._claim(chunks, new)
            self._judge(new, added, sum(chunk.candidates for chunk in chunks))

    def _measure(self, part: str, transitions: int, do: Callable[[], object]) -> None:
        begin = time.thread_time_ns()
        do()
        self.taken[part].append((time.thread_time_ns() - begin) / transitions)

    def _list(self, chunks: Chunks, todo: Int64s) -> None:
        """List the transitions of the worlds *todo*, and sort them."""
        rows, fingerprints, _count = self.search.store.now
        look, world = self.search.tables.lookup, np.empty(rows.shape[1], np.int32)
        chunks.expand(look, rows, fingerprints, todo, WORLDS, False, ALONE)  # finds out how many there are
        for one in chunks:
            many, expand = one.candidates, partial(kernel.expand, look, rows, fingerprints, one.todo, False)
            self._measure("copy", many, partial(copy_worlds, rows, one.todo, world))
            self._measure("emit", many, partial(emit, one.found, fingerprints, many))
            self._measure("expand", many, partial(expand, one.found, one.notes))
            self._measure("sort", many, partial(kernel.sort, one.found, many, one.by_region))

    def _claim(self, chunks: Chunks, new: Worlds) -> int:
        """Put what is new into the visited set, and build it: how many worlds."""
        store, look, many = self.search.store, self.search.tables.lookup, sum(chunk.candidates for chunk in chunks)
        assert isinstance(store, HashStore)
        store.visited.reserve(many)
        whole, slots = chunks.begin(CLAIMING), store.visited.slots
        self._measure("claim", many, call(rounds.claim_regions, slots, len(chunks), whole, np.empty(0, np.int64)))
        made = chunks.round.made[:, : len(chunks)].sum(axis=0)
        store.visited.count += int(made.sum())
        fills, whole = np.cumsum(made) - made, chunks.begin(BUILDING)
        build = call(rounds.build_chunks, look, store.now[0], new, fills, len(chunks), LISTED, whole)
        self._measure("build", many, build)
        self.taken["new"].append(int(made.sum()) / many)
        return int(made.sum())

    def _judge(self, new: Worlds, added: int, many: int) -> None:
        before, judge = self.search.store.now[0], self.search.judge
        self._measure("judge", many, lambda: judge.level(new.rows, added, before, new.source))


def read_memory(visited_bytes: int, taken: dict[str, list[float]]) -> None:
    """Read an array of so many bytes at random places."""
    space = address_space()
    places = visited_bytes // 8
    array = np.zeros(places, np.uint64) if space is None else np.frombuffer(space, np.uint64)[:places]
    array[:] = 0
    for name, read in (("one after the other", chase), ("at once", gather), ("asked for before", gather_ahead)):
        read(array, 1 << 10)
        begin = time.thread_time_ns()
        read(array, READS)
        taken[name].append((time.thread_time_ns() - begin) / READS)


PARTS = (
    ("copy", "the world is copied, to try its transitions on"),
    ("look-up", "the tables are asked for each transition: all of `expand` but the two beside this"),
    ("emit", "fingerprint, source and code are written down"),
    ("sort", "to regions of the visited set"),
    ("claim", "the fingerprint is looked up in the visited set, and put there"),
    ("build", "the row of a world that is new"),
    ("judge", "whether the invariants have seen its views"),
)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Where the time of a transition goes.")
    parser.add_argument("--space", type=Space.parse, default=Space.parse(SPACE), metavar="N/T/R/H/CR")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    tables = Tables(rules_of(given.space), [groups_of([election_safety], [], [])[0].view])
    whole = searched(tables)
    largest = whole.watch.levels.index(max(whole.watch.levels)) + 1
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(given.repeat):
        Level(searched(tables, largest), taken).expand()
        read_memory(whole.bytes, taken)
    medians = {part: statistics.median(numbers) for part, numbers in taken.items()}
    medians["look-up"] = medians["expand"] - medians["copy"] - medians["emit"]
    print(f"{given.space}, the level at depth {largest}, {whole.watch.levels[largest - 1]:,} worlds, on {machine()}\n")
    every = sum(medians[part] for part, _what in PARTS)
    rows = [(part, f"{medians[part]:.1f}", f"{100 * medians[part] / every:.0f} %", what) for part, what in PARTS]
    print(table(("part", "ns a transition", "of all", ""), [*rows, ("all", f"{every:.1f}", "", "")]))
    print(f"\n{100 * medians['new']:.0f} % of the transitions lead to a new world")
    print(f"\nrandom reads of {whole.bytes / 2**20:.0f} MiB, as large as the visited set:")
    for name in ("one after the other", "at once", "asked for before"):
        print(f"  {name}: {medians[name]:.1f} ns")
    print(f"a claim takes {medians['claim'] / medians['asked for before']:.1f} of the last")


if __name__ == "__main__":
    main()
