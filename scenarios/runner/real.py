"""What clusters of real servers share, be these threads or processes: their ends, their restarts, their answers.

The books of a `SteeredCluster` say what servers have come to. Here is where they meet the servers: what a server cannot
do becomes an error of the line; one that has failed goes down in the books, too; one that begins again must begin with
what the books say is on its disk; and what a client is told is what its future got.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Literal

from checker.properties.base import Property
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import Disk, RaftServer
from checker.runs.trace import What
from raftframe import effects as fx
from raftframe.api.storage import StorageError
from raftframe.server import ServerError
from scenarios.runner.cluster import SteeredCluster, TimerBook
from scenarios.runner.errors import ActionError
from scenarios.runner.post import Envelope
from scenarios.runner.setup import Setup

ANSWER_TIMEOUT_S = 10.0


class RealCluster(SteeredCluster):
    """Books whose steps real servers take; see the module."""

    def __init__(
        self, setup: Setup, clock: TimerBook, *, title: str = "", properties: Iterable[Property] = RAFT_PROPERTIES
    ) -> None:
        super().__init__(setup, clock, title=title, properties=properties)
        self._promises: dict[tuple[str, str, int], Future[fx.Outcome]] = {}
        self._stuck = False  # a server did not answer in time

    @abstractmethod
    def _start_server(self, name: str, disk: Disk) -> RaftServer:
        """Start *name* from its disk, which is *disk* by the books; what it begins with."""

    @abstractmethod
    def _end_server(self, name: str, how: Literal["crashed", "stopped"], *, losing_unsynced: bool) -> RaftServer:
        """End *name*, if it has not ended by itself; what is left of it."""

    @abstractmethod
    def _empty_disk(self, name: str) -> None:
        """From now on nothing is on the disk of *name*, which is down."""

    def wipe(self, name: str) -> None:
        """Empty the disk of *name*, which is down."""
        self._empty_disk(name)
        super().wipe(name)

    def _begin_again(self, name: str, before: RaftServer) -> RaftServer:
        if before.disk == Disk():
            self._empty_disk(name)
        with self._as_action_errors():
            after = self._start_server(name, before.disk)
        expected = self.system.restarted(name, before)
        if after != expected:
            raise ActionError(f"{name} was to begin with {expected.state}, and began with {after.state}")
        return after

    def _go_down(
        self,
        name: str,
        how: Literal["crashed", "stopped"],
        after: RaftServer,
        *,
        detail: str = "",
        flushed: bool,
    ) -> None:
        """End *name*; what is left of it is what its store kept."""
        with self._as_action_errors():
            after = self._end_server(name, how, losing_unsynced=detail == "losing unsynced")
        super()._go_down(name, how, after, detail=detail, flushed=flushed)
        self._promises = {key: promise for key, promise in self._promises.items() if key[0] != name}

    def _has_failed(self, name: str, reason: str, label: str, envelope: Envelope | None) -> None:
        """*name* has ended by itself, in place of the step *label*: the rules or the application raised, in most
        cases.
        """
        what = What.LOCAL if envelope is None else What.DELIVER
        self._write_down_raised(name, reason, what, label, envelope)
        self._go_down(name, "crashed", self.servers[name], flushed=False)

    def _kept_promises(self, name: str, replies: Iterable[fx.Reply]) -> list[fx.Reply]:
        """*replies*, with the outcomes that the clients' futures have."""
        kept = []
        for reply in replies:
            promise = self._promises.pop((name, reply.client, reply.serial), None)
            outcome = reply.outcome if promise is None else promise.result(ANSWER_TIMEOUT_S)
            kept.append(fx.Reply(reply.client, reply.serial, outcome))
        return kept

    @contextmanager
    def _as_action_errors(self) -> Iterator[None]:
        """What a server cannot do, or not in time, ends the run, and is told as a failure of the line."""
        try:
            yield
        except TimeoutError as error:
            self._stuck = True
            raise ActionError(str(error) or "a server did not answer in time") from error
        except (ServerError, StorageError, ValueError) as error:
            raise ActionError(str(error)) from error
