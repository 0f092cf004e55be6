"""Two-phase commit: what holds, what the planted bug breaks, and that the protocol blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from checker import Bounds, Deliver, Local, System, check
from checker.system import ActorId
from examples.two_phase_commit import (
    COORDINATOR,
    Coordinator,
    Message,
    Participant,
    Phase,
    TwoPhaseCommit,
    atomic,
    decisions_are_final,
    impatient_two_phase_commit,
    no_commit_after_a_no,
    two_phase_commit,
)

PROPERTIES = (atomic, decisions_are_final, no_commit_after_a_no)
BOUNDS = Bounds({"transactions": 1, "refusals": 1, "timeouts": 1, "crashes": 1})


def everybody_commits(actors: Mapping[ActorId, Any]) -> bool:
    """The goal of it all."""
    return all(actor.phase is Phase.COMMITTED for actor in actors.values())


@pytest.mark.parametrize("network", ["unordered", "fifo", "ever-sent"])
def test_it_is_atomic(network: str) -> None:
    """Whatever refuses, times out, crashes, is late or comes twice, nobody aborts what another commits."""
    report = check(two_phase_commit(4), properties=PROPERTIES, bounds=BOUNDS, network=network)

    assert report.verdict == "pass" and report.complete


def test_it_gets_somewhere() -> None:
    """Everybody can commit, by begin, two prepares, two votes and two commits."""
    report = check(two_phase_commit(), bounds=BOUNDS, goal=everybody_commits)

    assert report.reached is not None and len(report.reached.events) == 7


def test_impatience_is_found_by_the_shortest_run() -> None:
    """A participant that aborts after it has said yes breaks atomicity in six steps."""
    report = check(impatient_two_phase_commit(), properties=PROPERTIES, bounds=BOUNDS)

    failure = report.violations[0]
    assert (failure.property, failure.reason) == ("atomic", "c committed, p1 aborted")
    assert [step.name for step in failure.trace.steps].count("timeout") == 1 and len(failure.events) == 6


def test_it_blocks_when_the_coordinator_dies() -> None:
    """Some runs end with a participant that has said yes and hears no more: the known weakness."""
    graph = check(TwoPhaseCommit(), bounds=BOUNDS, graph=True).graph
    assert graph is not None

    waiting = graph.where(lambda actors: any(actor.phase is Phase.PREPARED for actor in actors.values()))  # type: ignore[attr-defined]
    assert set(graph.deadlocks().tolist()) & set(waiting.tolist())


def test_it_is_a_system() -> None:
    """It has what the checker asks for, without inheriting anything."""
    assert isinstance(TwoPhaseCommit(), System)


def test_what_cannot_happen_is_none() -> None:
    """A decision cannot be undone, what is down does nothing, and only the coordinator begins."""
    system = TwoPhaseCommit()

    assert system.step("p1", Participant(Phase.COMMITTED), Local("timeout")) is None
    assert system.step("p1", Participant(), Local("begin")) is None
    assert system.step(COORDINATOR, Coordinator(up=False), Local("begin")) is None
    assert system.step(COORDINATOR, Coordinator(Phase.COMMITTED), Local("timeout")) is None


def test_the_properties_speak_up() -> None:
    """Each of them says what is wrong when it is."""
    system = TwoPhaseCommit()
    undone = system.step("p1", Participant(), Local("refuse"))

    assert decisions_are_final.check("p1", Participant(Phase.COMMITTED), Local("refuse"), undone) is not None  # type: ignore[arg-type]
    assert no_commit_after_a_no.advance(True, "commit").broken == "somebody committed after a no"
    assert no_commit_after_a_no.advance(False, "commit").broken is None


def test_a_refusal_is_told() -> None:
    """Who has given up says no to a late prepare, and the coordinator aborts."""
    system = TwoPhaseCommit()

    answer = system.step("p1", Participant(Phase.ABORTED), Deliver(COORDINATOR, Message.PREPARE))
    told = system.step(COORDINATOR, Coordinator(Phase.PREPARED), Deliver("p1", Message.NO))

    assert answer is not None and answer.sends[0].message is Message.NO
    assert told is not None and {send.message for send in told.sends} == {Message.ABORT}


def test_what_is_not_spoken_here_is_an_error() -> None:
    """A message of another system raises, which the checker would report."""
    with pytest.raises(TypeError, match="p1 cannot read"):
        TwoPhaseCommit().step("p1", Participant(), Deliver("c", "hello"))
