"""A client of a bank that runs somewhere."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from bank_app.app import Balance, Query
from bank_app.wire import BANK_CODEC
from raftframe.client import Client
from raftframe.comms.keys import ClusterKey
from raftframe.comms.udp import Address
from raftframe.effects import Done, Outcome, Refused
from raftframe.entries import ServerId

CLUSTER: Final = "bank"


OPENING: Final = Query()
"""What opens a session with the bank: it changes nothing."""


def is_repeatable(operation: Hashable) -> bool:
    """A query changes nothing, so it may be asked again when its outcome is unknown, of servers without sessions too; a
    credit or a debit may not.
    """
    return isinstance(operation, Query)


def bank_client(addresses: Mapping[ServerId, Address], key: ClusterKey, *, cluster: str = CLUSTER) -> Client:
    """A client of the bank whose servers are at *addresses*. Whatever happens to servers and connections, what it asks
    for takes effect at most once, and exactly once if there is an answer: the bank's servers keep sessions. See
    `raftframe.client`.
    """
    return Client(addresses, cluster=cluster, key=key, codec=BANK_CODEC, opening=OPENING)


def worded(outcome: Outcome) -> str:
    """*outcome* in words, for a person."""
    match outcome:
        case Done(Balance(amount)):
            return f"ok, the balance is {amount}"
        case Done(answer):
            return str(answer)
        case Refused(reason):
            return f"not done: {reason}"
    return (
        "unknown: the cluster took it and did not answer, so it may or may not take effect; look before you repeat it"
    )
