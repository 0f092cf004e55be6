"""Linearizability: could what the clients saw have been seen of one single, sequential copy?

Each operation must seem to take effect at one instant between its call and its return. `explain` looks for an order of
the operations that respects time and in which a sequential specification gives every client the answer that it got
(Wing and Gong 1993), remembering the pairs of specification state and set of operations done that led nowhere (Lowe
2017), without which long histories take for ever.

What became of an operation that never returned, or whose client lost its connection, is not known: it may take effect
at any time after its call, or never.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from attrs import frozen

Apply: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]
"""The sequential specification: apply(state, operation) -> (state after, answer). States are hashable."""

_MOST_TOLD: Final = 12  # returns before the one that nothing explains


@frozen
class Call:
    """One operation of a client, from its call to its return, on one clock.

    `returned` is None when the outcome is unknown; `answer` then means nothing. An operation that surely had no
    effect (it was refused or redirected) does not belong into a history.
    """

    client: str
    operation: Hashable
    called: int
    returned: int | None = None
    answer: Hashable = None

    def __str__(self) -> str:
        told = "unknown" if self.returned is None else str(self.answer)
        return f"{self.client}: {self.operation} => {told}"


def explain(history: Sequence[Call], initial: Hashable, apply: Apply) -> tuple[Call, ...] | None:
    """An order that explains *history*, unknown operations that took no effect left out; None if there is none."""
    calls = sorted(history, key=lambda call: call.called)
    must = sum(1 << number for number, call in enumerate(calls) if call.returned is not None)
    failed: set[tuple[int, Hashable]] = set()
    path: list[int] = []
    stack = [_choices(calls, 0, initial, apply)]
    if not must:
        return ()
    done, states = 0, [initial]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            failed.add((done, states.pop()))
            if path:
                done &= ~(1 << path.pop())
            continue
        number, state = found
        after = done | 1 << number
        if after & must == must:
            return tuple(calls[index] for index in (*path, number))
        if (after, state) not in failed:
            path.append(number)
            states.append(state)
            done = after
            stack.append(_choices(calls, done, state, apply))
    return None


def problem_with(history: Sequence[Call], initial: Hashable, apply: Apply) -> str | None:
    """None if *history* is linearizable, else a sentence that names the first return that nothing explains."""
    if explain(history, initial, apply) is not None:
        return None
    returns = sorted((call for call in history if call.returned is not None), key=lambda call: call.returned or 0)
    count = bisect_left(
        range(len(returns)), True, key=lambda number: not _explained(history, returns[number], initial, apply)
    )
    if count == len(returns):
        return "no order explains the history"
    told = [str(call) for call in returns[max(0, count - _MOST_TOLD) : count]]
    before = "; ".join((["..."] if count > _MOST_TOLD else []) + told) or "nothing"
    return f"no order explains `{returns[count]}` after {before}"


def _explained(history: Sequence[Call], last: Call, initial: Hashable, apply: Apply) -> bool:
    """Whether *history* can be explained up to the return of *last*. If it cannot, no more of it can."""
    assert last.returned is not None
    return explain(_until(history, last.returned), initial, apply) is not None


def _until(history: Sequence[Call], end: int) -> list[Call]:
    """*history* as it was at time *end*: later returns have not happened."""
    return [
        call if call.returned is not None and call.returned <= end else Call(call.client, call.operation, call.called)
        for call in history
        if call.called <= end
    ]


def _choices(calls: Sequence[Call], done: int, state: Any, apply: Apply) -> Iterator[tuple[int, Any]]:
    """The operations that may be next, each with the state after it: called before any open one has returned.

    Of unknown operations that are equal only the one called first is tried: it may stand wherever a later one may.
    One that would change nothing is left out: it may as well never have happened. Without this, n unknown
    operations would have 2^n outcomes.
    """
    open_calls = [(number, call) for number, call in enumerate(calls) if not done >> number & 1]
    deadline = min((call.returned for _, call in open_calls if call.returned is not None), default=None)
    unknown: set[Hashable] = set()
    for number, call in open_calls:
        if deadline is not None and call.called > deadline:
            break
        if call.returned is None and call.operation in unknown:
            continue
        after, answer = apply(state, call.operation)
        if call.returned is None:
            unknown.add(call.operation)
            if after != state:
                yield number, after
        elif answer == call.answer:
            yield number, after
