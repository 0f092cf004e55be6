"""A cluster of real servers, steered line by line: the `threads` mode.

Theory of operation
-------------------
A `ThreadCluster` keeps the books of a `SteeredCluster` (messages, pauses, clients, journal, watch); every step is taken
by a real server of a `PausingCluster`: its thread takes the event out of its queue, writes to its store, starts its
timers, hands its messages to the network. The books say what may move; the servers say what happens.

* **The conductor** is the thread that runs the scenario. It alone moves messages, asks on behalf of clients, closes and
  opens gates, starts and ends servers, and lets time pass. It hands one thing, or everything that is due at one moment,
  to the servers, and then waits until they have come to rest. Only then does it look into the books, or write in them.
* **A server's thread** takes its step, and as a monitor (`_Witness`) writes it into the books, under `_lock`: the
  journal, the watch, the script's pause points, the `always` and `never`. If a point is reached it closes its gate.
* **Timers' threads** fire when the conductor has moved the clock (`threads_time`), and at no other time.

Every message that leaves a server is taken off the network by the interceptor, and is in the books from then on: in the
outbox, on the wire, or in the inbox, as in `sim`. When it is to be handled the conductor puts it back onto the network,
and it reaches the server's queue; what meets a cut link is lost in the books. So nothing moves between two lines, and
no message of a step is seen by anybody before that step is written down: the books are in an order in which things may
have happened.

At rest. Behind what a server was given the conductor sends it a marker, a message that the interceptor drops when its
handling is about to begin: then everything before it was handled, and told to the witness. (With a pause point armed,
be it one that nobody reaches, servers take one step at a time.) A server whose gate has closed rests as soon as it
answers a call; what it was given and has not handled is taken back. A server that raises has ended: that is a finding,
and it is down from then on. Every wait ends after `REST_TIMEOUT_S`, in an error.

A restarted server begins from its store, not from the books; were they to disagree, the run would stop and say so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal

from attrs import frozen

from checker.properties.base import Property
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import Disk, RaftServer
from checker.stepping import describe_error
from checker.system import Event as CheckerEvent
from checker.system import Local
from raftframe import effects as fx
from raftframe import events as ev
from raftframe import messages as msg
from raftframe.api.storage import LogStoreAPI
from raftframe.clusters.gates import GatedServer, Pause, When
from raftframe.clusters.pausing import PausingCluster
from raftframe.comms.memory import PASS, Decision, Moment, Verdict
from raftframe.protocol import Step as ProtocolStep
from raftframe.server import Order, Phase
from raftframe.server_state import ServerState
from raftframe.storage.memory import MemoryLogStore
from scenarios.runner.cluster import Occasion
from scenarios.runner.errors import ActionError
from scenarios.runner.pauses import PausePoint
from scenarios.runner.post import Envelope
from scenarios.runner.real import RealCluster
from scenarios.runner.setup import Setup
from scenarios.runner.threads_time import SharedClock, ThreadClock, drawn_timing

REST_TIMEOUT_S = 10.0
"""How long a server may take for what it was given, before the run ends with an error."""
_LOOK_EVERY_S = 0.05


@frozen
class _Asked:
    """What the conductor has asked of a server that is no message: how the books call it."""

    event: ev.Event
    happens: CheckerEvent
    label: str


@frozen
class _Taken:
    """A step that a server has taken, and what of it the conductor is still to pass on."""

    fresh: list[Envelope]
    replies: list[fx.Reply]
    marks: tuple[str, ...]


@frozen
class _Witness:
    """Told of the steps of one server, on its thread: implements `raftframe.api.monitor.StateChangeMonitorAPI`."""

    cluster: ThreadCluster
    name: str

    def stepped(self, before: ServerState, event: ev.Event, step: ProtocolStep) -> None:
        """Write the step down."""
        self.cluster.witnessed(self.name, event, step)


def _never(state: ServerState) -> bool:
    """A pause point that nobody reaches."""
    return False


class ThreadCluster(RealCluster):
    """The servers as threads, and all that lies between them; see the module. Close it when the run is over."""

    mode = "threads"
    clock: ThreadClock

    def __init__(self, setup: Setup, *, title: str = "", properties: Iterable[Property] = RAFT_PROPERTIES) -> None:
        self._shared, drawn = SharedClock(), drawn_timing(setup.timing)
        clock = ThreadClock(setup.timing, setup.seed, self._shared, drawn, self._up)
        super().__init__(setup, clock, title=title, properties=properties)
        self._lock = threading.RLock()
        self._asked: dict[str, _Asked] = {}
        self._given: dict[str, deque[Envelope]] = {name: deque() for name in setup.servers}
        self._taken: dict[str, list[_Taken]] = {name: [] for name in setup.servers}
        self._markers: dict[int, msg.Message] = {}
        self._rested = {name: threading.Event() for name in setup.servers}
        self._trouble: list[BaseException] = []
        self._disks: dict[str, MemoryLogStore] = {}
        self.raft = PausingCluster(
            setup.servers,
            setup.states,
            timing=drawn,
            seed=setup.seed,
            clock=self._shared,
            stores=self._store,
            interceptor=self,
            monitors=lambda name: (_Witness(self, name),),
        )
        self.raft.pause_on(When(_never))  # with a point armed, servers take one step at a time
        self.raft.on_pause(self._paused)
        self.raft.start_all()

    def close(self) -> None:
        """End every thread. One that is stuck stays, as a daemon; then the run has failed, and has said why."""
        try:
            self.raft.stop_all()
        except TimeoutError:
            if not self._stuck:
                raise

    # Called on the servers' threads

    def intercept(self, moment: Moment, message: msg.Message) -> Decision:
        """Implements `raftframe.comms.memory.InterceptorAPI`: what is sent is taken off the network."""
        if moment is Moment.BEFORE_SENDING:
            return Verdict.DROP
        if moment is Moment.BEFORE_HANDLING and self._markers.pop(id(message), None) is not None:
            self._rested[message.target].set()
            return Verdict.DROP
        return PASS

    def witnessed(self, name: str, event: ev.Event, step: ProtocolStep) -> None:
        """*name* has taken *step* on *event*. What goes wrong here is the conductor's: the server goes on."""
        with self._lock:
            try:
                self._write_down_step(name, event, step)
            except BaseException as error:
                self._trouble.append(error)

    def _write_down_step(self, name: str, event: ev.Event, step: ProtocolStep) -> None:
        if isinstance(event, ev.MessageReceived):
            envelope = self._given[name].popleft()
            occasion = Occasion(self._is_handled(envelope), "deliver", envelope)
        else:
            asked = self._asked.pop(name, None)
            if asked is None or type(asked.event) is not type(event):
                asked = self._spontaneous(name, event)
            occasion = Occasion(asked.happens, asked.label)
        after = RaftServer(step.state, self._disk(name))
        fresh, replies = self._write_down(name, after, step, occasion)
        self._taken[name].append(_Taken(fresh, replies, tuple(map(str, step.marks))))

    def _spontaneous(self, name: str, event: ev.Event) -> _Asked:
        """What nobody asked for at this moment: a timer that has fired, or a command that was taken late."""
        if isinstance(event, ev.ClientRequest | ev.ClientRead):
            command = event.command
            return _Asked(event, Local("command", command.serial - 1), f"client {command.client} {command.operation}")
        verb = self._has_fired(name, next(timer for timer, timeout in ev.TIMEOUTS.items() if timeout == event))
        return _Asked(event, Local(verb), verb)

    def _paused(self, pause: Pause) -> None:
        for name in pause.servers:
            self._rested[name].set()

    # Giving servers something to do

    def _take(self, name: str, event: ev.Event, occasion: Occasion) -> tuple[str, ...]:
        """Let *name* take one step, by its timer or for a client; its marks."""
        self._asked[name] = _Asked(event, occasion.happens, occasion.label)
        if isinstance(event, ev.ClientRequest | ev.ClientRead):
            command = event.command
            promise = self.raft.submit(name, command.operation, client=command.client, serial=command.serial)
            self._promises[name, command.client, command.serial] = promise
        elif isinstance(event, Order):
            self.raft.order(name, event)
        else:
            self.raft.fire(name, next(timer for timer, timeout in ev.TIMEOUTS.items() if timeout == event))
        return self.rest([name], straight=occasion.straight)

    def handle(self, envelope: Envelope, *, straight: bool = True) -> None:
        """Let the target take the step for *envelope*, which is in its inbox."""
        if not self._stops(envelope.target, ("before", "handling"), envelope):
            self._hand_over(envelope)
            self.rest([envelope.target], straight=straight)

    def handle_together(self, envelopes: Collection[Envelope]) -> None:
        """Let the targets take the steps for *envelopes*, all in inboxes, at the same time; each in their order."""
        reached: dict[str, PausePoint] = {}
        for envelope in envelopes:
            name = envelope.target
            point = None if name in reached else self.pauses.at_message(name, ("before", "handling"), envelope)
            if point is not None:
                reached[name] = point  # what is before it is handled first
            if name not in reached:
                self._given[name].append(envelope)
        busy = [name for name, given in self._given.items() if given]
        for name in busy:
            for envelope in tuple(self._given[name]):
                self._put(envelope.message)
        self.rest(busy, straight=True)
        for name, point in reached.items():
            if self.is_running(name):
                self.pause(name, point.text)
            else:
                self.pauses.points.append(point)  # something else has stopped it before it came there

    def _hand_over(self, envelope: Envelope) -> None:
        self._given[envelope.target].append(envelope)
        self._put(envelope.message)

    def _put(self, message: msg.Message) -> None:
        self.raft.network.put_back(message, PASS)
        self.raft.network.flush(message.target)

    def fire_due(self) -> bool:
        """Let the timers fire whose moment has come; whether there are any."""
        due = self.clock.due()
        for name, timer in due:
            point = self.pauses.at_timer(name, timer)
            if point is not None:
                self.clock.start(name, timer, 0)
                self.pause(name, point.text)
        if not due:
            return False
        self._shared.wake()
        end_s = time.monotonic() + REST_TIMEOUT_S
        while self.clock.due() or not self._shared.wait_for_sleepers(len(self._up()), _LOOK_EVERY_S):
            if time.monotonic() > end_s:
                raise ActionError(f"timers have not fired in {REST_TIMEOUT_S:g} s: {self.clock.due()}")
            time.sleep(0)
        self.rest(dict.fromkeys(name for name, _ in due), straight=False)
        return True

    def move_on(self, milliseconds: int) -> None:
        """It is *milliseconds*; no timer has fired yet."""
        self._shared.set(milliseconds)

    # Coming to rest

    def rest(self, names: Iterable[str], *, straight: bool) -> tuple[str, ...]:
        """Wait until *names* rest, and pass on what they said; the marks of their steps. Raises ActionError."""
        for name in names:
            self._wait_for(name)
        if self._trouble:
            raise self._trouble.pop(0)
        marks: list[str] = []
        for name in names:
            taken, self._taken[name] = self._taken[name], []
            for each in taken:
                marks += each.marks
                self._pass_on(name, each.fresh if straight else [], self._kept_promises(name, each.replies))
        return tuple(marks)

    def _wait_for(self, name: str) -> None:
        rested = self._rested[name]
        if self.raft.phase(name) is Phase.RUNNING:
            rested.clear()
            marker = msg.RequestVoteResponse(name, name, 0, False)
            self._markers[id(marker)] = marker
            self._put(marker)
            end_s = time.monotonic() + REST_TIMEOUT_S
            while self.raft.phase(name) is Phase.RUNNING and not rested.wait(_LOOK_EVERY_S):
                if time.monotonic() > end_s:
                    self._stuck = True
                    raise ActionError(f"{name} has not come to rest in {REST_TIMEOUT_S:g} s: {self.raft.describe()}")
        if self.raft.phase(name) is Phase.PAUSED:
            self._take_back(name)
        elif self.raft.phase(name) is Phase.FAILED and self.is_up(name):
            self._is_gone(name)
        elif self._given[name] and not self._trouble:
            lost = self._given[name][0].message
            raise ActionError(f"{name} was given a message and has not handled it: {lost} (please report this)")

    def _take_back(self, name: str) -> None:
        """*name* is paused: what it was given and has not handled is in its inbox in the books alone."""
        given = self._given[name]
        markers = [marker for marker in self._markers.values() if marker.target == name]
        unhandled = [*(envelope.message for envelope in given), *markers]

        def empty(server: GatedServer) -> None:
            for message in unhandled:
                server.drop_from_inbox(message)

        with self._as_action_errors():
            self.raft.call(name, empty)
        for envelope in self.raft.network.wire(name):
            self.raft.network.drop(envelope)
        self._markers = {key: marker for key, marker in self._markers.items() if marker.target != name}
        given.clear()

    def _is_gone(self, name: str) -> None:
        """The thread of *name* has ended by an exception: the rules' or the application's, in most cases."""
        error = self.raft.server(name).error
        assert error is not None
        envelope = self._given[name][0] if self._given[name] else None
        asked = self._asked.pop(name, None)
        if envelope is not None:
            self.post.end(envelope, "handled")
        self._given[name].clear()
        label = asked.label if asked is not None and envelope is None else "deliver"
        self._has_failed(name, f"raised {describe_error(error)}", label, envelope)

    # Standing still, up and down

    def pause(self, name: str, why: str = "") -> None:
        """Close the gate of *name*, which runs. On its own thread it rests when that has come to the gate."""
        super().pause(name, why)
        with self._as_action_errors():
            self.raft.pause(name)

    def resume(self, name: str) -> None:
        """Open the gate of *name*, which is paused."""
        super().resume(name)
        with self._as_action_errors():
            self.raft.resume(name)
        self.rest([name], straight=False)

    def _end_server(self, name: str, how: Literal["crashed", "stopped"], *, losing_unsynced: bool) -> RaftServer:
        if how == "stopped" and self.raft.phase(name).is_up:
            self.raft.stop(name)
        elif self.raft.phase(name).is_up:
            self.raft.crash(name, losing_unsynced=losing_unsynced)
        disk = self._disk(name)
        left = disk.synced if losing_unsynced else disk.written
        return RaftServer(None, Disk(left, left))

    def _start_server(self, name: str, disk: Disk) -> RaftServer:
        self.raft.start(name)
        return RaftServer(self.raft.state(name), self._disk(name))

    def _empty_disk(self, name: str) -> None:
        self.raft.wipe(name)
        self._disks[name] = MemoryLogStore()

    def inject(self, name: str, server: RaftServer, text: str) -> None:
        """Replace the state of *name* on its own thread, or its store if it is down."""
        state = server.state
        if state is None:
            self._disks[name] = MemoryLogStore(server.disk.written)
        else:
            with self._as_action_errors():
                self.raft.call(name, lambda running: running.replace_state(state))
        super().inject(name, server, text)

    # Disks

    def _store(self, server: str, before: LogStoreAPI | None, *, losing_unsynced: bool) -> MemoryLogStore:
        """Implements `raftframe.clusters.pausing.StoreMaker`. *before* is the one in `_disks`, unless a line of the
        script has replaced that.
        """
        left = self._disks.get(server, MemoryLogStore())
        self._disks[server] = MemoryLogStore(left.synced if losing_unsynced else left.written)
        return self._disks[server]

    def _disk(self, name: str) -> Disk:
        return Disk(self._disks[name].written, self._disks[name].synced)

    def _up(self) -> Mapping[str, GatedServer]:
        return {name: self.raft.server(name) for name in self.names if self.raft.phase(name).is_up}

    # Time

    def run_until(
        self, condition: Callable[[], bool], *, steps: int | None = None, milliseconds: int | None = None
    ) -> bool:
        """Let the servers run until *condition* holds; False when the limit came first."""
        from scenarios.runner import threads_rounds

        assert steps is None, "the loader refuses steps in this mode"
        return threads_rounds.run_until(self, condition, self.clock.now + (milliseconds or 0))

    def advance(self, milliseconds: int) -> None:
        """Let *milliseconds* pass for everyone."""
        from scenarios.runner import threads_rounds

        threads_rounds.run_until(self, lambda: False, self.clock.now + milliseconds)
