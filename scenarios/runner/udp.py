"""A cluster of servers in processes of their own, steered line by line: the `udp` mode.

Theory of operation
-------------------
A `UdpCluster` keeps the books of a `SteeredCluster` (messages, timers, pauses, clients, journal, watch), and lets one
thing happen after the other, in the same order as `sim`; every step is taken by the server of a process of a
`ProcessCluster`. The books say what may move; the processes say what happens, and tell it (`clusters.steered`).

* **A message** that a step has sent waits in front of its source's socket while the books have it in the outbox. When
  it leaves it goes out as a datagram, with what is due to it: encoded, sealed, numbered. It waits behind its target's
  socket, on the wire or in the inbox by the books, until it is to be handled. What the books lose is lost there, too.
* **What no datagram can carry.** A process takes what waits behind its socket with it when it dies, and what was sealed
  for its earlier life is refused by its next one. On the books the wire outlives both: what is on it then is put behind
  the new socket over the control channel, when it is handled.
* **Time** is the book of `udp_time`; the processes' clocks are set by it, and timers fire when it says so.
* **A crash** is SIGKILL, and a restart a new process that reads the log of the old one. The store commits what a server
  syncs, so what was not synced is gone with the process: every crash loses it, whether or not the line asks for that.
* **A pause** closes the gate in the process.

A server that raises, or whose process ends, is a finding, and is down from then on. Every wait has an end, in an error
that ends the run. `close` kills what is left; should this process end before, the others end by themselves (see
`clusters.agent`), and the next run removes the logs (`scratch`).
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Literal

from attrs import evolve

from checker.properties.base import Property
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import Disk, RaftServer
from checker.stepping import describe_error
from raftframe import effects as fx
from raftframe import events as ev
from raftframe import protocol
from raftframe.api.comms import CommsError
from raftframe.clusters import steered
from raftframe.clusters.agent import Agent, ServerSpec
from raftframe.clusters.control import CALL_TIMEOUT_S
from raftframe.clusters.processes import ProcessCluster
from raftframe.clusters.steered import After
from raftframe.entries import Command
from raftframe.server import ServerError
from raftframe.server_state import DurableState
from raftframe.storage.sqlite import SqliteLogStore
from scenarios.runner.cluster import Occasion, OrderedCluster
from scenarios.runner.errors import ActionError, SetupError
from scenarios.runner.post import Envelope
from scenarios.runner.real import RealCluster
from scenarios.runner.scratch import ScratchFolder
from scenarios.runner.setup import Setup
from scenarios.runner.udp_time import ProcessClock, steered_timing

GREETING_TIMEOUT_S: Final = 10.0
_MOST_TRIES: Final = 5  # to find ports that nobody else takes meanwhile
_CLUSTER: Final = "scenario"


class UdpCluster(RealCluster, OrderedCluster):
    """The servers as processes, and all that lies between them; see the module. Close it when the run is over.

    Raises SetupError if the rules or the application cannot be sent to another process.
    """

    mode = "udp"
    clock: ProcessClock

    def __init__(self, setup: Setup, *, title: str = "", properties: Iterable[Property] = RAFT_PROPERTIES) -> None:
        clock = ProcessClock(setup.timing, setup.seed, ask=self._ask_if_up)
        super().__init__(setup, clock, title=title, properties=properties)
        self._codec = setup.codec
        self._lives = dict.fromkeys(setup.servers, 0)
        self._behind: dict[int, int] = {}  # a message's number: in which life of its target it waits behind the socket
        self._folder = ScratchFolder()
        try:
            self.raft = self._started(setup)
            self._begin(setup.servers)
        except BaseException:
            self.close()
            raise

    def _started(self, setup: Setup) -> ProcessCluster:
        """The processes. A port may be taken between its choice and its use: then all of them are chosen anew."""
        for _ in range(_MOST_TRIES):
            self.raft = ProcessCluster(
                setup.servers,
                _rules_of(setup),
                codec=self._codec,
                data=self._folder.path,
                timing=steered_timing(setup.timing),
                cluster=_CLUSTER,
                monitors=steered.steered,
                prepare=self._prepared,
                method="forkserver",
            )
            try:
                with self._as_action_errors():
                    self.raft.start_all()
            except CommsError:
                self.raft.kill_all()
            else:
                return self.raft
        raise ActionError(f"in {_MOST_TRIES} tries some port was always taken by another program")

    def _prepared(self, spec: ServerSpec) -> ServerSpec:
        """What a process is told, with a clock that stands still and the generator that the book draws from, too."""
        now = partial(steered.clock_at, float(self.clock.now))
        return evolve(spec, clock=now, rng=self.clock.generator(spec.identity))

    def close(self) -> None:
        """End every process, and remove the logs: with them gone, no server has anything to put in order."""
        raft = getattr(self, "raft", None)
        try:
            if raft is not None:
                raft.kill_all()
        finally:
            self._folder.cleanup()

    # Asking processes

    def _ask(self, name: str, function: Callable[..., Any], *args: object) -> Any:  # Any: what the function returns
        """What *function* returns for the agent of *name*."""
        with self._as_action_errors():
            return self.raft.ask(name, function, *args)

    def _ask_if_up(self, name: str, function: Callable[..., After], *args: object) -> After | None:
        """The same, with the moment; None if *name* is down."""
        return self._ask(name, function, self.clock.now, *args) if self.is_up(name) else None

    def _step_of(self, name: str, asking: Callable[[], After]) -> After | None:
        """What *asking* gives; None if the process of *name* has ended."""
        with self._as_action_errors():
            try:
                return asking()
            except ServerError:
                if self.raft.is_up(name):
                    raise
                return None

    # Steps

    def _take(self, name: str, event: ev.Event, occasion: Occasion) -> tuple[str, ...]:
        """One step of *name*; its marks."""
        if self._waits_already(name, event):
            return ()  # a server takes no step for it: what comes of the first try answers both
        after = self._step_of(name, partial(self._told, name, event, occasion.envelope))
        if after is None or after.failed:
            self._is_gone(name, after, occasion.label, occasion.envelope)
            return ()
        step = self._only_step(name, event, after)
        server = RaftServer(step.state, self._disk_after(name, step.effects))
        fresh, replies = self._write_down(name, server, step, occasion)
        if self.is_up(name):
            self.clock.compare(name, after.timers)
        self._pass_on(name, fresh if occasion.straight else [], self._kept_promises(name, replies))
        return tuple(map(str, step.marks))

    def _told(self, name: str, event: ev.Event, envelope: Envelope | None) -> After:
        """Tell *name* what is to happen to it; what it does then. Raises what the process raises, and ServerError."""
        now, raft = self.clock.now, self.raft
        match event:
            case ev.MessageReceived(message):
                if envelope is None or self._behind.pop(envelope.number, None) != self._lives[name]:
                    raft.ask(name, steered.put, message)
                return raft.ask(name, steered.handle, now, message)
            case ev.ClientRequest(command) | ev.ClientRead(command):
                self._check_bytes(command)
                promise = raft.begin(name, steered.submit, now, command)
                self._promises[name, command.client, command.serial] = promise
                return raft.ask(name, steered.rest)
        timer = next((timer for timer, timeout in ev.TIMEOUTS.items() if timeout == event), None)
        if timer is not None:
            return raft.ask(name, steered.fire, now, timer, self.clock.last_was_due)
        return raft.ask(name, steered.order, now, event)  # type: ignore[arg-type]  # all that is left is an order

    def _waits_already(self, name: str, event: ev.Event) -> bool:
        """Whether *event* is the request of a client that waits for its answer at *name* since an earlier try."""
        if not isinstance(event, ev.ClientRequest | ev.ClientRead):
            return False
        return (name, event.command.client, event.command.serial) in self._promises

    def _check_bytes(self, command: Command) -> None:
        problem = self._codec.problem_with(command)
        if problem is not None:
            raise ActionError(f"{command.operation!r} cannot be sent from process to process: {problem}")

    @staticmethod
    def _only_step(name: str, event: ev.Event, after: After) -> Any:
        """The one step of *after*, which is on *event*."""
        if [type(each) for each, _ in after.taken] != [type(event)]:
            raise ActionError(f"{name} was to take a step on {event}, and took {after.taken} (please report this)")
        return after.taken[0][1]

    def _disk_after(self, name: str, effects: Iterable[fx.Effect]) -> Disk:
        disk = self.servers[name].disk
        for effect in effects:
            disk = disk.after(effect)
        return disk

    def _is_gone(self, name: str, after: After | None, label: str, envelope: Envelope | None) -> None:
        """*name* has ended in place of a step: by an exception, in most cases the rules' or the application's; or its
        process has.
        """
        if after is None:
            reason = f"ended: {self.raft.status(name).reason}"
        else:
            reason = f"raised {self._ask(name, _told_error)}"
        self._has_failed(name, reason, label, envelope)

    # Messages

    def _departs(self, envelope: Envelope) -> None:
        """Through the socket. A copy is sent by whoever sent the original, or, if that is down, made at the target."""
        source, target = envelope.source, envelope.target
        if not self.is_up(source):
            return  # a copy: it is put behind the socket when it is handled
        if envelope.copy_of is None:
            self._ask(source, steered.let_go, (envelope.message,))
        else:
            self._ask(source, steered.send_again, envelope.message)
        if self.is_up(target):
            self._behind[envelope.number] = self._lives[target]

    def drop(self, envelope: Envelope) -> None:
        """Lose *envelope*, wherever it is."""
        at = envelope.source if envelope.stage == "sent" else envelope.target
        there = envelope.stage == "sent" or self._behind.pop(envelope.number, None) == self._lives[at]
        super().drop(envelope)
        if there and self.is_up(at):
            self._ask(at, steered.lose, envelope.message)

    # Standing still, up and down

    def pause(self, name: str, why: str = "") -> None:
        """Close the gate of *name*, which runs."""
        super().pause(name, why)
        self._ask(name, steered.pause, self.clock.now)

    def resume(self, name: str) -> None:
        """Open the gate of *name*, which is paused."""
        super().resume(name)
        self.clock.compare(name, self._ask(name, steered.resume, self.clock.now).timers)

    def _end_server(self, name: str, how: Literal["crashed", "stopped"], *, losing_unsynced: bool) -> RaftServer:
        if self.raft.is_up(name):
            end = self.raft.stop if how == "stopped" else self.raft.crash
            end(name)
        left = self.servers[name].disk.synced
        return RaftServer(None, Disk(left, left))

    def _start_server(self, name: str, disk: Disk) -> RaftServer:
        self.raft.start(name)
        self._begin([name])
        return RaftServer(self.raft.state(name), disk)

    def _begin(self, names: Sequence[str]) -> None:
        """*names* have just started: let them stand still, and wait until everybody can reach everybody."""
        for name in names:
            self._lives[name] += 1
            begun: After = self._ask(name, steered.begin)
            self.clock.carry_out(name, fx.StartTimer(fx.Timer.ELECTION))
            self.clock.compare(name, begun.timers)
        end_s = time.monotonic() + GREETING_TIMEOUT_S
        while not self._are_acquainted():
            if time.monotonic() > end_s:
                raise ActionError(f"not all servers have heard of each other in {GREETING_TIMEOUT_S:g} s")
            time.sleep(0.001)

    def _are_acquainted(self) -> bool:
        """Whether each server that is up knows the present life of each other, so that its datagrams are taken."""
        known = {name: self._ask(name, steered.acquaintance) for name in self.names if self.raft.is_up(name)}
        return all(known[one][1][other] == boot for other, (boot, _) in known.items() for one in known if one != other)

    def _empty_disk(self, name: str) -> None:
        self.raft.wipe(name)

    def inject(self, name: str, server: RaftServer, text: str) -> None:
        """Replace the state of *name* on its own thread, or its log if it is down."""
        if server.state is None:
            with self._as_action_errors():
                self._write_log(name, server.disk.written)
            super().inject(name, server, text)
            return
        with self._as_action_errors():
            going = self.raft.begin(name, steered.replace_state, self.clock.now, server.state)
            after = going.result(CALL_TIMEOUT_S)
        super().inject(name, server, text)
        self.clock.compare(name, after.timers)

    def _write_log(self, name: str, durable: DurableState) -> None:
        """A new file for *name*, which is down, with *durable* in it."""
        self.raft.wipe(name)
        path = self._folder.path / f"{name}.sqlite"
        store = SqliteLogStore(path, cluster=_CLUSTER, identity=name, codec=self._codec)
        new = protocol.start(name, self.system.configuration, self.setup.states)
        try:
            for write in self.setup.states.rules(new).writes(new, evolve(new, durable=durable)):
                store.write(write)
            store.sync()
        finally:
            store.close()


def _told_error(agent: Agent) -> str:
    """A call: what has ended the server."""
    error = agent.server.error
    return "nothing" if error is None else describe_error(error)


def _rules_of(setup: Setup) -> Callable[[], Any]:
    """What makes the rules in a process. Raises SetupError if it cannot be sent there."""
    if setup.make_states is None:
        raise SetupError("mode udp: these rules were made by a program, and no other process can make them again")
    try:
        pickle.dumps(setup.make_states)
    except Exception as error:  # pickle raises what it likes
        raise SetupError(f"mode udp: the application cannot be sent to another process: {error}") from error
    return setup.make_states
