"""A server of the bank for production: UDP to the other servers, SQLite, and a port for clients."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from bank_app.app import BANK_OPTIONS, BankingApp, Operation
from bank_app.client import CLUSTER
from bank_app.window import TellerWindow
from bank_app.wire import BANK_CODEC
from raftframe import Configuration, Options, StandardStateMap
from raftframe.client import ClientPort
from raftframe.clusters.processes import TIMING, ProcessCluster
from raftframe.comms.keys import ClusterKey
from raftframe.comms.udp import Address, UDPComms
from raftframe.effects import Outcome
from raftframe.entries import ServerId
from raftframe.server import Server, ServerStatus, Timing
from raftframe.storage.sqlite import SqliteLogStore
from raftframe.timers import ThreadTimers


def bank_states(options: Options | None = None) -> StandardStateMap:
    """The rules, with the bank."""
    return StandardStateMap(BankingApp(), options if options is not None else BANK_OPTIONS)


def udp_bank(
    servers: int = 3,
    *,
    data: Path | str | None = None,
    options: Options | None = None,
    timing: Timing = TIMING,
    key: ClusterKey | None = None,
    seed: int = 0,
) -> ProcessCluster:
    """A cluster of bank servers, one process each, not started; see `raftframe.clusters.processes` for what can be done
    to it.
    """
    states = partial(bank_states, options)
    return ProcessCluster(
        servers, states, codec=BANK_CODEC, data=data, timing=timing, key=key, cluster=CLUSTER, seed=seed
    )


class UDPBankTellerServer(TellerWindow):
    """One server of a bank in this process, the teller at its window, and its port for clients.

    Its log is in *data*, a directory that is made if there is none. See `TellerWindow` for what can be asked;
    `bank_app.client` follows redirects.

    Raises ValueError for addresses that cannot work, CommsError and StorageError.
    """

    def __init__(
        self,
        identity: ServerId,
        addresses: Mapping[ServerId, Address],
        *,
        key: ClusterKey,
        data: Path | str,
        cluster: str = CLUSTER,
        options: Options | None = None,
        timing: Timing = TIMING,
    ) -> None:
        super().__init__(identity)
        self.path = Path(data) / f"{identity}.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            comms = UDPComms(identity, addresses, cluster=cluster, key=key, codec=BANK_CODEC)
            undo.callback(comms.stop)
            store = SqliteLogStore(self.path, cluster=cluster, identity=identity, codec=BANK_CODEC)
            undo.callback(store.close)
            self.server = Server(
                identity,
                Configuration(addresses),
                bank_states(options),
                store=store,
                comms=comms,
                timers=ThreadTimers(),
                timing=timing,
            )
            self.port = ClientPort(self.server, addresses[identity], cluster=cluster, key=key, codec=BANK_CODEC)
            undo.pop_all()

    def start(self) -> None:
        """Start the server, which runs in a thread of its own from now on, and listen for clients."""
        try:
            self.server.start()
        except BaseException:
            self.port.stop()
            raise
        self.port.start()

    def stop(self) -> None:
        """Stop in good order. Stopping twice is allowed; a new start is a new UDPBankTellerServer."""
        self.port.stop()
        self.server.stop()

    def status(self) -> ServerStatus:
        """How the server stands."""
        return self.server.status()

    def _submit(self, operation: Operation, serial: int) -> Future[Outcome]:
        return self.server.submit(operation, client=self.client, serial=serial)
