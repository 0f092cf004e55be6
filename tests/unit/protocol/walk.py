"""A long random history of a cluster, the same for the same seed: `python -m protocol.walk` prints what happened."""

from __future__ import annotations

import hashlib
import random
import sys

from raftframe import Options
from raftframe.events import ElectionTimeout, HeartbeatTimeout, TakeSnapshot

from .cluster import Cluster
from .support import ask

LENGTH = 800


def walk(
    seed: int,
    length: int,
    *,
    count: int = 3,
    mixin: type | None = None,
    until_broken: bool = False,
    options: Options | None = None,
) -> Cluster:
    """A cluster to which *length* things happened, chosen by *seed*; fewer if something is wrong before, if wanted."""
    chooser = random.Random(seed)
    options = options or Options(noop=bool(seed % 2), batch=2)
    cluster = Cluster(count=count, options=options, mixin=mixin)
    for number in range(1, length + 1):
        if until_broken and cluster.problems:
            break
        server = f"s{chooser.randint(1, count)}"
        what = chooser.random()
        if what < 0.6 and cluster.in_flight:
            cluster.receive(chooser.randrange(len(cluster.in_flight)), keep=what < 0.05)
        elif what < 0.7 and cluster.in_flight:
            cluster.receive(chooser.randrange(len(cluster.in_flight)), dies_after=chooser.randrange(4))
        elif what < 0.75:
            cluster.do(server, ElectionTimeout())
        elif what < 0.8:
            cluster.do(server, HeartbeatTimeout())
        elif what < 0.83 and options.snapshots:
            snapshot = TakeSnapshot(chooser.choice((None, 0, number // 50)))
            dies_after, losing_unsynced = chooser.choice((None, None, 0, 1, 2, 3)), chooser.random() < 0.5
            cluster.do(server, snapshot, dies_after=dies_after, losing_unsynced=losing_unsynced)
        elif what < 0.9:
            cluster.do(server, ask(f"x{number}", number))
        else:
            cluster.restart(server)
    return cluster


def digest(cluster: Cluster) -> str:
    """Everything that the servers did, in a few letters."""
    return hashlib.sha256("\n".join(map(repr, cluster.steps)).encode()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(digest(walk(seed=15, length=LENGTH)))
