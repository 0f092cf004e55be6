"""A cluster of real steps for tests: messages in a list, disks that lose what was not synced, every promise checked.

A crash may happen between any two effects of a step; the checker's own model of a crash is coarser. After every step
the properties of `checker.properties.raft` are evaluated, and what they find is collected in `problems`. Every step is
taken twice, on copies, and must come out equal.
"""

from __future__ import annotations

import pickle
from collections.abc import Hashable, Sequence
from typing import Any

from checker.properties import Invariant, Monitor, StepRule
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import Disk, RaftServer, RaftSystem
from checker.system import Local, Send, Step
from raftframe import DurableState, Options, Role, ServerState
from raftframe import effects as fx
from raftframe import messages as msg
from raftframe.entries import ServerId, Term
from raftframe.events import ElectionTimeout, Event, HeartbeatTimeout, MessageReceived
from raftframe.protocol import Step as ProtocolStep

from .support import PLAIN, ask, states_of

HAPPENED = Local("event")
"""What the properties are told: none of them asks which event it was."""


class Cluster:
    """Servers s1, s2 ... with their disks, and the messages in flight, oldest first."""

    def __init__(self, *, count: int = 3, options: Options = PLAIN, mixin: type | None = None) -> None:
        self.system = RaftSystem(states_of(options, mixin=mixin), servers=count)
        self.servers = {str(server): self.system.initial(server) for server in self.system.actors}
        self.in_flight: list[msg.Message] = []
        self.problems: list[str] = []
        self.serial = 0
        self.steps: list[ProtocolStep] = []
        self._history: dict[str, Hashable] = {p.name: p.initial for p in RAFT_PROPERTIES if isinstance(p, Monitor)}

    # What happens

    def do(
        self, server: ServerId, event: Event, *, dies_after: int | None = None, losing_unsynced: bool = True
    ) -> None:
        """*event* happens at *server*; with *dies_after*, it crashes when so many effects of the step are done."""
        before = self.servers[server]
        if before.state is None:
            return
        after, step = self.system.take(before, event)
        assert_pure(before.state, event, step, self.system)
        self.steps.append(step)
        if dies_after is not None:
            disk = before.disk
            for effect in step.effects[:dies_after]:
                disk = disk.after(effect)
            after = self.system.crashed(RaftServer(step.state, disk), losing_unsynced=losing_unsynced)
        done = step.effects[:dies_after]
        sends = [effect.message for effect in done if isinstance(effect, fx.Send)]
        check_effects(before.disk, step.effects[:dies_after], self.problems)
        self._becomes(server, after, sends)

    def crash(self, server: ServerId, *, losing_unsynced: bool = True) -> None:
        """*server* dies between two steps."""
        if self.servers[server].state is not None:
            self._becomes(server, self.system.crashed(self.servers[server], losing_unsynced=losing_unsynced))

    def restart(self, server: ServerId) -> None:
        """*server* begins again from its disk, unless it is running."""
        if self.servers[server].state is None:
            self._becomes(server, self.system.restarted(server, self.servers[server]))

    def receive(self, position: int, *, dies_after: int | None = None, keep: bool = False) -> None:
        """The message at *position* arrives; with *keep*, a copy stays in flight."""
        message = self.in_flight[position] if keep else self.in_flight.pop(position)
        self.do(message.target, MessageReceived(message), dies_after=dies_after)

    # In larger pieces

    def deliver(self, source: ServerId, target: ServerId) -> None:
        """The oldest message from *source* to *target* arrives."""
        self.receive(next(i for i, m in enumerate(self.in_flight) if (m.source, m.target) == (source, target)))

    def lose_all(self) -> None:
        """Nothing that is in flight arrives."""
        self.in_flight.clear()

    def stand(self, server: ServerId, *, term: Term = 0) -> None:
        """*server* has election timeouts until it stands in *term*, at least once."""
        self.do(server, ElectionTimeout())
        while self.running(server).term < term:
            self.lose_all()
            self.do(server, ElectionTimeout())

    def elect(self, server: ServerId, *, by: Sequence[ServerId], term: Term = 0) -> None:
        """*server* stands in *term* and is elected by the servers *by*; other messages are lost."""
        self.stand(server, term=term)
        for voter in by:
            self.deliver(server, voter)
            self.deliver(voter, server)
        assert self.running(server).role is Role.LEADER, self.running(server)
        self.in_flight = [message for message in self.in_flight if isinstance(message, msg.AppendEntries)]

    def settle(self, at_most: int = 5000) -> None:
        """Every message arrives, oldest first, until none is in flight."""
        for _ in range(at_most):
            if not self.in_flight:
                return
            self.receive(0)
        raise AssertionError(f"still {len(self.in_flight)} messages in flight after {at_most} deliveries")

    def heal(self) -> ServerId:
        """Everybody runs, nothing more is lost; returns the leader that brought all of them together."""
        for server in self.servers:
            self.restart(server)
        self.settle()
        for server in [*self.servers] * 3:  # whose log is behind may lose an election, but not all of three rounds
            if self.running(server).role is not Role.LEADER:
                self.do(server, ElectionTimeout())
                self.settle()
            if self.running(server).role is Role.LEADER:
                self.serial += 1
                self.do(server, ask("healed", self.serial))
                self.settle()
                self.do(server, HeartbeatTimeout())
                self.settle()
                return server
        raise AssertionError("nobody was elected although nothing was lost")

    # What is

    def running(self, server: ServerId) -> ServerState:
        """The state of *server*, which must be running."""
        state = self.servers[server].state
        assert state is not None, f"{server} is down"
        return state

    def durable(self, server: ServerId) -> DurableState:
        """Term, vote and log of *server*."""
        return self.servers[server].durable

    def _becomes(self, server: ServerId, after: RaftServer, sends: Sequence[msg.Message] = ()) -> None:
        before = self.servers[server]
        self.servers[server] = after
        self.in_flight.extend(sends)
        step = Step(after, tuple(Send(message.target, message) for message in sends))
        for rule in RAFT_PROPERTIES:
            match rule:
                case StepRule():
                    self._note(rule.name, rule.check(server, before, HAPPENED, step))
                case Monitor() if (seen := rule.observe(server, before, HAPPENED, step)) is not None:
                    move = rule.advance(self._history[rule.name], seen)
                    self._history[rule.name] = move.state
                    self._note(rule.name, move.broken)
        for rule in RAFT_PROPERTIES:
            if isinstance(rule, Invariant):
                views: dict[Hashable, Any] = {actor: rule.view(actor, state) for actor, state in self.servers.items()}
                history = self._history[rule.monitor.name] if rule.monitor is not None else None
                self._note(rule.name, rule.judge(views, history))

    def _note(self, name: str, reason: str | None) -> None:
        if reason is not None:
            self.problems.append(f"{name}: {reason}")


def assert_pure(before: ServerState, event: Event, step: ProtocolStep, system: RaftSystem) -> None:
    """Taken again, on copies, the step comes out equal; a copy of it is equal and hashes alike."""
    twin_state, twin_event = pickle.loads(pickle.dumps((before, event)))
    _after, again = system.take(RaftServer(twin_state, Disk(before.durable, before.durable)), twin_event)
    copied = pickle.loads(pickle.dumps(step))

    assert again == step, f"{event} at {before} gives {step}, then {again}"
    assert (copied, hash(copied)) == (step, hash(step))
    assert (twin_state, twin_event) == (before, event), "the step has changed what it was given"


def check_effects(disk: Disk, effects: Sequence[fx.Effect], problems: list[str]) -> None:
    """Note whatever is sent, applied or answered, and speaks of what a power failure could still take away."""
    for effect in effects:
        disk = disk.after(effect)
        if isinstance(effect, fx.Send) and not is_backed(effect.message, disk.synced):
            problems.append(f"sent before it was safe: {effect.message}, with {disk.synced} synced")
        if isinstance(effect, fx.Apply) and not _has(disk.synced, effect):
            problems.append(f"applied before it was safe: {effect}, with {disk.synced} synced")


def is_backed(message: msg.Message, synced: DurableState) -> bool:
    """Whether everything that *message* says of its sender is in *synced*."""
    if synced.term < message.term:
        return False
    same_term = synced.term == message.term
    match message:
        case msg.RequestVote(source, last_log_index=index, last_log_term=term):
            return synced.voted_for == source and (synced.log.last_index, synced.log.last_term) == (index, term)
        case msg.RequestVoteResponse(target=candidate, granted=True):
            return same_term and synced.voted_for == candidate
        case msg.AppendEntries():
            return synced.log.between(message.previous_index + 1, message.last_index) == message.entries
        case msg.AppendEntriesResponse(success=True):
            return same_term and synced.log.last_index >= message.index
        case msg.InstallSnapshot():
            return synced.snapshot is not None and synced.snapshot.last_index == message.index
        case msg.InstallSnapshotResponse(installed=True):
            return same_term and synced.log.last_index >= message.index
    return True


def _has(synced: DurableState, effect: fx.Apply) -> bool:
    return effect.index in synced.log and synced.log.at(effect.index) == effect.entry
