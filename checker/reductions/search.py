"""The search of the reduced space: breadth first, level by level, in compiled loops.

Only representatives of normal forms (see `normal.py`) are kept and counted. All that can happen in one is followed, so
that every cycle has a world that was expanded fully. With symmetry, every image of a kept world is judged.

The claims behind that are judged when the search has ended (`Claims.intact`), and before that whenever it has found
twice as many worlds; until they hold, it is done again. A run that breaks something needs no claims: it is one of the
full space.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

import numpy as np
from attrs import Factory, define, field

from checker.engine.judging import Judge
from checker.engine.layout import (
    BROKEN,
    CODE_BITS,
    CODE_MASK,
    DELIVER,
    N_ALARMS,
    Int32s,
    Int64s,
    Level,
)
from checker.engine.memory import bytes_of, bytes_of_tables
from checker.engine.search import Hit, Result
from checker.engine.stores import Links
from checker.engine.tables import Tables
from checker.engine.visited import Fingerprints, new_level, stretch
from checker.engine.watch import Watch
from checker.engine.workers import Workers
from checker.errors import LimitError
from checker.reductions import kernel
from checker.reductions.ample import Ample
from checker.reductions.claims import Claims
from checker.reductions.covering import COVERED, Covering
from checker.reductions.layout import MISS_ROOM, NOTHING
from checker.reductions.normal import CONFLUENT, FUSED, SYMMETRY, NormalForms
from checker.reductions.pairs import PairTables
from checker.reductions.shares import Share, Shares
from checker.reductions.steps import LocalSteps
from checker.reductions.symmetry import Point, Symmetry
from checker.stepping import Finding, move
from checker.world import DUPLICATES, WorldEvent

WORLDS = 1 << 10  # that are expanded in one round
FLIGHT = 16  # messages under way for which a row has place at first
JUDGED = 1 << 10  # worlds whose images are judged at a time
JUDGED_FROM = 10_000  # worlds: so many, and then whenever there are twice as many, the claims are judged
CLAIMED_BYTES = 3 << 9  # for each distinct step, beside its tables: what is kept to make claims, an estimate
SMALL = 1_000  # worlds, or steps of the code but for images: less is searched without asking whether it is worth it


@define
class ReducedSearch:
    """As `search.Search`, with the reductions in `kinds`."""

    tables: Tables
    judge: Judge
    watch: Watch
    kinds: frozenset[str]
    stop_on: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    stop_at_first: bool = True
    meanwhile: Callable[[], bool] | None = None  # asked once, when the space is not small: is all answered by now?
    workers: Workers = Factory(Workers)
    result: Result = Factory(Result)
    rounds: int = 0
    complete: bool = False
    spared: bool = False  # whether all was answered meanwhile
    states: int = 0  # how many normal forms were found
    stands_for: int = 0  # how many worlds those that were found stand for, by symmetry
    symmetry: Symmetry | None = None
    claims: Claims = field(init=False)
    forms: NormalForms = field(init=False)
    _pairs: PairTables = field(init=False)
    _shares: Shares = field(init=False)
    _covering: Covering = field(init=False)
    _visited: Fingerprints = Factory(Fingerprints)
    _links: Links = field(init=False)
    _now: Level = field(init=False)
    _size: int = 0  # worlds in `now`
    _first: int = 0  # the ordinal of the first of them
    _new: Level = field(init=False)
    _fill: int = 0  # worlds in `new`
    _judged: Fingerprints = Factory(Fingerprints)  # states and monitors of worlds whose images were judged
    _images: dict[str, list[int]] = Factory(dict)  # in which images of its world a property was found broken

    def __attrs_post_init__(self) -> None:
        rules = self.tables.rules
        self.symmetry = Symmetry(self.tables, self.initial()) if SYMMETRY in self.kinds else None
        self._links = Links()
        steps = LocalSteps(self.tables, self.symmetry)
        ample = Ample(self.tables, steps, self.initial()) if FUSED in self.kinds else None
        self.claims = Claims(steps, rules.network == "ever-sent" or rules.bounds.of(DUPLICATES) > 0, ample)
        self.forms = NormalForms(self.tables, steps, self.claims, self.symmetry, self.kinds)
        self._pairs = PairTables(self.tables, steps, self.claims, self.symmetry, self.kinds)
        self._shares = Shares(self.tables.first_channel + FLIGHT)
        self._covering = Covering(self.tables, used="covered" in self.kinds)

    def compile(self) -> None:
        """Have every kernel compiled, or loaded from disk, by calling it with nothing to do."""
        row, _stands_for = self._represented(self.initial())
        look, share, none = self._pairs.packed, self._shares.first, np.empty(0, np.int64)
        rows = share.found.worlds.rows
        kernel.expand(look, rows, none, share.room, share.found, share.notes)
        sizes = len(self.tables.actors), self.tables.first_channel
        kernel.insert(*sizes, Fingerprints(8).slots, self._covering.kept, share.found, 0, 0, share.found.worlds, 0)
        kernel.unlike(0, 0, rows, 0, 0, Fingerprints(8).slots, none)
        kernel.turned(look, rows, none, rows)
        kernel.fingerprint(row)
        self._covering.compile(row)
        self.judge.compile(rows)

    def close(self) -> None:
        """Give disk space back, and end the workers."""
        self._links.close()
        self.workers.close()

    @property
    def bytes(self) -> int:
        """Memory of the visited set, and of the worlds that cover others."""
        return self._visited.bytes + self._covering.bytes

    def _memory(self) -> int:
        """Bytes of visited set, levels, worlds that cover others, tables and claims."""
        levels = sum(column.nbytes for level in (self._now, self._new) for column in level)
        images = 0 if self.symmetry is None else self.symmetry.bytes
        claims = CLAIMED_BYTES * self.tables.distinct_steps
        return self.bytes + levels + bytes_of_tables(self.tables) + bytes_of(self._pairs) + images + claims

    @property
    def disk_bytes(self) -> int:
        """It never spills."""
        return 0

    @property
    def first_depth(self) -> Mapping[str, int]:
        """Nothing: what a normal form skips has no depth of its own."""
        return {}

    @property
    def shortest(self) -> bool:
        """Whether no run to what is found is shorter: what is taken at once may be needless."""
        return CONFLUENT not in self.kinds and not self.claims.fuses

    exact: ClassVar[bool] = False
    graph: ClassVar[None] = None

    def run(self) -> Result:
        """Search until the claims of a whole search hold, or a limit cuts it."""
        self.watch.begin()
        while True:
            self.rounds += 1
            self.result = Result()
            self.judge.forget()
            self.claims.forget()
            self._pairs.forget()  # which claims again what still holds
            try:
                self._search()
            except (LimitError, MemoryError):  # claims may ask for steps of ever more states
                self.complete = False
                self.result.limits_hit.append("memory")
            if self.result.limits_hit or self.spared or self._is_decided() or self.claims.intact():
                return self.result

    def _is_decided(self) -> bool:
        """Whether a run was found that answers: it is one of the full space, whatever was claimed on the way.

        If nothing was taken at once, it is to be as short as there is one too, so the claims have to hold.
        """
        return not self.shortest and self._has_answer()

    @property
    def not_reduced(self) -> Mapping[str, str]:
        """The reason why no local event was fused, if more of a budget would change that."""
        ample = self.claims.ample
        if ample is None or self.claims.fuses or ample.wanting is None:
            return {}
        return {FUSED: f"what came at once might be missing elsewhere; allow {ample.wanting}"}

    def _has_answer(self) -> bool:
        """Whether something was found that ends the search."""
        hits = self.result.hits.values()
        broken = self.stop_at_first and any(hit.reason is not None for hit in hits)
        return broken or not self.stop_on.isdisjoint(self.result.hits)

    def events(self, hit: Hit) -> list[WorldEvent]:
        """The run of the full space that leads to *hit*."""
        codes = self._links.path(hit.ordinal)
        images = range(1 if self.symmetry is None else len(self.symmetry.group)) if hit.code is not None else None
        return self.forms.run(self.initial(), codes, hit.code, images or self._images[hit.name])

    # --- level by level -----------------------------------------------------------------------------------------------

    def _search(self) -> None:
        self._begin()
        self._judge_level(self._now.rows, self._size)
        judge_at = JUDGED_FROM
        while not self._finished() and not self._is_spared():
            if self.states >= judge_at:
                judge_at = 2 * self.states
                if not self.claims.intact():
                    return
            whole = self._expand()
            if self._fill:
                self.result.depth += 1
            self._first += self._size
            self._judge_level(self._new.rows, self._fill)
            if not whole:
                return
            self._now, self._new = self._new, self._now
            self._size, self._fill = self._fill, 0
            if not self._size:
                self.complete = True
                return

    def _begin(self) -> None:
        """Stand at the initial world's representative."""
        self._links.cut(1)
        self._visited, self._judged, self._images, self.complete = Fingerprints(), Fingerprints(), {}, False
        world, stands_for = self._represented(self.initial())
        self._now, self._new = new_level(1, len(world)), new_level(1 << 10, len(world))
        self._now.rows[0] = world
        self._visited.add_first(int(kernel.fingerprint(world)))
        self._covering.forget()
        self._covering.keep(world)
        self._size, self._fill, self._first = 1, 0, 0
        self.states, self.stands_for = 1, stands_for
        self._shares.forget()

    def _represented(self, point: Point) -> tuple[Int32s, int]:
        """What stands for *point*, as a row, and for how many worlds."""
        point, _path, _turned, stands_for = self.forms.representative(point)
        row = [*point.states, self.tables.budget_id(point.left), *point.monitors, *point.flight]
        while len(row) > self._shares.width:
            self._widen()
        world = np.full(self._shares.width, NOTHING, np.int32)
        world[: len(row)] = row
        return world, stands_for

    def initial(self) -> Point:
        """The initial world, in numbers."""
        rules = self.tables.rules
        world = rules.initial()
        index = {actor: number for number, actor in enumerate(self.tables.actors)}
        flight = [
            self.tables.message_id(index[source], index[target], message)
            for (source, target), content in world.channels
            for message in content.messages()
        ]
        return Point(
            states=tuple(self.tables.state_id(number, state) for number, state in enumerate(world.states)),
            left=tuple(rules.left(world, name) for name in rules.budgets),
            monitors=tuple(self.tables.monitor_id(number, state) for number, (_, state) in enumerate(world.monitors)),
            flight=tuple(sorted(flight)),
        )

    def _finished(self) -> bool:
        if self._has_answer():
            return True
        if self.watch.limits.depth is not None and self.result.depth >= self.watch.limits.depth:
            self.result.limits_hit.append("max_depth")
            return True
        return False

    def _is_spared(self) -> bool:
        """Whether someone else has the answer, who is asked once."""
        images = 1 if self.symmetry is None else len(self.symmetry.group)
        if self.meanwhile is not None and max(self.states, self.tables.distinct_steps // images) >= SMALL:
            meanwhile, self.meanwhile = self.meanwhile, None
            self.spared = meanwhile()
        return self.spared

    def _expand(self) -> bool:
        """Expand the level; False if a limit cut it short."""
        pruned = self.judge.pruned(self._now.rows, self._size)
        self.result.pruned += int(pruned.sum())
        wanted = np.flatnonzero(~pruned)
        late, start = np.empty(0, np.int64), 0
        while start < len(wanted) or len(late):
            end = start + max(0, WORLDS - len(late))
            todo, start = np.concatenate([late, wanted[start:end]]), min(end, len(wanted))
            late, fits = self._round(todo)
            cut = self._cut(len(wanted) - start) if fits else "max_states"
            if cut is not None:
                self.result.limits_hit.append(cut)
                return False
        return True

    def _cut(self, left: int) -> str | None:
        return self.watch.cut(self.states, self.result.depth, left, self._memory)

    def _round(self, todo: Int64s) -> tuple[Int64s, bool]:
        """Expand worlds; which are to be expanded again, and whether the limit allows all that is new."""
        shares = self._shares.expand(self._pairs.packed, self._now.rows, todo, self.workers)
        fits = True
        for share in shares:
            self._see_alarms(share)
            fits = fits and self._insert(share)
        self.result.transitions, self.result.deadlocks = self._shares.transitions, self._shares.deadlocks
        for share in shares:
            if share.is_stuck:
                share.renew(share.width, share.capacity * 2)
        again = np.concatenate([share.again for share in shares])
        self._answer(dict.fromkeys(miss for share in shares for miss in share.misses))
        return again, fits

    def _insert(self, share: Share) -> bool:
        """Keep what is new of the worlds that were found; whether the limit allows that."""
        count = share.count
        most = 1 << 62 if self.watch.limits.states is None else self.watch.limits.states - self.states
        self._visited.reserve(count)
        self._covering.reserve(count, count * (share.width - self.tables.first_channel))
        stretch(self._new, self._fill + count)
        before, kept = self._fill, self._covering.kept
        sizes, found = (len(self.tables.actors), self.tables.first_channel), share.packed_found
        covered = int(kept.counts[COVERED])
        end, stands_for = kernel.insert(*sizes, self._visited.slots, kept, found, count, most, self._new, before)
        self._fill = min(end, before + most)
        fresh = slice(before, self._fill)
        self._links.append(self._new.source[fresh].astype(np.int64) + self._first, self._new.code[fresh])
        self._visited.count += self._fill - before + int(kept.counts[COVERED]) - covered
        self.states += self._fill - before
        self.stands_for += int(stands_for)
        return bool(end == self._fill)

    def _answer(self, misses: Collection[tuple[int, int, int]]) -> None:
        """Answer the kernel's misses, until it is time to end."""
        if misses:
            self._pairs.fill(self.watch.until_over(misses))
            if any(kind == MISS_ROOM for kind, _row, _column in misses):
                self._widen()

    def _widen(self) -> None:
        """Have half as many slots more for messages under way."""
        flight = self._shares.width - self.tables.first_channel
        self._shares.widen(self.tables.first_channel + flight + flight // 2)
        if hasattr(self, "_now"):
            self._now, self._new = _wider(self._now, self._shares.width), _wider(self._new, self._shares.width)

    # --- findings -----------------------------------------------------------------------------------------------------

    def _judge_level(self, rows: Int32s, count: int) -> None:
        """Judge *count* worlds, the first of which has the ordinal `_first`: every image of each."""
        start, out = 0, np.empty(JUDGED, np.int64)
        many, slots = self._pairs.lookup.places.shape[0], self.tables.first_channel
        seen = self._judged
        while start < count:
            seen.reserve(JUDGED)
            fresh, start = kernel.unlike(len(self.tables.actors), slots, rows, start, count, seen.slots, out)
            seen.count += fresh
            images = rows[out[:fresh], :slots]
            if self.symmetry is not None:
                images = np.empty((fresh * many, slots), np.int32)
                kernel.turned(self._pairs.packed, rows, out[:fresh], images)
            for judged in self.judge.level(images, len(images), images[:0], np.empty(0, np.int32)):
                world, turned = divmod(judged.world, many)
                hit = Hit(judged.name, self._first + int(out[world]), None, judged.reason)
                self._hit(hit, 0)
                if self.result.hits.get(hit.name) == hit:
                    self._images.setdefault(hit.name, []).append(turned)

    def _see_alarms(self, share: Share) -> None:
        """Note the findings of the steps that the kernel met."""
        notes = share.notes
        for source, code in notes.alarms[: notes.counts[N_ALARMS]].tolist():
            row = self._now.rows[source].tolist()
            operation, number = code >> CODE_BITS, code & CODE_MASK
            actor, column = divmod(number, self.tables.local_columns)
            if operation == DELIVER:
                actor, column = self._pairs.delivery(number)
            pair, step = self._pairs.step(row[actor], column)
            for finding in (*self.tables.findings.get(step.transition, ()), *self._broken(row, step.observed)):
                self._hit(Hit(finding.property, self._first + source, code, finding.reason), 1)
            self._pairs.silence(pair)

    def _broken(self, row: list[int], observed: tuple[int, ...]) -> list[Finding]:
        """What monitors say of a step in the world *row*."""
        found: list[Finding] = []
        for number, observation in enumerate(observed):
            state = row[len(self.tables.actors) + 1 + number]
            if observation >= 0 and self.tables.moved(state, observation) <= BROKEN:
                monitor, value = self.tables.rules.monitors[number], self.tables.monitor_states[state][1]
                reason = move(monitor, value, self.tables.observations[number][observation]).broken
                found.append(Finding(monitor.name, str(reason)))
        return found

    def _hit(self, hit: Hit, beyond: int) -> None:
        if hit.name not in self.result.hits and hit.name not in self.silent:
            self.result.hits[hit.name] = hit
            self.result.hit_depth[hit.name] = self.result.depth + beyond


def _wider(level: Level, width: int) -> Level:
    """*level* with rows of *width* slots."""
    rows = np.full((len(level.code), width), NOTHING, np.int32)
    rows[:, : level.rows.shape[1]] = level.rows
    return level._replace(rows=rows)
