"""The terminal view: golden files, width, colour."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from checker.views import print_text, render_text

from .samples import SAMPLES, hostile, two_leaders

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["two_leaders", "pauses", "two_phase_commit"])
def test_golden(name: str) -> None:
    """The exact text. To accept a change: `python -m tests.unit.views.samples --golden`, and read the diff."""
    text = render_text(SAMPLES[name]())

    assert text == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [20, 60, 80, 132])
@pytest.mark.parametrize("name", SAMPLES)
def test_width_is_kept_where_columns_allow(name: str, width: int) -> None:
    """No line is wider than asked, and every step keeps its line."""
    trace = SAMPLES[name]()

    lines = render_text(trace, width=width).splitlines()

    assert max(map(len, lines)) <= width
    assert sum(bool(re.match(r"[! ] *\d+ ", line)) for line in lines) == len(trace.steps) + 1


@pytest.mark.parametrize("name", SAMPLES)
def test_columns_line_up(name: str) -> None:
    """The event of every step begins in the same column as the header's word `event`."""
    lines = render_text(SAMPLES[name]()).splitlines()
    column = next(line for line in lines if line.lstrip().startswith("#")).index("event")

    rows = [line for line in lines if re.match(r"[! ] *\d+ ", line)]

    assert all(line[column] != " " and line[column - 1] == " " for line in rows)


@pytest.mark.parametrize("name", [*SAMPLES, "hostile"])
def test_colour_changes_nothing_else(name: str) -> None:
    """Without its escapes the coloured text is the plain one."""
    trace = {**SAMPLES, "hostile": hostile}[name]()

    coloured = render_text(trace, colour=True)

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == render_text(trace)


def test_the_violation_is_marked_and_told() -> None:
    """The step that breaks the property has a `!`, and the reason follows the steps."""
    text = render_text(two_leaders())

    assert re.search(r"^!8 .*deliver RequestVoteResponse s3 -> s2 term=1 grant", text, re.MULTILINE)
    assert "! election_safety violated after step 8: leaders of term 1 = s1, s2\n" in text


def test_control_characters_never_reach_the_terminal() -> None:
    """A program under test cannot move the cursor or colour the log of CI."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", render_text(hostile()))


def test_a_width_that_cannot_work_is_refused() -> None:
    """The error names the limit and the value."""
    with pytest.raises(ValueError, match="at least 20 characters, not 7"):
        render_text(two_leaders(), width=7)


def test_printing_to_a_file_is_plain_and_uncut() -> None:
    """Colour and width are for terminals."""
    file = io.StringIO()

    print_text(two_leaders(), file)

    assert file.getvalue() == render_text(two_leaders())
