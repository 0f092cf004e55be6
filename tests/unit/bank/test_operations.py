"""The bank's promise: the balance is the sum of what was accepted, and never negative."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_app.app import Balance, BankingApp, Credit, Debit, Operation, Overdrawn, Query
from raftframe.api.app import Applied

BANK = BankingApp()
amounts = st.integers(1, 100)
operations = st.lists(st.one_of(st.builds(Credit, amounts), st.builds(Debit, amounts), st.just(Query())), max_size=30)


def test_an_account_begins_empty() -> None:
    """Nobody has anything before the first credit."""
    assert BANK.initial_state() == 0


@pytest.mark.parametrize(
    ("balance", "operation", "after"),
    [
        (7, Query(), Applied(7, Balance(7))),
        (7, Credit(5), Applied(12, Balance(12))),
        (7, Debit(5), Applied(2, Balance(2))),
        (7, Debit(7), Applied(0, Balance(0))),
        (7, Debit(8), Applied(7, Overdrawn(7))),
        (0, Debit(1), Applied(0, Overdrawn(0))),
    ],
    ids=["query", "credit", "debit", "debit of all", "debit of too much", "debit of nothing there"],
)
def test_what_an_operation_does(balance: int, operation: Operation, after: Applied) -> None:
    """The answer tells the balance after the operation, or that it is too low for it."""
    assert BANK.apply(balance, operation) == after


@given(operations)
def test_the_balance_is_the_sum_of_what_was_accepted(asked: list[Operation]) -> None:
    """Never negative, whatever is asked; an operation that is refused changes nothing."""
    balance, accepted = 0, 0
    for operation in asked:
        done: Any = BANK.apply(balance, operation)
        match operation, done.answer:
            case Credit(amount), Balance():
                accepted += amount
            case Debit(amount), Balance():
                accepted -= amount
            case Debit(amount), Overdrawn(rest):
                assert rest == balance < amount
        balance = done.state

        assert balance == accepted >= 0
        assert done.answer in (Balance(balance), Overdrawn(balance))


@pytest.mark.parametrize("operation", [Query(), Credit(1), Debit(1), Credit(10**30)], ids=str)
def test_an_operation_that_makes_sense_has_no_problem(operation: Operation) -> None:
    """Whether the account can bear it is decided when it is applied."""
    assert BANK.problem_with(operation) is None


Loose: Any = Credit  # as a client in another language may fill it


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (Credit(0), "an amount is more than zero, not 0"),
        (Debit(-3), "an amount is more than zero, not -3"),
        (Loose(1.5), "an amount is a whole number, not 1.5"),
        (Loose("5"), "an amount is a whole number, not '5'"),
        (Loose(True), "an amount is a whole number, not True"),
        (Loose(None), "an amount is a whole number, not None"),
        ("credit 5", "the bank knows query, credit and debit, not 'credit 5'"),
        (None, "the bank knows query, credit and debit, not None"),
    ],
)
def test_a_malformed_operation_is_refused_with_a_reason(operation: Any, problem: str) -> None:
    """The reason names what is wrong and shows it."""
    assert BANK.problem_with(operation) == problem


def test_answers_and_operations_read_well() -> None:
    """As clients see them, in traces and on the command line."""
    shown = [str(value) for value in (Credit(5), Debit(5), Query(), Balance(5), Overdrawn(2))]

    assert shown == ["credit 5", "debit 5", "query", "ok 5", "refused: the balance is only 2"]
