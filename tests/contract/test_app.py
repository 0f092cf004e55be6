"""The applications of this repository keep the contract, and the contract notices those that don't."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from itertools import count
from typing import Any

import pytest

from bank_app.app import BankingApp, Credit, Debit, Query
from raftframe.api import AppAPI
from raftframe.api.app import Applied, RecordingApp

from .app import AppContract


class TestBankingApp(AppContract):
    """The bank."""

    operations = (Credit(5), Debit(3), Query(), Debit(9), Credit(1))
    malformed = (None, "credit 5", 5, Credit(0), Debit(-1), Credit(True), ("credit", 5), Credit("5"))  # type: ignore[arg-type]

    def make_app(self) -> AppAPI:
        """A bank."""
        return BankingApp()


class TestRecordingApp(AppContract):
    """The smallest application, which accepts anything."""

    operations = ("x", "y", ("z", 1), None)

    def make_app(self) -> AppAPI:
        """A recorder."""
        return RecordingApp()


# Applications that break the contract


class Remembers(RecordingApp):
    """Keeps something outside of its state."""

    def __init__(self) -> None:
        self.numbers = count()

    def apply(self, state: tuple[Hashable, ...], operation: Hashable) -> Applied:
        """Answers with the number of calls."""
        return Applied((*state, operation), next(self.numbers))


class Mutable(RecordingApp):
    """Has a list for a state."""

    def initial_state(self) -> Any:
        """Nothing yet."""
        return []

    def apply(self, state: Any, operation: Hashable) -> Applied:
        """Changes its state in place."""
        state.append(operation)
        return Applied(state, len(state))


class Unordered(RecordingApp):
    """Answers with what the order of a set happens to be."""

    def apply(self, state: tuple[Hashable, ...], operation: Hashable) -> Applied:
        """Tells every letter it knows, in no order."""
        return Applied((*state, operation), "".join({*"abcdefgh"}))


class Silent(RecordingApp):
    """Returns no answer."""

    def apply(self, state: tuple[Hashable, ...], operation: Hashable) -> Any:
        """Only the state."""
        return (*state, operation)


class Credulous(BankingApp):
    """Finds nothing malformed."""

    def problem_with(self, operation: Hashable) -> str | None:
        """Never."""
        return None


class Curt:
    """Lacks a method."""

    def initial_state(self) -> int:
        """Nothing."""
        return 0


class Broken(AppContract):
    """The contract, for an application that breaks it."""

    operations = ("x", "y")
    malformed = ("nonsense",)

    def __init__(self, make: Any) -> None:
        self.make = make

    def make_app(self) -> AppAPI:
        """The broken one."""
        made: AppAPI = self.make()
        return made


@pytest.mark.parametrize(
    ("make", "test"),
    [
        (Remembers, "test_equal_arguments_give_equal_results"),
        (Mutable, "test_applying_changes_no_state"),
        (Mutable, "test_states_and_answers_are_values"),
        (Unordered, "test_results_do_not_depend_on_the_hash_seed"),
        (Silent, "test_applying_gives_a_state_and_an_answer"),
        (Credulous, "test_a_malformed_operation_is_refused_in_words"),
        (Curt, "test_it_has_the_methods_of_the_api"),
    ],
)
def test_the_contract_notices(make: Any, test: str) -> None:
    """Each way to break it fails the test that is about it."""
    contract = Broken(make)
    run = getattr(contract, test)
    arguments = [contract.make_app()] if "app" in inspect.signature(run).parameters else []

    with pytest.raises((AssertionError, TypeError)):
        run(*arguments)
