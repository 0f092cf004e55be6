"""Clients of a running cluster: `Client` on their side, `ClientPort` on a server's, and the authenticated stream
between the two.

A server listens for clients at the TCP port with the number of its UDP port: commands may be large, clients come and
go, and a connection that is lost is news that a datagram could not bring.
"""

from raftframe.client.client import Client, nothing_is_repeatable
from raftframe.client.port import ClientPort, PortStats
from raftframe.client.requests import RequestError, Unavailable

__all__ = ["Client", "ClientPort", "PortStats", "RequestError", "Unavailable", "nothing_is_repeatable"]
