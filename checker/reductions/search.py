"""The search of the reduced space: breadth first, over the numbers of the tables.

Theory of operation. Every world is brought to its *normal form* first: dead messages are dropped, and while some
delivery is confluent it is taken, until none is left or the chain meets itself. Only normal forms are kept and counted.
All that can happen in one is followed, so that every cycle has a world that was expanded fully.

The claims behind that are judged when the search has ended (`Claims.intact`); until they hold, it is done again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from attrs import Factory, define, field

from checker.judging import Judge
from checker.layout import BROKEN, DELIVER, DROP, DUPLICATE, IMPOSSIBLE, LOCAL, Int32s
from checker.reductions.claims import Claims
from checker.reductions.steps import LocalStep, LocalSteps
from checker.search import Hit, Result
from checker.stepping import Finding, move
from checker.system import Local
from checker.tables import Tables
from checker.watch import Watch
from checker.world import DROPS, DUPLICATES, Delivery, Drop, Duplicate, LocalEvent, WorldEvent

DEAD, CONFLUENT = "dead", "confluent"

Happening = tuple[int, int, int]  # LOCAL, actor, column; or another operation, its message, 0


class Point(NamedTuple):
    """A world in numbers. `flight` has the numbers of the messages in ascending order, copies repeated."""

    states: tuple[int, ...]
    left: tuple[int, ...]
    monitors: tuple[int, ...]
    flight: tuple[int, ...]


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
    result: Result = Factory(Result)
    rounds: int = 0
    complete: bool = False
    steps: LocalSteps = field(init=False)
    claims: Claims = field(init=False)
    _points: dict[Point, int] = Factory(dict)
    _links: list[tuple[int, tuple[Happening, ...]]] = Factory(list)

    def __attrs_post_init__(self) -> None:
        rules = self.tables.rules
        self.steps = LocalSteps(self.tables)
        self.claims = Claims(self.steps, stays=rules.network == "ever-sent" or rules.bounds.of(DUPLICATES) > 0)

    @property
    def states(self) -> int:
        """How many normal forms were found."""
        return len(self._points)

    def run(self) -> Result:
        """Search until the claims of a whole search hold, or a limit cuts it."""
        self.watch.begin()
        while True:
            self.rounds += 1
            self.result = Result()
            self.judge.forget()
            self._search()
            if self.result.limits_hit or self.claims.intact():
                return self.result

    # --- level by level -----------------------------------------------------------------------------------------------

    def _search(self) -> None:
        first, path = self._normal(self._initial())
        self._points, self._links = {first: 0}, [(0, path)]
        level, before = [first], np.empty((0, len(self._row(first))), np.int32)
        self.complete = False
        self._judge_level(level, before, [])
        while not self._finished():
            following: list[Point] = []
            sources: list[int] = []
            whole = self._expand(level, following, sources)
            if following:
                self.result.depth += 1
            self._judge_level(following, self._rows(level), sources)
            if not whole:
                return
            level = following
            if not level:
                self.complete = True
                return

    def _finished(self) -> bool:
        hits = self.result.hits.values()
        if self.stop_on & self.result.hits.keys() or (
            self.stop_at_first and any(hit.reason is not None for hit in hits)
        ):
            return True
        if self.watch.limits.depth is not None and self.result.depth >= self.watch.limits.depth:
            self.result.limits_hit.append("max_depth")
            return True
        return False

    def _expand(self, level: list[Point], following: list[Point], sources: list[int]) -> bool:
        """Expand *level* into *following*, whose parents are *sources*; False if a limit cut it short."""
        pruned = self.judge.pruned(self._rows(level), len(level)).tolist()
        for source, point in enumerate(level):
            if pruned[source]:
                self.result.pruned += 1
                continue
            ordinal, many = self._points[point], 0
            for happening, after in self._follow(point, ordinal):
                many += 1
                world, path = self._normal(after)
                if world in self._points:
                    continue
                if self.watch.limits.states is not None and len(self._points) >= self.watch.limits.states:
                    self.result.limits_hit.append("max_states")
                    return False
                self._points[world] = len(self._points)
                self._links.append((ordinal, (happening, *path)))
                following.append(world)
                sources.append(source)
            self.result.transitions += many
            self.result.deadlocks += not many
            cut = self.watch.cut(len(self._points), self.result.depth, len(level) - source, 0)
            if cut is not None:
                self.result.limits_hit.append(cut)
                return False
        return True

    def _row(self, point: Point) -> list[int]:
        """The slots that are judged: states, the budget (which nobody reads), monitors."""
        return [*point.states, 0, *point.monitors]

    def _rows(self, level: list[Point]) -> Int32s:
        return np.array([self._row(point) for point in level], np.int32).reshape(len(level), self.tables.first_channel)

    def _judge_level(self, level: list[Point], before: Int32s, sources: list[int]) -> None:
        first = len(self._points) - len(level)
        for judged in self.judge.level(self._rows(level), len(level), before, np.array(sources, np.int32)):
            self._hit(Hit(judged.name, first + judged.world, None, judged.reason), 0)

    def _hit(self, hit: Hit, beyond: int) -> None:
        if hit.name not in self.result.hits and hit.name not in self.silent:
            self.result.hits[hit.name] = hit
            self.result.hit_depth[hit.name] = self.result.depth + beyond

    # --- normal forms -------------------------------------------------------------------------------------------------

    def _initial(self) -> Point:
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

    def _normal(self, point: Point) -> tuple[Point, tuple[Happening, ...]]:
        """The normal form of *point*, and the deliveries that lead there."""
        path: list[Happening] = []
        met: set[Point] = set()
        while True:
            self._offer(point)
            point = self._without_dead(point)
            message = None if point in met else self._confluent(point)
            if message is None:
                return point, tuple(path)
            met.add(point)
            step = self._delivered(point, message)
            assert step is not None
            point = self._landed(self._taken(point, message), self._target(message), step, point.monitors)
            path.append((DELIVER, message, 0))

    def _offer(self, point: Point) -> None:
        for message in set(point.flight):
            if self._is_open(message):
                self.claims.offer(point.states[self._target(message)], self.tables.message_column[message])
        for _kind, actor, column in self._local(point):
            self.claims.offer(point.states[actor], column)

    def _without_dead(self, point: Point) -> Point:
        if DEAD not in self.kinds:
            return point
        column = self.tables.message_column
        alive = [
            message
            for message in point.flight
            if not self.claims.use_dead(point.states[self._target(message)], column[message])
        ]
        return point._replace(flight=tuple(alive))

    def _confluent(self, point: Point) -> int | None:
        """The first message in flight whose delivery may be taken alone."""
        if CONFLUENT not in self.kinds:
            return None
        for message in dict.fromkeys(point.flight):
            state = point.states[self._target(message)]
            if self._is_open(message) and self.claims.use_confluent(state, self.tables.message_column[message]):
                return message
        return None

    # --- what can happen ----------------------------------------------------------------------------------------------

    def _follow(self, point: Point, ordinal: int) -> Iterator[tuple[Happening, Point]]:
        """Every transition of *point*; its findings are noted."""
        for kind, actor, column in self._local(point):
            step = self.steps.of(point.states[actor], column)
            if step is not None:
                happening = (LOCAL, actor, column)
                after = point._replace(left=self._spent(point.left, self.tables.kinds[kind].budget))
                yield happening, self._seen(after, actor, step, ordinal, happening)
        for message in dict.fromkeys(point.flight):
            step = self._delivered(point, message) if self._is_open(message) else None
            if step is not None:
                happening = (DELIVER, message, 0)
                after = self._taken(point, message)
                yield happening, self._seen(after, self._target(message), step, ordinal, happening)
            yield from self._faults(point, message)

    def _faults(self, point: Point, message: int) -> Iterator[tuple[Happening, Point]]:
        vary = self.tables.rules.vary
        if vary.drop and self._left(point, DROPS):
            left = self._spent(point.left, DROPS)
            yield (DROP, message, 0), self._taken(point, message)._replace(left=left)
        if vary.duplicate and self._left(point, DUPLICATES):
            left = self._spent(point.left, DUPLICATES)
            yield (DUPLICATE, message, 0), point._replace(left=left, flight=tuple(sorted((*point.flight, message))))

    def _local(self, point: Point) -> Iterator[tuple[int, int, int]]:
        """Kind, actor and column of the local events that the budgets offer."""
        for kind, local in enumerate(self.tables.kinds):
            column = self.tables.column_of(kind, point.left)
            if column != IMPOSSIBLE:
                for number, actor in enumerate(self.tables.actors):
                    if self.tables.rules.vary.allows(local.name, actor):
                        yield kind, number, column

    def _left(self, point: Point, budget: str) -> int:
        return point.left[self.tables.rules.budgets.index(budget)]

    def _spent(self, left: tuple[int, ...], budget: str) -> tuple[int, ...]:
        place = self.tables.rules.budgets.index(budget)
        return (*left[:place], left[place] - 1, *left[place + 1 :])

    def _channel(self, message: int) -> tuple[int, int]:
        return self.tables.channels[self.tables.messages[message][0] - self.tables.first_channel]

    def _target(self, message: int) -> int:
        return self._channel(message)[1]

    def _is_open(self, message: int) -> bool:
        source, target = self._channel(message)
        rules, actors = self.tables.rules, self.tables.actors
        return rules.vary.deliver and (actors[source], actors[target]) not in rules.blocked

    def _delivered(self, point: Point, message: int) -> LocalStep | None:
        return self.steps.of(point.states[self._target(message)], self.tables.message_column[message])

    def _taken(self, point: Point, message: int) -> Point:
        if self.tables.rules.network == "ever-sent":
            return point
        place = point.flight.index(message)
        return point._replace(flight=point.flight[:place] + point.flight[place + 1 :])

    def _landed(self, point: Point, actor: int, step: LocalStep, monitors: tuple[int, ...]) -> Point:
        states = (*point.states[:actor], step.after, *point.states[actor + 1 :])
        flight = point.flight
        if step.sends:
            both = (*flight, *step.sends)
            flight = tuple(sorted(set(both) if self.tables.rules.network == "ever-sent" else both))
        return point._replace(states=states, flight=flight, monitors=monitors)

    def _seen(self, point: Point, actor: int, step: LocalStep, ordinal: int, happening: Happening) -> Point:
        """*point* after *step*, which monitors saw; what broke is noted."""
        findings = list(self.tables.findings.get(step.transition, ()))
        monitors = list(point.monitors)
        for number, observation in enumerate(step.observed):
            if observation >= 0:
                went = self.tables.moved(monitors[number], observation)
                if went <= BROKEN:
                    findings.append(self._broken(number, monitors[number], observation))
                    went = BROKEN - went
                monitors[number] = went
        for finding in findings:
            self._hit(Hit(finding.property, ordinal, self._code(happening), finding.reason), 1)
        return self._landed(point, actor, step, tuple(monitors))

    def _broken(self, number: int, state: int, observation: int) -> Finding:
        monitor = self.tables.rules.monitors[number]
        value = self.tables.monitor_states[state][1]
        return Finding(monitor.name, str(move(monitor, value, self.tables.observations[number][observation]).broken))

    # --- runs ---------------------------------------------------------------------------------------------------------

    def _code(self, happening: Happening) -> int:
        """*happening* as the one number that a hit has place for."""
        operation, first, second = happening
        return (first << 32 | second) << 2 | operation

    def events(self, hit: Hit) -> list[WorldEvent]:
        """The run of the full space that leads to *hit*."""
        parts: list[tuple[Happening, ...]] = []
        ordinal = hit.ordinal
        while ordinal > 0:
            parent, path = self._links[ordinal]
            parts.append(path)
            ordinal = parent
        parts.append(self._links[0][1])
        happenings = [happening for path in reversed(parts) for happening in path]
        if hit.code is not None:
            number = hit.code >> 2
            happenings.append((hit.code & 3, number >> 32, number & 0xFFFFFFFF))
        return [self._event(*happening) for happening in happenings]

    def _event(self, operation: int, first: int, second: int) -> WorldEvent:
        if operation == LOCAL:
            event = self.tables.columns[first][second]
            assert isinstance(event, Local)
            return LocalEvent(self.tables.actors[first], event.kind)
        source, target = (self.tables.actors[index] for index in self._channel(first))
        message = self.tables.messages[first][1]
        if operation == DELIVER:
            return Delivery(source, target, message)
        return Drop(source, target, message) if operation == DROP else Duplicate(source, target, message)
