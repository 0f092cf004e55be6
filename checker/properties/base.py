"""Properties of a system, in the three shapes that exploration can check at full speed.

* An `Invariant` reads a *view* of each actor (say role and term) and judges the tuple of views. It runs once for each
  distinct tuple, not once a state. With a `monitor` it also reads what that monitor remembers.
* A `StepRule` judges one local step (the term never goes back). It runs once for each distinct local step.
* A `Monitor` remembers history that no state shows (who led term 3, though it has crashed since). It is a small
  automaton: `observe` extracts from a local step what the monitor cares about, `advance` moves on. Its state is part of
  the explored world.

All three return None when all is well, or a sentence that says what is wrong, naming the actors. A function that raises
is a finding too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from attrs import frozen

from checker.errors import UsageError
from checker.system import ActorId, Event, State, Step

T = TypeVar("T")
Reason: TypeAlias = str | None


def as_reason(said: object) -> Reason:
    """What a property said, or what is wrong with saying it: anything but None and a sentence breaks the property."""
    if said is None or (isinstance(said, str) and said):
        return said
    return f"returned {show(said)}; return None or a sentence"


def show(thing: object) -> str:
    """`repr`, which may be a user's code and raise."""
    try:
        return repr(thing)
    except (Exception, SystemExit) as error:
        return f"<{type(thing).__name__}, whose repr raises {type(error).__name__}>"


def whole_state(actor: ActorId, state: State) -> Hashable:
    """The view that hides nothing."""
    return state


@frozen
class MonitorMove:
    """Where a monitor goes on an observation. `broken` says what is wrong, if anything is."""

    state: Hashable
    broken: Reason = None


@frozen
class Monitor:
    """A history variable. `observe` returns None for steps that do not concern it; equal observations from equal
    states give equal moves.

    observe(actor, state before, event, step) -> observation or None;   advance(monitor state, observation) ->
    MonitorMove
    """

    name: str
    initial: Hashable
    observe: Callable[[ActorId, State, Event, Step], Hashable | None]
    advance: Callable[[Any, Any], MonitorMove]


@frozen
class Invariant:
    """A predicate over the views of all actors, in every reachable world.

    judge({actor: view}, history) -> None or what is wrong; *history* is the state of `monitor`, or None when there
    is none.
    """

    name: str
    judge: Callable[[Mapping[ActorId, Any], Any], Reason]
    view: Callable[[ActorId, State], Hashable] = whole_state
    monitor: Monitor | None = None


@frozen
class StepRule:
    """A predicate over one local step: check(actor, state before, event, step) -> None or what is wrong."""

    name: str
    check: Callable[[ActorId, State, Event, Step], Reason]


@frozen
class Predicate:
    """A question about the views of all actors, asked of every world: a goal, or what should happen sometimes.

    holds({actor: view}, history) -> bool; *history* is the state of `monitor`, or None when there is none.
    """

    name: str
    holds: Callable[[Mapping[ActorId, Any], Any], bool]
    view: Callable[[ActorId, State], Hashable] = whole_state
    monitor: Monitor | None = None


Property: TypeAlias = Invariant | StepRule | Monitor


def several(name: str, given: Iterable[T]) -> tuple[T, ...]:
    """What is *given* as the argument *name*. Raises UsageError if that is one thing, and no list of such."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise UsageError(f"{name} is {show(given)}; write a list, as in {name}=[...]")
    return tuple(given)


def as_property(given: Property | Callable[[Mapping[ActorId, State]], Reason]) -> Property:
    """*given* itself, or the invariant that a user's plain function stands for.

    A plain function is called with a mapping from actor to state and returns None or a sentence; its name becomes
    the invariant's name.
    """
    if isinstance(given, Invariant | StepRule | Monitor):
        return given
    if not callable(given):
        raise UsageError(
            f"a property is an Invariant, a StepRule, a Monitor or a function of the actors' states, not {show(given)}"
        )
    function = given
    return Invariant(name=getattr(function, "__name__", repr(function)), judge=lambda views, _history: function(views))


def as_predicate(given: Predicate | Callable[[Mapping[ActorId, State]], bool]) -> Predicate:
    """*given* itself, or the predicate that a user's plain function of the actors' states stands for."""
    if isinstance(given, Predicate):
        return given
    if not callable(given):
        raise UsageError(f"expected a Predicate or a function of the actors' states, not {show(given)}")
    function = given
    return Predicate(name=getattr(function, "__name__", repr(function)), holds=lambda views, _history: function(views))
