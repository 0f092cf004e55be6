"""What is done to the cluster, chosen by a seed: the same seed gives the same choices, on every machine.

What comes of them is not the same: processes, disks and sockets take the time that they take.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from attrs import frozen

from raftframe.storage.faulty import DiskTrouble, Full, Slow, SyncFails

LONGEST_S: Final = 1.2  # a wait; elections take 0.3 to 0.6 s


class Network(StrEnum):
    """What is wrong with the network."""

    FINE = "fine"
    ISOLATED = "the first is isolated"
    SPLIT = "two sides"
    ONE_WAY = "the first hears nobody, but is heard"
    SLOW = "delays"
    LOSSY = "losses"
    ECHOING = "copies"


@frozen
class Step:
    """One disturbance. *order* ranks the servers by number; with *leader_first* the leader moves to the front of it.

    The first *kills* of them are killed *before_s* after the network and disk have got their trouble, and restarted
    *down_s* later, when disks are well again. The network stays as it is until the next step. The last of the order
    has the *disk*; the one before it is *frozen* while the others are down.
    """

    order: tuple[int, ...]
    leader_first: bool = True
    kills: int = 1
    network: Network = Network.FINE
    disk: DiskTrouble | None = None
    frozen: bool = False
    before_s: float = 0.2
    down_s: float = 0.5

    def __str__(self) -> str:
        who = ("the leader, then " if self.leader_first else "") + " ".join(f"s{number}" for number in self.order)
        about = [f"kill {self.kills}", f"network {self.network}"]
        about += [f"disk {self.disk}"] if self.disk is not None else []
        about += ["one frozen"] if self.frozen else []
        return f"{', '.join(about)} (of {who}; wait {self.before_s:.2f} s, down {self.down_s:.2f} s)"


def steps(seed: str, servers: int) -> Iterator[Step]:
    """What *seed* chooses for a cluster of so many servers, without end."""
    rng = random.Random(seed)
    while True:
        yield Step(
            order=tuple(rng.sample(range(1, servers + 1), servers)),
            leader_first=rng.random() < 0.6,
            kills=rng.choices(range(1, servers + 1), [6] + [3] * (servers - 2) + [2])[0],
            network=rng.choices(list(Network), [8, 2, 2, 1, 2, 2, 2])[0],
            disk=_disk(rng) if rng.random() < 0.3 else None,
            frozen=rng.random() < 0.15,
            before_s=rng.choice([0.0, rng.uniform(0, LONGEST_S), rng.uniform(0, LONGEST_S)]),
            down_s=rng.choice([0.0, rng.uniform(0, LONGEST_S)]),
        )


def _disk(rng: random.Random) -> DiskTrouble:
    troubles: list[DiskTrouble] = [Full(), SyncFails(on_disk=True), SyncFails(on_disk=False), Slow(), Slow(0.3)]
    return rng.choice(troubles)
