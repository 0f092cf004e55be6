"""Normal forms and representatives, world by world: what the compiled loops of the reduced search do, said plainly.

A world is brought to its *normal form*: dead messages are dropped, and while some delivery is confluent, or some local
event is fused, it is taken, until none is left or the chain meets itself. Of the images of that, the *representative*
stands for all. This is the definition that `kernel.py` is tested against, and what retells a run: the kernel keeps only
which event led to a world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import define

from checker.engine.layout import BROKEN, CODE_BITS, CODE_MASK, DELIVER, DROP, DUPLICATE, IMPOSSIBLE, LOCAL
from checker.engine.tables import Tables
from checker.reductions.claims import Claims
from checker.reductions.layout import CHAIN
from checker.reductions.steps import LocalStep, LocalSteps
from checker.reductions.symmetry import Point, Symmetry
from checker.system import Local
from checker.world import DROPS, DUPLICATES, Delivery, Drop, Duplicate, LocalEvent, WorldEvent

DEAD, CONFLUENT, SYMMETRY, FUSED = "dead", "confluent", "symmetry", "fused"


@define
class NormalForms:
    """What stands for a world, with the reductions in `kinds`; and which worlds follow it. Events are codes."""

    tables: Tables
    steps: LocalSteps
    claims: Claims
    symmetry: Symmetry | None
    kinds: frozenset[str]

    def representative(self, point: Point) -> tuple[Point, tuple[int, ...], int, int]:
        """What stands for *point*; the events that lead to its normal form, the permutation behind them, and for
        how many worlds it stands.
        """
        point, path = self.normal(point)
        if self.symmetry is None:
            return point, path, 0, 1
        point, turned, many = self.symmetry.least(point)
        return point, path, turned, many

    def normal(self, point: Point) -> tuple[Point, tuple[int, ...]]:
        """The normal form of *point*, and the events that lead there."""
        path: list[int] = []
        met: set[Point] = set()
        while True:
            self._offer(point)
            point = self._without_dead(point)
            taken = None if point in met or len(met) == CHAIN else self._confluent(point) or self._fused(point)
            if taken is None:
                return point, tuple(path)
            met.add(point)
            code, point = taken
            path.append(code)

    def _offer(self, point: Point) -> None:
        for message in point.flight:
            if self._is_open(message):
                self._offer_one(point.states[self._target(message)], self.tables.message_column[message])
        for _budget, actor, column in self._local(point):
            self._offer_one(point.states[actor], column)

    def _offer_one(self, state: int, column: int) -> None:
        images = [(state, column)] if self.symmetry is None else self.symmetry.pairs(state, column)
        for image in images:
            self.claims.offer(*image)

    def _claimed(self, point: Point, message: int) -> tuple[int, int]:
        """The pair about which a claim is made."""
        pair = point.states[self._target(message)], self.tables.message_column[message]
        return pair if self.symmetry is None else self.symmetry.pair(*pair)

    def _without_dead(self, point: Point) -> Point:
        if DEAD not in self.kinds:
            return point
        alive = [message for message in point.flight if not self.claims.use_dead(*self._claimed(point, message))]
        return point._replace(flight=tuple(alive))

    def _confluent(self, point: Point) -> tuple[int, Point] | None:
        """The first delivery that may be taken alone, and the world after it."""
        if CONFLUENT not in self.kinds:
            return None
        for message in point.flight:
            if self._is_open(message) and self.claims.use_confluent(*self._claimed(point, message)):
                step = self._delivered(point, message)
                assert step is not None
                after = self._landed(self._taken(point, message), self._target(message), step, point.monitors)
                return DELIVER << CODE_BITS | message, after
        return None

    def _fused(self, point: Point) -> tuple[int, Point] | None:
        """The first local event that may be taken alone, and the world after it."""
        if FUSED not in self.kinds:
            return None
        for budget, actor, column in self._local(point):
            pair = point.states[actor], column
            if self.claims.use_fused(*(pair if self.symmetry is None else self.symmetry.pair(*pair))):
                return self._happened(point, budget, actor, column)
        return None

    def _happened(self, point: Point, budget: str, actor: int, column: int) -> tuple[int, Point] | None:
        """A local event, and the world after it; None if it is impossible."""
        step = self.steps.of(point.states[actor], column)
        if step is None:
            return None
        after = point._replace(left=self._spent(point.left, budget))
        code = LOCAL << CODE_BITS | actor * self.tables.local_columns + column
        return code, self._landed(after, actor, step, self._moved(point, step))

    # --- what can happen ----------------------------------------------------------------------------------------------

    def follow(self, point: Point) -> Iterator[tuple[int, Point]]:
        """Every event that can happen in *point*, and the world after it, as it is."""
        for budget, actor, column in self._local(point):
            happened = self._happened(point, budget, actor, column)
            if happened is not None:
                yield happened
        for message in dict.fromkeys(point.flight):
            step = self._delivered(point, message) if self._is_open(message) else None
            if step is not None:
                after = self._landed(self._taken(point, message), self._target(message), step, self._moved(point, step))
                yield DELIVER << CODE_BITS | message, after
            yield from self._faults(point, message)

    def _faults(self, point: Point, message: int) -> Iterator[tuple[int, Point]]:
        vary = self.tables.rules.vary
        if vary.drop and self._left(point, DROPS):
            left = self._spent(point.left, DROPS)
            yield DROP << CODE_BITS | message, self._taken(point, message)._replace(left=left)
        if vary.duplicate and self._left(point, DUPLICATES):
            left = self._spent(point.left, DUPLICATES)
            yield DUPLICATE << CODE_BITS | message, self._sent(point._replace(left=left), (message,))

    def _local(self, point: Point) -> Iterator[tuple[str, int, int]]:
        """Budget, actor and column of the local events that the budgets offer."""
        for kind, local in enumerate(self.tables.kinds):
            column = self.tables.column_of(kind, point.left)
            for number, actor in enumerate(self.tables.actors):
                if column != IMPOSSIBLE and self.tables.rules.vary.allows(local.name, actor):
                    yield local.budget, number, column

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
        rules, actors = self.tables.rules, self.tables.actors
        source, target = self._channel(message)
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
        return self._sent(point._replace(states=states, monitors=monitors), step.sends)

    def _sent(self, point: Point, messages: tuple[int, ...]) -> Point:
        both = (*point.flight, *messages)
        stays = self.tables.rules.network == "ever-sent"
        return point._replace(flight=tuple(sorted(set(both) if stays else both)))

    def _moved(self, point: Point, step: LocalStep) -> tuple[int, ...]:
        """The monitors' states after they saw *step*."""
        went = [
            state if seen < 0 else self.tables.moved(state, seen)
            for state, seen in zip(point.monitors, step.observed, strict=True)
        ]
        return tuple(BROKEN - state if state <= BROKEN else state for state in went)

    # --- runs ---------------------------------------------------------------------------------------------------------

    def run(self, first: Point, codes: list[int], last: int | None, images: Iterable[int]) -> list[WorldEvent]:
        """The run of the full space, in real identities, that *codes* stand for: each is an event of the representative
        that the one before led to. It begins in the world *first* and ends in one of the given images of the last
        representative, after the event *last* there, if there is one: in that in which the first actors act first.
        """
        point, path, turned, _many = self.representative(first)
        parts = [(path, turned)]
        for code in codes:
            after = dict(self.follow(point))[code]
            point, path, turned, _many = self.representative(after)
            parts.append(((code, *path), turned))
        parts.append(((() if last is None else (last,)), 0))
        runs = (self._in_one_orientation(parts, image) for image in images)
        return [self._event(code) for code in min(runs, key=lambda run: [self._actor(code) for code in run])]

    def _actor(self, code: int) -> int:
        """Who acts when an event happens, or receives what is lost or duplicated."""
        operation, number = code >> CODE_BITS, code & CODE_MASK
        return number // self.tables.local_columns if operation == LOCAL else self._target(number)

    def _in_one_orientation(self, parts: list[tuple[tuple[int, ...], int]], image: int) -> list[int]:
        """A run whose *parts* are each followed by a permutation, as a run of real identities."""
        if self.symmetry is None:
            return [code for path, _turned in parts for code in path]
        found: list[int] = []
        real = image  # leads from where a part ends, turned, to what really is there
        for path, turned in reversed(parts):
            real = self.symmetry.then(turned, real)
            found = [self._turned(real, code) for code in path] + found
        return found

    def _turned(self, permutation: int, code: int) -> int:
        assert self.symmetry is not None
        operation, number = code >> CODE_BITS, code & CODE_MASK
        if operation == LOCAL:
            actor, column = divmod(number, self.tables.local_columns)
            place = self.symmetry.group[permutation].places[actor]
            became = self.symmetry.local_column(permutation, column)
            return LOCAL << CODE_BITS | place * self.tables.local_columns + became
        return operation << CODE_BITS | self.symmetry.messages[number][permutation]

    def _event(self, code: int) -> WorldEvent:
        operation, number = code >> CODE_BITS, code & CODE_MASK
        if operation == LOCAL:
            actor, column = divmod(number, self.tables.local_columns)
            event = self.tables.columns[actor][column]
            assert isinstance(event, Local)
            return LocalEvent(self.tables.actors[actor], event.kind)
        source, target = (self.tables.actors[index] for index in self._channel(number))
        message = self.tables.messages[number][1]
        if operation == DELIVER:
            return Delivery(source, target, message)
        return Drop(source, target, message) if operation == DROP else Duplicate(source, target, message)


__all__ = ["CONFLUENT", "DEAD", "FUSED", "SYMMETRY", "NormalForms"]
