"""The clients of a soak, and what they write down."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

from bank_app.app import Credit, Debit, Operation, Query
from raftframe.client import Client
from raftframe.effects import Outcome, Refused

PATIENCE_S: Final = 2.0
THINKS_S: Final = 0.02


@frozen
class Deed:
    """One operation of one client, from call to return by one clock. `serial` is its number with that client."""

    client: str
    serial: int
    operation: Operation
    called: int
    returned: int
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.client} {self.serial}: {self.operation} => {self.outcome}"


class Banker:
    """A client on a thread of its own. Amounts are chosen by *seed*, and large, so that a balance tells what it is made
    of. An *auditor* only asks for the balance, and so stays with a server as long as that answers.
    """

    def __init__(self, client: Callable[[], Client], seed: str, *, auditor: bool) -> None:
        self._client, self._rng, self._auditor = client(), random.Random(seed), auditor
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"banker {seed}", daemon=True)
        self.deeds: list[Deed] = []
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin to work."""
        self._ending.clear()
        self._thread = threading.Thread(target=self._work, name=self._thread.name, daemon=True)
        self._thread.start()

    def pause(self) -> list[Deed]:
        """Finish what is begun; all that was done since the last pause. Raises what has ended the banker."""
        self._ending.set()
        self._thread.join()
        if self.error is not None:
            raise self.error
        done, self.deeds = self.deeds, []
        return done

    def leave(self) -> None:
        """Hang up."""
        self._ending.set()
        self._client.close()

    def _work(self) -> None:
        try:
            while not self._ending.wait(self._rng.uniform(0, 2 * THINKS_S)):
                self.deeds.append(self._deed(self._operation()))
        except BaseException as error:
            self.error = error

    def _operation(self) -> Operation:
        amount = self._rng.randrange(1, 1_000_000)
        if self._auditor:
            return Query()
        operations: list[Operation] = [Credit(amount), Debit(amount), Query()]
        return self._rng.choices(operations, [5, 3, 2])[0]

    def _deed(self, operation: Operation) -> Deed:
        called = time.monotonic_ns()
        outcome = self._client.ask(operation, timeout_s=PATIENCE_S)
        returned = time.monotonic_ns()
        return Deed(self._client.name, self._client.serial, operation, called, returned, outcome)


def surely_had_no_effect(deed: Deed) -> bool:
    """Whether the client was told that the operation will never take effect."""
    return isinstance(deed.outcome, Refused)
