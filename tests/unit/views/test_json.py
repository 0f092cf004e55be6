"""Traces survive as JSON, and what is no trace is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.runs.trace import SentMessage, Trace, TraceStep, Violation, What
from checker.views import TraceFileError, from_json, render_html, render_mermaid, render_text, to_json

from .samples import SAMPLES, two_leaders

TEXTS = st.text(max_size=12)
FIELDS = st.dictionaries(TEXTS | st.sampled_from(["role", "term"]), TEXTS, max_size=3)
STATES = st.dictionaries(TEXTS, FIELDS, max_size=3)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any trace that makes sense: unique message numbers, and only messages that were sent before."""
    numbers: list[int] = []

    def messages() -> tuple[SentMessage, ...]:
        made = []
        for _ in range(draw(st.integers(0, 2))):
            numbers.append(len(numbers) + 1)
            made.append(SentMessage(numbers[-1], draw(TEXTS), draw(TEXTS), draw(TEXTS)))
        return tuple(made)

    def step() -> TraceStep:
        about = draw(st.none() | st.sampled_from(numbers)) if numbers else None
        lists = st.lists(TEXTS, max_size=2).map(tuple)
        line = draw(st.none() | st.integers(1, 99))
        what, actor = draw(st.sampled_from(What)), draw(st.none() | TEXTS)
        lost = tuple(draw(st.lists(st.sampled_from(numbers), max_size=2))) if numbers else ()
        return TraceStep(
            what, draw(TEXTS), actor, about, messages(), draw(lists), draw(lists), draw(STATES), line, lost
        )

    actors = tuple(draw(st.lists(TEXTS, max_size=3, unique=True)))
    waiting = messages()
    steps = tuple(step() for _ in range(draw(st.integers(0, 6))))
    violation = draw(st.none() | st.builds(Violation, TEXTS, TEXTS, st.integers(0, len(steps))))
    about_run = draw(st.dictionaries(TEXTS, TEXTS, max_size=2))
    return Trace(draw(TEXTS), actors, draw(STATES), steps, violation, about_run, waiting)


@given(traces())
def test_round_trip(trace: Trace) -> None:
    """What is written is read back equal, and writes the same bytes again."""
    text = to_json(trace)

    assert from_json(text) == trace
    assert to_json(from_json(text)) == text


@given(traces())
def test_every_view_draws_every_trace(trace: Trace) -> None:
    """Odd names, empty texts, messages from nowhere: a view never fails on a trace that makes sense."""
    assert render_text(trace).endswith("\n")
    assert render_text(trace, width=40)
    assert render_mermaid(trace).startswith("sequenceDiagram\n")
    assert render_html(trace).endswith("</html>\n")


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_survive(name: str) -> None:
    """Field order included."""
    trace = SAMPLES[name]()

    back = from_json(to_json(trace))

    assert back == trace
    assert [list(fields) for fields in back.before.values()] == [list(fields) for fields in trace.before.values()]


def _damaged(**changes: Any) -> str:
    return json.dumps({**json.loads(to_json(two_leaders())), **changes})


def _step(**changes: Any) -> str:
    document = json.loads(to_json(two_leaders()))
    document["steps"][1].update(changes)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON: "),
        ("[]", "the file should be an object, not []"),
        ("{}", 'not a trace: "format" should be "raftframe trace", not null'),
        (_damaged(version=2), "version 2 of the trace format is not known here; this reads 1"),
        (_damaged(version=True), "version true of the trace format is not known here"),
        (_damaged(colour="red"), 'the file: unknown key "colour"; known are '),
        ('{"format": "raftframe trace", "version": 1}', 'the file: "actors" is missing'),
        (_damaged(title=7), "title should be a text, not 7"),
        (_damaged(actors="s1"), 'actors should be a list, not "s1"'),
        (_damaged(before={"s1": {"role": 1}}), "before.s1.role should be a text, not 1"),
        (
            _damaged(violation={"property": "p", "reason": "r", "step": 9}),
            "violation.step: there are 8 steps",
        ),
        (_step(what="explode"), "steps[1].what should be one of local, crash, "),
        (_step(what=["x"]), "steps[1].what should be one of local, crash, "),
        (_step(message="2"), 'steps[1].message should be a whole number, not "2"'),
        (_step(message=77), "steps[1].message: message 77 was not sent before this step"),
        (_step(lost=[77]), "steps[1].lost: message 77 was not sent before this step"),
        (_step(sent=[{"number": 1, "source": "a", "target": "b", "text": "M"}]), "message number 1 is used twice"),
        (_step(sent=[{"number": 1}]), 'steps[1].sent[0]: "source" is missing'),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    """The place in the file, what is there, what should be."""
    with pytest.raises(TraceFileError) as caught:
        from_json(text)

    assert message in str(caught.value)
