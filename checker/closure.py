"""The local behaviour of each actor, closed: every state it may come to, whoever it may hear from.

Theory of operation. Take what each actor does alone: a state meets every message that any state met so far sends there,
at any time and again and again, and every local event that the budgets may still allow. Whatever a run of the whole
system leads to is among it, whatever the network does. More is among it too: states that no run has, since nobody asks
whether those who sent two messages could both have come about.

Without any account of the budgets this would not end: terms would rise for ever. So each state and each message has a
*floor*, how much of each budget everybody together must have spent for it to come about: a delivery needs the greater
of two floors, a local event adds one. And each state has its *own* share, what its actor alone must have spent. Where a
state comes about in several ways, the least of each number is kept, which only allows more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from attrs import Factory, define, field, frozen

from checker.engine.layout import IMPOSSIBLE
from checker.engine.tables import Tables
from checker.system import Local

Counts = tuple[int, ...]  # one number a budget, in the order of `Rules.budgets`


@frozen
class Spent:
    """What must have been spent, at least: by everybody, and by the actor alone."""

    floor: Counts
    own: Counts

    def least(self, other: Spent) -> Spent:
        """What must have been spent if either will do."""
        return Spent(tuple(map(min, self.floor, other.floor)), tuple(map(min, self.own, other.own)))


@frozen
class Taken:
    """One distinct local step: the actor's state after it, by number, what it sends, and what monitors see."""

    transition: int
    after: int
    sends: frozenset[int]
    observed: tuple[int, ...]  # by monitor, -1 where the step does not concern it


@frozen
class _Offer:
    """A local event that an actor may have: it spends one of the budget at `place`, of which `before` are gone."""

    column: int
    place: int
    before: int | None  # None if it is not numbered


@define
class Closure:
    """The closed local behaviour of `tables.system`. `close` computes it, unless that takes too many steps."""

    tables: Tables
    max_steps: int
    states: dict[int, Spent] = Factory(dict)
    messages: dict[int, Spent] = Factory(dict)
    by_actor: list[list[int]] = field(init=False)  # states, in the order in which they were found
    _inbox: list[list[int]] = field(init=False)  # messages that may reach each actor
    _offers: list[list[_Offer]] = field(init=False)
    _limits: Counts = field(init=False)
    _steps: dict[tuple[int, int], Taken | None] = Factory(dict)  # by state and event column
    _todo: deque[tuple[bool, int]] = Factory(deque)  # messages (True) and states that are new, or need less than before
    _waiting: set[tuple[bool, int]] = Factory(set)

    def __attrs_post_init__(self) -> None:
        rules, actors = self.tables.rules, self.tables.actors
        self.by_actor = [[] for _ in actors]
        self._inbox = [[] for _ in actors]
        self._limits = tuple(map(rules.bounds.of, rules.budgets))
        self._offers = [list(self._offers_to(actor)) for actor in range(len(actors))]

    def _offers_to(self, actor: int) -> Iterator[_Offer]:
        rules = self.tables.rules
        kinds = {kind.name: kind for kind in self.tables.kinds}
        for column, event in enumerate(self.tables.columns[actor]):
            assert isinstance(event, Local), "messages are numbered when they are sent"
            kind = kinds[event.kind]
            begun = rules.start.used_of(kind.budget) if rules.start is not None else 0
            if rules.vary.allows(kind.name, self.tables.actors[actor]):
                before = event.number - begun if kind.numbered else None
                yield _Offer(column, rules.budgets.index(kind.budget), before)

    @property
    def steps(self) -> int:
        """How many pairs of state and event were tried."""
        return len(self._steps)

    def close(self) -> bool:
        """Follow everything from the initial world on. False if there was too much of it."""
        nothing = (0,) * len(self._limits)
        tables, world = self.tables, self.tables.rules.initial()
        index = {actor: number for number, actor in enumerate(tables.actors)}
        for actor, state in enumerate(world.states):
            self._reach(tables.state_id(actor, state), Spent(nothing, nothing))
        for (source, target), content in world.channels:
            for message in content.messages():
                self._send(tables.message_id(index[source], index[target], message), Spent(nothing, nothing))
        while self._todo:
            if len(self._steps) > self.max_steps:
                return False
            is_message, number = entry = self._todo.popleft()
            self._waiting.discard(entry)
            if is_message:
                for state in tuple(self.by_actor[self._target(number)]):
                    self._deliver(state, number)
            else:
                self._follow(number)
        return True

    def edges(self) -> Iterator[tuple[int, Taken]]:
        """Every local step, with the state that it begins in."""
        for (state, _column), taken in self._steps.items():
            if taken is not None:
                yield state, taken

    def _follow(self, state: int) -> None:
        """Everything that may happen in *state*."""
        actor, spent = self.tables.states[state][0], self.states[state]
        for offer in self._offers[actor]:
            gone = max(spent.floor[offer.place], offer.before or 0)
            is_its_turn = offer.before is None or gone == offer.before
            if is_its_turn and gone < self._limits[offer.place]:
                own = spent.own[offer.place] + 1
                after = Spent(_with(spent.floor, offer.place, gone + 1), _with(spent.own, offer.place, own))
                self._take(state, offer.column, after)
        for message in tuple(self._inbox[actor]):
            self._deliver(state, message)

    def _deliver(self, state: int, message: int) -> None:
        spent, needed = self.states[state], self.messages[message]
        floor = tuple(map(max, spent.floor, needed.floor))
        self._take(state, self.tables.message_column[message], Spent(floor, spent.own))

    def _take(self, state: int, column: int, spent: Spent) -> None:
        """The step of *state* on an event, after which so much must have been *spent*."""
        key = (state, column)
        if key not in self._steps:
            self._steps[key] = self._look(state, column)
        taken = self._steps[key]
        if taken is not None:
            self._reach(taken.after, spent)
            for message in taken.sends:
                self._send(message, spent)

    def _look(self, state: int, column: int) -> Taken | None:
        tables = self.tables
        transition = tables.step(state, column)
        if transition == IMPOSSIBLE:
            return None
        step = tables.transitions[transition]
        return Taken(transition, step.after, frozenset(step.sends), step.observed)

    def _reach(self, state: int, spent: Spent) -> None:
        if state not in self.states:
            self.by_actor[self.tables.states[state][0]].append(state)
        self._lower(self.states, (False, state), spent)

    def _send(self, message: int, spent: Spent) -> None:
        rules, actors = self.tables.rules, self.tables.actors
        source, target = self._channel(message)
        if not rules.vary.deliver or (actors[source], actors[target]) in rules.blocked:
            return
        if message not in self.messages:
            self._inbox[target].append(message)
        self._lower(self.messages, (True, message), spent)

    def _lower(self, known: dict[int, Spent], entry: tuple[bool, int], spent: Spent) -> None:
        before = known.get(entry[1])
        after = spent if before is None else before.least(spent)
        if after != before:
            known[entry[1]] = after
            if entry not in self._waiting:
                self._waiting.add(entry)
                self._todo.append(entry)

    def _channel(self, message: int) -> tuple[int, int]:
        return self.tables.channels[self.tables.messages[message][0] - self.tables.first_channel]

    def _target(self, message: int) -> int:
        return self._channel(message)[1]


def _with(counts: Counts, place: int, count: int) -> Counts:
    return (*counts[:place], count, *counts[place + 1 :])


__all__ = ["Closure", "Spent", "Taken"]
