"""Operations as a person writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_app.app import BankingApp, Credit, Debit, Operation, Query, parse_operation


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("query", Query()),
        ("credit 10", Credit(10)),
        ("debit 5", Debit(5)),
        ("  debit   5  ", Debit(5)),
        ("credit 007", Credit(7)),
    ],
)
def test_an_operation_is_a_word_and_an_amount(text: str, operation: Operation) -> None:
    """Blanks around and between don't matter."""
    assert parse_operation(text) == operation


@given(st.one_of(st.builds(Credit, st.integers(1, 10**15)), st.builds(Debit, st.integers(1, 10**15)), st.just(Query())))
def test_what_is_shown_can_be_read_back(operation: Operation) -> None:
    """`str` and `parse_operation` are inverses."""
    assert parse_operation(str(operation)) == operation


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not query, credit AMOUNT or debit AMOUNT"),
        ("transfer 5", "'transfer 5' is not query, credit AMOUNT or debit AMOUNT"),
        ("query 5", "'query 5' is not query, credit AMOUNT or debit AMOUNT"),
        ("Credit 5", "'Credit 5' is not query, credit AMOUNT or debit AMOUNT"),
        ("credit", "'' is not an amount: write a whole number, as in `credit 10`"),
        ("credit ten", "'ten' is not an amount: write a whole number, as in `credit 10`"),
        ("debit 1.5", "'1.5' is not an amount: write a whole number, as in `debit 10`"),
        ("debit 1_000", "'1_000' is not an amount: write a whole number, as in `debit 10`"),
        ("debit 5 6", "'5 6' is not an amount: write a whole number, as in `debit 10`"),
        ("credit ٣", "'٣' is not an amount: write a whole number, as in `credit 10`"),
        ("credit " + "9" * 5000, f"'{'9' * 5000}' is not an amount: write a whole number, as in `credit 10`"),
        ("credit 0", "an amount is more than zero, not 0"),
        ("debit -5", "an amount is more than zero, not -5"),
    ],
    ids=lambda value: value[:20],
)
def test_a_mistake_is_named_with_the_way_out(text: str, problem: str) -> None:
    """The message shows what was written and what to write instead."""
    with pytest.raises(ValueError) as raised:
        parse_operation(text)

    assert str(raised.value) == problem


@given(st.one_of(st.text(max_size=12), st.from_regex(r"(query|credit|debit) *-?[0-9_.+]{0,4}", fullmatch=True)))
def test_any_text_is_an_operation_that_the_bank_takes_or_a_value_error(text: str) -> None:
    """Nothing else comes out."""
    try:
        operation = parse_operation(text)
    except ValueError:
        return

    assert BankingApp().problem_with(operation) is None
