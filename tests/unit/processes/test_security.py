"""A cluster of processes goes on serving while somebody without its key floods every port that it has."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from bank_app.app import Balance, Credit, Query
from bank_app.udp_server import udp_bank
from raftframe.client.stream import ClientStream, Credentials
from raftframe.clusters.agent import Agent
from raftframe.clusters.processes import ProcessCluster
from raftframe.comms.frames import Drop, Frame, FrameFormat, Kind
from raftframe.comms.keys import ClusterKey
from raftframe.comms.udp import Address
from raftframe.comms.wire import Codec
from raftframe.effects import Done
from raftframe.messages import RequestVote

PATIENCE_S = 30.0
CREDITS = 25


@pytest.fixture(scope="module")
def cluster() -> Iterator[ProcessCluster]:
    """A bank that has a leader."""
    with udp_bank(3) as made:
        made.start_all()
        made.wait_for_leader(timeout_s=PATIENCE_S)
        yield made


def floods_servers(addresses: list[Address], cluster: str) -> None:
    """Noise, and a candidate of a term to come who lacks the key."""
    guess = FrameFormat(cluster, ClusterKey.random())
    vote = Codec().encode_message(RequestVote("s1", "s2", 1000, 900, 999))
    datagrams = [guess.seal(Frame(Kind.MESSAGE, "s1", "s2", 1, 1, 1, vote)), random.randbytes(1400), b"RFRM"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        for address in addresses:
            for datagram in datagrams:
                attacker.sendto(datagram, address)


def floods_clients_ports(addresses: list[Address], cluster: str) -> None:
    """Connections that say nothing, that say noise, and that prove another key."""
    with ExitStack() as ends:
        for address in addresses:
            for said in (b"", random.randbytes(200), _proof(cluster)):
                with suppress(OSError):  # turned away
                    stranger = ends.enter_context(socket.create_connection(address, timeout=1.0))
                    stranger.sendall(said)


def _proof(cluster: str) -> bytes:
    credentials = Credentials(cluster, ClusterKey.random())
    return ClientStream(credentials).feed(credentials.opening(bytes(16)))[0]


@contextmanager
def under(flood: Callable[[list[Address], str], None], cluster: ProcessCluster) -> Iterator[None]:
    """Flood every server until the end, on a thread."""
    ending, began = threading.Event(), threading.Event()
    addresses = list(cluster.addresses.values())

    def run() -> None:
        while not ending.is_set():
            flood(addresses, cluster.cluster)
            began.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert began.wait(PATIENCE_S)
    try:
        yield
    finally:
        ending.set()
        thread.join(PATIENCE_S)


def unauthenticated(agent: Agent) -> int:
    """A call: how many datagrams were made without the key."""
    return agent.outside.stats().dropped[Drop.UNAUTHENTICATED]


def turned_away(agent: Agent) -> int:
    """A call: how many connections did not prove that they have the key."""
    return agent.port.stats().turned_away


@pytest.mark.parametrize(
    ("flood", "refused"), [(floods_servers, unauthenticated), (floods_clients_ports, turned_away)], ids=["UDP", "TCP"]
)
def test_a_cluster_that_is_flooded_goes_on_serving(
    cluster: ProcessCluster, flood: Callable[[list[Address], str], None], refused: Callable[[Agent], int]
) -> None:
    """Every credit is answered, once; no forged term is taken over; what came without the key is counted."""
    before = {server: cluster.ask(server, refused) for server in cluster.addresses}
    with cluster.client() as client, under(flood, cluster):
        balance = client.ask(Query(), timeout_s=PATIENCE_S)
        answers = [client.ask(Credit(1), timeout_s=PATIENCE_S) for _ in range(CREDITS)]

    assert isinstance(balance, Done) and isinstance(balance.answer, Balance)
    assert answers == [Done(Balance(balance.answer.amount + number)) for number in range(1, CREDITS + 1)]
    assert all(cluster.status(server).term < 1000 for server in cluster.addresses)
    assert all(cluster.ask(server, refused) > before[server] for server in cluster.addresses)
