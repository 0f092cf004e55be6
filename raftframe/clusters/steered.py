"""A server's process that stands still until it is told to move, one step at a time, and tells what it did.

    cluster = ProcessCluster(3, states, data=directory, timing=SteeredTiming(), monitors=steered, prepare=with_clock)
    cluster.start_all()
    for name in cluster.names:
        cluster.ask(name, begin)
    after = cluster.ask("s1", fire, 150.0, Timer.ELECTION)      # `after.taken` is the step

Theory of operation
-------------------
The functions of this module are called in a server's process, over its control channel, on its main thread (see
`clusters.agent`). Whoever calls them steers the cluster: one that has called nothing sees nothing happen.

* **Messages.** `begin` holds everything on the switchboard, in both directions. What a step sends waits in front of the
  source's socket until `let_go`; then it travels as a datagram, and waits behind the target's socket until `handle`.
  Messages are found by what they say: two that say the same are one as good as the other.
* **Time.** The timers run by a clock of milliseconds that only moves when told to: each function gets the moment at
  which it is called. They run `LATE_MS` longer than they were drawn, so a moment that is told makes nothing fire, not
  even what is due at that very moment; `fire` lets this rest pass for one timer, and the timers' thread fires it.
* **Steps.** A `Witness`, told last in each step, keeps what the server did. `handle`, `fire`, `order` and `rest` return
  when it was told of the step that they asked for, or when the server has ended by an exception.

So of all that a real server has, nothing is replaced: its thread, its queue, its store, its timers, its codec and its
socket do what they always do. What they do not do is begin by themselves.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final

from attrs import define, field, frozen

from raftframe.clusters.agent import Agent
from raftframe.clusters.calls import PAUSE_TIMEOUT_S
from raftframe.clusters.gates import GatedServer
from raftframe.comms.memory import Envelope
from raftframe.effects import Outcome, StartTimer, Timer
from raftframe.entries import Command, ServerId
from raftframe.events import Event
from raftframe.messages import Message
from raftframe.protocol import Step
from raftframe.server import Order, Phase, Timing
from raftframe.server_state import ServerState
from raftframe.timers import ManualClock

LATE_MS: Final = 0.5
"""How much longer timers run than they were drawn: what happens at a moment comes before what fires at it."""
STEP_TIMEOUT_S: Final = 8.0
"""How long a step may take. Less than a call may (`clusters.control`), so that the answer says what is missing."""
_LOOK_EVERY_S: Final = 0.0002
_HELD: Final = "steered"


@frozen
class LogicalTiming(Timing):
    """Whole milliseconds, where `Timing` has seconds; and heartbeats may be longer than election timeouts."""

    def __attrs_post_init__(self) -> None:
        """Whoever steers knows what they do."""

    def duration_s(self, effect: StartTimer, rng: random.Random) -> float:
        """How long the timer that *effect* starts is to run this time, in milliseconds."""
        if effect.timer is not Timer.ELECTION or effect.longest:
            return float(int(super().duration_s(effect, rng)))
        low, high = self.election_timeout_s
        return float(rng.randint(int(low), int(high)))


@frozen
class SteeredTiming(LogicalTiming):
    """`LATE_MS` more."""

    def duration_s(self, effect: StartTimer, rng: random.Random) -> float:
        """How long the timer that *effect* starts is to run this time, in milliseconds."""
        return super().duration_s(effect, rng) + LATE_MS


def clock_at(now: float) -> ManualClock:
    """A clock that shows *now*, and stands still."""
    clock = ManualClock()
    clock.advance(now)
    return clock


@frozen
class After:
    """A server after what it was told: the steps that it took, and how long each timer that runs has left.

    `failed` says that it took none, for an exception has ended it.
    """

    taken: tuple[tuple[Event, Step], ...]
    timers: Mapping[Timer, float]
    failed: bool = False


@define(eq=False)
class Witness:
    """Keeps what the server of this process does: implements `raftframe.api.monitor.StateChangeMonitorAPI`."""

    _taken: list[tuple[Event, Step]] = field(factory=list)
    _told: threading.Condition = field(factory=threading.Condition)

    def stepped(self, before: ServerState, event: Event, step: Step) -> None:
        """On the server's thread: one step more."""
        with self._told:
            self._taken.append((event, step))
            self._told.notify_all()

    def wait(self, server: GatedServer) -> tuple[tuple[Event, Step], ...]:
        """What was done, as soon as there is something; nothing if *server* has ended. Raises TimeoutError."""
        end_s = time.monotonic() + STEP_TIMEOUT_S
        with self._told:
            while not self._taken and server.phase.is_up:
                if time.monotonic() > end_s:
                    raise TimeoutError(f"{server.identity} has not taken its step in {STEP_TIMEOUT_S:g} s")
                self._told.wait(0.02)
            taken, self._taken = tuple(self._taken), []
        return taken


def steered(agent: Agent) -> Iterable[Witness]:
    """The monitors of a server that is to be steered: an argument of `ProcessCluster`."""
    return (Witness(),)


# Calls: standing still and going on


def begin(agent: Agent) -> After:
    """From now on nothing passes the switchboard unless it is told to. To be called when the server has started."""
    agent.network.hold(_HELD, _anything)
    return _after(agent, ())


def acquaintance(agent: Agent) -> tuple[int, dict[ServerId, int]]:
    """The life of this server, and which life of each other server it knows: its socket reaches those only."""
    outside = agent.outside
    return outside.boot, {name: outside.boot_of(name) for name in agent.spec.addresses if name != agent.spec.identity}


def pause(agent: Agent, now: float) -> None:
    """Close the server's gate."""
    _it_is(agent, now)
    agent.gates.close([agent.spec.identity], "pause").wait(PAUSE_TIMEOUT_S)


def resume(agent: Agent, now: float) -> After:
    """Open the server's gate. Nothing fires by it: the timers have left what they had."""
    _it_is(agent, now)
    agent.gates.open([agent.spec.identity])
    return _after(agent, ())


# Calls: steps


def handle(agent: Agent, now: float, message: Message) -> After:
    """Let the server handle *message*, which was let go. Raises TimeoutError if it has not come, or is not handled."""
    _it_is(agent, now)
    agent.network.deliver(_waiting(agent, agent.spec.identity, message))
    return rest(agent)


def fire(agent: Agent, now: float, timer: Timer, due: bool) -> After:
    """Let *timer* fire: the one that runs if it is *due* at *now*; else whether it runs or not."""
    _it_is(agent, now)
    if due:
        agent.server.timers.hasten(timer, LATE_MS)
    else:
        agent.server.fire(timer)
    return rest(agent)


def order(agent: Agent, now: float, order: Order) -> After:
    """Let the server take *order*."""
    _it_is(agent, now)
    agent.server.order(order)
    return rest(agent)


def submit(agent: Agent, now: float, command: Command) -> Future[Outcome]:
    """Hand the server *command*; call `rest` behind it. The outcome comes when the server replies."""
    _it_is(agent, now)
    return agent.server.submit(command.operation, client=command.client, serial=command.serial)


def rest(agent: Agent) -> After:
    """What the server did, as soon as it has done it. Raises TimeoutError."""
    (witness,) = (monitor for monitor in agent.monitors if isinstance(monitor, Witness))
    return _after(agent, witness.wait(agent.server))


def replace_state(agent: Agent, now: float, state: ServerState) -> Future[After]:
    """Let the server go on from *state*, by no step."""
    _it_is(agent, now)

    def replaced() -> After:
        agent.server.replace_state(state)
        return _after(agent, ())

    return agent.server.call(replaced)


# Calls: timers


def start_timer(agent: Agent, now: float, timer: Timer, duration: float) -> After:
    """Let *timer* run for *duration* from now on."""
    _it_is(agent, now)
    server = agent.server
    server.timers.start(timer, duration + LATE_MS, partial(server.fire, timer))
    return _after(agent, ())


def hasten(agent: Agent, now: float, milliseconds: float) -> After:
    """Let *milliseconds* pass for this server alone. What becomes due is for the caller to fire."""
    _it_is(agent, now)
    for timer in Timer:
        agent.server.timers.hasten(timer, milliseconds)
    return _after(agent, ())


# Calls: messages


def let_go(agent: Agent, messages: Sequence[Message]) -> None:
    """Let each of *messages* out of the outbox, through the socket."""
    for message in messages:
        agent.network.deliver(_waiting(agent, message.target, message))


def send_again(agent: Agent, message: Message) -> None:
    """Send a copy of *message* through the socket; what is in the outbox stays there."""
    agent.outside.send(message)


def lose(agent: Agent, message: Message) -> None:
    """Lose *message*: from the outbox if it is from this server, else from behind the socket."""
    agent.network.drop(_waiting(agent, message.target, message))


def put(agent: Agent, message: Message) -> None:
    """Put *message* behind the socket, as if it had come through it."""
    agent.network.send(message)


def _waiting(agent: Agent, target: ServerId, message: Message) -> Envelope:
    """The first envelope to *target* that says *message*. A datagram may still be on its way: it is waited for."""
    end_s = time.monotonic() + STEP_TIMEOUT_S
    while True:
        for envelope in agent.network.wire(target):
            if envelope.message == message:
                return envelope
        if time.monotonic() > end_s:
            lost = {str(why): count for why, count in agent.outside.stats().dropped.items() if count}
            raise TimeoutError(f"not come to {agent.spec.identity} in {STEP_TIMEOUT_S:g} s: {message} (lost: {lost})")
        time.sleep(_LOOK_EVERY_S)


def _anything(message: Message) -> bool:
    return True


def _it_is(agent: Agent, now: float) -> None:
    clock = agent.clock
    assert isinstance(clock, ManualClock), "a steered server has a clock that stands still"
    clock.advance(max(0.0, now - clock.now_s()))


def _after(agent: Agent, taken: tuple[tuple[Event, Step], ...]) -> After:
    server = agent.server
    left = {timer: server.timers.left_s(timer) for timer in Timer}
    timers = {timer: ms - LATE_MS for timer, ms in left.items() if ms is not None}
    return After(taken, timers, server.phase is Phase.FAILED)
