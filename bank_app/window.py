"""A teller's window: what every server of the bank offers in its own process, whatever it is made of."""

from __future__ import annotations

import itertools
import secrets
from abc import ABC, abstractmethod
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from bank_app.app import Credit, Debit, Operation, Query
from raftframe.effects import Outcome, Unknown
from raftframe.entries import ServerId
from raftframe.server import ServerStatus

ANSWER_TIMEOUT_S: Final = 5.0


class TellerWindow(ABC):
    """Query, credit and debit, asked of the server *identity* only: unless that leads, the outcome is `Redirected` to
    the one that does, as far as known. Any thread may use it.
    """

    def __init__(self, identity: ServerId) -> None:
        self.identity = identity
        self.client = f"teller-{identity}-{secrets.token_hex(8)}"  # two tellers must never share their serials
        self._serials = itertools.count(1)

    @abstractmethod
    def start(self) -> None:
        """Start the server, which runs in a thread of its own from now on; it begins from what its storage holds."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the server in good order."""

    @abstractmethod
    def status(self) -> ServerStatus:
        """How the server stands."""

    @abstractmethod
    def _submit(self, operation: Operation, serial: int) -> Future[Outcome]:
        """Hand *operation* to the server, as number *serial* of `client`."""

    def query(self, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """The balance: `Done(Balance(...))` if the server leads."""
        return self.ask(Query(), timeout_s=timeout_s)

    def credit(self, amount: int, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """Put *amount* into the account."""
        return self.ask(Credit(amount), timeout_s=timeout_s)

    def debit(self, amount: int, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """Take *amount* out of the account: `Done(Overdrawn(...))` if it is not there."""
        return self.ask(Debit(amount), timeout_s=timeout_s)

    def ask(self, operation: Operation, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """The outcome of *operation*; `Unknown` after *timeout_s* seconds without one: it may still take effect."""
        try:
            return self.begin(operation).result(timeout_s)
        except FutureTimeoutError:
            return Unknown()

    def begin(self, operation: Operation) -> Future[Outcome]:
        """Hand *operation* in, and do not wait."""
        return self._submit(operation, next(self._serials))
