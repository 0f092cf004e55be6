"""What must come about, where every way that stays open is taken some day.

This is fairness: a move that is possible again and again is made at last. On a finite graph such a run ends among
states each of which leads back to all the others, and it visits them all. So something comes about on every fair run if
and only if it can be reached from every state; and it comes to stay if and only if from every state one can be reached
that nothing but states like it can follow.

States are few here, and any hashable values: the graph is held in plain Python. Large spaces are `checker.explore`'s,
which bounds how often things happen; here nothing is bounded but the states, for what is bounded comes to an end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from attrs import frozen

from checker.errors import UsageError

S = TypeVar("S", bound=Hashable)


@frozen
class Ways(Generic[S]):
    """Every state that can be reached. `moves` has the states that follow each, by the move's name; `found` how each
    was found first: by which move from where, None for those that it began with.
    """

    moves: Mapping[S, Mapping[str, S]]
    found: Mapping[S, tuple[S, str] | None]

    def path(self, state: S) -> tuple[str, ...]:
        """The moves of the shortest way to *state*."""
        moves: list[str] = []
        step = self.found[state]
        while step is not None:
            moves.append(step[1])
            step = self.found[step[0]]
        return tuple(reversed(moves))


@frozen
class Missed(Generic[S]):
    """What never comes about behind *state*, to which *path* leads."""

    path: tuple[str, ...]
    state: S


def ways_from(initial: Iterable[S], moves: Callable[[S], Mapping[str, S]], *, most: int = 100_000) -> Ways[S]:
    """All that can be reached from *initial*. Raises UsageError if that is more than *most* states."""
    found: dict[S, tuple[S, str] | None] = dict.fromkeys(initial)
    known: dict[S, Mapping[str, S]] = {}
    waiting = list(found)
    for state in waiting:  # which grows
        known[state] = moves(state)
        for name, after in known[state].items():
            if after not in found:
                found[after] = (state, name)
                waiting.append(after)
        if len(waiting) > most:
            raise UsageError(f"there are more than {most:,} states: bound what they are made of, or raise `most`")
    return Ways(known, found)


def never_comes(ways: Ways[S], goal: Callable[[S], bool]) -> Missed[S] | None:
    """The first state from which no state can be reached for which *goal* holds; None if it comes on every fair run."""
    return _first_outside(ways, _leading_to(ways, [state for state in ways.moves if goal(state)]))


def never_stays(ways: Ways[S], holds: Callable[[S], bool]) -> Missed[S] | None:
    """The first state from which no state can be reached behind which all there is *holds*; None if on every fair run
    it holds from some moment on.
    """
    may_fail = _leading_to(ways, [state for state in ways.moves if not holds(state)])
    return _first_outside(ways, _leading_to(ways, [state for state in ways.moves if state not in may_fail]))


def _first_outside(ways: Ways[S], inside: Collection[S]) -> Missed[S] | None:
    missed = next((state for state in ways.moves if state not in inside), None)
    return None if missed is None else Missed(ways.path(missed), missed)


def _leading_to(ways: Ways[S], targets: Iterable[S]) -> set[S]:
    """Every state from which one of *targets* can be reached, these included."""
    before: dict[S, list[S]] = {}
    for state, moves in ways.moves.items():
        for after in moves.values():
            before.setdefault(after, []).append(state)
    leading = set(targets)
    waiting = list(leading)
    for state in waiting:  # which grows
        for earlier in before.get(state, ()):
            if earlier not in leading:
                leading.add(earlier)
                waiting.append(earlier)
    return leading
