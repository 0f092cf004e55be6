"""Messages that a crash takes with it are part of its step, in every view."""

from __future__ import annotations

import re

from checker.runs.trace import SentMessage, Trace, TraceStep, What
from checker.views import from_json, render_html, render_mermaid, render_text, to_json
from checker.views.story import Ending, Fate, tell

BEAT = SentMessage(1, "s1", "s2", "Beat term=1")
VOTE = SentMessage(2, "s2", "s1", "Vote term=1")
STEPS = (
    TraceStep(What.LOCAL, "beat", "s1", sent=(BEAT,)),
    TraceStep(What.LOCAL, "vote", "s2", sent=(VOTE,)),
    TraceStep(What.CRASH, "crash", "s1", lost=(1, 2)),
)
TRACE = Trace("a crash", ("s1", "s2"), {"s1": {"role": "leader"}, "s2": {"role": "follower"}}, STEPS)


def test_their_story_ends_in_the_crash() -> None:
    """As if they had been dropped in the same step."""
    flights = tell(TRACE).flights

    assert [flights[number].endings for number in (1, 2)] == [(Ending(3, Fate.DROPPED),)] * 2


def test_the_terminal_names_them() -> None:
    """Behind the crash, with a sign that the legend explains."""
    text = render_text(TRACE)

    assert "crash s1  × Beat s1 -> s2 term=1, Vote s2 -> s1 term=1" in text
    assert "× loses" in text


def test_pictures_cross_them_out() -> None:
    """One cross a message; the list says how many."""
    page = render_html(TRACE)

    assert len(re.findall('class="arrow dropped', page.partition('id="chart-short"')[0])) == 2 + 1  # and the legend's
    assert "× 2 lost" in page
    assert "p0-xp1: 3 Beat term=1" in render_mermaid(TRACE) and "p1-xp0: 3 Vote term=1" in render_mermaid(TRACE)


def test_they_survive_as_json() -> None:
    """The numbers are kept."""
    assert from_json(to_json(TRACE)) == TRACE
