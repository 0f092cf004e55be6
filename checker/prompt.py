"""Raft on a prompt network: whatever is sent over a link that is not cut arrives before anything else happens.

So a cluster is the states of its servers and the links that are cut, nothing is on its way, and there are few enough
clusters to ask what must come about (`checker.unavoidable`). What this leaves out is what `checker.explore` looks at:
messages that are late, or lost on links that work.

Timers are patient: an election timer fires only at a server that no leader of its term reaches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from attrs import evolve, field, frozen

import raftframe
from raftframe import Command, Configuration, DurableState, Role, ServerState, StandardStateMap
from raftframe import effects as fx
from raftframe import events as ev
from raftframe.entries import Index, ServerId, Term
from raftframe.messages import Message

Links = frozenset[tuple[ServerId, ServerId]]


@frozen(cache_hash=True)
class Cluster:
    """Servers by name, in order, and the pairs of them between which nothing arrives, each pair in both directions."""

    servers: tuple[ServerState, ...]
    cut: Links = frozenset()

    def of(self, server: ServerId) -> ServerState:
        """The state of *server*."""
        return next(state for state in self.servers if state.identity == server)

    def leaders(self) -> tuple[ServerState, ...]:
        """Those that lead, as far as they know."""
        return tuple(state for state in self.servers if state.role is Role.LEADER)


@frozen
class PromptRaft:
    """A cluster by the rules in *states*. Leaders take commands until their log has *last_index* entries. With
    *networks* the network changes at any moment from one of these cuts to another; with *restarts* servers begin again
    from their disks. Servers that are *gone* take no part.

    Without commands only the differences of terms matter: the lowest is told as 1, and none rises above *most_terms*
    then. With commands none does at all.
    """

    states: StandardStateMap
    servers: tuple[ServerId, ...]
    most_terms: Term
    last_index: Index = 0
    networks: tuple[Links, ...] = ()
    restarts: bool = False
    gone: frozenset[ServerId] = frozenset()
    _known: dict[tuple[ServerState, ev.Event], tuple[ServerState, tuple[Message, ...]]] = field(
        factory=dict, init=False, eq=False
    )  # steps come again and again

    def begin(self, cut: Links = frozenset(), stored: Mapping[ServerId, DurableState] | None = None) -> Cluster:
        """A cluster that has never run before, or begins again from what some servers have *stored*."""
        disks = stored or {}
        return Cluster(tuple(self._begun(name, disks.get(name, DurableState())) for name in self.servers), cut)

    def _begun(self, server: ServerId, stored: DurableState) -> ServerState:
        return raftframe.recover(server, Configuration(self.servers), stored, self.states)

    def moves(self, cluster: Cluster) -> Mapping[str, Cluster]:
        """What may happen next, by name, but for what changes nothing."""
        made = {name: self._told(after) for name, after in self._moves(cluster)}
        return {name: after for name, after in made.items() if after != cluster and self._is_within(after)}

    def _told(self, cluster: Cluster) -> Cluster:
        above = min(state.term for state in self._there(cluster)) - 1
        if self.last_index or above <= 0:
            return cluster
        servers = (state if state.identity in self.gone else _earlier(state, above) for state in cluster.servers)
        return evolve(cluster, servers=tuple(servers))

    def without(self, cluster: Cluster) -> Cluster:
        """*cluster* on a whole network, those who are gone as if they had never been."""
        fresh = {state.identity: state for state in self.begin().servers}
        servers = (fresh[state.identity] if state.identity in self.gone else state for state in cluster.servers)
        return self._told(Cluster(tuple(servers)))

    def _there(self, cluster: Cluster) -> Iterator[ServerState]:
        return (state for state in cluster.servers if state.identity not in self.gone)

    def _moves(self, cluster: Cluster) -> Iterator[tuple[str, Cluster]]:
        for number, cut in enumerate(self.networks):
            yield f"network {number}", evolve(cluster, cut=cut)
        for state in self._there(cluster):
            if self.restarts:
                yield f"restart {state.identity}", self._restarted(cluster, state)
            for name, events in self._events(cluster, state):
                after = cluster
                for event in events:
                    after = self._after(after, state.identity, event)
                yield f"{name} {state.identity}", after

    def _events(self, cluster: Cluster, state: ServerState) -> Iterator[tuple[str, tuple[ev.Event, ...]]]:
        """The moves of one server. A leader beats before it checks whether a majority has answered."""
        if state.role is Role.LEADER:
            yield "heartbeat", (ev.HeartbeatTimeout(),)
            if state.log.last_index < self.last_index:
                yield "command", (ev.ClientRequest(Command("c1", state.log.last_index + 1, "x")),)
            if self.states.options.check_quorum:
                yield "check", (ev.HeartbeatTimeout(), ev.ElectionTimeout())
        elif not self._hears(cluster, state):
            yield "timeout", (ev.ElectionTimeout(),)
            yield "expire", (ev.LeaseTimeout(),)

    def _restarted(self, cluster: Cluster, state: ServerState) -> Cluster:
        again = self._begun(state.identity, state.durable)
        return evolve(cluster, servers=tuple(again if one is state else one for one in cluster.servers))

    def _hears(self, cluster: Cluster, state: ServerState) -> bool:
        """Whether a leader of its term reaches it."""
        return any(
            leader.term == state.term and (leader.identity, state.identity) not in cluster.cut
            for leader in cluster.leaders()
        )

    def _is_within(self, cluster: Cluster) -> bool:
        return all(state.term <= self.most_terms for state in cluster.servers)

    def _after(self, cluster: Cluster, server: ServerId, event: ev.Event) -> Cluster:
        """*event* at *server*, and all that follows from it, message by message in the order of sending."""
        servers = {state.identity: state for state in cluster.servers}
        waiting: list[Message] = []
        servers[server] = self._step(servers[server], event, waiting)
        for message in waiting:  # which grows
            if (message.source, message.target) not in cluster.cut and message.target not in self.gone:
                servers[message.target] = self._step(servers[message.target], ev.MessageReceived(message), waiting)
        return evolve(cluster, servers=tuple(servers[name] for name in self.servers))

    def _step(self, state: ServerState, event: ev.Event, waiting: list[Message]) -> ServerState:
        known = self._known.get((state, event))
        if known is None:
            step = raftframe.step(state, event, self.states)
            sent = tuple(effect.message for effect in step.effects if isinstance(effect, fx.Send))
            known = self._known[state, event] = (step.state, sent)
        waiting += known[1]
        return known[0]


def _earlier(state: ServerState, terms: Term) -> ServerState:
    return evolve(state, durable=evolve(state.durable, term=state.term - terms))


def cutting(*pairs: tuple[ServerId, ServerId]) -> Links:
    """The network in which these pairs do not reach each other."""
    return frozenset(pair for one, other in pairs for pair in ((one, other), (other, one)))


def isolating(server: ServerId, servers: Collection[ServerId]) -> Links:
    """The network in which *server* reaches nobody."""
    return cutting(*((server, other) for other in servers if other != server))


def only(links: Iterable[tuple[ServerId, ServerId]], servers: Collection[ServerId]) -> Links:
    """The network that has these *links* and no others."""
    there = {pair for one, other in links for pair in ((one, other), (other, one))}
    return frozenset((a, b) for a in servers for b in servers if a != b and (a, b) not in there)
