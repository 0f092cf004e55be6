"""Servers of the bank, each with a teller's window."""

from __future__ import annotations

import itertools
import secrets
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from bank_app.app import BANK_OPTIONS, BankingApp, Credit, Debit, Operation, Query
from raftframe import Options, StandardStateMap
from raftframe.clusters.pausing import PausingCluster
from raftframe.effects import Outcome, Unknown
from raftframe.entries import ServerId
from raftframe.server import ServerStatus, Timing

ANSWER_TIMEOUT_S: Final = 5.0


def memory_bank(
    servers: int = 3, *, options: Options | None = None, timing: Timing | None = None, seed: int = 0
) -> PausingCluster:
    """A cluster of bank servers in memory, not started; see `raftframe.clusters.pausing` for what can be done to it."""
    return PausingCluster(servers, StandardStateMap(BankingApp(), options or BANK_OPTIONS), timing=timing, seed=seed)


class MemoryBankTellerServer:
    """One server of a bank in memory, and the teller at its window: query, credit and debit.

        bank = memory_bank(3)
        tellers = [MemoryBankTellerServer(bank, name) for name in bank.names]
        for teller in tellers:
            teller.start()

    The teller asks its own server only: unless that leads, the outcome is `Redirected` to the one that does, as far as
    known. The window outlives the server behind it: after a crash and a restart it goes on. Any thread may use it.
    """

    def __init__(self, cluster: PausingCluster, identity: ServerId) -> None:
        self.cluster = cluster
        self.identity = identity
        self.client = f"teller-{identity}-{secrets.token_hex(4)}"  # two tellers must never share their serials
        self._serials = itertools.count(1)

    def start(self) -> None:
        """Start the server, which runs in a thread of its own from now on; it begins from what its storage holds.

        Raises `raftframe.server.ServerError` if it is up.
        """
        self.cluster.start(self.identity)

    def stop(self) -> None:
        """Stop the server in good order. Raises `raftframe.server.ServerError` if it is not up."""
        self.cluster.stop(self.identity)

    def status(self) -> ServerStatus:
        """How the server stands."""
        return self.cluster.status(self.identity)

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
        return self.cluster.submit(self.identity, operation, client=self.client, serial=next(self._serials))
