"""What a checkable system is: actors that change only by handling one event at a time.

The checker knows nothing of Raft. It is given a `System`, and learns from it

* who the actors are and in which state each begins,
* which *local events* (a timeout, a client command, a crash ...) an actor can meet, and which budget each spends,
* what one actor does on one event: its next state, and the messages that it sends.

Everything else (where messages are, in which order they arrive, what gets lost) is the world's business; see
`world.py`.

The contract of `System.step`, on which every result of the checker rests:

1. It is a function: the same actor, state and event give an equal `Step` every time. No clock, no randomness, no
   iteration over an unordered set, no state kept between calls.
2. It changes nothing that it was given. States and messages are immutable and hashable values, and can be pickled.
3. It returns None exactly if the event cannot happen in that state (a leader has no election timeout). A message that
   is ignored *did* happen: return the unchanged state.
4. It may raise: that is a finding (`no_handler_error`), reported with the trace that leads there.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen

ActorId: TypeAlias = Hashable
State: TypeAlias = Hashable
Message: TypeAlias = Hashable
Mark: TypeAlias = str


@frozen
class Deliver:
    """A message reaches the actor it was sent to."""

    source: ActorId
    message: Message


@frozen
class Local:
    """Something that happens at one actor without a message: `kind` is one of the system's `LocalKind`s.

    `number` counts, from 0 and over the whole world, the events that spent the same budget before this one; it is
    always 0 when the kind is not numbered. Client commands are numbered, so that the k-th command of a run has a value
    of its own.
    """

    kind: str
    number: int = 0


Event: TypeAlias = Deliver | Local


@frozen
class LocalKind:
    """A kind of local event, and the budget that each occurrence spends."""

    name: str
    budget: str
    numbered: bool = False


@frozen
class Send:
    """A message handed to the network. `target` is an actor; sending to oneself is allowed."""

    target: ActorId
    message: Message


@frozen
class Step:
    """What one actor did on one event.

    `sends` are in the order of sending. `marks` name what happened (`became leader`), for coverage, monitors and
    pictures; `outputs` are answers to the outside (a reply to a client), which no actor receives.
    """

    state: State
    sends: tuple[Send, ...] = ()
    marks: tuple[Mark, ...] = ()
    outputs: tuple[Hashable, ...] = ()


@runtime_checkable
class System(Protocol):
    """A system of actors. Any object with these members will do; nothing has to be inherited."""

    @property
    def actors(self) -> tuple[ActorId, ...]:
        """Every actor, in a fixed order."""

    @property
    def local_kinds(self) -> tuple[LocalKind, ...]:
        """Every kind of local event. The world offers each to each actor for as long as its budget lasts."""

    def initial(self, actor: ActorId) -> State:
        """The state in which *actor* begins."""

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """What *actor* does in *state* on *event*; None if *event* cannot happen there."""


@runtime_checkable
class DescribesItself(Protocol):
    """Optional: how states and messages look in traces and pictures. Without it, `repr` is shown."""

    def describe_state(self, actor: ActorId, state: State) -> Mapping[str, str]:
        """Short texts by field name, most important first: role, term, log ..."""

    def describe_message(self, message: Message) -> str:
        """One line: the type first, then what tells this message from others of its type."""


@runtime_checkable
class Renames(Protocol):
    """Optional: actors may be interchanged, which makes symmetry usable (docs/reductions.md)."""

    def rename(self, thing: Hashable, names: Mapping[ActorId, ActorId]) -> Hashable:
        """A state, a message, or what a monitor remembers or observes, with each actor's name replaced by
        names[actor].

        *names* has every actor. `checker.reductions.renaming.renamed` does it for attrs values and distinct names.
        """


@runtime_checkable
class RenamesKinds(Protocol):
    """Optional, beside `Renames`: kinds of local events that name an actor, as `transfer to s2` does."""

    def rename_kind(self, kind: str, names: Mapping[ActorId, ActorId]) -> str:
        """The kind of local events that *kind* becomes: *kind* itself if it names nobody, "" if there is none."""


@frozen
class Bounds:
    """How much of the environment's freedom is explored: how often each kind of thing may happen.

    `budgets` maps a budget's name (timeouts, commands, crashes, drops, duplicates ...) to how often it may be spent
    in one run; a budget that is not named is 0. Bounds define the space, so a space explored within its bounds is
    *complete*.
    """

    budgets: Mapping[str, int] = field(factory=dict)

    def of(self, budget: str) -> int:
        """How often *budget* may be spent in one run."""
        return self.budgets.get(budget, 0)
