"""Where everything of a space-time diagram goes. Coordinates only; `svg.py` draws them.

Time runs downwards, one row a step, so that a step's words (the list beside the diagram) and its picture share a line,
and a trace of two hundred steps needs no more than scrolling. Each actor is a vertical band as wide as a label; its
colour is the role. A message leaves the edge of one band in the row that sent it and reaches the edge of another in
the row that delivered it, so slow messages are steep and every arrow head has a row of its own.

Labels are the hard part. A row has at most two: the event, and what was sent from here and never arrived. Each has a
handful of places beside its band (either side; above, at, below the row's middle), and takes the place that the fewest
arrows and labels cross. That is greedy, and enough: an arrow that does pass behind a label is kept away by a halo.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from attrs import define, field, frozen

from checker.runs.trace import TraceStep, What
from checker.views.folding import Row
from checker.views.story import Ending, Fate, Flight, Moment, Story, one_line

ROW_HEIGHT = 40
FOLD_HEIGHT = 26
CALLOUT_LINE = 16
FONT_SIZE = 10.5
_COMFORTABLE_WIDTH = 780.0  # what a window of 1400 pixels has left beside the list and the panel
_MARGIN = 8.0
_LABEL_GAP = 6.0
_STUB = 26.0  # how far a message that never arrives gets
_GAP_FOR_CROSS = 24.0  # how far before its target a dropped message ends


@frozen
class Point:
    """A place in the diagram, in pixels from the top left."""

    x: float
    y: float


@frozen
class Box:
    """A rectangle, for asking what overlaps."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any area."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def crossed_by(self, start: Point, end: Point) -> bool:
        """Whether the segment from *start* to *end* touches this box (Liang and Barsky)."""
        enter, leave = 0.0, 1.0
        for origin, delta, low, high in (
            (start.x, end.x - start.x, self.left, self.right),
            (start.y, end.y - start.y, self.top, self.bottom),
        ):
            if delta == 0:
                if not low <= origin <= high:
                    return False
                continue
            first, second = sorted(((low - origin) / delta, (high - origin) / delta))
            enter, leave = max(enter, first), min(leave, second)
        return enter <= leave


@frozen
class PlacedRow:
    """A row with its place. `middle` is the line on which its event happens."""

    row: Row
    top: float
    height: float
    callout: tuple[str, ...] = ()  # the reason of the violation, in lines

    @property
    def middle(self) -> float:
        return self.top + (FOLD_HEIGHT if self.row.folded else ROW_HEIGHT) / 2

    @property
    def bottom(self) -> float:
        return self.top + self.height


@frozen
class Arrow:
    """One drawn message. `end` is None for a message to oneself, which is a loop at `start`."""

    flight: Flight
    start: Point
    end: Point | None
    ending: Ending | None  # None: still under way
    forked: bool = False  # a duplicate: starts on the way of its original


@frozen
class Label:
    """A short text beside a band. `anchor` is start or end, as in SVG."""

    text: str
    full: str
    at: Point
    anchor: str
    step: int
    kind: str  # "event", "message", "lost" or "stub"
    lane: str


@define
class Layout:
    """The whole plan. Lanes are in the order of `story.lanes`."""

    story: Story
    rows: tuple[PlacedRow, ...]
    width: float
    height: float
    pitch: float
    band: float
    hidden: frozenset[int]  # messages that folding leaves out
    by_step: Mapping[int, PlacedRow]
    arrows: list[Arrow] = field(factory=list)
    labels: list[Label] = field(factory=list)
    by_height: dict[int, list[Arrow]] = field(factory=dict)  # the arrows in each slice as high as a row: a long trace
    sent_in: dict[int, list[Arrow]] = field(factory=dict)  # by step; has too many to look through all for each label

    def lane_x(self, lane: str) -> float:
        """The middle of *lane*'s band."""
        return _MARGIN + self.pitch * (self.story.lanes.index(lane) + 0.5)

    def row_of(self, step: int) -> PlacedRow:
        """The row that shows *step*."""
        return self.by_step[step]

    def edge(self, lane: str, towards: str) -> float:
        """Where a message between two lanes touches the first one's band."""
        sign = 1 if self.lane_x(towards) >= self.lane_x(lane) else -1
        return self.lane_x(lane) + sign * self.band / 2


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = FONT_SIZE) -> float:
    """About how wide *text* is in a sans-serif font, in pixels; errs on the wide side."""
    ems = 0.0
    for char in text:
        if char in "iljft.,:;|'!()[]/- ":
            ems += 0.3
        elif char in "mwMW@%" or ord(char) > 0x2E80:
            ems += 0.92
        else:
            ems += 0.68 if char.isupper() else 0.54
    return ems * size


def fitted(text: str, room: float, size: float = FONT_SIZE) -> str:
    """As many words of *text* as fit in *room* pixels; of a first word that is too long, its beginning."""
    if text_width(text, size) <= room:
        return text
    words = text.split(" ")
    while len(words) > 1:
        words.pop()
        if text_width(" ".join(words), size) <= room:
            return " ".join(words)
    kept = words[0]
    while kept and text_width(kept + "…", size) > room:
        kept = kept[:-1]
    return kept + "…"


def lay_out(story: Story, rows: Sequence[Row], hidden: frozenset[int]) -> Layout:
    """Place *rows*, then the messages that are not *hidden*, then every label."""
    lanes = max(1, len(story.lanes))
    band = _band_width(story)
    pitch = band + min(190.0, max(112.0, (_COMFORTABLE_WIDTH - 2 * _MARGIN - 90) / lanes - band))
    spare = max(10.0, min(90.0, _COMFORTABLE_WIDTH - 2 * _MARGIN - pitch * lanes))  # for labels right of the last lane
    width = 2 * _MARGIN + pitch * lanes + spare
    placed = tuple(_place_rows(story, rows, width))
    by_step = {step: row for row in placed for step in range(row.row.first, row.row.last + 1)}
    layout = Layout(story, placed, width, placed[-1].bottom + 16, pitch, band, hidden, by_step)
    layout.arrows = [arrow for flight in story.flights.values() for arrow in _arrows(layout, flight)]
    _index_arrows(layout)
    _place_labels(layout)
    return layout


def _index_arrows(layout: Layout) -> None:
    for arrow in layout.arrows:
        layout.sent_in.setdefault(arrow.flight.sent_at, []).append(arrow)
        if arrow.end is not None:
            top, bottom = sorted((arrow.start.y, arrow.end.y))
            for part in _slices(top, bottom):
                layout.by_height.setdefault(part, []).append(arrow)


def _slices(top: float, bottom: float) -> range:
    return range(int(top // ROW_HEIGHT), int(bottom // ROW_HEIGHT) + 1)


def _band_width(story: Story) -> float:
    words = {story.headline(fields) for moment in story.moments for fields in moment.states.values()}
    widest = max((text_width(one_line(word), FONT_SIZE) for word in words), default=0.0)
    return min(86.0, max(38.0, widest + 10))


def _place_rows(story: Story, rows: Sequence[Row], width: float) -> Iterable[PlacedRow]:
    violation = story.trace.violation
    top = 0.0
    for row in rows:
        callout: tuple[str, ...] = ()
        if violation is not None and row.first <= violation.step <= row.last:
            text = one_line(f"{violation.property}: {violation.reason}")
            room = max(20, int(width / (FONT_SIZE * 0.56)) - 10)
            callout = tuple(textwrap.wrap(text, room, max_lines=4, placeholder=" …")) or ("",)
        height = FOLD_HEIGHT if row.folded else ROW_HEIGHT
        extra = len(callout) * CALLOUT_LINE + 22 if callout else 0
        yield PlacedRow(row, top, height + extra, callout)
        top += height + extra


def _arrows(layout: Layout, flight: Flight) -> list[Arrow]:
    if flight.message.number in layout.hidden:
        return []
    start, forked = _start(layout, flight)
    if not flight.endings:
        return [Arrow(flight, start, _end(layout, flight, start, None), None, forked)]
    return [
        Arrow(flight, start, _end(layout, flight, start, ending), ending, forked and number == 0)
        for number, ending in enumerate(flight.endings)
    ]


def _start(layout: Layout, flight: Flight) -> tuple[Point, bool]:
    """Where a message leaves; a copy leaves its original's way, in the row of the duplication."""
    source, target = flight.message.source, flight.message.target
    original = layout.story.flights.get(flight.copy_of) if flight.copy_of is not None else None
    y = layout.row_of(flight.sent_at).middle
    if original is None or original.message.number in layout.hidden or source == target:
        return Point(layout.edge(source, target), y), False
    start, _ = _start(layout, original)
    later = next((ending for ending in original.endings if ending.step > flight.sent_at), None)
    if later is None:
        sign = 1 if layout.lane_x(target) >= layout.lane_x(source) else -1
        return Point(start.x + sign * _STUB, y), True
    end = _end(layout, original, start, later)
    if end is None or end.y == start.y:
        return start, False
    return Point(start.x + (end.x - start.x) * (y - start.y) / (end.y - start.y), y), True


def _end(layout: Layout, flight: Flight, start: Point, ending: Ending | None) -> Point | None:
    source, target = flight.message.source, flight.message.target
    sign = 1 if layout.lane_x(target) >= layout.lane_x(source) else -1
    if source == target:
        return None if ending is None else Point(start.x, layout.row_of(ending.step).middle)
    if ending is None:
        return Point(start.x + sign * _STUB, start.y + 10)
    y = layout.row_of(ending.step).middle
    at_its_end = layout.story.moments[ending.step].step
    if ending.fate is Fate.DROPPED and at_its_end is not None and at_its_end.actor == source:
        return Point(layout.edge(source, target) + sign * _STUB, y)  # lost in the outbox: it never left
    x = layout.edge(target, source)
    return Point(x - sign * _GAP_FOR_CROSS if ending.fate is Fate.DROPPED else x, y)


def _place_labels(layout: Layout) -> None:
    taken: list[Box] = []
    for placed in layout.rows:
        if placed.row.folded:
            continue
        moment = layout.story.moments[placed.row.first]
        for label in (*_event_labels(layout, moment, placed), *_stub_labels(layout, placed)):
            chosen = _best_place(layout, label, taken)
            taken.append(label_box(chosen))
            layout.labels.append(chosen)


def _event_labels(layout: Layout, moment: Moment, placed: PlacedRow) -> list[Label]:
    """The label of the event itself, at its preferred place: for a message, beside the arrow's head."""
    step = moment.step
    if step is None:
        return []
    flight = layout.story.flights.get(step.message) if step.message is not None else None
    if flight is not None and step.what in (What.DELIVER, What.DROP, What.DUPLICATE):
        if flight.message.number in layout.hidden:
            return []
        kind = "lost" if step.what is What.DROP else "message"
        if step.what is What.DUPLICATE:
            return []
        source, target = flight.message.source, flight.message.target
        return [_label(layout, target, source, flight.message.text, moment.number, placed, kind)]
    if step.actor is None:
        return []
    return [_label(layout, step.actor, step.actor, _event_word(step), moment.number, placed, "event")]


def _event_word(step: TraceStep) -> str:
    words = [word for word in step.name.split() if word != step.actor]
    return " ".join(words) or step.what.value


def _stub_labels(layout: Layout, placed: PlacedRow) -> list[Label]:
    """One label for all messages that leave a band on one side in this row and never arrive."""
    number = placed.row.first
    stubs = [arrow for arrow in layout.sent_in.get(number, ()) if arrow.ending is None]
    sides: dict[tuple[str, str, bool], list[str]] = {}
    for arrow in stubs:
        message = arrow.flight.message
        right = layout.lane_x(message.target) >= layout.lane_x(message.source)
        sides.setdefault((message.source, message.text.partition(" ")[0], right), []).append(message.target)
    labels = []
    for (source, kind, _), targets in sides.items():
        towards = next((lane for lane in targets if lane != source), source)
        text = f"{kind} to {' '.join(targets)}"
        labels.append(_label(layout, source, towards, text, number, placed, "stub"))
    return labels


def _label(layout: Layout, lane: str, towards: str, text: str, step: int, placed: PlacedRow, kind: str) -> Label:
    left = layout.lane_x(towards) < layout.lane_x(lane)
    if towards == lane:
        left = lane == layout.story.lanes[-1] and len(layout.story.lanes) > 1
    return _beside(layout, lane, one_line(text), left, placed.middle, step, kind)


def _beside(layout: Layout, lane: str, text: str, left: bool, y: float, step: int, kind: str) -> Label:
    """*text* on one side of a band, cut to what fits before the next band or the edge of the diagram."""
    sign = -1 if left else 1
    x = layout.lane_x(lane) + sign * (layout.band / 2 + _LABEL_GAP)
    to_edge = x - 2 if left else layout.width - x - 2
    room = min(layout.pitch - layout.band - _LABEL_GAP - 2, to_edge)
    return Label(fitted(text, room), text, Point(x, y), "end" if left else "start", step, kind, lane)


def _best_place(layout: Layout, label: Label, taken: Sequence[Box]) -> Label:
    candidates = list(_candidates(layout, label))
    scores = [_cost(layout, candidate, taken) + 0.3 * order for order, candidate in enumerate(candidates)]
    return candidates[scores.index(min(scores))]


def _candidates(layout: Layout, label: Label) -> Iterable[Label]:
    """Places for *label*, best first: below, above and at the row's middle, on its own side and on the other."""
    left = label.anchor == "end"
    heights = {"event": (4, -9, 15), "stub": (20, 24, -6)}.get(label.kind, (15, -5, 4))
    for side in (left, not left):
        for offset in heights:
            yield _beside(layout, label.lane, label.full, side, label.at.y + offset, label.step, label.kind)


def label_box(label: Label) -> Box:
    """About what *label* covers."""
    width = text_width(label.text)
    left = label.at.x if label.anchor == "start" else label.at.x - width
    return Box(left - 2, label.at.y - FONT_SIZE + 1, left + width + 2, label.at.y + 3)


def _cost(layout: Layout, label: Label, taken: Sequence[Box]) -> float:
    box = label_box(label)
    cost = 8.0 * sum(box.overlaps(other) for other in taken[-12:])
    cost += _cost_of_cutting(label)
    near = {id(arrow): arrow for part in _slices(box.top, box.bottom) for arrow in layout.by_height.get(part, ())}
    for arrow in near.values():
        end = arrow.end
        if end is None or max(arrow.start.y, end.y) < box.top or min(arrow.start.y, end.y) > box.bottom:
            continue
        cost += 2.0 * box.crossed_by(arrow.start, end)
    return cost


def _cost_of_cutting(label: Label) -> float:
    """Losing words costs little, except the targets of a stub; losing a part of the message's type costs more."""
    if label.text == label.full:
        return 0.0
    lost = 0.1 * (len(label.full) - len(label.text)) + (2.5 if label.kind == "stub" else 0.0)
    if not label.text.endswith("…"):
        return lost
    return lost + 2.0 + 0.4 * (len(label.full.partition(" ")[0]) - len(label.text))
