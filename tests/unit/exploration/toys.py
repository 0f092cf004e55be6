"""Tiny systems for tests: each shows one thing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import ClassVar

from attrs import frozen

from checker.system import ActorId, Deliver, Event, LocalKind, Send, State, Step

GO = (LocalKind("go", "goes"),)


@frozen
class Counters:
    """Each `go` counts one up, to at most `limit`."""

    actors: tuple[str, ...] = ("a", "b")
    limit: int = 3
    local_kinds: tuple[LocalKind, ...] = GO

    def initial(self, actor: ActorId) -> State:
        """0."""
        return 0

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """One up; impossible at the limit."""
        assert isinstance(state, int)
        return Step(state + 1, marks=("counted",)) if state < self.limit else None


@frozen
class Senders:
    """`go` at "a" sends its number to "b", who remembers what arrived in order."""

    actors: tuple[str, ...] = ("a", "b")
    local_kinds: tuple[LocalKind, ...] = (LocalKind("go", "goes", numbered=True),)

    def initial(self, actor: ActorId) -> State:
        """Nothing arrived."""
        return ()

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """Send, or remember."""
        assert isinstance(state, tuple)
        if isinstance(event, Deliver):
            return Step((*state, event.message))
        return Step(state, (Send("b", event.number),)) if actor == "a" else None


@frozen
class Steps:
    """One actor, whose steps are the function given."""

    take: Callable[[State], Step | None]
    actors: tuple[str, ...] = ("a",)
    local_kinds: tuple[LocalKind, ...] = GO
    start: State = 0

    def initial(self, actor: ActorId) -> State:
        """As given."""
        return self.start

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """Whatever was given."""
        return self.take(state)


class Shelf:
    """A state that can be changed, though it compares by value."""

    def __init__(self, items: list[int]) -> None:
        self.items = items

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shelf) and self.items == other.items

    def __hash__(self) -> int:
        return hash(len(self.items))


class Kept:
    """What a class attribute keeps between calls."""

    calls: ClassVar[int] = 0


def uses_clock(_state: State) -> Step:
    """Not a function: the clock."""
    return Step(time.perf_counter_ns())


def uses_random(_state: State) -> Step:
    """Not a function: randomness."""
    return Step(random.random())


def keeps_count(_state: State) -> Step:
    """Not a function: something kept between calls."""
    Kept.calls += 1
    return Step(Kept.calls)


def changes_input(state: State) -> Step:
    """Puts something on the shelf that it was given."""
    assert isinstance(state, Shelf)
    state.items.append(1)
    return Step(Shelf(list(state.items)))


def fails(_state: State) -> Step:
    """Raises."""
    raise KeyError("no such entry")


def returns_nonsense(_state: State) -> Step:
    """Returns what is no Step."""
    return 17  # type: ignore[return-value]


def unhashable(_state: State) -> Step:
    """Returns a state that cannot be interned."""
    return Step([1])  # type: ignore[arg-type]
