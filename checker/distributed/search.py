"""The coordinator of a distributed search: has the tables, runs the user's code, and tells the owners what to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from attrs import Factory, define

from checker.distributed.broadcast import Broadcast
from checker.distributed.crew import Crew, Turn
from checker.distributed.exchange import OWNER_BITS, SHARDS, Group, Holding, Order, Shape, Sighting, Told, joined_misses
from checker.engine.judging import Judge
from checker.engine.layout import Int32s, Int64s
from checker.engine.search import Hit, Result
from checker.engine.tables import Tables
from checker.engine.watch import Watch
from checker.world import WorldEvent

AHEAD: Final = 2  # turns that are given before the first of them is looked at
SMALLEST_BATCH: Final = 1 << 10  # worlds of a shard
LARGEST_BATCH: Final = 1 << 13
BATCHES: Final = 16  # of a large level


@define
class DistributedSearch:
    """One search, by the owners of *crew*. What it is given, and what it offers `explore`, is as in `search.Search`; a
    world is named by its number, ordinal << OWNER_BITS | owner.
    """

    tables: Tables
    judge: Judge
    watch: Watch
    crew: Crew
    stop_on: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    stop_at_first: bool = True
    result: Result = Factory(Result)
    holdings: tuple[Holding, ...] = ()
    depth: int = 1  # of the level that is expanded; the initial world is at 1
    states: int = 1
    size: int = 1  # worlds of the level that is expanded
    exact: bool = False  # two worlds may have been taken for one
    shortest: bool = True  # no run to what is found is shorter
    graph: None = None  # transitions are not kept
    disk_bytes: int = 0  # it never spills
    _broadcast: Broadcast = Factory(lambda self: Broadcast(self.tables, self.judge), takes_self=True)
    _sizes: Int64s = Factory(lambda: np.zeros(SHARDS, np.int64))  # of the level by shard
    _coming: Int64s = Factory(lambda: np.zeros(SHARDS, np.int64))  # of the next
    _left: int = 0  # worlds of the level that are to be expanded
    _before: Turn | None = None
    _is_advanced: bool = True  # the owners are at the level; else the next turn takes them there
    _root: Int32s = Factory(lambda: np.empty((1, 0), np.int32))  # the initial world

    def compile(self) -> None:
        """Start the owners, and have every loop compiled."""
        row = self.tables.row(self.tables.rules.initial())
        fingerprint = self.tables.fingerprint(row)
        self._root = row.reshape(1, -1)
        self._sizes[fingerprint & SHARDS - 1] = 1
        self.judge.compile(self._root)
        self.judge.pruned(self._root, 1)
        update = self._broadcast.update()
        assert update is not None, "nothing was told yet"
        self.crew.begin(update, (row, fingerprint), len(row))

    def run(self) -> Result:
        """Search until the space, a limit, or the first violation ends it. `compile` has been called."""
        self.watch.begin()
        for judged in self.judge.level(self._root, 1, self._root[:0], _NO_SOURCE):
            self._hit(Hit(judged.name, 0, None, judged.reason), self.depth)
        while not self._is_finished():
            self.watch.levels.append(self.size)
            self._expand_level()
            if self._coming.any():
                self.result.depth = max(self.result.depth, self.depth + 1)
            if self.result.limits_hit:
                break
            self._sizes, self._coming, self.depth = self._coming, np.zeros(SHARDS, np.int64), self.depth + 1
            self.size, self._is_advanced = int(self._sizes.sum()), False
        self.holdings = tuple(self.crew.holdings())
        return self.result

    def events(self, hit: Hit) -> list[WorldEvent]:
        """The run that leads to *hit* from the initial world."""
        return [self.tables.event(code) for code in self._path(hit)]

    def _path(self, hit: Hit) -> list[int]:
        if hit.code is None:
            return []
        codes, number = [hit.code], hit.ordinal
        while True:
            more, parent = self.crew.walk(number & (1 << OWNER_BITS) - 1, number >> OWNER_BITS)
            codes += more
            if parent is None:
                return codes[::-1]
            number = parent

    @property
    def complete(self) -> bool:
        """Whether every world was expanded."""
        return self.size == 0 and not self.result.limits_hit

    @property
    def bytes(self) -> int:
        """Memory of the visited sets."""
        return sum(holding.visited_bytes for holding in self.holdings)

    @property
    def first_depth(self) -> Mapping[str, int]:
        """Of marks and events: how many events the shortest run with it has."""
        return self.tables.first_depth

    def close(self) -> None:
        """End the owners."""
        self.crew.close()

    # --- a level ------------------------------------------------------------------------------------------------------

    def _is_finished(self) -> bool:
        """Whether the current level is not to be expanded."""
        broken = any(hit.reason is not None for hit in self.result.hits.values())
        if (broken and self.stop_at_first) or self.stop_on & self.result.hits.keys() or self.size == 0:
            return True
        if self.watch.limits.depth is not None and self.depth >= self.watch.limits.depth:
            self.result.limits_hit.append("max_depth")
            return True
        return False

    def _expand_level(self) -> None:
        """Expand every world of the level, pass by pass, unless a limit cuts it short."""
        self.tables.depth, self._left = self.depth, self.size
        most = int(self._sizes.max())
        size = max(SMALLEST_BATCH, min(LARGEST_BATCH, -(-most // BATCHES)))
        while True:
            told = self._pass(-(-most // size), size)
            misses = joined_misses([one.misses for one in told])
            if not len(misses) or (self.result.limits_hit and not any(one.unbuilt for one in told)):
                break
            self.tables.fill(misses.tolist())
            most = max(one.put_aside for one in told)

    def _pass(self, batches: int, size: int) -> list[Told]:
        """Let the owners expand so many *batches*, of *size* worlds a shard, and build what was waiting: all they told.

        None is expanded once a limit was hit.
        """
        update, told = self._broadcast.update(), list[Told]()
        given: deque[Turn] = deque()
        rest = 2 if batches else 1  # turns after the last batch, in which what it led to is claimed, and built
        number = 0
        while rest:
            wanted = number < batches and not self.result.limits_hit
            rest -= not wanted
            order = Order(not self._is_advanced, number if wanted else None, size)
            self._before = self.crew.turn(self._before, order, update)
            self._is_advanced, update = True, None
            given.append(self._before)
            number += 1
            if len(given) > AHEAD:
                told += self._see(given.popleft())
        for turn in given:
            told += self._see(turn)
        return told

    def _see(self, turn: Turn) -> list[Told]:
        """Note what was told in *turn*, and whether that ends the search."""
        told = self.crew.told(turn)
        for one in told:
            self.result.transitions += one.transitions
            self.result.deadlocks += one.deadlocks
            self.result.pruned += one.pruned
            self._left -= one.taken + one.pruned
            self._coming += one.fresh
        for owner, one in enumerate(told):
            self._see_alarms(owner, one.alarms)
        self._see_views([one.views for one in told])
        fresh = sum(int(one.fresh.sum()) for one in told)
        room = fresh if self.watch.limits.states is None else self.watch.limits.states - self.states
        self.states += min(fresh, room)
        self._see_limits(told, fresh > room)
        return told

    def _see_limits(self, told: Sequence[Told], has_no_room: bool) -> None:
        if self.result.limits_hit:
            return
        memory = sum(one.memory for one in told)
        cut = self.watch.cut(self.states, self.depth, self._left, lambda: memory)
        if any(one.full for one in told):
            self.result.limits_hit.append("memory")
        elif has_no_room:
            self.result.limits_hit.append("max_states")
        elif cut is not None:
            self.result.limits_hit.append(cut)

    # --- findings -----------------------------------------------------------------------------------------------------

    def _see_alarms(self, owner: int, alarms: Sighting) -> None:
        """Note the findings of transitions that owners met."""
        for head, source, code in zip(*(column.tolist() for column in alarms), strict=True):
            transition = self.tables.transition_of(head, code)
            assert transition is not None
            for finding in (*self.tables.findings.get(transition, ()), *self.tables.broken(head, transition)):
                self._hit(Hit(finding.property, source << OWNER_BITS | owner, code, finding.reason), self.depth + 1)
            self.tables.silence(transition)

    def _see_views(self, views: Sequence[Sighting]) -> None:
        """Judge worlds with tuples of views that an owner had not seen: those of all owners as one list."""
        heads = np.concatenate([one.heads for one in views])
        codes = np.concatenate([one.codes for one in views])
        numbers = np.concatenate([one.sources << OWNER_BITS | owner for owner, one in enumerate(views)])
        for judged in self.judge.level(heads, len(heads), heads[:0], _NO_SOURCE):
            hit = Hit(judged.name, int(numbers[judged.world]), int(codes[judged.world]), judged.reason)
            self._hit(hit, self.depth + 1)
        self.judge.pruned(heads, len(heads))

    def _hit(self, hit: Hit, depth: int) -> None:
        if hit.name not in self.result.hits and hit.name not in self.silent:
            self.result.hits[hit.name] = hit
            self.result.hit_depth[hit.name] = depth


def shape_of(tables: Tables, judge: Judge) -> Shape:
    """What owners must know before all else."""
    return Shape(len(tables.actors), len(tables.rules.monitors), tuple(Group(*one) for one in judge.asked()))


_NO_SOURCE = np.empty(0, np.int32)
