"""The clients of a run: what they asked, of whom, and what they were told.

An operation is *pending* until an answer leaves a server, or the connection to the server is lost: then its outcome is
*unknown*, and the client does not try again by itself. A redirect is followed unless the scenario forbids it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from attrs import define, field, frozen

from checker.properties import linearizability
from checker.properties.clients import Called, Explained, Returned, Seen, Watch
from checker.properties.linearizability import Call
from raftframe import Command, StandardStateMap
from raftframe import effects as fx
from raftframe import events as ev
from raftframe.api import AppAPI
from scenarios.runner.errors import ActionError

AGAIN = "again "
"""What the text of a command begins with when it was sent before: which of its client's it is, from 1, follows."""
RETRY_MS = 20
"""How long a client that knows of no leader waits before it asks the next server."""


@define(eq=False)
class Operation:
    """One operation of one client. `outcome` is pending, ok, refused, failed, redirected or unknown.

    `told` is what the application answered, in words, without the outcome's own word.
    """

    name: str
    client: str
    serial: int
    operation: Hashable
    text: str
    follow: bool
    called: int
    server: str | None = None
    outcome: str = "pending"
    told: str = ""
    answer: Hashable = None
    returned: int | None = None
    asked: int = 0
    retry_at: int | None = None

    @property
    def command(self) -> Command:
        return Command(self.client, self.serial, self.operation)


@frozen
class Contradiction:
    """A client was told two different things about one command, *first* and *then*."""

    command: Command
    first: Hashable
    then: Hashable

    def __str__(self) -> str:
        asked = self.command
        return f"{asked.client} was told {self.first}, and then {self.then}, of one and the same {asked.operation}"


@define(eq=False)
class Clients:
    """Every operation of a run, by name, in the order of calling. `moment` counts calls and returns."""

    operations: dict[str, Operation] = field(factory=dict)
    moment: int = 0
    contradictions: list[Contradiction] = field(factory=list)
    _serials: dict[str, int] = field(factory=dict)

    def begin(
        self, client: str, operation: Hashable, text: str, name: str | None, follow: bool, serial: int = 0
    ) -> Operation:
        """A new operation of *client*, numbered *serial* or the next that is free. Raises ActionError when *name* is
        taken.
        """
        serial = max(serial, self._serials.get(client, 0) + 1)
        named = name or f"{client}#{serial}"
        if named in self.operations:
            raise ActionError(f"an operation is called {named} already")
        self._serials[client] = serial
        begun = Operation(named, client, serial, operation, text, follow, self._tick())
        self.operations[named] = begun
        return begun

    def begin_again(self, client: str, which: str, name: str | None, follow: bool) -> Operation:
        """*client* sends again what it called *which*, a name or a place, under the same serial. Raises ActionError
        when there is no such operation, or *name* is taken.
        """
        first = self.sent(client, which)
        tries = sum((o.client, o.serial) == (client, first.serial) for o in self.operations.values())
        named = name or f"{client}#{first.serial}.{tries + 1}"
        if named in self.operations:
            raise ActionError(f"an operation is called {named} already")
        text = f"{AGAIN}{self._place(first)}"
        begun = Operation(named, client, first.serial, first.operation, text, follow, self._tick())
        self.operations[named] = begun
        return begun

    def sent(self, client: str, which: str) -> Operation:
        """What *client* has sent, called *which*: a name, or its place among what the client has sent, from 1. Raises
        ActionError when it has sent no such thing.
        """
        for one in self.operations.values():
            if one.client == client and which in (one.name, str(self._place(one))):
                return one
        raise ActionError(f"{client} has sent nothing that is called {which}, so it cannot send it again")

    def _place(self, operation: Operation) -> int:
        """Which operation of its client it is, from 1. Its serial, unless a search has numbered those of all clients
        together.
        """
        serials = {one.serial for one in self.operations.values() if one.client == operation.client}
        return 1 + sum(serial < operation.serial for serial in serials)

    def again_of(self, client: str, serial: int) -> str | None:
        """The words with which *client* sends its command *serial* again; None if it has not sent it."""
        for one in self.operations.values():
            if (one.client, one.serial) == (client, serial):
                return f"{AGAIN}{self._place(one)}"
        return None

    @property
    def last_serial(self) -> int:
        """The highest number of any client's operation."""
        return max(self._serials.values(), default=0)

    def pending(self) -> Iterator[Operation]:
        """Those that have no outcome."""
        return (one for one in self.operations.values() if one.outcome == "pending")

    def lose(self, operation: Operation) -> None:
        """The connection is lost; whether the command takes effect is not known."""
        operation.outcome, operation.retry_at = "unknown", None

    def lose_all_at(self, server: str) -> None:
        """*server* went down, and with it every connection to it."""
        for operation in self.pending():
            if operation.server == server:
                self.lose(operation)

    def told(self, reply: fx.Reply, server: str) -> list[tuple[Operation, str | None]]:
        """*reply* of *server* reaches its client: the operations that it ends, each with the server to ask next, if it
        was sent elsewhere. Several tries at one server are answered together; there are none when the client waits for
        no such answer.
        """
        name = (reply.client, reply.serial)
        self._compare(reply)
        tries = [one for one in self.pending() if (one.client, one.serial) == name and one.server == server]
        return [(one, self._end(one, reply)) for one in tries]

    def _compare(self, reply: fx.Reply) -> None:
        """Note whether *reply* differs from what its client was told before."""
        for one in self.operations.values():
            if (one.client, one.serial) == (reply.client, reply.serial) and one.returned is not None:
                if isinstance(reply.outcome, fx.Done) and reply.outcome.answer != one.answer:
                    self.contradictions.append(Contradiction(one.command, one.answer, reply.outcome.answer))
                return

    def _end(self, operation: Operation, reply: fx.Reply) -> str | None:
        """*operation* has its answer; the server to ask next, if it was sent elsewhere."""
        match reply.outcome:
            case fx.Done(answer):
                operation.outcome, operation.told = words_of(answer)
                operation.answer, operation.returned = answer, self._tick()
            case fx.Refused(reason):
                operation.outcome, operation.told = "refused", reason
            case fx.Redirected(leader) if operation.follow:
                return leader or ""
            case fx.Redirected(leader):
                operation.outcome, operation.told = "redirected", leader or "nobody"
            case fx.Expired():
                operation.outcome, operation.told = "failed", "expired"
            case fx.Unknown():
                self.lose(operation)
        return None

    def history(self) -> list[Call]:
        """What linearizability is about: everything that may have had an effect. Several tries of one operation are one
        call; an answer that differs from the first makes a second one of it.
        """
        calls: dict[tuple[str, int, Hashable], Call] = {}
        first: dict[tuple[str, int], tuple[str, int, Hashable]] = {}
        for one in self._with_an_effect():
            name = (one.client, one.serial)
            call = Call(one.client, one.operation, one.called, one.returned, one.answer)
            known = calls.get(first.setdefault(name, (*name, one.answer if one.returned else None)))
            if known is None:
                calls[first[name]] = call
            elif one.returned is not None and known.returned is None:
                calls[first[name]] = Call(known.client, known.operation, known.called, one.returned, one.answer)
            elif one.returned is not None and known.answer != one.answer:
                calls[(*name, one.answer)] = call
        return sorted(calls.values(), key=lambda call: call.called)

    def explained(self, app: AppAPI) -> Explained:
        """The memory of the monitor `linearizable` after what the clients have seen so far."""
        calls = [(one.called, Called(one.command)) for one in self._with_an_effect()]
        returns = [
            (one.returned, Returned((one.client, one.serial), one.answer))
            for one in self._with_an_effect()
            if one.returned is not None
        ]
        seen: list[tuple[int, Seen]] = sorted([*calls, *returns], key=lambda pair: pair[0])
        return Watch(app, remembers=True).after(what for _, what in seen)

    def _with_an_effect(self) -> Iterator[Operation]:
        return (
            one
            for one in self.operations.values()
            if one.returned is not None or one.outcome in ("ok", "pending", "unknown")
        )

    def problem(self, states: StandardStateMap) -> str | None:
        """What no order of the operations explains, or None. *states* are the servers' rules: if these remember
        answers, what changes the application is answered the same every time.
        """
        app = states.app
        for one in self.contradictions if states.options.sessions else ():
            if isinstance(states.asking(one.command), ev.ClientRequest):
                return str(one)

        def apply(state: object, operation: object) -> tuple[object, object]:
            applied = app.apply(state, operation)
            return applied.state, applied.answer

        return linearizability.problem_with(self.history(), app.initial_state(), apply)

    def _tick(self) -> int:
        self.moment += 1
        return self.moment


def words_of(answer: Hashable) -> tuple[str, str]:
    """An application's answer as outcome and the rest: `ok 10` is ok, `refused: too little` is refused, 7 is ok."""
    text = str(answer)
    first, _, rest = text.partition(" ")
    word = first.rstrip(":")
    return (word, rest) if word in ("ok", "refused", "failed") else ("ok", text)
