"""Makes a failing run as short as it can be made by leaving things out.

*Simpler* means one thing here: fewer events, and among runs of equal length the one found first. The search is
delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002): leave out
chunks, halves first, then ever smaller ones, until no single event can be spared. The result is *1-minimal*.

What an event is, and how a run is replayed in which something was left out, is the caller's business. A good replay is
tolerant: what no longer fits (the delivery of a message that now is never sent) is skipped, so that one deletion may
shorten the run by much more than one event; and it fails only if the *same property* breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

from attrs import field, frozen, mutable

E = TypeVar("E")
Attempt: TypeAlias = Callable[[Sequence[E]], "tuple[E, ...] | None"]


@frozen
class Minimised(Generic[E]):
    """What minimising came to: `events` fail still, and no single one of them can be left out."""

    events: tuple[E, ...]
    before: int  # how many events there were
    replays: int  # how many runs were tried

    def __str__(self) -> str:
        shrunk = f"{self.before} steps to {len(self.events)} ({self.replays} replays)"
        return f"{shrunk}, 1-minimal: no single step can be removed"


@mutable
class _Search(Generic[E]):
    """One search. `consider` is its only gateway: it caches, counts, and keeps the best."""

    attempt: Attempt[E]
    best: tuple[E, ...]
    replays: int = 0
    seen: set[tuple[E, ...]] = field(factory=set)

    def consider(self, candidate: tuple[E, ...]) -> bool:
        """Whether *candidate* fails and is shorter than the best; if so, what of it took effect is the new best."""
        if candidate in self.seen or len(candidate) >= len(self.best):
            return False
        self.seen.add(candidate)
        self.replays += 1
        failing = self.attempt(candidate)
        if failing is None or len(failing) >= len(self.best):
            return False
        self.best = failing
        return True

    def without_chunks_of(self, size: int) -> bool:
        """Leave out each chunk of *size* events, from the end; whether any could be spared."""
        shorter, end = False, len(self.best)
        while end > 0:
            start = max(0, end - size)
            if self.consider(self.best[:start] + self.best[end:]):
                shorter, end = True, min(start, len(self.best))
            else:
                end = start
        return shorter


def minimise(events: Sequence[E], attempt: Attempt[E]) -> Minimised[E]:
    """The shortest run that leaving events out of *events* leads to.

    attempt(candidate) replays a candidate, and returns the events of it that took effect up to the failure, or None
    if it does not fail; it must be deterministic. Raises ValueError if *events* themselves do not fail.
    """
    failing = attempt(tuple(events))
    if failing is None:
        raise ValueError("there is nothing to minimise: the run does not fail when it is replayed")
    search: _Search[E] = _Search(attempt, failing)
    size = max(1, len(search.best) // 2)
    while True:
        shorter = search.without_chunks_of(size)
        if size == 1 and not shorter:
            return Minimised(search.best, len(events), search.replays)
        size = size if shorter and size == 1 else max(1, size // 2)
