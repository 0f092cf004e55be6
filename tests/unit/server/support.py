"""Parts of a server that write down what is done with them, and servers made of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raftframe import Configuration, DurableState, Options, StandardStateMap
from raftframe.api import AppAPI
from raftframe.api.app import Applied, RecordingApp
from raftframe.api.monitor import StateChangeMonitorAPI
from raftframe.effects import Timer, Write
from raftframe.entries import ServerId
from raftframe.messages import Message
from raftframe.server import Server, Timing
from raftframe.storage.memory import MemoryLogStore

PATIENCE_S = 20.0  # how long anything may take, on a machine that is busy with something else


class Journal:
    """Who did what, in order, by all parts of a server together."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []

    def add(self, what: str, about: object = None) -> None:
        self.lines.append((what, about))

    @property
    def words(self) -> list[str]:
        """What happened, without what about."""
        return [what for what, _ in self.lines]

    def about(self, what: str) -> list[Any]:
        """What every *what* was about."""
        return [about for word, about in self.lines if word == what]


class JournalStore(MemoryLogStore):
    """Writes down writes and syncs; *fails* is asked before each, and may raise."""

    def __init__(self, journal: Journal, stored: DurableState | None = None) -> None:
        super().__init__(stored)
        self.journal = journal
        self.fails: Callable[[str], None] = lambda _: None

    def load(self) -> DurableState:
        self.fails("load")
        return super().load()

    def write(self, write: Write) -> None:
        self.fails("write")
        self.journal.add("write", write)
        super().write(write)

    def sync(self) -> None:
        self.fails("sync")
        self.journal.add("sync")
        super().sync()

    def close(self) -> None:
        self.journal.add("close store")
        super().close()


class JournalComms:
    """Writes down what is sent; a test hands messages in with `receive`."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.receive: Callable[[Message], None] = lambda _: None

    def start(self, receive: Callable[[Message], None]) -> None:
        self.receive = receive

    def send(self, message: Message) -> None:
        self.journal.add("send", message)

    def stop(self) -> None:
        self.journal.add("stop comms")


class JournalTimers:
    """Timers that never fire by themselves."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.fires: dict[Timer, Callable[[], None]] = {}

    def start(self, timer: Timer, after_s: float, fire: Callable[[], None]) -> None:
        self.journal.add("start", timer)
        self.fires[timer] = fire

    def cancel(self, timer: Timer) -> None:
        self.journal.add("cancel", timer)

    def stop(self) -> None:
        self.journal.add("stop timers")


class FailingApp(RecordingApp):
    """Raises what it is told to apply, if that is an exception type."""

    def apply(self, state: tuple[Hashable, ...], operation: Hashable) -> Applied:
        if isinstance(operation, type) and issubclass(operation, BaseException):
            raise operation("as asked")
        return super().apply(state, operation)


class Bench:
    """One server between journal parts."""

    def __init__(
        self,
        servers: int = 1,
        *,
        app: AppAPI | None = None,
        stored: DurableState | None = None,
        monitors: Sequence[StateChangeMonitorAPI] = (),
    ) -> None:
        self.journal = Journal()
        self.store = JournalStore(self.journal, stored)
        self.comms = JournalComms(self.journal)
        self.timers = JournalTimers(self.journal)
        names: list[ServerId] = [f"s{number}" for number in range(1, servers + 1)]
        self.server = Server(
            "s1",
            Configuration(names),
            StandardStateMap(app or RecordingApp(), Options(noop=False)),
            store=self.store,
            comms=self.comms,
            timers=self.timers,
            monitors=monitors,
            timing=Timing((1.0, 2.0), 0.1),
        )

    def __enter__(self) -> Bench:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def settle(self) -> None:
        """Return when everything that was handed in is handled."""
        self.server.call(lambda: None).result(PATIENCE_S)
        self.server.call(lambda: None).result(PATIENCE_S)  # the first may have been in the batch before

    def lead(self) -> None:
        """Let the server, which is alone, become leader."""
        self.server.fire(Timer.ELECTION)
        self.settle()
        self.journal.lines.clear()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """What is handed in meanwhile is one batch."""
        entered, leave = threading.Event(), threading.Event()

        def hold() -> None:
            entered.set()
            leave.wait(PATIENCE_S)

        held = self.server.call(hold)
        assert entered.wait(PATIENCE_S)
        yield
        leave.set()
        held.result(PATIENCE_S)


def eventually(condition: Callable[[], object]) -> bool:
    """Whether *condition* comes to hold."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.001)
    return True
