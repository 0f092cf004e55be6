"""raftframe's protocol as a system that can be explored: the very code that runs in production, one actor a server.

An actor's state is a `RaftServer`: the server (None while it is down) and its disk, which holds what was written
and, apart from it, what was synced. A crash in an exploration is a power failure: only what was synced is left.

Bounds that make sense here: timeouts, heartbeats, commands, crashes, restarts, and of the network: drops, duplicates;
with the option `check_quorum` also leases, which is how often a follower may find that its leader was silent. With
`async_storage` also stores, receipts and applies, how often what was left for later is done, and tears, how often a
machine may die in between two of its writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Final

from attrs import evolve, field, frozen

import raftframe
from checker.reductions.renaming import renamed
from checker.system import ActorId, Deliver, Event, Local, LocalKind, Message, Send, State, Step
from raftframe import Command, Configuration, DurableState, Options, Role, ServerState, StandardStateMap
from raftframe import effects as fx
from raftframe import events as ev
from raftframe import messages as msg
from raftframe.entries import Index, Term
from raftframe.protocol import Step as ProtocolStep
from raftframe.receipts import Stored
from raftframe.server_state import FollowerData, LeaderData


@frozen
class Disk:
    """What is stored: `written` survives the death of the process, `synced` also that of the machine."""

    written: DurableState = field(factory=DurableState)
    synced: DurableState = field(factory=DurableState)

    def after(self, effect: fx.Effect) -> Disk:
        """The disk after *effect*; effects that don't concern it leave it alone."""
        match effect:
            case fx.WriteTermAndVote() | fx.TruncateLog() | fx.AppendToLog() | fx.StoreSnapshot() | fx.CompactLog():
                return evolve(self, written=fx.written(self.written, effect))
            case fx.Sync():
                return Disk(self.written, self.written)
        return self


@frozen(cache_hash=True)
class RaftServer:
    """A server and its disk. `state` is None while the server is down.

    stores, applies: what a server with `async_storage` has left for later, the oldest first.
    receipts: for what is stored, while the server does not know of it yet.
    """

    state: ServerState | None
    disk: Disk
    stores: tuple[fx.StoreLater, ...] = ()
    applies: tuple[fx.ApplyLater, ...] = ()
    receipts: tuple[Stored, ...] = ()

    @property
    def promised(self) -> DurableState:
        """What others may rely on: while anything is still to be stored, what is stored."""
        return self.disk.synced if self.stores else self.durable

    @property
    def durable(self) -> DurableState:
        """Term, vote and log: as the running server believes, or as its disk would give them back."""
        return self.disk.synced if self.state is None else self.state.durable


@frozen
class Request:
    """Something that a client may ask for. `text` is the operation as a scenario writes it. With a `serial`, it is the
    same command however often it comes: a client that has no answer sends it again.
    """

    client: str
    operation: Hashable
    text: str
    serial: int | None = None

    @property
    def kind(self) -> str:
        """The name of the local event."""
        return f"client {self.client} {self.text}"


@frozen
class Order:
    """Something that an operator may tell a server: a local event called *kind*, which spends *budget*.

    It can happen at running servers in *roles*. Change of members, transfer of leadership and the like are orders.
    """

    kind: str
    event: ev.Event
    budget: str
    roles: frozenset[Role] = frozenset(Role)
    text: str = ""

    def line(self, actor: str) -> str:
        """The line of a scenario that gives this order to *actor*, whose name stands in `text` as {actor}."""
        return (self.text or self.kind).format(actor=actor)


STORE, APPLY, RECEIPT = "store", "apply", "receipt"
TORN: Final = tuple(f"crash after write {number}" for number in (1, 2, 3))
"""The machine dies over what was due to be stored next, when so many of its writes had reached the disk."""
DEFERRED: Final = frozenset({STORE, APPLY, RECEIPT, *TORN})
DEFERRED_KINDS: Final = (
    LocalKind(STORE, budget="stores"),
    LocalKind(APPLY, budget="applies"),
    LocalKind(RECEIPT, budget="receipts"),
    *(LocalKind(kind, budget="tears") for kind in TORN),
)
"""What can happen to a server with `async_storage` beside what can happen to all."""


def with_more_for_later(server: RaftServer, step: ProtocolStep) -> RaftServer:
    """*server* with what *step* leaves for later behind what it had. What writes nothing goes with the last before."""
    stores, applies = list(server.stores), list(server.applies)
    for effect in step.effects:
        match effect:
            case fx.StoreLater(()) if stores:
                stores[-1] = evolve(stores[-1], messages=(*stores[-1].messages, *effect.messages))
            case fx.StoreLater():
                stores.append(effect)
            case fx.ApplyLater():
                applies.append(effect)
    return evolve(server, stores=tuple(stores), applies=tuple(applies))


def _step_of(after: RaftServer, step: ProtocolStep) -> Step:
    sends = tuple(Send(e.message.target, e.message) for e in step.effects if isinstance(e, fx.Send))
    outputs = tuple(e for e in step.effects if isinstance(e, fx.Reply))
    return Step(after, sends, tuple(step.marks), outputs)


def standard_orders(options: Options, servers: Sequence[str]) -> tuple[Order, ...]:
    """What whoever operates *servers* may tell them, as far as *options* let them obey."""
    orders: list[Order] = []
    if options.transfer:
        orders += [_transfer_to(server) for server in servers]
    if options.forget_leader:
        knows = frozenset({Role.FOLLOWER})
        orders.append(Order("forget leader", ev.ForgetLeader(), "forgets", knows, "forget leader {actor}"))
    if options.snapshots:
        orders.append(Order("compact", ev.TakeSnapshot(), "snapshots", text="compact {actor}"))
    return tuple(orders)


def _transfer_to(server: str) -> Order:
    kind, leads = f"transfer to {server}", frozenset({Role.LEADER})
    return Order(kind, ev.TransferLeadership(server), "transfers", leads, f"transfer {{actor}} -> {server}")


class RaftSystem:
    """A cluster of *servers* servers (s1, s2 ...), by the rules in *states*.

    Its client c1 asks for *operations*, in turn; or, if there are *requests*, any of them may come at any time, each
    being a kind of event of its own; one that only reads may come at any server, if reads need no entry. All spend the
    budget `commands`. *orders*, and those that the options allow, may come at any time, too.

    Servers that are *joining* run beside them from the beginning, but belong to the cluster only when somebody has
    added them; *learners* are those of the *servers* that have no vote. *own_states* has the rules of the servers that
    differ from *states*, which should then allow whatever any of them does.
    """

    def __init__(
        self,
        states: StandardStateMap,
        *,
        servers: int = 3,
        operations: Sequence[Hashable] = ("x",),
        requests: Sequence[Request] = (),
        orders: Sequence[Order] = (),
        joining: Collection[str] = (),
        learners: Collection[str] = (),
        own_states: Mapping[str, StandardStateMap] | None = None,
    ) -> None:
        if servers < 1:
            raise ValueError(f"a cluster has at least one server, not {servers}")
        if not operations:
            raise ValueError("name at least one operation for the clients to ask for")
        self.states = states
        self.own_states = dict(own_states or {})
        members = [f"s{number}" for number in range(1, servers + 1)]
        self.actors = tuple(sorted({*members, *joining}))
        voters = tuple(name for name in members if name not in learners)
        self.configuration = Configuration(voters, learners=tuple(learners))
        self.operations = tuple(operations)
        self.requests = {request.kind: request for request in requests}
        every_order = (*standard_orders(states.options, self.actors), *orders)
        self.orders = {order.kind: order for order in every_order}
        self.local_kinds = (
            LocalKind("timeout", budget="timeouts"),
            LocalKind("heartbeat", budget="heartbeats"),
            *((LocalKind("expire", budget="leases"),) if states.options.check_quorum else ()),
            *(LocalKind(kind, budget="commands", numbered=True) for kind in self.requests or ("command",)),
            *(LocalKind(order.kind, budget=order.budget) for order in every_order),
            *(DEFERRED_KINDS if states.options.async_storage else ()),
            LocalKind("crash", budget="crashes"),
            LocalKind("restart", budget="restarts"),
        )

    def states_of(self, server: str) -> StandardStateMap:
        """The rules that *server* follows."""
        return self.own_states.get(server, self.states)

    def initial(self, actor: ActorId) -> RaftServer:
        """A server that has never run before."""
        return RaftServer(raftframe.start(str(actor), self.configuration, self.states_of(str(actor))), Disk())

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """One event at one server. A message that reaches a server which is down is lost."""
        assert isinstance(state, RaftServer)
        match event:
            case Deliver(_, message):
                if state.state is None:
                    return Step(state, marks=("lost",))
                return self._taken(state, ev.MessageReceived(message))  # type: ignore[arg-type]  # the network carries Raft's
            case Local("crash"):
                return (
                    None if state.state is None else Step(self.crashed(state, losing_unsynced=True), marks=("crashed",))
                )
            case Local("restart"):
                return (
                    None if state.state is not None else Step(self.restarted(str(actor), state), marks=("restarted",))
                )
            case Local(kind, number):
                return self._local(state, kind, number)

    def _local(self, server: RaftServer, kind: str, number: int) -> Step | None:
        if kind in self.orders:
            order = self.orders[kind]
            possible = server.state is not None and server.state.role in order.roles
            return self._taken(server, order.event) if possible else None
        if server.state is None:
            return None
        if kind in DEFERRED:
            return self._deferred(server, kind)
        asked = self.asked(kind, number)
        if not isinstance(asked, ev.ClientRead) and not self.is_possible(server.state, kind):
            return None
        if asked is not None:
            return self._taken(server, asked)
        match kind:
            case "timeout":
                return self._taken(server, ev.ElectionTimeout())
            case "heartbeat":
                return self._taken(server, ev.HeartbeatTimeout())
            case "expire":
                return self._taken(server, ev.LeaseTimeout())
        raise ValueError(f"a server knows no event {kind!r}")

    def asked(self, kind: str, number: int) -> ev.ClientRequest | ev.ClientRead | None:
        """What a client asks for in the local event *kind*, the *number*-th of its budget, from 0; None if none does.
        No client's serial comes twice in a run, but that of a request which has a serial of its own.
        """
        if kind == "command":
            return self.states.asking(self.command(number))
        if kind in self.requests:
            request = self.requests[kind]
            serial = number + 1 if request.serial is None else request.serial
            return self.states.asking(Command(request.client, serial, request.operation))
        return None

    def is_possible(self, state: ServerState, kind: str) -> bool:
        """Whether the timer runs that *kind* lets fire; of clients, only leaders are asked."""
        if kind == "timeout" and not self.states_of(state.identity).rules(state).may_campaign(state):
            return False  # it would only start its timer again
        match state.data, kind:
            case LeaderData(successor=successor), "timeout":
                return self.states_of(state.identity).options.check_quorum or successor is not None
            case LeaderData(), _:
                return kind != "expire"
            case FollowerData(leader), "expire":
                return leader is not None
        return kind == "timeout"

    def command(self, number: int) -> Command:
        """The command that the run's client sends as its *number*-th, from 0."""
        return Command("c1", number + 1, self.operations[number % len(self.operations)])

    def _deferred(self, server: RaftServer, kind: str) -> Step | None:
        """What was left for later is done, or the server dies over it: any write may have been the last."""
        if kind == APPLY:
            return _step_of(*self.complete_apply(server)) if server.applies else None
        if kind == RECEIPT:
            return _step_of(*self.complete_receipt(server)) if server.receipts else None
        if not server.stores:
            return None
        if kind == STORE:
            return _step_of(*self.complete_store(server))
        count = TORN.index(kind) + 1
        return Step(self.torn(server, count), marks=("crashed",)) if count <= len(server.stores[0].writes) else None

    def _taken(self, server: RaftServer, event: ev.Event) -> Step:
        return _step_of(*self.take(server, event))

    def rename(self, thing: Hashable, names: Mapping[ActorId, ActorId]) -> Hashable:
        """*thing* where each server is another. Nothing else is called as a server is."""
        return renamed(thing, names)

    def rename_kind(self, kind: str, names: Mapping[ActorId, ActorId]) -> str:
        """An order to a server is the same order to another; the other kinds name nobody."""
        order = self.orders.get(kind)
        if order is None:
            return kind
        event = renamed(order.event, names)
        return next((one.kind for one in self.orders.values() if one.event == event), "")

    # For drivers that steer a cluster by hand

    def take(self, server: RaftServer, event: ev.Event) -> tuple[RaftServer, ProtocolStep]:
        """The running *server* after *event*, every write and sync carried out, and the protocol's step."""
        assert server.state is not None, "a server that is down takes no step"
        step = raftframe.step(server.state, event, self.states_of(server.state.identity))
        disk = server.disk
        for effect in step.effects:
            disk = disk.after(effect)
        if step.state.stable is not None:
            return with_more_for_later(evolve(server, state=step.state, disk=disk), step), step
        return RaftServer(step.state, disk), step

    def complete_store(self, server: RaftServer) -> tuple[RaftServer, ProtocolStep]:
        """The running *server* after the oldest of what it has left to store was stored, and the messages sent that
        waited for it; the receipt comes later. The step has every effect of that.
        """
        assert server.state is not None, "a server that is down stores nothing"
        oldest, *rest = server.stores
        done = (*oldest.writes, fx.Sync(), *(fx.Send(message) for message in oldest.messages))
        disk = server.disk
        for effect in done:
            disk = disk.after(effect)
        receipts = (*server.receipts, oldest.receipt)
        after = evolve(server, disk=disk, stores=tuple(rest), receipts=receipts)
        return after, ProtocolStep(server.state, done, ())

    def complete_receipt(self, server: RaftServer) -> tuple[RaftServer, ProtocolStep]:
        """The running *server* after it got the oldest receipt for what is stored, and the step."""
        oldest, *rest = server.receipts
        return self.take(evolve(server, receipts=tuple(rest)), oldest)

    def complete_apply(self, server: RaftServer) -> tuple[RaftServer, ProtocolStep]:
        """The running *server* after its application came to the oldest of what it was asked for, and the step."""
        oldest, *rest = server.applies
        return self.take(evolve(server, applies=tuple(rest)), oldest.receipt)

    def torn(self, server: RaftServer, count: int) -> RaftServer:
        """*server* after its machine died when *count* of the writes that were due next had reached the disk."""
        disk = server.disk
        for write in server.stores[0].writes[:count]:
            disk = disk.after(write)
        return RaftServer(None, Disk(disk.written, disk.written))

    def crashed(self, server: RaftServer, *, losing_unsynced: bool) -> RaftServer:
        """*server* after its process died, or its machine did."""
        left = server.disk.synced if losing_unsynced else server.disk.written
        return RaftServer(None, Disk(left, left))

    def restarted(self, actor: str, server: RaftServer) -> RaftServer:
        """*server*, begun again from its disk."""
        states = self.states_of(actor)
        return RaftServer(raftframe.recover(actor, self.configuration, server.disk.written, states), server.disk)

    # How it looks

    def describe_state(self, actor: ActorId, state: State) -> Mapping[str, str]:
        """The fields that pictures and traces show."""
        assert isinstance(state, RaftServer)
        server, durable = state.state, state.durable
        shown = {
            "role": "down" if server is None else str(server.role),
            "term": str(durable.term),
            "voted_for": durable.voted_for or "-",
            "log": _terms(durable.log),
            "commit": "-" if server is None else str(server.commit_index),
            "leader": "-" if server is None else server.leader or "-",
            "app": "-" if server is None else str(server.app_state),
        }
        if self.states.options.linearizable_reads:
            shown["reads"] = "-" if server is None else _reads(server)
        if durable.snapshot is not None:
            shown["snapshot"] = f"{durable.snapshot.last_index}/{durable.snapshot.last_term}"
        if server is not None and server.stable is not None:
            shown["stable"] = str(server.stable.index)
            shown["pending"] = f"{len(state.stores)}/{len(state.receipts)}/{len(state.applies)}"
        if self.states.options.membership:
            shown["config"] = "-" if server is None else str(server.configuration)
        return shown

    def describe_message(self, message: Message) -> str:
        """The message's type, its term, and what it asks or answers."""
        match message:
            case msg.RequestVote():
                last = f"last={message.last_log_index}/{message.last_log_term}"
                return f"RequestVote term={message.term} {last}{' transfer' if message.transfer else ''}"
            case msg.PreVote():
                return f"PreVote term={message.term} last={message.last_log_index}/{message.last_log_term}"
            case msg.PreVoteResponse():
                return f"PreVoteResponse term={message.term} {'grant' if message.granted else 'reject'}"
            case msg.TimeoutNow():
                return f"TimeoutNow term={message.term}"
            case msg.RequestVoteResponse():
                return f"RequestVoteResponse term={message.term} {'grant' if message.granted else 'reject'}"
            case msg.AppendEntries():
                terms = " ".join(str(entry.term) for entry in message.entries)
                previous = f"{message.previous_index}/{message.previous_term}"
                return (
                    f"AppendEntries term={message.term} prev={previous} entries=[{terms}] commit={message.commit_index}"
                    f"{_round(message)}"
                )
            case msg.AppendEntriesResponse():
                verdict = "" if message.success else " reject"
                return f"AppendEntriesResponse term={message.term} index={message.index}{verdict}{_round(message)}"
            case msg.ReadIndex():
                return f"ReadIndex term={message.term} {message.client} {message.serial}"
            case msg.ReadIndexResponse():
                verdict = "" if message.success else " reject"
                asked = f"{message.client} {message.serial}"
                return f"ReadIndexResponse term={message.term} {asked} index={message.index}{verdict}"
        return _describe_snapshot(message) or repr(message)


def _describe_snapshot(message: Message) -> str | None:
    """What a message about a snapshot asks or answers; None for any other."""
    match message:
        case msg.InstallSnapshot():
            part = f"part={message.offset}{' done' if message.done else ''}"
            return (
                f"InstallSnapshot term={message.term} last={message.index}/{message.last_term} {part}{_round(message)}"
            )
        case msg.InstallSnapshotResponse():
            verdict = "" if message.installed else f" part={message.offset} reject"
            return f"InstallSnapshotResponse term={message.term} index={message.index}{verdict}{_round(message)}"
    return None


def no_larger_than(*, terms: Term | None = None, log: Index | None = None) -> Callable[[ActorId, State], bool] | None:
    """The `within` that lets no term rise above *terms* and no log grow beyond *log* entries; None without both."""
    if terms is None and log is None:
        return None

    def within(_actor: ActorId, state: State) -> bool:
        assert isinstance(state, RaftServer)
        durable = state.durable
        return (terms is None or durable.term <= terms) and (log is None or durable.log.last_index <= log)

    return within


def _round(message: msg.AppendEntries | msg.InstallSnapshot | msg.Acknowledgement) -> str:
    return f" round={message.read_round}" if message.read_round else ""


def _reads(server: ServerState) -> str:
    """Who waits for an answer, and from which index on it may be given."""
    shown = (f"{read.command.client}@{'?' if read.index is None else read.index}" for read in server.reads)
    return " ".join(shown) or "-"


def _terms(log: raftframe.Log) -> str:
    return "[" + " ".join(map(str, log.terms)) + "]"
