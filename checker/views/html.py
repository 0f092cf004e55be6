"""A trace as one HTML page: the space-time diagram, the list of steps, the state of every server, stepping.

One file, nothing fetched: it is attached to a CI run, mailed, and opened years later. A content security policy without
any origin, and a hash of the only script, keep that promise even for a trace whose texts try to break out.

The pictures are drawn here, in Python, where they can be tested; the script only selects. Folding is two drawings, one
with heartbeat floods folded and one without, of which one is shown. `#step=7` in the address selects a step.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

from checker.runs.trace import Trace, TraceStep, What
from checker.views.folding import IsHeartbeat, hidden_messages, is_heartbeat, rows_of
from checker.views.layout import Layout, PlacedRow, Point, lay_out
from checker.views.story import (
    Condition,
    Fate,
    Fields,
    Flight,
    Moment,
    Story,
    message_line,
    one_line,
    partition_groups,
    tell,
)
from checker.views.svg import draw, escaped, glyph, glyph_kind, message_families, role_class

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_GLYPH_WORDS = {
    "arrived": "delivered, state changed",
    "arrived-unchanged": "delivered, nothing changed",
    "timeout": "timeout",
    "heartbeat": "heartbeat",
    "client": "client",
    "local": "local event",
    "crash": "crash",
    "restart": "restart",
    "pause": "pause",
    "resume": "resume",
}


def render_html(trace: Trace, *, heartbeat: IsHeartbeat = is_heartbeat) -> str:
    """*trace* as a self-contained page. *heartbeat* says of a message's text whether it may be folded away."""
    story = tell(trace)
    rows, folded = rows_of(story, fold=False), rows_of(story, fold=True, heartbeat=heartbeat)
    hidden = hidden_messages(story, folded, heartbeat)
    charts = [_chart(lay_out(story, rows, frozenset()), "full")]
    if hidden or len(folded) < len(rows):
        charts.append(_chart(lay_out(story, folded, hidden), "short"))
    template = files("checker.views").joinpath("page.html").read_text(encoding="utf-8")
    slots = {
        "title": escaped(trace.title),
        "verdict": _verdict(story),
        "about": _about(trace),
        "last": str(len(trace.steps)),
        "fold": "" if len(charts) > 1 else "hidden",
        "legend": "".join(_legend(story)),
        "charts": "\n".join(charts),
        "data": _embedded(_data(story)),
        "script_hash": _script_hash(template),
    }
    return _SLOT.sub(lambda match: slots[match[1]], template)  # one pass: what a slot holds is never a slot


def _script_hash(template: str) -> str:
    script = template.partition("<script>")[2].partition("</script>")[0]
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _embedded(data: object) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _verdict(story: Story) -> str:
    violation = story.trace.violation
    if violation is None:
        count = len(story.trace.steps)
        return f'<p class="verdict fine">{count} step{"" if count == 1 else "s"}, no property violated</p>'
    where = f"step {violation.step}" if violation.step else "the initial state"
    return (
        f'<p class="verdict broken"><a href="#step={violation.step}"><b>✗ {escaped(violation.property)}</b> '
        f"violated in {where}</a> <span>{escaped(violation.reason)}</span></p>"
    )


def _about(trace: Trace) -> str:
    pairs = "".join(f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>" for key, value in trace.about.items())
    return f'<dl class="about">{pairs}</dl>' if pairs else ""


def _chart(layout: Layout, name: str) -> str:
    heads = "".join(
        f'<span class="lane" data-actor="{escaped(lane)}" title="{escaped(lane)}" '
        f'style="left:{layout.lane_x(lane):.0f}px;max-width:{layout.pitch - 6:.0f}px">{escaped(lane)}</span>'
        for lane in layout.story.lanes
    )
    items = "\n".join(_list_item(layout, placed) for placed in layout.rows)
    return (
        f'<div class="chart" id="chart-{name}"><div class="heads"><div class="corner">step</div>'
        f'<div class="lanes" style="width:{layout.width:.0f}px">{heads}</div></div>'
        f'<div class="body"><ol class="steps">\n{items}\n</ol><div class="drawing">{draw(layout, name)}'
        f'<div class="future"></div></div></div></div>'
    )


def _list_item(layout: Layout, placed: PlacedRow) -> str:
    row, moment = placed.row, layout.story.moments[placed.row.first]
    place = f'data-first="{row.first}" data-last="{row.last}" style="height:{placed.height:.1f}px"'
    if row.folded:
        number = f'<span class="number">{row.first}–{row.last}</span>'
        words = f'{number}<span class="what">⋯ {row.count} heartbeat steps</span>'
        return f'<li class="folded" {place}><button>{words}</button></li>'
    kind = "violating" if placed.callout else moment.step.what.value if moment.step else "start"
    number = f'<span class="number">{row.first}</span>'
    what = f'<span class="what" title="{escaped(moment.text)}">{_event_markup(layout.story, moment)}</span>'
    return f'<li class="{kind}" {place}><button>{number}{what}{_second_line(moment)}</button></li>'


def _event_markup(story: Story, moment: Moment) -> str:
    """The event with its verb and the message's type set apart: the eye looks for these."""
    step = moment.step
    flight = story.flights.get(step.message) if step is not None and step.message is not None else None
    if step is None or flight is None:
        return escaped(moment.text)
    kind, _, rest = message_line(flight.message).partition(" ")
    hue = message_families(story)[flight.message.text.partition(" ")[0]]
    verb = "" if step.what is What.DELIVER else f'<i class="{step.what.value}">{step.what.value}</i> '
    return f'{verb}<b class="{hue}">{escaped(kind)}</b> {escaped(rest)}'


def _second_line(moment: Moment) -> str:
    step = moment.step
    if step is None or not (step.marks or step.outputs or step.lost):
        return ""
    marks = "".join(f'<span class="mark">{escaped(mark)}</span>' for mark in step.marks)
    outputs = "".join(f'<span class="output">⇒ {escaped(output)}</span>' for output in step.outputs)
    lost = f'<span class="lost">× {len(step.lost)} lost</span>' if step.lost else ""
    return f'<span class="extra">{marks}{outputs}{lost}</span>'


def _legend(story: Story) -> Iterator[str]:
    """Only what occurs in this trace."""
    conditions = {condition.value for moment in story.moments for condition in moment.conditions.values()}
    for role, letter in story.roles.items():
        words = f"{escaped(letter)} {escaped(role)}"
        drawn = role if role in conditions else role_class(story, role)  # who is down is drawn as such, in any role
        yield f'<span class="key"><i class="swatch {drawn}"></i>{words}</span>'
    kinds = dict.fromkeys(_glyph_kinds(story))
    for kind, words in _GLYPH_WORDS.items():
        if kind in kinds:
            yield _key(f'<g class="glyph">{glyph(kind, Point(9, 9))}</g>', 18, words)
    for condition in (Condition.DOWN.value, Condition.PAUSED.value):
        if condition in conditions and condition not in story.roles:
            yield f'<span class="key"><i class="swatch {condition}"></i>{condition}</span>'
    if any(partition_groups(step.name, story.lanes) for step in story.trace.steps if step.what is What.NETWORK):
        letter = '<text class="side-letter" x="9" y="13" text-anchor="middle">A</text>'
        yield _key(f'<circle class="side" cx="9" cy="9" r="8"/>{letter}', 18, "side of a partition")
    yield from _legend_of_messages(story)


def _glyph_kinds(story: Story) -> Iterator[str]:
    for moment in story.moments:
        if moment.step is not None and moment.step.actor is not None:
            yield glyph_kind(moment.step, changed=bool(moment.changed))


def _legend_of_messages(story: Story) -> Iterator[str]:
    flights = story.flights.values()
    if any(ending.fate is Fate.DROPPED for flight in flights for ending in flight.endings):
        cross = '<line x1="1" y1="9" x2="26" y2="9"/><path class="cross" d="M21 4L31 14M21 14L31 4"/>'
        yield _key(f'<g class="arrow dropped">{cross}</g>', 34, "dropped")
    if any(not flight.endings for flight in flights):
        stub = '<line x1="1" y1="6" x2="22" y2="11"/><circle class="open-end" cx="24" cy="11.5" r="2.6"/>'
        yield _key(f'<g class="arrow waiting">{stub}</g>', 30, "never arrived")
    if any(flight.copy_of is not None for flight in flights):
        number = '<text class="fork-text" x="9" y="12.5" text-anchor="middle">×2</text>'
        yield _key(f'<g class="arrow"><circle class="fork" cx="9" cy="9" r="8"/>{number}</g>', 18, "duplicated")


def _key(drawing: str, width: int, words: str) -> str:
    """One entry of the legend; *words* are ours and need no escaping."""
    size = f'width="{width}" height="18" viewBox="0 0 {width} 18"'
    return f'<span class="key"><svg class="diagram" {size} aria-hidden="true">{drawing}</svg>{words}</span>'


def _data(story: Story) -> dict[str, object]:
    """What the script needs, all of it text or numbers."""
    return {
        "lanes": story.lanes,
        "roles": {one_line(role): role_class(story, role) for role in story.roles},
        "violation": _violation_data(story),
        "moments": [_moment_data(story, moment) for moment in story.moments],
        "messages": {number: _message_data(flight) for number, flight in story.flights.items()},
    }


def _violation_data(story: Story) -> dict[str, object] | None:
    violation = story.trace.violation
    if violation is None:
        return None
    return {"step": violation.step, "property": one_line(violation.property), "reason": one_line(violation.reason)}


def _moment_data(story: Story, moment: Moment) -> dict[str, object]:
    """A moment; of the states only those that changed, as lists of pairs, since order matters."""
    step = moment.step
    shown: Sequence[str] = story.lanes if step is None else tuple(step.after)
    return {
        "text": moment.text,
        "states": {lane: _pairs(moment.states.get(lane, {})) for lane in shown},
        "conditions": {lane: condition.value for lane, condition in moment.conditions.items()},
        **(_step_data(step) if step is not None else {}),
    }


def _pairs(fields: Fields) -> list[tuple[str, str]]:
    return [(one_line(name), one_line(value)) for name, value in fields.items()]


def _step_data(step: TraceStep) -> dict[str, object]:
    return {
        "message": step.message,
        "sent": [message.number for message in step.sent],
        "lost": step.lost,
        "marks": [one_line(mark) for mark in step.marks],
        "outputs": [one_line(output) for output in step.outputs],
        "line": step.line,
    }


def _message_data(flight: Flight) -> dict[str, object]:
    return {
        "text": one_line(message_line(flight.message)),
        "sent": flight.sent_at,
        "endings": [[ending.step, ending.fate.value] for ending in flight.endings],
    }


__all__ = ["render_html"]
