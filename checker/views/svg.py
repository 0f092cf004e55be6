"""Draws a laid-out space-time diagram as SVG text.

Every element that belongs to a step says so (`data-step`, or `data-sent` and `data-end` for messages), which is all
that the page's script needs. Colours are classes; the style sheet decides what they look like in the light, in the dark
and on paper. All text from the trace passes through `escaped`: it comes from a program under test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import pairwise

from attrs import frozen

from checker.runs.trace import TraceStep, What
from checker.views.layout import Arrow, Label, Layout, PlacedRow, Point
from checker.views.story import WELL_KNOWN_ROLES, Condition, Fate, Story, message_line, one_line, partition_groups

_HUES = 6
_ANSWER_SUFFIXES = ("Response", "Reply", "Result", "Resp", "Ack")


def escaped(text: str) -> str:
    """*text* on one line, safe inside an element or a quoted attribute."""
    return escape(one_line(text), quote=True)


def role_class(story: Story, role: str | None) -> str:
    """The class that colours *role*; roles that Raft lacks get a hue each, in order."""
    if not role:
        return "r-none"
    if role in WELL_KNOWN_ROLES:
        return f"r-{role}"
    others = [name for name in story.roles if name not in WELL_KNOWN_ROLES]
    return f"r-other{others.index(role) % 4 if role in others else 0}"


def message_families(story: Story) -> Mapping[str, str]:
    """The colour class of each message type. A request and its answer share one."""
    families = list(dict.fromkeys(_family(kind) for kind in story.kinds))
    return {kind: f"m{families.index(_family(kind)) % _HUES}" for kind in story.kinds}


def _family(kind: str) -> str:
    for suffix in _ANSWER_SUFFIXES:
        if kind.endswith(suffix) and kind != suffix:
            return kind.removesuffix(suffix)
    return kind


def draw(layout: Layout, name: str) -> str:
    """The diagram as one `<svg>` element. *name* keeps the ids of several diagrams in a page apart."""
    size = f'width="{layout.width:.0f}" height="{layout.height:.0f}"'
    box = f'viewBox="0 0 {layout.width:.0f} {layout.height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="diagram" {size} {box} role="img" '
        f'aria-label="Space-time diagram: {escaped(layout.story.trace.title)}">',
        _patterns(name),
        *_row_backgrounds(layout),
        *_walls(layout),
        *_arrows(layout),  # under the bands: a message passes behind the servers that it is not for
        *_bands(layout, name),
        *_network_lines(layout),
        *_glyphs(layout),
        *_headlines(layout),
        *_labels(layout),
        *_callouts(layout),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _patterns(name: str) -> str:
    return (
        f'<defs><pattern id="{name}-down" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="7" height="7" class="hatch-ground"/>'
        '<line x1="0" y1="0" x2="0" y2="7" class="hatch"/></pattern>'
        f'<pattern id="{name}-paused" width="4" height="6" patternUnits="userSpaceOnUse">'
        '<rect width="4" height="2" class="pause-dash"/></pattern></defs>'
    )


def _row_backgrounds(layout: Layout) -> Iterator[str]:
    for placed in layout.rows:
        kind = "row folded" if placed.row.folded else "row"
        kind += " violating" if placed.callout else ""
        yield (
            f'<rect class="{kind}" data-first="{placed.row.first}" data-last="{placed.row.last}" x="0" '
            f'y="{placed.top:.1f}" width="{layout.width:.1f}" height="{placed.height:.1f}"/>'
        )
        if placed.row.folded:
            yield _line("fold-line", Point(0, placed.middle), Point(layout.width, placed.middle))


@frozen
class _Stretch:
    """A part of a band in which neither role nor condition change."""

    lane: str
    top: float
    bottom: float
    role: str | None
    condition: Condition


def _stretches(layout: Layout, lane: str) -> Iterator[_Stretch]:
    start, current = 6.0, _look(layout.story, 0, lane)
    for placed in layout.rows[1:]:
        look = _look(layout.story, placed.row.last, lane)
        if look != current:
            yield _Stretch(lane, start, placed.middle, *current)
            start, current = placed.middle, look
    yield _Stretch(lane, start, layout.height - 2, *current)


def _look(story: Story, step: int, lane: str) -> tuple[str | None, Condition]:
    moment = story.moments[step]
    return moment.states.get(lane, {}).get("role"), moment.conditions.get(lane, Condition.UP)


def _bands(layout: Layout, name: str) -> Iterator[str]:
    for lane in layout.story.lanes:
        left = layout.lane_x(lane) - layout.band / 2
        for stretch in _stretches(layout, lane):
            place = (
                f'x="{left:.1f}" y="{stretch.top:.1f}" width="{layout.band:.1f}" '
                f'height="{stretch.bottom - stretch.top:.1f}" rx="3"'
            )
            if stretch.condition is Condition.DOWN:
                yield f'<rect class="band down" {place} style="fill:url(#{name}-down)"/>'
                continue
            yield f'<rect class="band {role_class(layout.story, stretch.role)}" {place}/>'
            if stretch.condition is Condition.PAUSED:
                yield f'<rect class="band paused" {place} style="fill:url(#{name}-paused)"/>'


def _walls(layout: Layout) -> Iterator[str]:
    """A wall between neighbouring lanes for as long as a partition keeps them apart."""
    lanes = layout.story.lanes
    since: tuple[float, tuple[frozenset[str], ...]] = (0.0, ())
    for placed in (*layout.rows, None):
        step = layout.story.moments[placed.row.first].step if placed is not None else None
        if placed is not None and (step is None or step.what is not What.NETWORK):
            continue
        y = placed.middle if placed is not None else layout.height
        for left, right in pairwise(lanes):
            if _side(since[1], left) != _side(since[1], right):
                x = (layout.lane_x(left) + layout.lane_x(right)) / 2
                yield _line("wall", Point(x, since[0]), Point(x, y))
        since = (y, partition_groups(step.name, lanes) if step is not None else ())


def _side(groups: tuple[frozenset[str], ...], lane: str) -> int:
    return next((number for number, group in enumerate(groups) if lane in group), -1)


def _network_lines(layout: Layout) -> Iterator[str]:
    """A line across all lanes for what happens to the network, and for notes; partitioned lanes say their side."""
    for placed in layout.rows:
        step = layout.story.moments[placed.row.first].step
        if step is None or placed.row.folded or step.what not in (What.NETWORK, What.NOTE) or step.actor is not None:
            continue
        kind = "network" if step.what is What.NETWORK else "note"
        y = placed.middle
        yield _line(f"{kind}-line", Point(0, y), Point(layout.width, y))
        groups = partition_groups(step.name, layout.story.lanes)
        for lane in layout.story.lanes if groups else ():
            side = _side(groups, lane)
            x = layout.lane_x(lane)
            yield f'<circle class="side" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
            yield _text("side-letter", Point(x, y + 4), "middle", chr(ord("A") + side) if side >= 0 else "–")


def _arrows(layout: Layout) -> Iterator[str]:
    families = message_families(layout.story)
    for arrow in layout.arrows:
        message = arrow.flight.message
        fate = arrow.ending.fate.value if arrow.ending else "waiting"
        hue = families[message.text.partition(" ")[0]]
        end = arrow.ending.step if arrow.ending else ""
        words = f"{message_line(message)} ({_fate_words(arrow)})"
        yield f'<g class="arrow {fate} {hue}" data-sent="{arrow.flight.sent_at}" data-end="{end}">'
        yield f"<title>{escaped(words)}</title>"
        yield from _arrow_shape(arrow)
        yield "</g>"


def _fate_words(arrow: Arrow) -> str:
    sent = f"sent in step {arrow.flight.sent_at}" if arrow.flight.sent_at else "on its way from the start"
    if arrow.ending is None:
        return f"{sent}, never arrived"
    return f"{sent}, {arrow.ending.fate.value} in step {arrow.ending.step}"


def _arrow_shape(arrow: Arrow) -> Iterator[str]:
    start, end = arrow.start, arrow.end
    if end is None or arrow.flight.message.source == arrow.flight.message.target:
        yield from _loop(start, end)
        return
    yield _line("", start, end)
    if arrow.forked:
        yield f'<circle class="fork" cx="{start.x:.1f}" cy="{start.y:.1f}" r="8"/>'
        yield _text("fork-text", Point(start.x, start.y + 3.5), "middle", "×2")
    if arrow.ending is None:
        yield f'<circle class="open-end" cx="{end.x:.1f}" cy="{end.y:.1f}" r="2.6"/>'
    elif arrow.ending.fate is Fate.DROPPED:
        yield _cross(end, 5.5, "cross")
    else:
        yield _head(start, end)


def _loop(start: Point, end: Point | None) -> Iterator[str]:
    """A message to oneself bulges out of the band and comes back; one that never arrives stays outside."""
    if end is None:
        yield f'<path d="M{start.x:.1f} {start.y:.1f} q22 2 20 14"/>'
        yield f'<circle class="open-end" cx="{start.x + 20:.1f}" cy="{start.y + 14:.1f}" r="2.6"/>'
        return
    yield f'<path d="M{start.x:.1f} {start.y:.1f} C{start.x + 34:.1f} {start.y:.1f} '
    yield f'{start.x + 34:.1f} {end.y:.1f} {end.x:.1f} {end.y:.1f}"/>'
    yield _head(Point(end.x + 20, end.y), end)


def _head(start: Point, end: Point) -> str:
    angle = math.atan2(end.y - start.y, end.x - start.x)
    wings = [Point(end.x - 9 * math.cos(angle + turn), end.y - 9 * math.sin(angle + turn)) for turn in (-0.38, 0.38)]
    points = " ".join(f"{point.x:.1f},{point.y:.1f}" for point in (end, *wings))
    return f'<polygon class="head" points="{points}"/>'


def _cross(at: Point, size: float, kind: str) -> str:
    x, y = at.x, at.y
    return (
        f'<path class="{kind}" d="M{x - size:.1f} {y - size:.1f}L{x + size:.1f} {y + size:.1f}'
        f'M{x - size:.1f} {y + size:.1f}L{x + size:.1f} {y - size:.1f}"/>'
    )


def _glyphs(layout: Layout) -> Iterator[str]:
    for placed in layout.rows:
        moment = layout.story.moments[placed.row.first]
        step = moment.step
        if step is None or placed.row.folded:
            continue
        lane = _acting_lane(layout.story, step)
        if lane is None:
            continue
        at = Point(layout.lane_x(lane), placed.middle)
        title = f"<title>{escaped(f'{moment.number}: {moment.text}')}</title>"
        yield f'<g class="glyph" data-step="{moment.number}">{title}'
        if placed.callout:
            yield f'<circle class="alarm" cx="{at.x:.1f}" cy="{at.y:.1f}" r="9.5"/>'
        yield glyph(glyph_kind(step, changed=bool(moment.changed)), at)
        yield "</g>"


def _acting_lane(story: Story, step: TraceStep) -> str | None:
    if step.what in (What.DROP, What.DUPLICATE):
        return None
    flight = story.flights.get(step.message) if step.message is not None else None
    if step.actor is None and step.what is What.DELIVER and flight is not None:
        return flight.message.target
    return step.actor


def glyph_kind(step: TraceStep, *, changed: bool) -> str:
    """Which of the shapes of `glyph` shows *step*."""
    if step.what is What.DELIVER:
        return "arrived" if changed else "arrived-unchanged"
    if step.what is not What.LOCAL:
        return step.what.value
    name = step.name.lower()
    for word, kind in (("timeout", "timeout"), ("heartbeat", "heartbeat"), ("client", "client"), ("command", "client")):
        if word in name:
            return kind
    return "local"


def glyph(kind: str, at: Point) -> str:
    """A shape of about 14 pixels, centred at *at*."""
    x, y = at.x, at.y
    shapes = {
        "arrived": f'<circle class="solid" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>',
        "arrived-unchanged": f'<circle class="hollow" cx="{x:.1f}" cy="{y:.1f}" r="4"/>',
        "timeout": f'<circle class="hollow" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
        f'<path class="stroke" d="M{x:.1f} {y - 4.5:.1f}V{y:.1f}L{x + 3.2:.1f} {y + 2:.1f}"/>',
        "heartbeat": f'<path class="hollow" d="M{x:.1f} {y + 6:.1f}C{x - 10:.1f} {y - 1:.1f} {x - 5:.1f} {y - 8:.1f} '
        f'{x:.1f} {y - 3:.1f}C{x + 5:.1f} {y - 8:.1f} {x + 10:.1f} {y - 1:.1f} {x:.1f} {y + 6:.1f}Z"/>',
        "client": f'<rect class="solid" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" rx="2"/>',
        "local": f'<path class="solid" d="M{x:.1f} {y - 6.5:.1f}L{x + 6.5:.1f} {y:.1f}L{x:.1f} {y + 6.5:.1f}'
        f'L{x - 6.5:.1f} {y:.1f}Z"/>',
        "crash": _cross(at, 6.5, "crash"),
        "restart": f'<path class="stroke" d="M{x + 5.5:.1f} {y - 2.5:.1f}A6 6 0 1 0 {x + 5.6:.1f} {y + 2:.1f}"/>'
        f'<path class="solid" d="M{x + 8.2:.1f} {y - 6.5:.1f}V{y - 0.5:.1f}H{x + 2.2:.1f}Z"/>',
        "pause": f'<path class="bars" d="M{x - 3:.1f} {y - 5.5:.1f}V{y + 5.5:.1f}'
        f'M{x + 3:.1f} {y - 5.5:.1f}V{y + 5.5:.1f}"/>',
        "resume": f'<path class="solid" d="M{x - 4:.1f} {y - 6:.1f}L{x + 6:.1f} {y:.1f}L{x - 4:.1f} {y + 6:.1f}Z"/>',
    }
    return shapes.get(kind, shapes["local"])


def _headlines(layout: Layout) -> Iterator[str]:
    """Role and term (or the first field) inside the band, wherever they change."""
    story = layout.story
    for lane in story.lanes:
        shown = ""
        for placed in layout.rows:
            headline = one_line(story.headline(story.moments[placed.row.last].states.get(lane, {})))
            if headline == shown:
                continue
            shown = headline
            y = placed.middle + (4 if placed.row.first == 0 else 18)
            text = headline if len(headline) <= 12 else headline[:11] + "…"
            yield _text("headline", Point(layout.lane_x(lane), y), "middle", text)


def _labels(layout: Layout) -> Iterable[str]:
    for label in layout.labels:
        yield (
            f'<text class="label {label.kind}" data-step="{label.step}" x="{label.at.x:.1f}" y="{label.at.y:.1f}" '
            f'text-anchor="{label.anchor}">{_title(label)}{escaped(label.text)}</text>'
        )


def _title(label: Label) -> str:
    return f"<title>{escaped(label.full)}</title>" if label.full != label.text else ""


def _callouts(layout: Layout) -> Iterator[str]:
    for placed in layout.rows:
        if placed.callout:
            yield from _callout(layout, placed)


def _callout(layout: Layout, placed: PlacedRow) -> Iterator[str]:
    height = placed.height - (placed.middle - placed.top) * 2 - 8
    top = placed.bottom - height - 4
    yield f'<rect class="callout" x="4" y="{top:.1f}" width="{layout.width - 8:.1f}" height="{height:.1f}" rx="5"/>'
    for number, line in enumerate(placed.callout):
        words = f"✗ {line}" if number == 0 else line
        yield _text("callout-text", Point(14, top + 19 + number * 16), "start", words)


def _line(kind: str, start: Point, end: Point) -> str:
    kind = f'class="{kind}" ' if kind else ""
    return f'<line {kind}x1="{start.x:.1f}" y1="{start.y:.1f}" x2="{end.x:.1f}" y2="{end.y:.1f}"/>'


def _text(kind: str, at: Point, anchor: str, words: str) -> str:
    return f'<text class="{kind}" x="{at.x:.1f}" y="{at.y:.1f}" text-anchor="{anchor}">{escaped(words)}</text>'
