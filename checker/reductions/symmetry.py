"""Worlds that differ only in which of several interchangeable actors is which: one of them stands for all.

Theory of operation. A permutation of the actors acts on numbers of states, messages and monitor states by tables that
the system's `rename` fills on demand. The *group* has the permutations that keep the initial world and the rules as
they are. Of the images of a world, the least in numbers is its representative.

That is sound if each permutation leads steps to steps. It is not believed but tested, on the real code: `compare` and
`check_move` compare every step and every move that the search looks up with its images, and `NotSymmetric` says
where they differ. With more than `ALL` permutations, only generators of the group are tried.

Invariants and predicates judge every image of a representative, so that they need not be symmetric themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Sized
from itertools import permutations
from typing import NamedTuple

import numpy as np
from attrs import Factory, define, field, frozen
from numpy.typing import NDArray

from checker.engine.arrays import Grid
from checker.engine.layout import BROKEN, UNKNOWN, Int32s
from checker.engine.tables import Tables
from checker.errors import CheckerError
from checker.reductions.steps import LocalStep
from checker.stepping import describe_error, describe_event
from checker.system import ActorId, Deliver, Local, Renames, RenamesKinds

ALL = 6  # permutations of three actors, which are all tried on every step
MOST = 720  # permutations of six actors; more are not worth their tables


class NotSymmetric(CheckerError):
    """The system treats its actors differently."""


class Point(NamedTuple):
    """A world in numbers. `flight` has the numbers of the messages in ascending order, copies repeated."""

    states: tuple[int, ...]
    left: tuple[int, ...]
    monitors: tuple[int, ...]
    flight: tuple[int, ...]


@frozen(eq=False)
class Permutation:
    """Actor i becomes actor `places[i]`. `number` is its place in the group, 0 of the identity."""

    number: int
    places: tuple[int, ...]
    names: Mapping[ActorId, ActorId]
    back: Mapping[ActorId, ActorId]


class Images(dict[int, list[int]]):
    """What each value of one kind becomes under each permutation of a group, all by number.

    The real code renames one value of each orbit; what becomes of the others follows, since *then*[first, second] is
    the permutation that is *first* and then *second*. `grid` has a row for each value that is known.
    """

    def __init__(
        self, group: Sequence[Permutation], then: NDArray[np.int64], rename: Callable[[Permutation, int], int]
    ) -> None:
        self._group, self._then, self._rename = group, then, rename
        self.grid = Grid(UNKNOWN, 64, len(group))
        self._covered = 0

    def cover(self, known: Sized) -> Int32s:
        """The images of all values that are *known*, a row each; those that become known on the way are covered too."""
        while self._covered < len(known):
            self[self._covered]  # so that it is known
            self._covered += 1
        return self.grid.values

    def __missing__(self, number: int) -> list[int]:
        row = [self._rename(one, number) if one.number else number for one in self._group]
        everybodys = np.array(row)[self._then]
        self.grid.cover(max(row) + 1, len(self._group))
        for value, images in zip(row, everybodys.tolist(), strict=True):
            if self.setdefault(value, images) != images:
                raise NotSymmetric("renaming twice is not what renaming once by both would be")
            self.grid.values[value] = images
        return self[number]


@define(eq=False)
class Symmetry:
    """The permutations under which a system looks the same from *initial*. The first is the identity."""

    tables: Tables
    initial: Point
    group: list[Permutation] = field(init=False)
    places: Int32s = field(init=False)  # [permutation, actor] the actor that it becomes
    sources: Int32s = field(init=False)  # [permutation, actor] the actor that becomes it
    states: Images = field(init=False)
    messages: Images = field(init=False)
    monitors: Images = field(init=False)
    compares_all: bool = field(init=False)
    _compared: list[int] = field(init=False)  # permutations under which steps are compared, the identity first
    _then: NDArray[np.int64] = field(init=False)
    _rename: Callable[[Hashable, Mapping[ActorId, ActorId]], Hashable] = field(init=False)
    _rename_kind: Callable[[str, Mapping[ActorId, ActorId]], str] | None = field(init=False)
    _pairs: dict[tuple[int, int], tuple[int, int]] = Factory(dict)
    _images: dict[tuple[int, int], list[tuple[int, int]]] = Factory(dict)  # by the least of them
    _least_states: dict[tuple[int, ...], list[int]] = Factory(dict)
    _local: dict[tuple[int, int], int] = Factory(dict)  # event columns of local events, by permutation and column
    _moves: set[tuple[int, int, int]] = Factory(set)
    _observations: dict[tuple[int, int, int], Hashable] = Factory(dict)  # by permutation, monitor and number

    def __attrs_post_init__(self) -> None:
        system = self.tables.system
        assert isinstance(system, Renames)
        self._rename = system.rename  # looked up once: whether a class has a method takes longer than the method
        self._rename_kind = system.rename_kind if isinstance(system, RenamesKinds) else None
        self.group = self._find_group()
        if len(self.group) == 1:
            raise NotSymmetric("no two actors are alike in the initial world and the rules")
        by_places = {one.places: one.number for one in self.group}
        self._then = np.array(
            [[by_places[tuple(b.places[place] for place in a.places)] for b in self.group] for a in self.group]
        )
        self.places = np.array([one.places for one in self.group], np.int32)
        self.sources = np.argsort(self.places, axis=1).astype(np.int32)
        self.states = Images(self.group, self._then, self._renamed_state)
        self.messages = Images(self.group, self._then, self._renamed_message)
        self.monitors = Images(self.group, self._then, self._renamed_monitor)
        swaps = [one.number for one in self.group if sum(at != place for at, place in enumerate(one.places)) == 2]
        self.compares_all = len(self.group) <= ALL or not swaps
        self._compared = list(range(len(self.group))) if self.compares_all else [0, *swaps]

    def _find_group(self) -> list[Permutation]:
        actors = self.tables.actors
        group: list[Permutation] = []
        for places in permutations(range(len(actors))):
            if len(group) > MOST or len(actors) > 7:
                raise NotSymmetric("there are too many permutations of so many actors")
            names = {actors[place]: actors[target] for place, target in enumerate(places)}
            one = Permutation(len(group), places, names, {name: actor for actor, name in names.items()})
            if self._keeps_rules(one) and self._keeps_initial(one):
                group.append(one)
        return group

    def _keeps_rules(self, one: Permutation) -> bool:
        rules, names = self.tables.rules, one.names
        blocked = {(names[source], names[target]) for source, target in rules.blocked}
        local = rules.vary.local
        return (
            blocked == rules.blocked
            and self._keeps_kinds(one)
            and (local is None or {(self._renamed_kind(one, kind), names[actor]) for kind, actor in local} == local)
        )

    def _keeps_initial(self, one: Permutation) -> bool:
        world = self.initial
        states = [0] * len(world.states)
        for actor, state in enumerate(world.states):
            states[one.places[actor]] = self._renamed_state(one, state)
        return (
            tuple(states) == world.states
            and tuple(self._renamed_monitor(one, state) for state in world.monitors) == world.monitors
            and tuple(sorted(self._renamed_message(one, message) for message in world.flight)) == world.flight
        )

    # --- images -------------------------------------------------------------------------------------------------------

    def cover(self) -> tuple[Int32s, Int32s, Int32s]:
        """The images of every state, monitor state and message that the tables know, by number."""
        states, monitors, messages = self.tables.states, self.tables.monitor_states, self.tables.messages
        return (
            self.states.cover(states),
            self.monitors.cover(monitors),
            self.messages.cover(messages),
        )

    @property
    def bytes(self) -> int:
        """Memory of the images."""
        return sum(images.grid.bytes for images in (self.states, self.monitors, self.messages))

    def image(self, turned: int, point: Point) -> Point:
        """What *point* becomes under a permutation of the group."""
        flight = sorted([self.messages[message][turned] for message in point.flight])
        monitors = tuple([self.monitors[state][turned] for state in point.monitors])
        return Point(self._states(turned, point.states), point.left, monitors, tuple(flight))

    def least(self, point: Point) -> tuple[Point, int, int]:
        """The representative of *point*, which permutation leads there, and how many worlds it stands for."""
        best: Point | None = None
        chosen = many = 0
        for turned in self._leading(point.states):
            whole = self.image(turned, point)
            if best is None or whole < best:
                best, chosen, many = whole, turned, 0
            many += whole == best
        assert best is not None
        return best, chosen, len(self.group) // many

    def _leading(self, states: tuple[int, ...]) -> list[int]:
        """Which permutations make *states* least: few, mostly one, so that no other image need be made whole."""
        known = self._least_states.get(states)
        if known is None:
            images = [self._states(turned, states) for turned in range(len(self.group))]
            smallest = min(images)
            known = [turned for turned, image in enumerate(images) if image == smallest]
            self._least_states[states] = known
        return known

    def _states(self, turned: int, states: tuple[int, ...]) -> tuple[int, ...]:
        places, moved = self.group[turned].places, [0] * len(states)
        for actor, state in enumerate(states):
            moved[places[actor]] = self.states[state][turned]
        return tuple(moved)

    def _renamed_state(self, one: Permutation, state: int) -> int:
        actor, value = self.tables.states[state]
        return self.tables.state_id(one.places[actor], self._renamed(one, value))

    def _renamed_message(self, one: Permutation, message: int) -> int:
        slot, value = self.tables.messages[message]
        source, target = self.tables.channels[slot - self.tables.first_channel]
        return self.tables.message_id(one.places[source], one.places[target], self._renamed(one, value))

    def _renamed_monitor(self, one: Permutation, state: int) -> int:
        monitor, value = self.tables.monitor_states[state]
        return self.tables.monitor_id(monitor, self._renamed(one, value))

    def _renamed(self, one: Permutation, value: Hashable) -> Hashable:
        rename = self._rename
        try:
            there = rename(value, one.names)
            same = rename(there, one.back) == value
        except (Exception, SystemExit) as error:
            raise NotSymmetric(f"rename raised {describe_error(error)}") from error
        if not same:
            raise NotSymmetric(f"{value!r} is not the same again when it was renamed there and back")
        return there

    # --- pairs of state and event -------------------------------------------------------------------------------------

    def pairs(self, state: int, column: int) -> list[tuple[int, int]]:
        """The images of a state and an event, each as often as there are permutations that lead to it."""
        return self._images[self.pair(state, column)]

    def pair(self, state: int, column: int) -> tuple[int, int]:
        """The least of the images of a state and an event."""
        known = self._pairs.get((state, column))
        if known is None:
            images = self._turned(state, column)
            known = min(images)
            self._images[known] = images
            for image in images:
                self._pairs[image] = known
        return known

    def _turned(self, state: int, column: int) -> list[tuple[int, int]]:
        """What a state and an event become under each permutation."""
        return list(zip(self.states[state], self._columns(state, column), strict=True))

    def _columns(self, state: int, column: int) -> list[int]:
        """The event columns of what the event in *column* becomes, each at the actor that it is at then."""
        tables = self.tables
        actor = tables.states[state][0]
        event = tables.columns[actor][column]
        if not isinstance(event, Deliver):
            return [self.local_column(turned, column) for turned in range(len(self.group))]
        message = tables.message_id(tables.actors.index(event.source), actor, event.message)
        return [tables.message_column[image] for image in self.messages[message]]

    def local_column(self, turned: int, column: int) -> int:
        """The event column of what the local event in *column* becomes under a permutation of the group."""
        known = self._local.get((turned, column))
        if known is None:
            events = self.tables.columns[0][: self.tables.local_columns]
            event = events[column]
            assert isinstance(event, Local)
            renamed = Local(self._renamed_kind(self.group[turned], event.kind), event.number)
            known = self._local[turned, column] = events.index(renamed)
        return known

    def _renamed_kind(self, one: Permutation, kind: str) -> str:
        if self._rename_kind is None:
            return kind
        try:
            return self._rename_kind(kind, one.names)
        except (Exception, SystemExit) as error:
            raise NotSymmetric(f"rename_kind raised {describe_error(error)}") from error

    def _keeps_kinds(self, one: Permutation) -> bool:
        """Whether each kind of local events becomes one that there is, and that spends the same budget."""
        kinds = {kind.name: (kind.budget, kind.numbered) for kind in self.tables.kinds}
        return all(kinds.get(self._renamed_kind(one, name)) == spent for name, spent in kinds.items())

    def compared(self, state: int, column: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """The images of a state and an event whose steps are compared, each behind the permutation that leads to it
        from the first of them.
        """
        images = self._turned(*(self.pair(state, column) if self.compares_all else (state, column)))
        return ((turned, images[turned]) for turned in self._compared)

    def compare(self, turned: int, step: LocalStep | None, also: LocalStep | None, state: int, column: int) -> None:
        """Raise NotSymmetric unless the step *also*, of *state* and the event in *column*, is what *step* becomes."""
        if step is None or also is None:
            alike = step is also
        else:
            alike = (
                self.states[step.after][turned] == also.after
                and tuple(sorted([self.messages[message][turned] for message in step.sends])) == also.sends
                and step.broken == also.broken
                and (step.observed == also.observed == () or self._see_alike(turned, step.observed, also.observed))
            )
        if not alike:
            actor = self.tables.states[state][0]
            event = describe_event(self.tables.columns[actor][column])
            raise NotSymmetric(
                f"{self.tables.actors[actor]} on {event} does not do what an image of it does, or a property "
                f"sees it differently"
            )

    def _see_alike(self, turned: int, seen: Sequence[int], also: Sequence[int]) -> bool:
        """Whether the monitors that saw *seen* saw *also* where actors are interchanged."""
        for monitor, (one, other) in enumerate(zip(seen, also, strict=True)):
            if one < 0 or other < 0:
                if one != other:
                    return False
            elif self._observation(turned, monitor, one) != self.tables.observations[monitor][other]:
                return False
        return True

    def _observation(self, turned: int, monitor: int, number: int) -> Hashable:
        """What an observation of a monitor becomes under a permutation."""
        key = turned, monitor, number
        if key not in self._observations:
            observation = self.tables.observations[monitor][number]
            self._observations[key] = self._renamed(self.group[turned], observation)
        return self._observations[key]

    def check_move(self, monitor: int, state: int, observation: int) -> None:
        """Raise NotSymmetric unless the images of a monitor's move are its moves."""
        if (monitor, state, observation) in self._moves:
            return
        self._moves.add((monitor, state, observation))
        went = self.tables.moved(state, observation)
        known = self.tables.observations[monitor]
        for turned in self._compared[1:]:
            seen = self._observation(turned, monitor, observation)
            also = known.index(seen) if seen in known else observation
            after = self.monitors[BROKEN - went if went <= BROKEN else went][turned]
            expected = BROKEN - after if went <= BROKEN else after
            if self.tables.moved(self.monitors[state][turned], also) != expected:
                raise NotSymmetric(f"the monitor {self.tables.rules.monitors[monitor].name} treats actors differently")

    # --- permutations -------------------------------------------------------------------------------------------------

    def then(self, first: int, second: int) -> int:
        """The permutation that is *first* and then *second*, all by their places in the group."""
        return int(self._then[first, second])


__all__ = ["NotSymmetric", "Point", "Symmetry"]
