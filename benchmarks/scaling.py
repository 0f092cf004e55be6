"""What more workers give, beside what the machine has to give.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --phases

Two cores that share memory, and perhaps a physical core, are less than twice one. So the same run measures how much
work two independent searches do side by side, compared with one alone: that is what the machine offers. Then it
measures what one search does with two workers. All are on the same space; medians of several, and what the least times
give, which is less wrong on a machine that others use.

Both are told twice: of the search alone, when processes that have loaded everything begin it at the same moment; and of
whole processes, of which each spends some time on one core before it searches.

`--phases` takes one round of the largest level apart: each phase by one worker and by two, many times in turns, of
which the least time counts. So it tells on a busy machine too which phase two workers don't share well.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from attrs import Factory, define

from benchmarks.engine import measure, search_together
from benchmarks.running import machine
from benchmarks.spaces import Space, table
from benchmarks.transition import rules_of, searched
from checker.engine import rounds
from checker.engine.chunks import CHUNKS, WORLDS, Chunks
from checker.engine.compiled import Call, call
from checker.engine.judging import groups_of
from checker.engine.layout import BUILDING, CLAIMING, EXPANDING, LISTED, PIECE, REGIONS, Int32s
from checker.engine.search import Search
from checker.engine.stores import HashStore
from checker.engine.tables import Tables
from checker.engine.visited import new_level
from checker.engine.workers import ALONE, Workers
from examples.raft_core import election_safety

SPACE = "3/2/1/0/1"  # 14,198,888 states: the search takes most of each process's time


def process_seconds(space: Space, *workers: int) -> float:
    """How long processes with so many *workers* each take, started together: until the last has ended."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(workers)) as together:
        list(together.map(lambda count: measure(space, count), workers))
    return time.perf_counter() - begin


def search_seconds(space: Space, *workers: int) -> float:
    """How long searches with so many *workers* each take, begun together: until the last has ended."""
    return max(search_together(space, *workers))


@define
class Scale:
    """What was measured one way: seconds of one alone, of two side by side, and of one with two workers."""

    name: str
    seconds_of: Callable[..., float]
    alone: list[float] = Factory(list)
    side_by_side: list[float] = Factory(list)
    shared: list[float] = Factory(list)

    def measure(self, space: Space) -> None:
        """One round."""
        self.alone.append(self.seconds_of(space, 1))
        self.side_by_side.append(self.seconds_of(space, 1, 1))
        self.shared.append(self.seconds_of(space, 2))
        last = (self.alone[-1], self.side_by_side[-1], self.shared[-1])
        print("{}: one {:.2f} s, two side by side {:.2f} s, one with two workers {:.2f} s".format(self.name, *last))

    def __str__(self) -> str:
        rounds = list(zip(self.alone, self.side_by_side, self.shared, strict=True))
        offer = statistics.median(2 * alone / side_by_side for alone, side_by_side, _ in rounds)
        reach = statistics.median(alone / shared for alone, _, shared in rounds)
        best_offer, best_reach = (2 * min(self.alone) / min(self.side_by_side), min(self.alone) / min(self.shared))
        return (
            f"{self.name}: the machine offers {offer:.2f} times one core; two workers reach {reach:.2f}: "
            f"{reach / offer:.2f} of that\n"
            f"{self.name}, by the least times: {best_offer:.2f}, {best_reach:.2f}, and {best_reach / best_offer:.2f}"
        )


@define
class Phases:
    """The phases of one round of the level at which *search* stands, and the least that each took, by workers: ms."""

    search: Search
    workers: tuple[Workers, ...] = Factory(lambda: (Workers(1), Workers(2)))
    least: dict[str, dict[int, float]] = Factory(lambda: defaultdict(dict))

    def measure(self, repeat: int) -> None:
        """The same round, *repeat* times by each number of workers, from the same visited set on."""
        store, look = self.search.store, self.search.tables.lookup
        assert isinstance(store, HashStore)
        rows, fingerprints, count = store.now
        known, nothing = store.visited.slots.copy(), np.empty(0, np.int64)
        chunks, todo = Chunks(rows.shape[1]), np.arange(min(count, CHUNKS * WORLDS))
        new = new_level(CHUNKS * WORLDS * 2, rows.shape[1])
        for _ in range(repeat):
            for workers in self.workers:
                chunks.expand(look, rows, fingerprints, todo, WORLDS, False, ALONE)  # says how many chunks there are
                whole = chunks.begin(EXPANDING)
                expand = call(rounds.expand_chunks, look, rows, fingerprints, todo, WORLDS, False, whole)
                self._time("expand", workers, expand, len(chunks))
                known[:] = store.visited.slots
                claim = call(rounds.claim_regions, known, len(chunks), chunks.begin(CLAIMING), nothing)
                self._time("claim", workers, claim, REGIONS)
                made = chunks.round.made[:, : len(chunks)].sum(axis=0)
                fills, whole = np.cumsum(made) - made, chunks.begin(BUILDING)
                build = call(rounds.build_chunks, look, rows, new, fills, len(chunks), LISTED, whole)
                self._time("build", workers, build, len(chunks))
                self._judge(workers, new.rows[: made.sum()], rows, new.source[: made.sum()])

    def _judge(self, workers: Workers, rows: Int32s, before: Int32s, source: Int32s) -> None:
        views, turns = self.search.tables.view_column(0), np.zeros(1, np.int64)
        seen, marks = np.zeros(1 << 14, np.uint64), np.empty(len(rows), np.uint8)
        actors = len(self.search.tables.actors)
        judge = call(rounds.mark_unseen, views, actors, -1, rows, before, source, seen, marks, turns)
        self._time("judge", workers, judge, -(-len(rows) // PIECE))

    def _time(self, phase: str, workers: Workers, job: Call, parts: int) -> None:
        begin = time.perf_counter()
        workers.all(job, parts)
        taken, least = 1000 * (time.perf_counter() - begin), self.least[phase]
        least[workers.count] = min(taken, least.get(workers.count, taken))

    def __str__(self) -> str:
        rows = [
            (phase, *(f"{least[count]:.2f}" for count in (1, 2)), f"{least[1] / least[2]:.2f}")
            for phase, least in self.least.items()
        ]
        return table(("phase", "one worker, ms", "two", "times as fast"), rows)


def phases_of(space: Space, repeat: int) -> Phases:
    """Measure the phases of a round of the largest level of *space*."""
    tables = Tables(rules_of(space), [groups_of([election_safety], [], [])[0].view])
    levels = searched(tables).watch.levels
    phases = Phases(searched(tables, levels.index(max(levels)) + 1))
    phases.measure(repeat)
    return phases


def main() -> None:
    """Print both, and their ratio."""
    parser = argparse.ArgumentParser(description="What two workers give, beside what the machine offers.")
    parser.add_argument("--space", default=SPACE, metavar="N/T/R/H/CR", help=f"default: {SPACE}")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the medians count (default: 3)")
    parser.add_argument("--phases", action="store_true", help="the phases of one round, in place of searches")
    given = parser.parse_args()
    space = Space.parse(given.space)
    if given.phases:
        print(f"{space} on {machine()}\n\n{phases_of(space, 50 * given.repeat)}")
        return
    scales = [Scale("search", search_seconds), Scale("process", process_seconds)]
    for _ in range(given.repeat):
        for scale in scales:
            scale.measure(space)
    print(f"{space} on {machine()}")
    for scale in scales:
        print(scale)


if __name__ == "__main__":
    main()
