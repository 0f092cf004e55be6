"""The search of the reduced space: breadth first, over the numbers of the tables.

Theory of operation. Every world is brought to its *normal form* first: dead messages are dropped, and while some
delivery is confluent it is taken, until none is left or the chain meets itself. Only normal forms are kept and counted.
All that can happen in one is followed, so that every cycle has a world that was expanded fully. With symmetry, the
representative of a normal form is kept; every image of it is judged.

The claims behind that are judged when the search has ended (`Claims.intact`); until they hold, it is done again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import Factory, define, field

from checker.errors import LimitError
from checker.judging import Judge
from checker.layout import BROKEN, DELIVER, DROP, DUPLICATE, IMPOSSIBLE, LOCAL, Int32s
from checker.reductions.claims import Claims
from checker.reductions.steps import LocalStep, LocalSteps
from checker.reductions.symmetry import Point, Symmetry
from checker.search import Hit, Result
from checker.stepping import Finding, move
from checker.system import Local
from checker.tables import Tables
from checker.watch import Watch
from checker.world import DROPS, DUPLICATES, Delivery, Drop, Duplicate, LocalEvent, WorldEvent

DEAD, CONFLUENT, SYMMETRY = "dead", "confluent", "symmetry"

Happening = tuple[int, int, int]  # LOCAL, actor, column; or another operation, its message, 0


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
    stands_for: int = 0  # how many worlds those that were found stand for, by symmetry
    symmetry: Symmetry | None = None
    _offers: dict[tuple[int, ...], list[tuple[int, int, int]]] = Factory(dict)  # local events, by what is left
    _offered: set[tuple[int, int]] = Factory(set)  # states and messages, or minus columns, already noted
    _targets: list[int] = Factory(list)  # of messages
    _open: list[bool] = Factory(list)  # of messages, whether they may be delivered
    _is_dead: dict[tuple[int, int], bool] = Factory(dict)  # of states and messages, in this round
    _is_confluent: dict[tuple[int, int], bool] = Factory(dict)
    _links: list[tuple[int, tuple[Happening, ...], int]] = Factory(list)  # parent, run from there, then a permutation
    _images: dict[str, int] = Factory(dict)  # in which image of its world a property was found broken

    def __attrs_post_init__(self) -> None:
        rules = self.tables.rules
        self.symmetry = Symmetry(self.tables, self._initial()) if SYMMETRY in self.kinds else None
        self.steps = LocalSteps(self.tables, self.symmetry)
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
            try:
                self._search()
            except (LimitError, MemoryError):  # claims may ask for steps of ever more states
                self.complete = False
                self.result.limits_hit.append("memory")
            if self.result.limits_hit or self.claims.intact():
                return self.result

    # --- level by level -----------------------------------------------------------------------------------------------

    def _search(self) -> None:
        first, path, turned, self.stands_for = self._representative(self._initial())
        self._points, self._links = {first: 0}, [(0, path, turned)]
        self._images = {}
        self._is_dead, self._is_confluent = {}, {}
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
                world, path, turned, stands_for = self._representative(after)
                if world in self._points:
                    continue
                if self.watch.limits.states is not None and len(self._points) >= self.watch.limits.states:
                    self.result.limits_hit.append("max_states")
                    return False
                self._points[world] = len(self._points)
                self.stands_for += stands_for
                self._links.append((ordinal, (happening, *path), turned))
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
        first, many = len(self._points) - len(level), 1
        rows, parents = self._rows(level), np.array(sources, np.int32)
        if self.symmetry is not None:
            group, image = self.symmetry.group, self.symmetry.image
            many = len(group)
            rows = self._rows([image(one, point._replace(flight=())) for point in level for one in group])
            before, parents = before[:0], parents[:0]
        for judged in self.judge.level(rows, len(rows), before, parents):
            world, turned = divmod(judged.world, many)
            if judged.name not in self.result.hits:
                self._images[judged.name] = turned
            self._hit(Hit(judged.name, first + world, None, judged.reason), 0)

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

    def _representative(self, point: Point) -> tuple[Point, tuple[Happening, ...], int, int]:
        """What stands for *point*: a normal form; the deliveries that lead to it, the permutation behind them, and for
        how many worlds it stands.
        """
        point, path = self._normal(point)
        if self.symmetry is None:
            return point, path, 0, 1
        point, turned, many = self.symmetry.least(point)
        return point, path, turned, many

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
        states = point.states
        for message in point.flight:
            pair = (states[self._target(message)], message)
            if pair not in self._offered:
                self._offered.add(pair)
                if self._open[message]:
                    self._offer_one(pair[0], self.tables.message_column[message])
        for _kind, actor, column in self._local(point):
            pair = (states[actor], -1 - column)
            if pair not in self._offered:
                self._offered.add(pair)
                self._offer_one(states[actor], column)

    def _offer_one(self, state: int, column: int) -> None:
        if self.symmetry is None:
            self.claims.offer(state, column)
        elif column not in self.claims.offered[state]:
            for image in self.symmetry.pairs(state, column):
                self.claims.offer(*image)

    def _pair(self, state: int, column: int) -> tuple[int, int]:
        """The pair about which a claim is made."""
        return (state, column) if self.symmetry is None else self.symmetry.pair(state, column)

    def _without_dead(self, point: Point) -> Point:
        if DEAD not in self.kinds:
            return point
        states, alive = point.states, list[int]()
        for message in point.flight:
            pair = (states[self._targets[message]], message)
            dead = self._is_dead.get(pair)
            if dead is None:
                dead = self.claims.use_dead(*self._pair(pair[0], self.tables.message_column[message]))
                self._is_dead[pair] = dead
            if not dead:
                alive.append(message)
        return point if len(alive) == len(point.flight) else point._replace(flight=tuple(alive))

    def _confluent(self, point: Point) -> int | None:
        """The first message in flight whose delivery may be taken alone."""
        if CONFLUENT not in self.kinds:
            return None
        for message in point.flight:
            pair = (point.states[self._targets[message]], message)
            confluent = self._is_confluent.get(pair)
            if confluent is None:
                column = self.tables.message_column[message]
                confluent = self._open[message] and self.claims.use_confluent(*self._pair(pair[0], column))
                self._is_confluent[pair] = confluent
            if confluent:
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
            target = self._target(message)  # first, since it learns about the message
            step = self._delivered(point, message) if self._open[message] else None
            if step is not None:
                happening = (DELIVER, message, 0)
                after = self._taken(point, message)
                yield happening, self._seen(after, target, step, ordinal, happening)
            yield from self._faults(point, message)

    def _faults(self, point: Point, message: int) -> Iterator[tuple[Happening, Point]]:
        vary = self.tables.rules.vary
        if vary.drop and self._left(point, DROPS):
            left = self._spent(point.left, DROPS)
            yield (DROP, message, 0), self._taken(point, message)._replace(left=left)
        if vary.duplicate and self._left(point, DUPLICATES):
            left = self._spent(point.left, DUPLICATES)
            yield (DUPLICATE, message, 0), point._replace(left=left, flight=tuple(sorted((*point.flight, message))))

    def _local(self, point: Point) -> list[tuple[int, int, int]]:
        """Kind, actor and column of the local events that the budgets offer."""
        known = self._offers.get(point.left)
        if known is None:
            known = self._offers[point.left] = [
                (kind, number, column)
                for kind, local in enumerate(self.tables.kinds)
                if (column := self.tables.column_of(kind, point.left)) != IMPOSSIBLE
                for number, actor in enumerate(self.tables.actors)
                if self.tables.rules.vary.allows(local.name, actor)
            ]
        return known

    def _left(self, point: Point, budget: str) -> int:
        return point.left[self.tables.rules.budgets.index(budget)]

    def _spent(self, left: tuple[int, ...], budget: str) -> tuple[int, ...]:
        place = self.tables.rules.budgets.index(budget)
        return (*left[:place], left[place] - 1, *left[place + 1 :])

    def _channel(self, message: int) -> tuple[int, int]:
        return self.tables.channels[self.tables.messages[message][0] - self.tables.first_channel]

    def _target(self, message: int) -> int:
        """The actor to which *message* goes. From then on, `_open` says whether it may arrive."""
        rules, actors = self.tables.rules, self.tables.actors
        for number in range(len(self._targets), message + 1):
            source, target = self._channel(number)
            self._targets.append(target)
            self._open.append(rules.vary.deliver and (actors[source], actors[target]) not in rules.blocked)
        return self._targets[message]

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
                if self.symmetry is not None:
                    self.symmetry.check_move(number, monitors[number], observation)
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
        parts: list[tuple[tuple[Happening, ...], int]] = []
        ordinal = hit.ordinal
        while ordinal > 0:
            parent, path, turned = self._links[ordinal]
            parts.append((path, turned))
            ordinal = parent
        parts.append(self._links[0][1:])
        last: tuple[Happening, ...] = ()
        if hit.code is not None:
            number = hit.code >> 2
            last = ((hit.code & 3, number >> 32, number & 0xFFFFFFFF),)
        happenings = self._in_one_orientation([*reversed(parts), (last, 0)], self._images.get(hit.name, 0))
        return [self._event(*happening) for happening in happenings]

    def _in_one_orientation(self, parts: list[tuple[tuple[Happening, ...], int]], image: int) -> list[Happening]:
        """A run whose *parts* are each followed by a permutation, as a run of real identities.

        It ends in the given image of the world in which the last part ends.
        """
        if self.symmetry is None:
            return [happening for path, _turned in parts for happening in path]
        found: list[Happening] = []
        real = image  # leads from where a part ends, turned, to what really is there
        for path, turned in reversed(parts):
            real = self.symmetry.then(turned, real)
            found = [self._turned(real, happening) for happening in path] + found
        return found

    def _turned(self, permutation: int, happening: Happening) -> Happening:
        assert self.symmetry is not None
        one = self.symmetry.group[permutation]
        operation, first, second = happening
        if operation == LOCAL:
            return LOCAL, one.places[first], second
        return operation, self.symmetry.message(one, first), second

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
