"""Addresses for servers on this machine."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Final

from raftframe.comms.udp import Address
from raftframe.entries import ServerId

_PORTS: Final = range(10_000, 32_000)  # below those that systems give to whoever connects
_MOST_TRIES: Final = 1000


def free_addresses(servers: Iterable[ServerId], host: str = "127.0.0.1") -> dict[ServerId, Address]:
    """An address for each of *servers* whose port is free for both UDP and TCP. Another program may take it before it
    is listened at, but none gets it from the system by chance.
    """
    choice = random.SystemRandom()
    with ExitStack() as taken:
        addresses: dict[ServerId, Address] = {}
        for server in servers:
            for _ in range(_MOST_TRIES):
                port = choice.choice(_PORTS)
                if _take_port(host, port, taken):
                    addresses[server] = (host, port)
                    break
            else:
                raise OSError(f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free")
        return addresses


def _take_port(host: str, port: int, taken: ExitStack) -> bool:
    """Whether *port* is free; until *taken* is left, it no longer is."""
    opened = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
    try:
        for one in opened:
            one.bind((host, port))
    except OSError:
        for one in opened:
            one.close()
        return False
    for one in opened:
        taken.callback(one.close)
    return True
