"""What a world is, and which worlds follow it: the definition that everything fast is tested against.

A world holds one state for each actor, the content of each channel, how much of each budget was used, and the state of
each monitor. A *channel* leads from one actor to another and has one of three natures, the same for a whole world:

* `unordered`: a bag. Any message in it may be next. Two equal messages in a bag are one choice.
* `fifo`: a queue. Only its head may be next.
* `ever-sent`: a set that only grows. Any message ever sent may arrive at any time, again and again, or never: loss,
  duplication and reordering for free, so budgets for drops and duplicates make no sense there.

What can happen in a world, each way being one *transition*, also if it leads back to the same world:

* a local event at an actor, for as long as its budget lasts and if the actor can have it in its state;
* the delivery of a message that may be next on its channel, unless the channel is blocked;
* the loss of such a message, which spends one of `drops`;
* its duplication, which spends one of `duplicates`: a second copy in a bag, a copy right behind the head in a queue.

A step that raises, or that breaks the contract of `System.step`, changes nothing in its actor; its message is gone and
its budget spent all the same, and the transition carries the finding.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from attrs import evolve, field, frozen

from checker.errors import UsageError, did_you_mean, expect
from checker.properties.base import Invariant, Monitor, StepRule, as_reason, show
from checker.stepping import Finding, Outcome, Watch, describe_error, move, perform
from checker.system import ActorId, Bounds, Deliver, Event, Local, LocalKind, Message, State, Step, System

Channel: TypeAlias = tuple[ActorId, ActorId]
Network: TypeAlias = Literal["unordered", "fifo", "ever-sent"]
NETWORKS: tuple[str, ...] = get_args(Network)
DROPS = "drops"
DUPLICATES = "duplicates"


# --- contents of channels ---------------------------------------------------------------------------------------------


class Bag:
    """An unordered channel: how many copies of each message are in flight. Equal whatever the order of arrival."""

    __slots__ = ("_counts", "_hash")

    def __init__(self, counts: Mapping[Message, int] | None = None) -> None:
        self._counts: dict[Message, int] = dict(counts or {})
        self._hash = hash(frozenset(self._counts.items()))

    def choices(self) -> tuple[Message, ...]:
        """The messages that may be next, each once, in order of arrival."""
        return tuple(self._counts)

    def messages(self) -> tuple[Message, ...]:
        """Every message in flight, copies repeated."""
        return tuple(message for message, count in self._counts.items() for _ in range(count))

    def add(self, message: Message) -> Bag:
        """The content after *message* was sent."""
        return Bag({**self._counts, message: self._counts.get(message, 0) + 1})

    def take(self, message: Message) -> Bag:
        """The content after one copy of *message* left."""
        counts = dict(self._counts)
        counts[message] -= 1
        if not counts[message]:
            del counts[message]
        return Bag(counts)

    def twice(self, message: Message) -> Bag:
        """The content after *message*, which is in it, was duplicated."""
        return self.add(message)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bag) and self._counts == other._counts

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Bag({self._counts!r})"


@frozen
class Fifo:
    """A queue, oldest message first."""

    queue: tuple[Message, ...] = ()

    def choices(self) -> tuple[Message, ...]:
        """The head, if there is one."""
        return self.queue[:1]

    def messages(self) -> tuple[Message, ...]:
        """Every message in flight, oldest first."""
        return self.queue

    def add(self, message: Message) -> Fifo:
        """The content after *message* was sent."""
        return Fifo((*self.queue, message))

    def take(self, message: Message) -> Fifo:
        """The content after the head, *message*, left."""
        assert self.queue[0] == message
        return Fifo(self.queue[1:])

    def twice(self, message: Message) -> Fifo:
        """The content after the head, *message*, was duplicated behind itself."""
        return Fifo((message, *self.queue))

    def __bool__(self) -> bool:
        return bool(self.queue)


class EverSent(Bag):
    """What was ever sent. Nothing leaves."""

    __slots__ = ()

    def add(self, message: Message) -> EverSent:
        """The content after *message* was sent, perhaps not for the first time."""
        return self if message in self._counts else EverSent({**self._counts, message: 1})

    def take(self, message: Message) -> EverSent:
        """The same content: a message stays for ever."""
        return self

    def twice(self, message: Message) -> EverSent:
        """The same content."""
        return self


Content: TypeAlias = Bag | Fifo | EverSent


def empty_content(network: str) -> Content:
    """What a channel of *network* holds before anything was sent."""
    contents: dict[str, Content] = {"unordered": Bag(), "fifo": Fifo(), "ever-sent": EverSent()}
    return contents[network]


# --- events -----------------------------------------------------------------------------------------------------------


@frozen
class LocalEvent:
    """A local event of *kind* happens at *actor*. Its number, if the kind is numbered, follows from the world."""

    actor: ActorId
    kind: str


@frozen
class Delivery:
    """*message* arrives on the channel from *source* to *target*, and *target* handles it."""

    source: ActorId
    target: ActorId
    message: Message


@frozen
class Drop:
    """*message* is lost on the channel from *source* to *target*."""

    source: ActorId
    target: ActorId
    message: Message


@frozen
class Duplicate:
    """*message* is doubled on the channel from *source* to *target*."""

    source: ActorId
    target: ActorId
    message: Message


WorldEvent: TypeAlias = LocalEvent | Delivery | Drop | Duplicate


# --- worlds -----------------------------------------------------------------------------------------------------------


@frozen
class World:
    """Everything that tells one moment of a run from another.

    `states` are in the order of `System.actors`. `channels` has the channels that hold something, in the order of their
    actors. `used` has how often each budget was spent, unused ones left out, by name. `monitors` has each monitor's
    state by name, in the order of the rules.
    """

    states: tuple[State, ...]
    channels: tuple[tuple[Channel, Content], ...] = ()
    used: tuple[tuple[str, int], ...] = ()
    monitors: tuple[tuple[str, Hashable], ...] = ()

    def used_of(self, budget: str) -> int:
        """How often *budget* was spent."""
        return dict(self.used).get(budget, 0)

    def spend(self, budget: str) -> World:
        """This world with *budget* spent once more."""
        used = dict(self.used)
        used[budget] = used.get(budget, 0) + 1
        return evolve(self, used=tuple(sorted(used.items())))


def _as_pairs(pairs: Iterable[tuple[str, ActorId]] | None) -> frozenset[tuple[str, ActorId]] | None:
    return None if pairs is None else frozenset(pairs)


@frozen
class Vary:
    """Which of the events that could happen are explored; the others do not happen at all.

    `local` has the allowed pairs of kind and actor, None meaning all.
    """

    local: frozenset[tuple[str, ActorId]] | None = field(default=None, converter=_as_pairs)
    deliver: bool = True
    drop: bool = True
    duplicate: bool = True

    def allows(self, kind: str, actor: ActorId) -> bool:
        """Whether local events of *kind* may happen at *actor*."""
        return self.local is None or (kind, actor) in self.local


@frozen
class Transition:
    """One way on from a world. `step` is what the actor did, None where no actor took part."""

    event: WorldEvent
    world: World
    step: Step | None = None
    findings: tuple[Finding, ...] = ()


def _as_channels(channels: Iterable[Channel]) -> frozenset[Channel]:
    return frozenset(channels)


@frozen(kw_only=True)
class Rules:
    """Which worlds there are: a system, its network, and the freedom of its environment.

    `bounds` says how often each budget may be spent from `start` on; `start` None means each actor's initial state,
    empty channels, and nothing used. `blocked` channels deliver nothing, though messages may still be sent into them.
    A local step into a state for which `within(actor, state)` is false is treated as not possible.

    Raises UsageError for anything that does not fit the system.
    """

    system: System
    bounds: Bounds = field(factory=Bounds)
    network: str = "unordered"
    blocked: frozenset[Channel] = field(default=frozenset(), converter=_as_channels)
    vary: Vary = field(factory=Vary)
    within: Callable[[ActorId, State], bool] | None = None
    monitors: tuple[Monitor, ...] = ()
    step_rules: tuple[StepRule, ...] = ()
    start: World | None = None

    def __attrs_post_init__(self) -> None:
        _validate(self)

    @property
    def watch(self) -> Watch:
        """What looks at every local step."""
        return Watch(self.step_rules, self.monitors, self.within)

    @property
    def budgets(self) -> tuple[str, ...]:
        """Every budget, in a fixed order; the network's come last."""
        own = dict.fromkeys(kind.budget for kind in self.system.local_kinds)
        return (*own, *(name for name in (DROPS, DUPLICATES) if name not in own))

    def initial(self) -> World:
        """The world in which every run begins. Monitors that `start` does not name begin in their initial state."""
        given = self.start
        if given is None:
            given = World(tuple(initial_state(self.system, actor) for actor in self.system.actors))
        known = dict(given.monitors)
        monitors = tuple((monitor.name, known.get(monitor.name, monitor.initial)) for monitor in self.monitors)
        order = _channel_order(self.system.actors)
        channels = sorted((pair for pair in given.channels if pair[1]), key=lambda pair: order[pair[0]])
        return evolve(given, monitors=monitors, channels=tuple(channels))

    def left(self, world: World, budget: str) -> int:
        """How often *budget* may still be spent in *world*."""
        begun = self.start.used_of(budget) if self.start is not None else 0
        return self.bounds.of(budget) + begun - world.used_of(budget)

    def events(self, world: World) -> Iterator[WorldEvent]:
        """Every event that the budgets, the channels and `vary` offer; its actor may still find it impossible."""
        for kind in self.system.local_kinds:
            if self.left(world, kind.budget) > 0:
                for actor in self.system.actors:
                    if self.vary.allows(kind.name, actor):
                        yield LocalEvent(actor, kind.name)
        drops = self.vary.drop and self.left(world, DROPS) > 0
        duplicates = self.vary.duplicate and self.left(world, DUPLICATES) > 0
        for (source, target), content in world.channels:
            for message in content.choices():
                if self.vary.deliver and (source, target) not in self.blocked:
                    yield Delivery(source, target, message)
                if drops:
                    yield Drop(source, target, message)
                if duplicates:
                    yield Duplicate(source, target, message)

    def transitions(self, world: World) -> Iterator[Transition]:
        """Every transition of *world*, in no meaningful order."""
        for event in self.events(world):
            transition = self._happen(world, event)
            if transition is not None:
                yield transition

    def apply(self, world: World, event: WorldEvent) -> Transition | None:
        """The transition that *event* is in *world*, or None if it cannot happen there."""
        return self._happen(world, event) if event in self.events(world) else None

    def _happen(self, world: World, event: WorldEvent) -> Transition | None:
        """As `apply`, for an event that is among those offered."""
        if isinstance(event, LocalEvent):
            return self._local(world, event)
        channel = (event.source, event.target)
        content = dict(world.channels)[channel]
        if isinstance(event, Duplicate):
            return Transition(event, self._put(world.spend(DUPLICATES), channel, content.twice(event.message)))
        after = self._put(world, channel, content.take(event.message))
        if isinstance(event, Drop):
            return Transition(event, after.spend(DROPS))
        return self._step(after, event, event.target, Deliver(event.source, event.message))

    def _local(self, world: World, event: LocalEvent) -> Transition | None:
        kind = next(kind for kind in self.system.local_kinds if kind.name == event.kind)
        number = world.used_of(kind.budget) if kind.numbered else 0
        return self._step(world.spend(kind.budget), event, event.actor, Local(event.kind, number))

    def _step(self, world: World, event: WorldEvent, actor: ActorId, happens: Event) -> Transition | None:
        """*actor* meets *happens* in *world*, in which its message is gone or its budget spent already."""
        index = self.system.actors.index(actor)
        outcome = perform(self.system, actor, world.states[index], happens, self.watch)
        if outcome.step is None:
            return None
        states = (*world.states[:index], outcome.step.state, *world.states[index + 1 :])
        after = evolve(world, states=states)
        for send in outcome.step.sends:
            channel = (actor, send.target)
            content = dict(after.channels).get(channel, empty_content(self.network))
            after = self._put(after, channel, content.add(send.message))
        after, findings = self._observe(after, outcome)
        return Transition(event, after, outcome.step, outcome.findings + findings)

    def _observe(self, world: World, outcome: Outcome) -> tuple[World, tuple[Finding, ...]]:
        """*world* with every monitor moved on, and what broke."""
        after, findings = [], []
        for monitor, (name, state), seen in zip(self.monitors, world.monitors, outcome.observations, strict=True):
            moved = state
            if seen is not None:
                went = move(monitor, state, seen)
                moved = went.state
                if went.broken is not None:
                    findings.append(Finding(name, went.broken))
            after.append((name, moved))
        return evolve(world, monitors=tuple(after)), tuple(findings)

    def _put(self, world: World, channel: Channel, content: Content) -> World:
        channels = {**dict(world.channels), channel: content}
        order = _channel_order(self.system.actors)
        kept = sorted(((key, value) for key, value in channels.items() if value), key=lambda pair: order[pair[0]])
        return evolve(world, channels=tuple(kept))


def initial_state(system: System, actor: ActorId) -> State:
    """The state in which *actor* begins. Raises UsageError if there is none, or none that can be explored from."""
    try:
        state = system.initial(actor)
    except (Exception, SystemExit) as error:
        raise UsageError(f"the system's initial({actor!r}) raised {describe_error(error)}") from error
    try:
        hash(state)
    except (Exception, SystemExit) as error:
        raise UsageError(f"the initial state of {actor} must be hashable: {describe_error(error)}") from error
    return state


def judge(system: System, invariant: Invariant, world: World) -> str | None:
    """What *invariant* finds wrong in *world*, or None."""
    history = dict(world.monitors)[invariant.monitor.name] if invariant.monitor is not None else None
    try:
        views = {actor: invariant.view(actor, state) for actor, state in zip(system.actors, world.states, strict=True)}
        return as_reason(invariant.judge(views, history))
    except (Exception, SystemExit) as error:
        return f"the property raised {describe_error(error)}"


def make_world(
    system: System,
    *,
    network: str = "unordered",
    states: Mapping[ActorId, State] | None = None,
    in_flight: Iterable[tuple[ActorId, ActorId, Message]] = (),
    used: Mapping[str, int] | None = None,
    monitors: Mapping[str, Hashable] | None = None,
) -> World:
    """A world to begin from: actors that *states* does not name are in their initial state.

    *in_flight* has (source, target, message) in order of sending; *used* has what was spent of each budget, which
    matters for the numbers of numbered events.
    """
    known = states or {}
    channels: dict[Channel, Content] = {}
    for source, target, message in in_flight:
        content = channels.get((source, target), empty_content(network))
        channels[source, target] = content.add(message)
    return World(
        states=tuple(known[actor] if actor in known else initial_state(system, actor) for actor in system.actors),
        channels=tuple(channels.items()),
        used=tuple(sorted((name, count) for name, count in (used or {}).items() if count)),
        monitors=tuple((monitors or {}).items()),
    )


# --- validation -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _channel_order(actors: tuple[ActorId, ...]) -> Mapping[Channel, int]:
    pairs = ((source, target) for source in actors for target in actors)
    return {pair: order for order, pair in enumerate(pairs)}


def validate_system(system: System) -> None:
    """Raise UsageError if *system* is none, or a class of them."""
    if isinstance(system, type):
        raise UsageError(f"the system is the class {system.__name__}; make one: {system.__name__}()")
    lacking = [name for name in ("actors", "local_kinds", "initial", "step") if not hasattr(system, name)]
    if lacking:
        raise UsageError(f"{show(system)} is no system: it lacks {' and '.join(lacking)}")
    for kind in system.local_kinds:
        if not isinstance(kind, LocalKind):
            raise UsageError(f"{show(system)} has the local kind {show(kind)}; write LocalKind(name, budget=...)")


def _validate(rules: Rules) -> None:
    validate_system(rules.system)
    expect("bounds", rules.bounds, Bounds)
    expect("vary", rules.vary, Vary)
    if rules.start is not None:
        expect("initial", rules.start, World)
    actors = rules.system.actors
    if not actors or len(set(actors)) != len(actors):
        raise UsageError(f"a system needs actors with different names, not {actors!r}")
    if rules.network not in NETWORKS:
        raise UsageError(f"network is {rules.network!r}; {did_you_mean(rules.network, NETWORKS)}")
    _validate_bounds(rules)
    _validate_names(actors, rules)
    names = [monitor.name for monitor in rules.monitors]
    if len(set(names)) != len(names):
        raise UsageError(f"two monitors share a name: {', '.join(names)}")
    if rules.start is not None:
        _validate_start(rules, rules.start, actors)


def _validate_bounds(rules: Rules) -> None:
    for budget, amount in rules.bounds.budgets.items():
        if budget not in rules.budgets:
            raise UsageError(f"bounds name {budget!r}, which nothing spends; {did_you_mean(budget, rules.budgets)}")
        if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
            raise UsageError(f"the budget {budget!r} is {amount!r}; write a number of times, 0 or more")
    if rules.network == "ever-sent":
        for budget in (DROPS, DUPLICATES):
            if rules.bounds.of(budget):
                raise UsageError(
                    f"the budget {budget!r} makes no sense on the ever-sent network, where any message may be lost or "
                    f"come again for free; leave it out, or use the network 'unordered' or 'fifo'"
                )


def _validate_names(actors: Collection[ActorId], rules: Rules) -> None:
    for source, target in rules.blocked:
        for actor in (source, target):
            if actor not in actors:
                raise UsageError(f"blocked names the actor {actor!r}; {did_you_mean(actor, actors)}")
    kinds = {kind.name for kind in rules.system.local_kinds}
    for kind, actor in rules.vary.local or ():
        if kind not in kinds:
            raise UsageError(f"vary names the local event {kind!r}; {did_you_mean(kind, sorted(kinds))}")
        if actor not in actors:
            raise UsageError(f"vary names the actor {actor!r}; {did_you_mean(actor, actors)}")


def _validate_start(rules: Rules, start: World, actors: Collection[ActorId]) -> None:
    if len(start.states) != len(actors):
        raise UsageError(f"the initial world has {len(start.states)} states for {len(actors)} actors")
    nature = type(empty_content(rules.network))
    for (source, target), content in start.channels:
        if source not in actors or target not in actors:
            raise UsageError(
                f"the initial world has a channel from {source!r} to {target!r}, which are not both actors"
            )
        if type(content) is not nature:
            raise UsageError(
                f"the channel from {source} to {target} holds a {type(content).__name__}, "
                f"but the network is {rules.network!r}"
            )
