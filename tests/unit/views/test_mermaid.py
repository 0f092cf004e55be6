"""The sequence diagram: the few rules of Mermaid's syntax that matter here."""

from __future__ import annotations

import re

import pytest

from checker.runs.trace import Trace
from checker.views import render_mermaid

from .samples import SAMPLES, hostile, pauses, two_leaders

_TEXT = r"[^;<>{}%\"&]*(?:#\d+;[^;<>{}%\"&]*)*"
_LINE = re.compile(
    rf"  (participant p\d+ as {_TEXT}|p\d+(->>|-x)p\d+: {_TEXT}|Note (over|right of) p\d+(,p\d+)?: {_TEXT}"
    r"|rect rgb\([\d, ]+\)|end)"
)


@pytest.mark.parametrize("name", [*SAMPLES, "hostile"])
def test_every_line_is_mermaid(name: str) -> None:
    """The header, then lines of the five kinds that are used, whatever the texts say."""
    head, *lines = render_mermaid({**SAMPLES, "hostile": hostile}[name]()).splitlines()

    assert head == "sequenceDiagram"
    assert [line for line in lines if not _LINE.fullmatch(line)] == []
    assert sum("rect" in line for line in lines) == sum(line == "  end" for line in lines)


def test_a_counterexample_reads_like_a_story() -> None:
    """Numbers, messages, roles, the reason."""
    text = render_mermaid(two_leaders())

    assert "  p0->>p2: 2 RequestVote term=1 last=0/0\n  Note right of p2: follower, term 1\n" in text
    assert "  Note over p0,p2: election_safety violated: leaders of term 1 = s1, s2\n" in text


def test_a_dropped_message_ends_in_a_cross() -> None:
    """Mermaid's `-x`."""
    assert "p0-xp1: 5 AppendEntriesResponse" in render_mermaid(pauses())


def test_a_trace_without_actors() -> None:
    """Nothing to draw is still a diagram."""
    assert render_mermaid(Trace("nothing", (), {})) == "sequenceDiagram\n"
