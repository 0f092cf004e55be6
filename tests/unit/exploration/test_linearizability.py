"""The linearizability checker against the definition: try every order of every subset."""

from __future__ import annotations

from itertools import combinations, permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from checker.properties.linearizability import Call, explain, problem_with


def add(state: int, operation: int) -> tuple[int, int]:
    """A counter: operation 0 reads, others are added; the answer is the value after."""
    return state + operation, state + operation


def by_definition(history: list[Call]) -> bool:
    """Whether some order of the returned calls and some of the unknown ones respects time and gives every answer."""
    returned = [call for call in history if call.returned is not None]
    unknown = [call for call in history if call.returned is None]
    chosen = (list(part) for count in range(len(unknown) + 1) for part in combinations(unknown, count))
    return any(_explains(order) for part in chosen for order in permutations(returned + part))


def _explains(order: tuple[Call, ...]) -> bool:
    for place, later in enumerate(order):
        if any(later.returned is not None and later.returned < earlier.called for earlier in order[:place]):
            return False
    state = 0
    for call in order:
        state, answer = add(state, call.operation)  # type: ignore[arg-type]  # the counter's operations are numbers
        if call.returned is not None and answer != call.answer:
            return False
    return True


calls = st.builds(
    lambda operation, called, lasts, answer: Call(
        "c1", operation, called, None if lasts is None else called + lasts, answer if lasts is not None else None
    ),
    st.integers(0, 2),
    st.integers(0, 6),
    st.none() | st.integers(0, 6),
    st.integers(0, 5),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(calls, max_size=5))
def test_explain_agrees_with_the_definition(history: list[Call]) -> None:
    """The same verdict as trying everything, and the order that is given does explain."""
    order = explain(history, 0, add)

    assert (order is not None) == by_definition(history)
    if order is not None:
        assert _explains(order)
        assert all(call in order for call in history if call.returned is not None)


def test_many_unknown_operations_take_no_time() -> None:
    """Sixty commands that nobody knows the fate of, and one answer that only thirty of them explain."""
    lost = [Call(f"c{number % 2}", 10 if number % 2 else 7, number) for number in range(60)]
    told = Call("c9", 0, 100, 101, answer=30 * 10)

    assert explain([*lost, told], 0, add) is not None
    assert explain([*lost, Call("c9", 0, 100, 101, answer=3)], 0, add) is None


def test_the_first_answer_that_nothing_explains_is_named() -> None:
    """A stale read: the credit had returned before the query was called."""
    history = [Call("c1", 5, 0, 1, answer=5), Call("c2", 0, 2, 3, answer=0)]

    assert problem_with(history, 0, add) == "no order explains `c2: 0 => 0` after c1: 5 => 5"
