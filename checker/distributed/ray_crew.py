"""The owners of one search as Ray actors, on this machine or on those of a cluster. The only module that knows Ray."""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from checker.distributed.crew import Turn, first_mail
from checker.distributed.exchange import Holding, Order, Shape, Told, Update, home_of
from checker.distributed.owner import Owner
from checker.engine.layout import Int32s
from checker.errors import CheckerError, UsageError

INSTALL: Final = "pip install 'raftframe[ray]'"
STORE_PART: Final = 8  # of this machine's memory: in so large a part a cluster of our own passes mail on
LARGEST_STORE: Final = 4 << 30
FREE_WITHIN_S: Final = 10.0  # workers of a search that has just ended are free then
ANSWER_WITHIN_S: Final = 5.0  # an owner that lives says so within this time


class LostWorkers(CheckerError):
    """Workers of a distributed search have died; the message says what is lost with them, and what to do."""


def load_ray() -> Any:
    """The module `ray`. Raises UsageError if it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError(f"the engine 'ray' needs Ray, which is not installed: {INSTALL}") from error


@frozen
class Ray:
    """Where workers are found: the Ray cluster at `address`, HOST:PORT; without one, the cluster that this process is
    connected to, else that of RAY_ADDRESS, else one that is started on this machine for this search alone.
    """

    address: str | None = None


class Cluster:
    """The cluster that a search runs on, at *place*; one of its own, of *workers*, ends with it."""

    def __init__(self, place: Ray, workers: int, store_bytes: int | None = None) -> None:
        address = place.address or os.environ.get("RAY_ADDRESS")
        self._folder: str | None = None
        self._is_ours = False
        if address is None:
            _keep_to_itself()
        self.ray = load_ray()
        if self.ray.is_initialized():
            return
        quiet = {"log_to_driver": False, "configure_logging": False}
        self._is_ours = True
        if address is not None:
            self._connect(address, quiet)
            return
        self._folder = tempfile.mkdtemp(prefix="raftframe-")
        self.ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=store_bytes or _store_bytes(),
            _node_ip_address="127.0.0.1",
            _temp_dir=self._folder,
            **quiet,
        )

    def _connect(self, address: str, how: Mapping[str, bool]) -> None:
        try:
            _knock(address)
            self.ray.init(address=address, **how)
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"there is no Ray cluster at {address!r} that can be joined: {error}") from error

    def wait_for(self, workers: int) -> None:
        """Wait until so many processors are free. Raises UsageError if they aren't soon."""
        until = time.monotonic() + FREE_WITHIN_S
        while (free := int(self.ray.available_resources().get("CPU", 0))) < workers:
            if time.monotonic() > until:
                raise UsageError(
                    f"workers is {workers}, and the Ray cluster has {free} of its processors free: ask for at most so "
                    f"many workers, or add machines"
                )
            time.sleep(0.05)

    def close(self) -> None:
        """Leave it, or end it if it is our own."""
        if self._is_ours:
            self.ray.shutdown()
            self._is_ours = False
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at *address*, HOST:PORT. Ray itself asks for minutes, and says little."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), ANSWER_WITHIN_S).close()


def _store_bytes() -> int:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(LARGEST_STORE, memory // STORE_PART)


def _keep_to_itself() -> None:
    """Have a cluster of our own report to nobody, and let nobody in."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns that it hides graphics cards
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray writes one to the home folder


class RayCrew:
    """*size* owners as actors. See `crew.Crew`."""

    def __init__(self, size: int, shape: Shape, place: Ray) -> None:
        self.size = size
        self._shape = shape
        self._place = place
        self._cluster: Cluster | None = None
        self._owners: list[Any] = []
        self.where: list[tuple[str, int]] = []  # of each owner: its machine, and its process there
        self._states = 1

    def begin(self, update: Update, root: tuple[Int32s, int], width: int) -> None:
        """As `Crew.begin`. Raises UsageError if there is no cluster, or if it is too small."""
        self._cluster = Cluster(self._place, self.size)
        self._cluster.wait_for(self.size)
        actor = self._cluster.ray.remote(Owner).options(num_cpus=1, scheduling_strategy="SPREAD")
        self._owners = [actor.remote(number, self.size, self._shape) for number in range(self.size)]
        self.where = self._get([owner.where.remote() for owner in self._owners])
        sharers = Counter(machine for machine, _process in self.where)
        told, home = self._ray.put(update), home_of(root[1], self.size)
        begun = [
            owner.begin.remote(told, root if number == home else None, width, sharers[self.where[number][0]])
            for number, owner in enumerate(self._owners)
        ]
        self._get(begun)

    def turn(self, before: Turn | None, order: Order, update: Update | None) -> Turn:
        """As `Crew.turn`. Returns at once; the mail goes from owner to owner."""
        told = None if update is None else self._ray.put(update)
        turns = []
        for number, owner in enumerate(self._owners):
            mail = first_mail(self.size, number) if before is None else [sent[1 + number] for sent in before]
            turns.append(owner.turn.options(num_returns=1 + self.size).remote(order, told, *mail))
        return turns

    def told(self, turn: Turn) -> list[Told]:
        """As `Crew.told`. Raises LostWorkers if an owner has died."""
        told: list[Told] = self._get([result[0] for result in turn])
        self._states += sum(int(one.fresh.sum()) for one in told)
        return told

    def walk(self, owner: int, ordinal: int) -> tuple[list[int], int | None]:
        """As `Crew.walk`."""
        way: tuple[list[int], int | None] = self._get([self._owners[owner].walk.remote(ordinal)])[0]
        return way

    def holdings(self) -> list[Holding]:
        """As `Crew.holdings`."""
        return self._get([owner.holding.remote() for owner in self._owners])

    def close(self) -> None:
        """As `Crew.close`."""
        if self._cluster is not None:
            for owner in self._owners:
                self._ray.kill(owner)
            self._cluster.close()
        self._owners = []

    @property
    def _ray(self) -> Any:
        assert self._cluster is not None, "begin comes first"
        return self._cluster.ray

    def _get(self, references: list[Any]) -> list[Any]:
        """What the owners answer. Raises LostWorkers if one cannot."""
        errors = self._ray.exceptions
        try:
            answers: list[Any] = self._ray.get(references)
        except errors.RayTaskError as error:  # something raised there: our own mistake, or memory
            raise error.cause from error
        except errors.RayError as error:
            raise LostWorkers(self._loss(error)) from error
        return answers

    def _loss(self, error: Exception) -> str:
        """What was lost, and what to do, in sentences."""
        lost = [number for number, owner in enumerate(self._owners) if not self._lives(owner)]
        where = dict(enumerate(self.where))
        names = [f"worker {number + 1} (process {where[number][1]} on {where[number][0]})" for number in lost if where]
        who = " and ".join(names) or "a worker, or the mail of one,"
        return (
            f"{who} of {self.size} is lost, and with it what it had: 1 in {self.size} of the {self._states:,} states "
            f"found so far, which nobody else knows, so the search cannot go on and has no result. Ray says: "
            f"{_first_line(error)} Most often a machine ran out of memory: set --limit memory, lower the other limits, "
            f"or add machines and workers; then begin again"
        )

    def _lives(self, owner: Any) -> bool:
        try:
            self._ray.get(owner.where.remote(), timeout=ANSWER_WITHIN_S)
        except self._ray.exceptions.GetTimeoutError:
            return True  # it is busy
        except self._ray.exceptions.RayError:
            return False
        return True


def _first_line(error: Exception) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line if line.endswith(".") else f"{line}."
