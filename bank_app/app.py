"""The bank itself: query, credit and debit on one account. Its state is the balance, a whole number of cents or coins,
never below zero."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Final, TypeAlias

from attrs import frozen

from raftframe.api.app import Applied
from raftframe.options import Options


@frozen
class Credit:
    """Put *amount* into the account."""

    amount: int

    def __str__(self) -> str:
        return f"credit {self.amount}"


@frozen
class Debit:
    """Take *amount* out of the account, if it is there."""

    amount: int

    def __str__(self) -> str:
        return f"debit {self.amount}"


@frozen
class Query:
    """Ask for the balance."""

    def __str__(self) -> str:
        return "query"


@frozen
class Balance:
    """The operation was carried out; *amount* is the balance after it."""

    amount: int

    def __str__(self) -> str:
        return f"ok {self.amount}"


@frozen
class Overdrawn:
    """A debit was refused: *amount* is the balance, which is less than was asked for."""

    amount: int

    def __str__(self) -> str:
        return f"refused: the balance is only {self.amount}"


BANK_OPTIONS: Final = Options(sessions=True)
"""What the bank's servers run with, unless told otherwise: no money moves twice because an answer was lost."""

Operation: TypeAlias = Credit | Debit | Query
Answer: TypeAlias = Balance | Overdrawn


class BankingApp:
    """Implements `raftframe.api.AppAPI`. Holds nothing itself: the balance is the state that the cluster replicates."""

    def initial_state(self) -> int:
        """An empty account."""
        return 0

    def problem_with(self, operation: Hashable) -> str | None:
        """Why *operation* is none that this bank knows, or None."""
        match operation:
            case Query():
                return None
            case Credit(amount) | Debit(amount):
                return _problem_with_amount(amount)
        return f"the bank knows query, credit and debit, not {operation!r}"

    def only_reads(self, operation: Hashable) -> bool:
        """A query changes nothing."""
        return isinstance(operation, Query)

    def apply(self, state: int, operation: Operation) -> Applied:
        """Carry out *operation* on the balance *state*."""
        match operation:
            case Query():
                return Applied(state, Balance(state))
            case Credit(amount):
                return Applied(state + amount, Balance(state + amount))
            case Debit(amount) if amount > state:
                return Applied(state, Overdrawn(state))
            case Debit(amount):
                return Applied(state - amount, Balance(state - amount))


def parse_operation(text: str) -> Operation:
    """The operation written as `query`, `credit 10` or `debit 5`. Raises ValueError that says what is wrong with
    *text*."""
    verb, _, rest = text.strip().partition(" ")
    if verb == "query" and not rest:
        return Query()
    if verb not in ("credit", "debit"):
        raise ValueError(f"{text!r} is not query, credit AMOUNT or debit AMOUNT")
    if not re.fullmatch(r"\s*-?[0-9]{1,18}", rest):  # int() would also take 1_000 and other scripts' digits
        raise ValueError(f"{rest!r} is not an amount: write a whole number, as in `{verb} 10`")
    amount = int(rest)
    operation: Operation = Credit(amount) if verb == "credit" else Debit(amount)
    problem = _problem_with_amount(amount)
    if problem is not None:
        raise ValueError(problem)
    return operation


def _problem_with_amount(amount: object) -> str | None:
    if not isinstance(amount, int) or isinstance(amount, bool):
        return f"an amount is a whole number, not {amount!r}"
    return f"an amount is more than zero, not {amount}" if amount <= 0 else None
