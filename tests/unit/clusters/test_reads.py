"""Reads without entries on real servers, with threads and clocks: the bank's query."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bank_app.app import Balance
from bank_app.servers import MemoryBankTellerServer, memory_bank
from raftframe import Options
from raftframe.clusters.pausing import PausingCluster
from raftframe.effects import Done
from raftframe.server import Timing

from .support import PATIENCE_S

READS = Options(linearizable_reads=True)
LEASES = Options(check_quorum=True, linearizable_reads=True, lease_reads=True)


@pytest.fixture(params=[READS, LEASES], ids=["rounds", "leases"])
def bank(request: pytest.FixtureRequest) -> Iterator[PausingCluster]:
    """Three servers of a bank, one of which leads."""
    with memory_bank(options=request.param, timing=Timing((1.0, 2.0), 0.1)) as cluster:
        cluster.start_all()
        cluster.wait_until(lambda: cluster.leader() is not None, timeout_s=PATIENCE_S, what="somebody leads")
        yield cluster


def test_every_server_answers_a_query_without_an_entry(bank: PausingCluster) -> None:
    """Followers too, by way of their leader; and with what the leader has told its client a moment before."""
    leader = bank.leader()
    assert leader is not None
    tellers = {name: MemoryBankTellerServer(bank, name) for name in bank.names}
    assert tellers[leader].credit(10, timeout_s=PATIENCE_S) == Done(Balance(10))
    bank.wait_until(lambda: all(bank.state(name).leader == leader for name in bank.names), timeout_s=PATIENCE_S)
    end = bank.state(leader).log.last_index

    answers = {name: teller.query(timeout_s=PATIENCE_S) for name, teller in tellers.items()}

    assert answers == dict.fromkeys(bank.names, Done(Balance(10)))
    assert bank.state(leader).log.last_index == end
