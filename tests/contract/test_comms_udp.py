"""UDP keeps the contract of comms, in one datagram or in many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from raftframe.api.comms import CommsAPI
from raftframe.comms.keys import ClusterKey
from raftframe.comms.udp import UDPComms, loopback_addresses
from raftframe.entries import ServerId

from .comms_contract import CommsContract


class TestUDPComms(CommsContract):
    """As it is used on one machine."""

    datagram_bytes: ClassVar[int | None] = None

    def make_comms(self, servers: Sequence[ServerId]) -> Mapping[ServerId, CommsAPI]:
        """Sockets on the loopback interface."""
        addresses, key = loopback_addresses(servers), ClusterKey.random()
        return {
            server: UDPComms(server, addresses, cluster="contract", key=key, datagram_bytes=self.datagram_bytes)
            for server in servers
        }


class TestUDPCommsInSmallDatagrams(TestUDPComms):
    """As it is used between machines: every large message is many fragments."""

    datagram_bytes = 1400
    largest_entries = 60
