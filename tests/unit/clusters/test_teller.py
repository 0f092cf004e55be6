"""The bank in memory: servers with a teller's window each."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bank_app import MemoryBankTellerServer
from bank_app.app import Balance, Overdrawn
from bank_app.servers import memory_bank
from raftframe.effects import Done, Redirected, Refused, Unknown
from raftframe.server import Phase, ServerError, Timing

from .support import PATIENCE_S, elect


@pytest.fixture
def tellers() -> Iterator[list[MemoryBankTellerServer]]:
    """Three tellers; the first one's server leads."""
    with memory_bank(3, timing=Timing((10.0, 20.0), 0.02)) as bank:
        tellers = [MemoryBankTellerServer(bank, name) for name in bank.names]
        for teller in tellers:
            teller.start()
        elect(bank, "s1")
        yield tellers


def test_the_leaders_teller_answers(tellers: list[MemoryBankTellerServer]) -> None:
    """Credit, debit, query; a debit that the account does not cover is an answer, a malformed amount is none."""
    teller = tellers[0]

    assert teller.query() == Done(Balance(0))
    assert teller.credit(10) == Done(Balance(10))
    assert teller.debit(11) == Done(Overdrawn(10))
    assert teller.debit(4) == Done(Balance(6))
    assert teller.query() == Done(Balance(6))
    assert isinstance(teller.credit(-1), Refused)


def test_the_others_know_who_leads(tellers: list[MemoryBankTellerServer]) -> None:
    """Their clients go to that window."""
    assert [teller.credit(1) for teller in tellers[1:]] == [Redirected("s1")] * 2


def test_an_answer_that_does_not_come_is_unknown(tellers: list[MemoryBankTellerServer]) -> None:
    """The command may still take effect, and here it does."""
    teller, bank = tellers[0], tellers[0].cluster
    bank.pause_all()
    assert teller.credit(10, timeout_s=0.01) == Unknown()
    bank.resume_all()

    assert teller.query() == Done(Balance(10))


def test_the_window_outlives_the_server_behind_it(tellers: list[MemoryBankTellerServer]) -> None:
    """After a stop and a start, the bank knows its balance again, and the teller is still served."""
    bank, first = tellers[0].cluster, tellers[0]
    assert first.credit(10) == Done(Balance(10))
    first.stop()
    assert first.status().phase is Phase.STOPPED
    assert first.credit(1) == Refused("s1 is stopped")
    with pytest.raises(ServerError):
        first.stop()
    first.start()

    elect(bank, "s1")
    assert first.query() == Done(Balance(10))


def test_many_clients_at_one_window(tellers: list[MemoryBankTellerServer]) -> None:
    """Every request has a serial of its own, so every credit counts once."""
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: tellers[0].credit(1, timeout_s=PATIENCE_S), range(200)))

    assert {outcome.answer for outcome in outcomes if isinstance(outcome, Done)} == set(map(Balance, range(1, 201)))
