"""The other end of a control channel: one server's process, as seen by who started it.

A `Remote` has a thread that reads what its `clusters.agent` reports: results go to the futures of the calls that asked
for them, news to a callback on that thread. When the process ends, in whatever way, every future that waits gets a
ServerError, and `ended` is set. Every wait has a timeout.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from multiprocessing.context import ForkServerContext, SpawnContext
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias, TypeVar, TypeVarTuple, cast

from raftframe.clusters import agent
from raftframe.clusters.agent import NEWS, READY, Agent, Call, Report, ServerSpec
from raftframe.server import ServerError, ServerStatus

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_TIMEOUT_S: Final = 20.0  # a process imports modules first, and others may keep the machine busy
CALL_TIMEOUT_S: Final = 10.0
END_TIMEOUT_S: Final = 10.0
MOST_CALLS: Final = 1000  # that wait for their results

StartMethod: TypeAlias = Literal["spawn", "forkserver"]
"""How a process comes into being: anew, or, in a tenth of the time, as the copy of one that has imported everything but
the main module, which therefore must not define what the process is told to use.
"""

_PRELOADED: Final = ["raftframe.clusters.agent", "raftframe.clusters.steered"]


def _context(method: StartMethod) -> SpawnContext | ForkServerContext:
    """What makes processes by *method*."""
    if method == "spawn":
        return multiprocessing.get_context(method)
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(_PRELOADED)
    return context


def _start_without_main(start: Callable[[], None]) -> None:
    """Start a process that does not import the main module, which would take longer than all the rest."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")  # multiprocessing looks here for what to import
    try:
        start()
    finally:
        sys.modules["__main__"] = main


class Remote:
    """The process of one server. *starter* starts it, on a thread that lives as long as the process may; *on_news* is
    called with what the agent tells.
    """

    def __init__(
        self,
        spec: ServerSpec,
        starter: ThreadPoolExecutor,
        on_news: Callable[[Any], None],
        method: StartMethod = "spawn",
    ) -> None:
        self.spec = spec
        self.frozen = False  # stopped by SIGSTOP
        self.killed = False
        self.ended = threading.Event()
        self._on_news = on_news
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._calls = 0
        self._ready: Future[ServerStatus] = Future()
        self._waiting: dict[int, Future[Any]] = {READY: self._ready}
        context, name = _context(method), spec.identity
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=agent.main, args=(spec, theirs), name=f"raftframe {name}", daemon=True)
        start = self._process.start if method == "spawn" else partial(_start_without_main, self._process.start)
        try:
            starter.submit(start).result(START_TIMEOUT_S)
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self._reader = threading.Thread(target=self._read, name=f"raftframe reports of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs, be it stopped by SIGSTOP."""
        return not self.ended.is_set() and self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        """With what the process has ended: negative is the signal that killed it. None while it runs."""
        if self.ended.is_set():  # its pipe closes a moment before the process is known to be gone
            self._process.join(END_TIMEOUT_S)
        return self._process.exitcode

    def wait_ready(self) -> ServerStatus:
        """How the server stands when it runs. Raises what its start raised; then the process has ended."""
        try:
            return self._ready.result(START_TIMEOUT_S)
        except TimeoutError:
            self.kill()
            raise ServerError(f"{self.spec.identity} did not start within {START_TIMEOUT_S:g} s") from None
        except BaseException:
            self.kill()
            raise

    def ask(self, function: Callable[[Agent, *Ts], T], *args: *Ts) -> Future[T]:
        """Call *function*, which belongs to a module, with the agent and *args*, in the process. The future gets what
        it returns or raises, or ServerError when the process ends before.
        """
        future: Future[T] = Future()
        with self._lock:
            if self.frozen or self.ended.is_set() or len(self._waiting) >= MOST_CALLS:
                future.set_exception(self._cannot_ask())
                return future
            self._calls += 1
            number = self._calls
            self._waiting[number] = future
        try:
            with self._sending:
                self._connection.send(Call(number, function, args))
        except OSError:  # the process has ended: the reader tells everybody
            self.ended.wait(END_TIMEOUT_S)
        except BaseException:  # not to be pickled
            with self._lock:
                self._waiting.pop(number, None)
            raise
        return future

    def ask_for_future(self, function: Callable[[Agent, *Ts], Future[T]], *args: *Ts) -> Future[T]:
        """As `ask`, for a *function* that returns a future: what that future gets."""
        return cast(Future[T], self.ask(function, *args))

    def freeze(self) -> None:
        """SIGSTOP: the whole process stands still, timers included, but real time goes on."""
        self._signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.frozen = False

    def kill(self) -> None:
        """SIGKILL, and return when the process has ended. Raises TimeoutError."""
        self.killed = True
        self._process.kill()
        self.join()

    def join(self, timeout_s: float = END_TIMEOUT_S) -> None:
        """Return when the process has ended. Raises TimeoutError."""
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            raise TimeoutError(f"the process of {self.spec.identity} has not ended in {timeout_s:g} s")
        self._reader.join(timeout_s)

    def _signal(self, number: int) -> None:
        if self._process.pid is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _read(self) -> None:
        """The reading thread."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._take(self._connection.recv())
        with self._lock:
            self.ended.set()
            waiting, self._waiting = list(self._waiting.values()), {}
        self._connection.close()
        for future in waiting:
            if not future.done():
                future.set_exception(ServerError(f"the process of {self.spec.identity} has ended"))

    def _take(self, report: Report) -> None:
        if report.number == NEWS:
            self._on_news(report.value)
            return
        with self._lock:
            future = self._waiting.pop(report.number, None)
        if future is None or not future.set_running_or_notify_cancel():
            return
        if report.failed:
            future.set_exception(report.value)
        else:
            future.set_result(report.value)

    def _cannot_ask(self) -> ServerError:
        name = self.spec.identity
        if self.frozen:
            return ServerError(f"the process of {name} is stopped by SIGSTOP: thaw it first")
        if self.ended.is_set():
            return ServerError(f"the process of {name} has ended: restart it")
        return ServerError(f"{MOST_CALLS} calls wait for {name} already")
