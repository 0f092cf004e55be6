"""A cluster of Raft, what may happen in it, and where a search of it begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field, frozen

from checker.properties import Property
from checker.properties.clients import linearizable
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import Disk, Order, RaftServer, RaftSystem, Request
from checker.runs.replay import Properties
from checker.system import ActorId, Bounds, State
from checker.world import Delivery, LocalEvent, Rules, Transition, World, WorldEvent, make_world
from raftframe import NOOP, DurableState, Entry, Log, Options, StandardStateMap
from raftframe.api.app import RecordingApp


@frozen(kw_only=True)
class Space:
    """All that can become of *servers* servers with *options*, on *network*, within *bounds*.

    `given` has the logs, as terms, and the term with which the servers begin (`given_terms`: where it differs), for
    what takes a long history; `prelude` has events that come before the search, in short, for a history that logs
    cannot tell: `timeout s1`, `client c2 read s1`, or a message delivered, `RequestVote s1 s2` (the first such, or the
    one with the number given, from 0).

    `requests` has what clients may ask for; what they see must then be linearizable. `asked_before` has what they ask
    for in the prelude only. `orders`, `joining` and `learners` are as in `checker.raft_system`.
    """

    bounds: Mapping[str, int]
    servers: int = 3
    network: str = "unordered"
    options: Options = field(factory=lambda: Options(noop=False, announce_commit=False))
    given: Mapping[str, tuple[int, ...]] = field(factory=dict)
    given_term: int = 0
    given_terms: Mapping[str, int] = field(factory=dict)
    prelude: tuple[str, ...] = ()
    properties: tuple[Property, ...] = RAFT_PROPERTIES
    requests: tuple[Request, ...] = ()
    asked_before: tuple[Request, ...] = ()
    orders: tuple[Order, ...] = ()
    joining: tuple[str, ...] = ()
    learners: tuple[str, ...] = ()
    app: type[RecordingApp] = RecordingApp

    def cluster(self, states: StandardStateMap | None = None) -> RaftSystem:
        """The cluster, by the rules in *states*; None means the correct ones."""
        return self._cluster(states or StandardStateMap(self.app(), self.options))

    def _cluster(self, states: StandardStateMap, asked_before: tuple[Request, ...] = ()) -> RaftSystem:
        return RaftSystem(
            states,
            servers=self.servers,
            operations=("x", "y", "z"),
            requests=(*asked_before, *self.requests),
            orders=self.orders,
            joining=self.joining,
            learners=self.learners,
        )

    def properties_of(self, system: RaftSystem) -> tuple[Property, ...]:
        """What must hold in *system*, one of `cluster()`."""
        return (*self.properties, linearizable(system)) if self.requests else self.properties

    def start(self, system: RaftSystem) -> World | None:
        """The world that the search begins in; None for a fresh cluster."""
        if self.prelude:
            return self._after_prelude(system)
        if not self.given and not self.given_term:
            return None
        servers: dict[ActorId, State] = {
            actor: _begun(system, actor, self.given.get(str(actor), ()), self._term_of(str(actor)))
            for actor in system.actors
        }
        return make_world(system, network=self.network, states=servers)

    def _term_of(self, server: str) -> int:
        return self.given_terms.get(server, self.given_term)

    def prelude_events(self, system: RaftSystem) -> tuple[WorldEvent, ...]:
        """The events of `prelude`, from a fresh cluster on."""
        return tuple(transition.event for transition in self._prelude_transitions(system))

    def _after_prelude(self, system: RaftSystem) -> World:
        *_, last = self._prelude_transitions(system)
        return last.world

    def _prelude_transitions(self, system: RaftSystem) -> Iterator[Transition]:
        system = self._cluster(system.states, self.asked_before)
        rules = Rules(
            system=system,
            network=self.network,
            bounds=Bounds({kind.budget: 99 for kind in system.local_kinds}),
            monitors=Properties.sort(self.properties_of(system)).monitors,
        )
        world = rules.initial()
        for text in " ; ".join(self.prelude).split(";"):
            event = _prelude_event(world, text.split())
            transition = rules.apply(world, event)
            assert transition is not None, f"the prelude's {text!r} cannot happen"
            yield transition
            world = transition.world

    @property
    def bound(self) -> Bounds:
        """`bounds` as the checker takes them."""
        return Bounds(dict(self.bounds))


def _prelude_event(world: World, words: list[str]) -> WorldEvent:
    if words[0] == "client" or len(words) == 2:
        return LocalEvent(words[-1], " ".join(words[:-1]))
    what, actor, target, nth = (*words, "0")[:4]
    content = dict(world.channels)[actor, target]
    alike = [message for message in content.choices() if type(message).__name__ == what]
    return Delivery(actor, target, alike[int(nth)])


def _begun(system: RaftSystem, actor: ActorId, terms: tuple[int, ...], term: int) -> RaftServer:
    """A server whose disk holds a log of these terms. Equal index and term mean equal entries, as log matching
    demands.
    """
    stored = DurableState(term=term, voted_for=None, log=Log(tuple(Entry(t, NOOP) for t in terms)))
    return system.restarted(str(actor), RaftServer(None, Disk(stored, stored)))
