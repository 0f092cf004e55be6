"""Worlds that differ only in which of several interchangeable actors is which: one of them stands for all.

Theory of operation. A permutation of the actors acts on numbers of states, messages and monitor states by tables that
the system's `rename` fills on demand. The *group* has the permutations that keep the initial world and the rules as
they are. Of the images of a world, the least in numbers is its representative.

That is sound if each permutation leads steps to steps. It is not believed but tested, on the real code: `check_step`
and `check_move` compare every step and every move that the search looks up with its images, and `NotSymmetric` says
where they differ. With more than `ALL` permutations, only generators of the group are tried.

Invariants and predicates judge every image of a representative, so that they need not be symmetric themselves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from itertools import permutations
from typing import NamedTuple

from attrs import Factory, define, field

from checker.errors import CheckerError
from checker.layout import BROKEN
from checker.reductions.steps import LocalStep, LocalSteps
from checker.stepping import describe_error, describe_event
from checker.system import ActorId, Deliver, Renames
from checker.tables import Tables

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


@define(eq=False)
class Permutation:
    """Actor i becomes actor `places[i]`. The tables have the numbers of what was asked for so far."""

    places: tuple[int, ...]
    names: Mapping[ActorId, ActorId]
    back: Mapping[ActorId, ActorId]
    states: dict[int, int] = Factory(dict)
    messages: dict[int, int] = Factory(dict)
    monitors: dict[int, int] = Factory(dict)


@define(eq=False)
class Symmetry:
    """The permutations under which a system looks the same from *initial*. The first is the identity."""

    tables: Tables
    initial: Point
    group: list[Permutation] = field(init=False)
    _tried: list[Permutation] = field(init=False)
    _by_places: dict[tuple[int, ...], int] = field(init=False)
    _pairs: dict[tuple[int, int], tuple[int, int]] = Factory(dict)
    _least_states: dict[tuple[int, ...], list[int]] = Factory(dict)
    _moves: set[tuple[int, int, int]] = Factory(set)

    def __attrs_post_init__(self) -> None:
        actors = self.tables.actors
        self.group = []
        for places in permutations(range(len(actors))):
            if len(self.group) > MOST or len(actors) > 7:
                raise NotSymmetric("there are too many permutations of so many actors")
            names = {actors[place]: actors[target] for place, target in enumerate(places)}
            one = Permutation(places, names, {name: actor for actor, name in names.items()})
            if self._keeps_rules(one) and self.image(one, self.initial) == self.initial:
                self.group.append(one)
        if len(self.group) == 1:
            raise NotSymmetric("no two actors are alike in the initial world and the rules")
        self._by_places = {one.places: index for index, one in enumerate(self.group)}
        swaps = [one for one in self.group if sum(place != at for at, place in enumerate(one.places)) == 2]
        self._tried = self.group[1:] if len(self.group) <= ALL or not swaps else swaps

    def _keeps_rules(self, one: Permutation) -> bool:
        rules, names = self.tables.rules, one.names
        blocked = {(names[source], names[target]) for source, target in rules.blocked}
        local = rules.vary.local
        return blocked == rules.blocked and (local is None or {(kind, names[actor]) for kind, actor in local} == local)

    # --- images -------------------------------------------------------------------------------------------------------

    def image(self, one: Permutation, point: Point) -> Point:
        """What *point* becomes."""
        flight = sorted([self.message(one, message) for message in point.flight])
        return Point(self._states(one, point.states), point.left, self._monitors(one, point.monitors), tuple(flight))

    def least(self, point: Point) -> tuple[Point, int, int]:
        """The representative of *point*, which permutation leads there, and how many worlds it stands for."""
        best: Point | None = None
        chosen = many = 0
        for index in self._leading(point.states):
            whole = self.image(self.group[index], point)
            if best is None or whole < best:
                best, chosen, many = whole, index, 0
            many += whole == best
        assert best is not None
        return best, chosen, len(self.group) // many

    def _leading(self, states: tuple[int, ...]) -> list[int]:
        """Which permutations make *states* least: few, mostly one, so that no other image need be made whole."""
        known = self._least_states.get(states)
        if known is None:
            images = [self._states(one, states) for one in self.group]
            smallest = min(images)
            known = [index for index, image in enumerate(images) if image == smallest]
            self._least_states[states] = known
        return known

    def _states(self, one: Permutation, states: tuple[int, ...]) -> tuple[int, ...]:
        moved = [0] * len(states)
        for actor, state in enumerate(states):
            moved[one.places[actor]] = self.state(one, state)
        return tuple(moved)

    def _monitors(self, one: Permutation, monitors: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([self.monitor(one, state) for state in monitors])

    def state(self, one: Permutation, state: int) -> int:
        """The number that the state with a number becomes."""
        known = one.states.get(state)
        if known is None:
            actor, value = self.tables.states[state]
            known = self.tables.state_id(one.places[actor], self._renamed(one, value))
            one.states[state] = known
        return known

    def message(self, one: Permutation, message: int) -> int:
        """The number that the message with a number becomes."""
        known = one.messages.get(message)
        if known is None:
            slot, value = self.tables.messages[message]
            source, target = self.tables.channels[slot - self.tables.first_channel]
            known = self.tables.message_id(one.places[source], one.places[target], self._renamed(one, value))
            one.messages[message] = known
        return known

    def monitor(self, one: Permutation, state: int) -> int:
        """The number that the monitor's state with a number becomes."""
        known = one.monitors.get(state)
        if known is None:
            monitor, value = self.tables.monitor_states[state]
            known = one.monitors[state] = self.tables.monitor_id(monitor, self._renamed(one, value))
        return known

    def column(self, one: Permutation, actor: int, column: int) -> int:
        """The event column, at the actor that *actor* becomes, of what the event in *column* becomes."""
        event = self.tables.columns[actor][column]
        if not isinstance(event, Deliver):
            return column
        source = self.tables.actors.index(event.source)
        message = self.tables.message_id(source, actor, event.message)
        return self.tables.message_column[self.message(one, message)]

    def _renamed(self, one: Permutation, value: Hashable) -> Hashable:
        system = self.tables.system
        assert isinstance(system, Renames)
        try:
            there = system.rename(value, one.names)
            same = system.rename(there, one.back) == value
        except (Exception, SystemExit) as error:
            raise NotSymmetric(f"rename raised {describe_error(error)}") from error
        if not same:
            raise NotSymmetric(f"{value!r} is not the same again when it was renamed there and back")
        return there

    # --- pairs of state and event -------------------------------------------------------------------------------------

    def pairs(self, state: int, column: int) -> Iterator[tuple[int, int]]:
        """The images of a state and an event."""
        actor = self.tables.states[state][0]
        for one in self.group:
            yield self.state(one, state), self.column(one, actor, column)

    def pair(self, state: int, column: int) -> tuple[int, int]:
        """The least of the images of a state and an event."""
        known = self._pairs.get((state, column))
        if known is None:
            known = self._pairs[state, column] = min(self.pairs(state, column))
        return known

    def check_step(self, steps: LocalSteps, state: int, column: int, step: LocalStep | None) -> None:
        """Raise NotSymmetric unless the images of a step are steps."""
        actor = self.tables.states[state][0]
        for one in self._tried:
            found = steps.look(self.state(one, state), self.column(one, actor, column))
            if not self._is_image(one, step, found):
                event = describe_event(self.tables.columns[actor][column])
                raise NotSymmetric(
                    f"{self.tables.actors[actor]} on {event} does not do what an image of it does, or a property "
                    f"sees it differently"
                )

    def _is_image(self, one: Permutation, step: LocalStep | None, found: LocalStep | None) -> bool:
        if step is None or found is None:
            return step is found
        return (
            self.state(one, step.after) == found.after
            and tuple(sorted(self.message(one, message) for message in step.sends)) == found.sends
            and step.broken == found.broken
            and all(
                self._sees_alike(one, monitor, seen, found.observed[monitor])
                for monitor, seen in enumerate(step.observed)
            )
        )

    def _sees_alike(self, one: Permutation, monitor: int, seen: int, also: int) -> bool:
        if seen < 0 or also < 0:
            return seen == also
        known = self.tables.observations[monitor]
        return bool(self._renamed(one, known[seen]) == known[also])

    def check_move(self, monitor: int, state: int, observation: int) -> None:
        """Raise NotSymmetric unless the images of a monitor's move are its moves."""
        if (monitor, state, observation) in self._moves:
            return
        self._moves.add((monitor, state, observation))
        went = self.tables.moved(state, observation)
        known = self.tables.observations[monitor]
        for one in self._tried:
            seen = self._renamed(one, known[observation])
            also = known.index(seen) if seen in known else observation
            expected = BROKEN - self.monitor(one, BROKEN - went) if went <= BROKEN else self.monitor(one, went)
            if self.tables.moved(self.monitor(one, state), also) != expected:
                raise NotSymmetric(f"the monitor {self.tables.rules.monitors[monitor].name} treats actors differently")

    # --- permutations -------------------------------------------------------------------------------------------------

    def then(self, first: int, second: int) -> int:
        """The permutation that is *first* and then *second*, all by their places in the group."""
        one, other = self.group[first].places, self.group[second].places
        return self._by_places[tuple(other[place] for place in one)]


__all__ = ["NotSymmetric", "Point", "Symmetry"]
