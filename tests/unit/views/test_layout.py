"""Geometry: messages run downwards, labels keep apart, rows line up."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest

from checker.views.folding import rows_of
from checker.views.layout import Box, Layout, Point, fitted, label_box, lay_out, text_width
from checker.views.story import tell

from .samples import SAMPLES


def _layout(name: str) -> Layout:
    story = tell(SAMPLES[name]())
    return lay_out(story, rows_of(story, fold=False), frozenset())


@pytest.mark.parametrize("name", SAMPLES)
def test_labels_never_overlap(name: str) -> None:
    """Not in any sample, however crowded."""
    labels = _layout(name).labels

    clashes = [(one.text, two.text) for one, two in combinations(labels, 2) if label_box(one).overlaps(label_box(two))]

    assert clashes == []


@pytest.mark.parametrize("name", SAMPLES)
def test_time_runs_downwards(name: str) -> None:
    """No message arrives above the place where it was sent, and rows follow each other without gaps."""
    layout = _layout(name)

    assert all(arrow.end is None or arrow.end.y > arrow.start.y for arrow in layout.arrows)
    assert all(one.bottom == two.top for one, two in pairwise(layout.rows))


@pytest.mark.parametrize("name", SAMPLES)
def test_everything_is_on_the_page(name: str) -> None:
    """Labels and lanes lie within the drawing."""
    layout = _layout(name)

    assert all(label_box(label).left >= 0 and label_box(label).right <= layout.width for label in layout.labels)
    assert all(0 < layout.lane_x(lane) < layout.width for lane in layout.story.lanes)


def test_text_is_cut_at_words_first() -> None:
    """The type of a message survives longest."""
    text = "AppendEntries term=1 prev=0/0"

    assert fitted(text, 1000) == text
    assert fitted(text, text_width("AppendEntries term=1")) == "AppendEntries term=1"
    assert fitted(text, text_width("AppendEn")).endswith("…")


@pytest.mark.parametrize(
    ("start", "end", "crosses"),
    [
        (Point(0, 0), Point(10, 10), True),
        (Point(0, 5), Point(10, 5), True),
        (Point(5, 0), Point(5, 10), True),
        (Point(0, 0), Point(3, 3), False),
        (Point(0, 7), Point(10, 7), False),
        (Point(0, 9), Point(2, 4), False),
    ],
)
def test_a_segment_and_a_box(start: Point, end: Point, crosses: bool) -> None:
    """Through, along, beside."""
    assert Box(4, 4, 6, 6).crossed_by(start, end) is crosses
