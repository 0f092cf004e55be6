"""Random walks: many runs side by side, each taking one way on at random from every world, without looking back.

Theory of operation. Walks are a search whose level has one world a walk: `Search` expands it as ever, and the store
keeps, of all the ways on from a world, the one that its walk takes. The way is drawn by an exponential race: each way
on gets a random time, divided by its weight, and the soonest wins. All weights are 1 in a plain walk. In a *swarm*
every walk has weights of its own, by what happens and where (a timeout of s2, a delivery from s1 to s3, a loss there):
some walks then starve a server, or love crashes, which plain walks almost never do (Holzmann, Joshi and Groce, "Swarm
Verification Techniques", 2011).

Walks prove nothing, so their verdict is `fail` or `unknown`. A failing walk is long; it is shortened before it is told.
The same seed makes the same walks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np
from attrs import Factory, define, field, frozen
from attrs.validators import ge
from numpy.typing import NDArray

from checker.engine import kernel
from checker.engine.chunks import Chunk, Chunks
from checker.engine.layout import CODE_BITS, CODE_MASK, DELIVER, FRESH, LOCAL, N_CANDIDATES, N_MISSES, Int32s, Lookup
from checker.engine.levels import LevelMemory
from checker.engine.search import Hit, Result, Search
from checker.engine.stores import Fill, HashStore, Links, Look
from checker.engine.tables import Tables
from checker.engine.workers import Workers
from checker.system import Local

AT_ONCE: Final = 4096  # walks side by side
SPREAD: Final = 2.0  # of the logarithm of a swarm's weights: some events are fifty times as likely as others


@frozen(kw_only=True)
class Walks:
    """How many walks, each of at most how many events, drawn from which seed; and whether each prefers its own."""

    count: int = field(default=10_000, validator=ge(1))
    length: int = field(default=100, validator=ge(1))
    seed: int = field(default=0, validator=ge(0))
    swarm: bool = False


class WalkStore(HashStore):
    """The worlds in which walks stand. `visited` only counts how many were different."""

    def __init__(self, row: Int32s, fingerprint: int, walks: Walks, classes: Classes) -> None:
        super().__init__(row, fingerprint)
        self._start = (row, fingerprint)
        self._classes = classes if walks.swarm else None
        self._random = np.random.default_rng(walks.seed)
        self._weights: NDArray[np.float64] = np.ones((0, 0))  # of each class of events, in a swarm: by walk
        self._walker: Int32s = np.zeros(1, np.int32)  # which walk each world of `now` belongs to
        self._walker_new: list[Int32s] = []

    def begin(self, count: int, width: int, empty: Sequence[int]) -> None:
        """Put *count* new walks at the initial world, in rows of *width* slots; *empty* is what its last ones hold."""
        row, fingerprint = self._start
        self._now = LevelMemory(count, width)
        level = self._now.level
        level.rows[:, : len(row)], level.rows[:, len(row) :] = row, empty[len(empty) - width + len(row) :]
        level.fingerprint[:] = fingerprint
        self._new, self._new_fill, self._taken = LevelMemory(count, width), 0, 0
        self._now_fill = self.total = count
        self.first, self.depth = 0, 1
        self._walker, self._walker_new = np.arange(count, dtype=np.int32), []
        if self._classes is not None:
            self._weights = np.exp(SPREAD * self._random.standard_normal((count, self._classes.count)))
        self.links.close()
        self.links = Links(roots=count)

    @property
    def states(self) -> int:
        """Distinct worlds."""
        return self.visited.count

    def absorb(self, chunks: Chunks, look: Look, fill: Fill, room: int, workers: Workers) -> bool:
        """Let each walk take one of its ways on. Whether more than *room* new worlds came of it."""
        fill(chunks.having(N_MISSES))
        for chunk in chunks:
            self._pick(chunk, look())
        fresh = int(self._claim(chunks, workers).sum())
        self.visited.count += fresh
        taken = np.array([chunk.candidates for chunk in chunks], np.int64)
        for chunk in chunks:
            chunk.fresh[: chunk.candidates] = FRESH
        ends = self._new_fill + taken.cumsum()
        self._new.reserve(self._new_fill, int(taken.sum()))
        self._build(chunks, (ends - taken).tolist(), look, fill, workers, marked=True)
        self._keep(int(taken.sum()))
        return fresh > room

    def _pick(self, chunk: Chunk, look: Lookup) -> None:
        """Leave one candidate a world: the one that wins the race. The candidates of a world lie side by side."""
        count = chunk.candidates
        if not count:
            return
        source, code = chunk.found.source[:count], chunk.found.code[:count]
        walker = self._walker[source]
        time = self._random.standard_exponential(count)
        if self._classes is not None:
            time /= self._weights[walker, self._classes.number(code, look.option_slot)]
        starts = np.flatnonzero(np.diff(source, prepend=-1))
        soonest = np.repeat(np.minimum.reduceat(time, starts), np.diff(starts, append=count))
        ties = np.flatnonzero(time == soonest)
        won = ties[np.diff(source[ties], prepend=-1) != 0]
        for column in chunk.found:
            column[: len(won)] = column[won]
        chunk.notes.counts[N_CANDIDATES] = len(won)
        kernel.sort(chunk.found, len(won), chunk.by_region)
        self._walker_new.append(walker[won])

    def _keep(self, added: int) -> None:
        fresh = slice(self._new_fill, self._new_fill + added)
        level = self._new.level
        self.links.append(level.source[fresh].astype(np.int64) + self.first, level.code[fresh])
        self._new_fill += added
        self.total += added

    def advance(self, workers: Workers) -> None:
        """Let every walk stand where it went; those that found no way on have ended."""
        super().advance(workers)
        self._walker = np.concatenate([np.empty(0, np.int32), *self._walker_new])
        self._walker_new = []


@frozen(eq=False)
class Classes:
    """What may happen where, as small numbers: local events by actor and kind; deliveries, losses and duplications by
    channel. A swarm has a weight for each."""

    kind_of: NDArray[np.int64]  # of each local event column
    actors: int
    first_channel: int

    @classmethod
    def of(cls, tables: Tables) -> Classes:
        """Those of the system of *tables*."""
        kinds = [kind.name for kind in tables.kinds]
        columns = tables.columns[0][: tables.local_columns]
        kind_of = [kinds.index(event.kind) for event in columns if isinstance(event, Local)]
        return cls(np.array(kind_of, np.int64), len(tables.actors), tables.first_channel)

    @property
    def count(self) -> int:
        """How many there can be, also when every actor has sent to every other."""
        return self.actors * len(self.kind_of) + 3 * self.actors**2

    def number(self, code: Int32s, option_slot: Int32s) -> NDArray[np.int64]:
        """The class of each event code."""
        operation, number = (code >> CODE_BITS).astype(np.int64), (code & CODE_MASK).astype(np.int64)
        channels = self.actors * len(self.kind_of) + (operation - DELIVER) * self.actors**2
        is_local = operation == LOCAL
        numbers = np.empty(len(code), np.int64)
        actor, column = np.divmod(number[is_local], max(1, len(self.kind_of)))
        numbers[is_local] = actor * len(self.kind_of) + self.kind_of[column]
        numbers[~is_local] = channels[~is_local] + option_slot[number[~is_local]] - self.first_channel
        return numbers


@define
class Walking(Search):
    """A search by random walks, in batches of `AT_ONCE`. A violation ends it when the walks have gone one event on."""

    walks: Walks = field(factory=Walks, kw_only=True)
    _paths: dict[str, list[int]] = Factory(dict)

    shortest: ClassVar[bool] = False

    def run(self) -> Result:
        """Walk until all walks have ended, a limit, or the first violation. `compile` has been called."""
        assert isinstance(self.store, WalkStore)
        self.watch.begin()
        left = self.walks.count
        while left and not self.is_decided() and not self.result.limits_hit:
            batch = min(left, AT_ONCE)
            self.store.begin(batch, self.tables.width, self.tables.empty)
            self._first_level()
            self._levels()
            self._keep_paths()
            left -= batch
        self.result.limits_hit = self.result.limits_hit or ["walks"]
        self._sum()
        return self.result

    def _begin_level(self) -> None:
        """The number of walks tells nothing of the space."""

    def _is_finished(self) -> bool:
        return self.is_decided() or self.store.now[2] == 0 or self.store.depth > self.walks.length

    def _keep_paths(self) -> None:
        """Links are of one batch; the runs that its hits stand for are kept."""
        for name, hit in self.result.hits.items():
            if name not in self._paths:
                self._paths[name] = super()._path(hit)

    def _path(self, hit: Hit) -> list[int]:
        return self._paths[hit.name]
