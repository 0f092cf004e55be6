"""Two-phase commit: all participants of a transaction commit, or all abort.

The coordinator asks everybody to prepare. A participant that can commit says yes, and from then on may not decide by
itself: it has given its word. When all have said yes the coordinator commits, and tells them; one no, or its own
patience at an end, and it aborts.

    raftframe check --system examples/two_phase_commit.py:two_phase_commit \
      --invariant examples/two_phase_commit.py:atomic --limit transactions=1 --limit timeouts=1 --limit refusals=1

`impatient_two_phase_commit` has a planted bug: a participant that has waited for too long aborts, although it has said
yes. docs/checking_your_own.md tells the story.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from checker import Deliver, Event, Local, LocalKind, Monitor, MonitorMove, Send, Step, StepRule
from checker.system import ActorId, State

COORDINATOR = "c"


class Phase(StrEnum):
    """Where an actor stands. The last two are decisions, and final."""

    WORKING = "working"
    PREPARED = "prepared"
    COMMITTED = "committed"
    ABORTED = "aborted"


class Message(StrEnum):
    """What is sent. The coordinator asks and tells, participants vote."""

    PREPARE = "Prepare"
    YES = "Yes"
    NO = "No"
    COMMIT = "Commit"
    ABORT = "Abort"


DECIDED = (Phase.COMMITTED, Phase.ABORTED)
DECISION = {Message.COMMIT: Phase.COMMITTED, Message.ABORT: Phase.ABORTED}


@frozen
class Coordinator:
    """Prepared means: everybody was asked. `yes` are those who have said so; a coordinator that is down stays down."""

    phase: Phase = Phase.WORKING
    yes: frozenset[str] = frozenset()
    up: bool = True


@frozen
class Participant:
    """One participant."""

    phase: Phase = Phase.WORKING


@frozen
class TwoPhaseCommit:
    """The system: a coordinator and *participants* participants, p1, p2 ... `impatient` plants the bug."""

    participants: int = 2
    impatient: bool = False
    local_kinds: tuple[LocalKind, ...] = (
        LocalKind("begin", budget="transactions"),
        LocalKind("refuse", budget="refusals"),
        LocalKind("timeout", budget="timeouts"),
        LocalKind("crash", budget="crashes"),
    )
    actors: tuple[str, ...] = field(init=False)

    @actors.default
    def _actors(self) -> tuple[str, ...]:
        return (COORDINATOR, *(f"p{number}" for number in range(1, self.participants + 1)))

    @property
    def _everybody_else(self) -> tuple[str, ...]:
        return self.actors[1:]

    def initial(self, actor: ActorId) -> State:
        """Nothing has happened."""
        return Coordinator() if actor == COORDINATOR else Participant()

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """What *actor* does on *event*; None if that cannot happen to it now."""
        match state, event:
            case Coordinator(up=False), Deliver():
                return Step(state, marks=("lost",))
            case Coordinator() as coordinator, Deliver(str(source), Message() as message):
                return self._vote_arrives(coordinator, source, message)
            case Coordinator() as coordinator, Local(kind):
                return self._coordinator_acts(coordinator, kind)
            case Participant() as participant, Deliver(_, Message() as message):
                return self._word_arrives(participant, message)
            case Participant() as participant, Local(kind):
                return self._participant_acts(participant, kind)
        raise TypeError(f"{actor} cannot read {event}")

    # The coordinator

    def _coordinator_acts(self, state: Coordinator, kind: str) -> Step | None:
        match kind, state.phase:
            case _ if not state.up:
                return None
            case "begin", Phase.WORKING:
                return self._tell(evolve(state, phase=Phase.PREPARED), Message.PREPARE)
            case "timeout", Phase.PREPARED:
                return self._tell(evolve(state, phase=Phase.ABORTED), Message.ABORT)
            case "crash", _:
                return Step(evolve(state, up=False), marks=("crashed",))
        return None

    def _vote_arrives(self, state: Coordinator, source: str, message: Message) -> Step:
        if state.phase is not Phase.PREPARED:
            return Step(state)  # decided: a late vote changes nothing
        if message is Message.NO:
            return self._tell(evolve(state, phase=Phase.ABORTED), Message.ABORT)
        state = evolve(state, yes=state.yes | {source})
        if len(state.yes) == self.participants:
            return self._tell(evolve(state, phase=Phase.COMMITTED), Message.COMMIT)
        return Step(state)

    def _tell(self, state: Coordinator, message: Message) -> Step:
        sends = tuple(Send(name, message) for name in self._everybody_else)
        return Step(state, sends, marks=(str(state.phase),))

    # Participants

    def _participant_acts(self, state: Participant, kind: str) -> Step | None:
        if kind not in ("refuse", "timeout"):
            return None
        may_abort = state.phase is Phase.WORKING or (self.impatient and kind == "timeout")
        if not may_abort or state.phase in DECIDED:
            return None
        return Step(Participant(Phase.ABORTED), marks=("gave up",))

    def _word_arrives(self, state: Participant, message: Message) -> Step:
        if message is Message.PREPARE and state.phase in (Phase.WORKING, Phase.PREPARED):
            return Step(Participant(Phase.PREPARED), (Send(COORDINATOR, Message.YES),), marks=("said yes",))
        if message is Message.PREPARE and state.phase is Phase.ABORTED:
            return Step(state, (Send(COORDINATOR, Message.NO),), marks=("said no",))
        if state.phase in DECIDED:
            return Step(state)
        return Step(Participant(DECISION[message]), marks=(str(DECISION[message]),))

    # How it looks in traces and pictures

    def describe_state(self, actor: ActorId, state: State) -> Mapping[str, str]:
        """The phase, and what the coordinator has heard."""
        if isinstance(state, Coordinator):
            return {"phase": f"{state.phase}{'' if state.up else ' (down)'}", "yes": " ".join(sorted(state.yes))}
        assert isinstance(state, Participant)
        return {"phase": str(state.phase)}

    def describe_message(self, message: Hashable) -> str:
        """Its name."""
        return str(message)


# --- what must hold (an actor's state is its own type: Any is the boundary) -------------------------------------------


def atomic(actors: Mapping[ActorId, Any]) -> str | None:
    """Nobody aborts what somebody else commits."""
    committed = [str(name) for name, actor in actors.items() if actor.phase == Phase.COMMITTED]
    aborted = [str(name) for name, actor in actors.items() if actor.phase == Phase.ABORTED]
    return f"{' '.join(committed)} committed, {' '.join(aborted)} aborted" if committed and aborted else None


def _changes_its_mind(actor: ActorId, before: Any, event: Event, step: Any) -> str | None:
    then, now = before.phase, step.state.phase
    return f"{actor} had {then}, and now has {now}" if then in DECIDED and now != then else None


decisions_are_final = StepRule("decisions_are_final", _changes_its_mind)


def _refusal_or_commit(actor: ActorId, before: State, event: Event, step: Step) -> str | None:
    if "said no" in step.marks:
        return "no"
    return "commit" if str(Phase.COMMITTED) in step.marks else None


def _remember_refusal(refused: bool, seen: str) -> MonitorMove:
    if seen == "no":
        return MonitorMove(True)
    return MonitorMove(refused, "somebody committed after a no" if refused else None)


no_commit_after_a_no = Monitor("no_commit_after_a_no", False, _refusal_or_commit, _remember_refusal)


# --- what the command line names --------------------------------------------------------------------------------------


def two_phase_commit(servers: int = 3) -> TwoPhaseCommit:
    """The protocol as it should be, with *servers* actors in all."""
    return TwoPhaseCommit(servers - 1)


def impatient_two_phase_commit(servers: int = 3) -> TwoPhaseCommit:
    """The protocol with the planted bug."""
    return TwoPhaseCommit(servers - 1, impatient=True)
