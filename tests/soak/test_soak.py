"""The short form of a soak, and proof that the long one would find what it looks for."""

from __future__ import annotations

import itertools

import pytest

from raftframe.storage.faulty import Full

from .plan import Network, Step, steps
from .run import soak

ALL = Step(order=(1, 2, 3), kills=3, before_s=1.0, down_s=0.0)
QUIET = Step(order=(1, 2, 3), kills=0, before_s=1.0, down_s=0.0)
DEPOSED = Step(order=(1, 2, 3), kills=0, network=Network.ISOLATED, before_s=6.0, down_s=0.0)
UNANSWERED = Step(order=(1, 2, 3), kills=1, network=Network.ONE_WAY, before_s=0.7, down_s=3.0)
"""The others have stored what clients asked for; their leader dies without an answer, and one of them commits it."""
SHORT = (
    Step(order=(2, 3, 1), kills=1, disk=Full(), before_s=0.7),
    Step(order=(1, 2, 3), kills=2, network=Network.ISOLATED, before_s=0.7),
    Step(order=(3, 1, 2), kills=3, network=Network.LOSSY, before_s=0.7, down_s=0.0),
)


def test_choices_are_repeatable() -> None:
    """The seed alone chooses; every server may be killed, alone or with others."""
    first, again, other = (list(itertools.islice(steps(seed, 5), 200)) for seed in ("1", "1", "2"))

    assert first == again != other
    assert {step.kills for step in first} == {1, 2, 3, 4, 5}
    assert {step.network for step in first} == set(Network)


@pytest.mark.slow
def test_a_bank_comes_through_a_short_soak() -> None:
    """Six kills, the last three at once; a full disk, a leader cut off, losses."""
    tally = soak("short", kills=99, seconds=60, script=SHORT)

    assert tally.problems == []
    assert tally.kills == 6
    assert tally.troubles["Full"] == 1
    assert tally.outcomes["answered"] > 10
    assert tally.entries > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "step", "problem"),
    [
        ("no-sync", ALL, "is lost: no log has it"),
        ("stale-reads", DEPOSED, "is not linearizable"),
        ("no-sessions", UNANSWERED, "and its log comes to"),
        ("early-answers", DEPOSED, "is lost: no log has it"),
    ],
)
def test_planted_faults_are_caught(plant: str, step: Step, problem: str) -> None:
    """Acknowledged writes that a power failure takes, or a deposed leader; and reads of a deposed leader."""
    tally = soak("planted", kills=99, seconds=60, plant=plant, script=[QUIET, step, QUIET, step])

    assert any(problem in said for said in tally.problems), tally.problems
