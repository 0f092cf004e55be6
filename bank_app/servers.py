"""Servers of the bank, each with a teller's window."""

from __future__ import annotations

from concurrent.futures import Future

from bank_app.app import BANK_OPTIONS, BankingApp, Operation
from bank_app.window import TellerWindow
from raftframe import Options, StandardStateMap
from raftframe.clusters.pausing import PausingCluster
from raftframe.effects import Outcome
from raftframe.entries import ServerId
from raftframe.server import ServerStatus, Timing


def memory_bank(
    servers: int = 3, *, options: Options | None = None, timing: Timing | None = None, seed: int = 0
) -> PausingCluster:
    """A cluster of bank servers in memory, not started; see `raftframe.clusters.pausing` for what can be done to it."""
    return PausingCluster(servers, StandardStateMap(BankingApp(), options or BANK_OPTIONS), timing=timing, seed=seed)


class MemoryBankTellerServer(TellerWindow):
    """One server of a bank in memory, and the teller at its window: query, credit and debit.

        bank = memory_bank(3)
        tellers = [MemoryBankTellerServer(bank, name) for name in bank.names]
        for teller in tellers:
            teller.start()

    See `TellerWindow` for what can be asked. The window outlives the server behind it: after a crash and a restart it
    goes on.
    """

    def __init__(self, cluster: PausingCluster, identity: ServerId) -> None:
        super().__init__(identity)
        self.cluster = cluster

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

    def _submit(self, operation: Operation, serial: int) -> Future[Outcome]:
        return self.cluster.submit(self.identity, operation, client=self.client, serial=serial)
