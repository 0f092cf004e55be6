"""Folding hides what says nothing, and nothing else."""

from __future__ import annotations

import pytest
from attrs import evolve

from checker.runs.trace import Violation
from checker.views.folding import is_heartbeat, rows_of
from checker.views.story import tell

from .samples import SAMPLES, partition


@pytest.mark.parametrize(
    ("text", "heartbeat"),
    [
        ("AppendEntries term=1 prev=0/0 entries=0 commit=0", True),
        ("AppendEntries term=1 entries=[]", True),
        ("AppendEntries term=1 entries=()", True),
        ("AppendEntries term=1 heartbeat", True),
        ("Heartbeat term=1", True),
        ("HeartbeatResponse term=1", True),
        ("AppendEntries term=1 entries=10", False),
        ("AppendEntries term=1 entries=[1]", False),
        ("AppendEntries term=1 entries=05", False),
        ("RequestVote term=1 entries=0", False),
        ("AppendEntriesResponse term=1 entries=0", False),
    ],
)
def test_what_a_heartbeat_is(text: str, heartbeat: bool) -> None:
    """An AppendEntries that carries nothing."""
    assert is_heartbeat(text) is heartbeat


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("fold", [True, False])
def test_rows_cover_every_step_once(name: str, fold: bool) -> None:
    """In order, without gaps."""
    story = tell(SAMPLES[name]())

    rows = rows_of(story, fold=fold)

    assert [step for row in rows for step in range(row.first, row.last + 1)] == list(range(len(story.moments)))


def test_a_step_that_changed_something_is_never_folded() -> None:
    """Nor is one with a mark, an output, or the violation."""
    trace = evolve(partition(), violation=Violation("p", "why", 5))
    story = tell(trace)

    for row in rows_of(story, fold=True):
        for number in range(row.first, row.last + 1) if row.folded else ():
            step = story.moments[number].step
            assert step is not None
            assert not (step.marks or step.outputs or story.moments[number].changed or number == 5)
