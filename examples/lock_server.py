"""A lock server: many clients want a lock, and at most one may hold it.

A client numbers its requests from 1. The server grants the lock to one request at a time, in order of arrival, and
takes it back when that request is released. Every message may be lost, late, or there twice, so every message says
which request it is about, and what is about another request than the current one is ignored.

    raftframe check --system examples/lock_server.py:lock_server --network ever-sent \
      --invariant examples/lock_server.py:mutual_exclusion --limit wishes=3 --limit releases=1

`trusting_lock_server` has a planted bug: it asks who releases the lock, and not which request. That is one comparison
less, and enough on a network that never repeats itself. docs/checking_your_own.md tells the story.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from checker import Deliver, Event, Invariant, Local, LocalKind, Send, Step
from checker.system import ActorId, State

SERVER = "server"


class Phase(StrEnum):
    """Where a client stands."""

    IDLE = "idle"
    WAITING = "waiting"
    HOLDING = "holding"


@frozen
class Acquire:
    """A client asks for the lock."""

    request: int


@frozen
class Granted:
    """The server gives it the lock."""

    request: int


@frozen
class Release:
    """The client gives it back."""

    request: int


Claim = tuple[str, int]  # a client, and its request


@frozen
class Client:
    """One client. `request` numbers its current or last request."""

    phase: Phase = Phase.IDLE
    request: int = 0


@frozen
class Server:
    """Whose turn it is, who comes next, and the last request that each client has made."""

    holder: Claim | None = None
    queue: tuple[Claim, ...] = ()
    known: frozenset[Claim] = frozenset()


@frozen
class LockServer:
    """The system: a server and the clients. `trusting` plants the bug."""

    clients: tuple[str, ...] = ("ann", "bob")
    trusting: bool = False
    local_kinds: tuple[LocalKind, ...] = (
        LocalKind("want", budget="wishes"),
        LocalKind("done", budget="releases"),
    )
    actors: tuple[str, ...] = field(init=False)

    @actors.default
    def _actors(self) -> tuple[str, ...]:
        return (SERVER, *self.clients)

    def initial(self, actor: ActorId) -> State:
        """The lock is free, and nobody wants it."""
        return Server() if actor == SERVER else Client()

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """What *actor* does on *event*; None if that cannot happen to it now."""
        match state, event:
            case Server() as server, Deliver(str(client), Acquire(request)):
                return self._asked(server, (client, request))
            case Server() as server, Deliver(str(client), Release(request)):
                return self._released(server, (client, request))
            case Client(Phase.IDLE, request), Local("want"):
                return Step(Client(Phase.WAITING, request + 1), (Send(SERVER, Acquire(request + 1)),))
            case Client(Phase.HOLDING, request), Local("done"):
                return Step(Client(Phase.IDLE, request), (Send(SERVER, Release(request)),))
            case Client(Phase.WAITING, request), Deliver(_, Granted(granted)) if granted == request:
                return Step(Client(Phase.HOLDING, request), marks=("holds",))
            case _, Deliver():
                return Step(state, marks=("ignored",))
        return None

    def _asked(self, state: Server, claim: Claim) -> Step:
        client, request = claim
        if any(who == client and last >= request for who, last in state.known):
            return Step(state, marks=("ignored",))
        others = frozenset(pair for pair in state.known if pair[0] != client)
        return self._pass_on(evolve(state, queue=(*state.queue, claim), known=others | {claim}))

    def _released(self, state: Server, claim: Claim) -> Step:
        if state.holder is None or not self._may_release(state.holder, claim):
            return Step(state, marks=("ignored",))
        return self._pass_on(evolve(state, holder=None))

    def _may_release(self, holder: Claim, claim: Claim) -> bool:
        return holder[0] == claim[0] if self.trusting else holder == claim

    def _pass_on(self, state: Server) -> Step:
        if state.holder is not None or not state.queue:
            return Step(state)
        (client, request), *rest = state.queue
        after = evolve(state, holder=(client, request), queue=tuple(rest))
        return Step(after, (Send(client, Granted(request)),), marks=("granted",))

    # How it looks in traces and pictures

    def describe_state(self, actor: ActorId, state: State) -> Mapping[str, str]:
        """Who holds, who waits; a client's phase and request."""
        if isinstance(state, Client):
            return {"state": f"{state.phase} {state.request}" if state.request else str(state.phase)}
        assert isinstance(state, Server)
        holder = "free" if state.holder is None else "{} {}".format(*state.holder)
        return {"state": " < ".join([holder, *(f"{client} {request}" for client, request in state.queue)])}

    def describe_message(self, message: Hashable) -> str:
        """Its type and its request."""
        assert isinstance(message, Acquire | Granted | Release)
        return f"{type(message).__name__} {message.request}"


# --- what must hold ---------------------------------------------------------------------------------------------------


def _holds(actor: ActorId, state: Any) -> bool:  # a client's state: Any is the boundary
    return actor != SERVER and bool(state.phase == Phase.HOLDING)


def _one_holder(holding: Mapping[ActorId, bool], _history: object) -> str | None:
    holders = [str(name) for name, holds in holding.items() if holds]
    return f"{' and '.join(holders)} both hold the lock" if len(holders) > 1 else None


mutual_exclusion = Invariant("mutual_exclusion", judge=_one_holder, view=_holds)


# --- what the command line names --------------------------------------------------------------------------------------


def lock_server() -> LockServer:
    """The server as it should be, with two clients."""
    return LockServer()


def trusting_lock_server() -> LockServer:
    """The server with the planted bug."""
    return LockServer(trusting=True)
