"""What the runner asks of a cluster, whatever the cluster is made of: the interface behind the one verb table.

`SimCluster` (mode `sim`), `ThreadCluster` (`threads`) and `UdpCluster` (`udp`) implement it; a new mode is a new
implementation, and no new verb. A cluster keeps books, which verbs, conditions and reports read: the servers' states,
the messages on their way, who is paused, what clients were told, the steps. Its methods are elementary actions. When
one of them returns, nothing moves until the next is called, and the books say what is true.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from typing import Literal, Protocol, TypeAlias

from attrs import frozen

from checker.properties.watch import RunWatch
from checker.raft_system import RaftServer, RaftSystem
from raftframe.effects import Timer
from raftframe.events import Event
from scenarios.runner.clients import Clients, Operation
from scenarios.runner.clock import Timing
from scenarios.runner.journal import Journal
from scenarios.runner.pauses import Pauses
from scenarios.runner.post import Envelope, Post
from scenarios.runner.setup import Setup

Link: TypeAlias = tuple[str, str]
Down: TypeAlias = Literal["crashed", "stopped", "not started"]


@frozen
class Found:
    """A property that broke: which, why, after which step (from 1), made by which line."""

    property: str
    reason: str
    step: int
    line: int | None


class ClockBook(Protocol):
    """The timers of a cluster's servers, in milliseconds."""

    @property
    def now(self) -> int:
        """The time since the run began."""

    @property
    def timing(self) -> Timing:
        """How long timers run."""

    def start(self, server: str, timer: Timer, duration: int) -> None:
        """Let *timer* of *server* fire in *duration* milliseconds."""

    def hasten(self, servers: Collection[str], milliseconds: int) -> None:
        """Let *milliseconds* pass for the timers of *servers* alone."""

    def next(self, servers: Collection[str] | None = None) -> tuple[int, str, Timer] | None:
        """The next timer to fire, of *servers* (None: of all) that are not paused: when, whose, and which."""

    def duration(self, server: str, timer: Timer) -> int | None:
        """How long *timer* was started for; None when it does not run."""

    def left(self, server: str, timer: Timer) -> int | None:
        """How long *timer* has left; None when it does not run."""


class Books(Protocol):
    """What is written down of a run. Those who read may not write, but for what their methods do."""

    @property
    def mode(self) -> str:
        """`sim`, `threads` or `udp`."""

    @property
    def setup(self) -> Setup:
        """What the cluster was made from."""

    @property
    def system(self) -> RaftSystem:
        """Describes states and messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every server, in order, down or not."""

    @property
    def servers(self) -> Mapping[str, RaftServer]:
        """Each server and its disk."""

    @property
    def down(self) -> Mapping[str, Down]:
        """How each server that is down went down, or that it has not been started yet."""

    @property
    def cut(self) -> Set[Link]:
        """The links that are cut, those of clients too."""

    @property
    def post(self) -> Post:
        """Every message, and where it is."""

    @property
    def clock(self) -> ClockBook:
        """Every timer."""

    @property
    def pauses(self) -> Pauses:
        """Who is paused, and where servers are to pause."""

    @property
    def clients(self) -> Clients:
        """What clients asked, and were told."""

    @property
    def marks(self) -> Mapping[str, Collection[str]]:
        """The marks that each server has left."""

    @property
    def watch(self) -> RunWatch:
        """The properties, judged after every step."""

    @property
    def ignored(self) -> dict[str, int]:
        """Properties that are not reported, with the line that says so. May be added to."""

    @property
    def ignored_found(self) -> Collection[str]:
        """Those of them that broke."""

    @property
    def found(self) -> list[Found]:
        """The properties that broke."""

    @property
    def journal(self) -> Journal:
        """Every step."""

    @property
    def step_count(self) -> int:
        """How many steps were taken."""

    @property
    def observers(self) -> list[Callable[[], None]]:
        """Called after every step, with the books as they are then. May be added to."""

    def is_up(self, name: str) -> bool:
        """Whether the process of *name* runs, paused or not."""

    def is_running(self, name: str) -> bool:
        """Whether *name* may take a step: up, and not paused."""

    def may_move(self, envelope: Envelope) -> bool:
        """Whether *envelope* can take its next gate: nobody holds it, and the server at the gate is not paused."""


class Cluster(Books, Protocol):
    """A cluster that is steered: the books, and the elementary actions. Each raises ActionError if it fails."""

    def fire(self, name: str, timer: Timer) -> None:
        """*timer* of the running *name* fires."""

    def order(self, name: str, event: Event, text: str) -> None:
        """Whoever operates the running *name* orders *event*; *text* is the line of a scenario that does so."""

    def ask(self, operation: Operation, name: str) -> None:
        """The client of *operation* hands its command to *name*, which runs."""

    def deliver(self, envelope: Envelope, *, straight: bool = True) -> None:
        """Move *envelope* from wherever it is through its handler, up to a pause point.

        Unless *straight*, what the handler sends stays in the outbox.
        """

    def leave(self, envelope: Envelope) -> bool:
        """From outbox to wire; False when a pause point stopped it before or right after."""

    def drop(self, envelope: Envelope) -> None:
        """Lose *envelope*, wherever it is."""

    def duplicate(self, envelope: Envelope) -> None:
        """Put a copy of *envelope* on the wire."""

    def flush(self, name: str) -> bool:
        """Hand the outbox of the running *name* to wire and clients, up to a pause point; whether anything moved."""

    def crash(self, name: str, *, losing_unsynced: bool = False) -> None:
        """Kill *name*: outbox and inbox are lost, and with *losing_unsynced* what was not synced."""

    def stop(self, name: str) -> None:
        """Stop *name* in good order: what is in its outbox still leaves."""

    def start(self, name: str, *, verb: Literal["start", "restart"] = "restart", empty: bool = False) -> None:
        """Start *name*, which is down, from its disk, or with an *empty* one."""

    def wipe(self, name: str) -> None:
        """Empty the disk of *name*, which is down."""

    def pause(self, name: str, why: str = "") -> None:
        """Let *name*, which runs, stand still."""

    def resume(self, name: str) -> None:
        """Let *name*, which is paused, go on with the time that its timers had left."""

    def change_links(self, cut: Collection[Link], text: str) -> None:
        """From now on exactly *cut* are cut."""

    def inject(self, name: str, server: RaftServer, text: str) -> None:
        """Replace the state of *name*, by no step of the protocol."""

    def note(self, text: str) -> None:
        """A remark in the trace."""

    def run_until(
        self, condition: Callable[[], bool], *, steps: int | None = None, milliseconds: int | None = None
    ) -> bool:
        """Let everything that can happen happen, in fair turns, and time pass, until *condition* holds; False when the
        limit came first, or nothing is left that could happen.
        """

    def advance(self, milliseconds: int) -> None:
        """Let *milliseconds* pass for everyone."""

    def close(self) -> None:
        """The run is over: end whatever runs."""
