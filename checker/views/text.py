"""A trace for the terminal: one aligned line a step, one column a server, a legend, and the reason at the end.

Reading down a column tells one server's life; reading across a line tells one moment. The server that changed is marked
with `*` and the step that breaks the property with `!`, in plain characters, because logs of CI have no colour. Colour
only repeats what the characters say.

A cell has the role's letter, then term, commit index and log or last index, as far as the trace has such fields. A
trace that has no role shows the first three fields of each actor instead. When *width* is short, fields go first, from
the right; then the end of the event.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import IO

from attrs import frozen

from checker.runs.trace import Trace, TraceStep, What
from checker.views.story import Condition, Fields, Moment, Story, message_line, one_line, tell

_PREFERRED = (
    ("role",),
    ("term",),
    ("commit", "commit_index"),
    ("last", "last_index", "log"),
)
_LONGEST_FIELD = 14
_MIN_EVENT_WIDTH = 40
_CONDITION_SIGN = {Condition.DOWN: "†", Condition.PAUSED: "‖"}
_ROLE_STYLE = {"follower": "blue", "candidate": "yellow", "leader": "green"}


@frozen
class _Span:
    """A stretch of one line, and the style that colour would give it."""

    text: str
    style: str = ""


_Line = tuple[_Span, ...]


def render_text(trace: Trace, *, width: int | None = None, colour: bool = False) -> str:
    """*trace* as lines of text that end with a newline.

    *width* is the longest line, in characters; None means no limit. *colour* adds ANSI escapes and changes nothing
    else. The result depends on the arguments only.
    """
    if width is not None and width < 20:
        raise ValueError(f"width must be at least 20 characters, not {width}")
    lines = _lines(trace, width)
    if not colour:
        return "".join("".join(span.text for span in line).rstrip() + "\n" for line in lines)
    return _with_colour(lines)


def print_text(trace: Trace, file: IO[str] | None = None) -> None:
    """Print *trace*, as wide as the terminal and in colour if *file* is one; else plain and uncut."""
    from rich.console import Console  # slow to import, seldom needed

    console = Console(file=file)
    width = max(20, console.width) if console.is_terminal else None
    console.file.write(render_text(trace, width=width, colour=console.is_terminal and not console.no_color))


def _lines(trace: Trace, width: int | None) -> list[_Line]:
    story = tell(trace)
    fields = _fitting_fields(story, width)
    table = _Table(story, fields, _field_widths(story, fields))
    lines = [*_opening(trace, width), _cut(table.header(), width)]
    broken = trace.violation.step if trace.violation else None
    for moment in story.moments:
        lines.append(_cut(table.line(moment, broken=moment.number == broken), width))
    return [*lines, *_verdict(trace, width), *_legend(story, fields, width)]


@frozen
class _Table:
    """Cells and events, with the width of every field fixed so that columns line up."""

    story: Story
    fields: tuple[str, ...]
    widths: dict[str, int]

    def header(self) -> _Line:
        actors = "".join(f"  {one_line(actor):<{self.cell_width(actor) - 2}}" for actor in self.actors)
        return (_Span(f"{'#':>{self.number_width}} {actors} event", "bold"),)

    @property
    def actors(self) -> tuple[str, ...]:
        return self.story.trace.actors

    @property
    def number_width(self) -> int:
        return 1 + len(str(len(self.story.moments) - 1))

    def cell_width(self, actor: str) -> int:
        """Two signs, then each field with a blank after it, then one more blank."""
        inner = 2 + sum(self.widths[name] + 1 for name in self.fields) - 1
        return max(inner, len(actor) + 2) + 1

    def line(self, moment: Moment, *, broken: bool) -> _Line:
        mark = "!" if broken else " "
        number = _Span(f"{mark}{moment.number:>{self.number_width - 1}} ", "bold red" if broken else "dim")
        cells = [self.cell(moment, actor) for actor in self.actors]
        return (number, *cells, _Span(" "), *_event_spans(self.story, moment, broken=broken))

    def cell(self, moment: Moment, actor: str) -> _Span:
        state = moment.states.get(actor, {})
        changed = "*" if actor in moment.changed else " "
        condition = moment.conditions.get(actor, Condition.UP)
        sign = _CONDITION_SIGN.get(condition, " ")
        values = " ".join(_field_text(self.story, state, name).ljust(self.widths[name]) for name in self.fields)
        style = "dim" if condition is Condition.DOWN else _ROLE_STYLE.get(state.get("role", ""), "")
        text = f"{changed}{sign}{values}"
        emphasis = " bold reverse" if changed == "*" else ""
        return _Span(f"{text:<{self.cell_width(actor)}}", f"{style}{emphasis}".strip())


def _event_spans(story: Story, moment: Moment, *, broken: bool) -> list[_Span]:
    spans = [_Span(moment.text, "bold red" if broken else "")]
    step = moment.step
    if step is None:
        return spans
    if step.marks:
        spans.append(_Span(f"  [{one_line(', '.join(step.marks))}]", "cyan"))
    if step.outputs:
        spans.append(_Span(f"  => {one_line(', '.join(step.outputs))}", "magenta"))
    if step.sent and step.what is not What.DUPLICATE:
        spans.append(_Span(f"  > {_sent_text(step)}", "dim"))
    if step.lost:
        lost = (message_line(story.flights[number].message) for number in step.lost if number in story.flights)
        spans.append(_Span(f"  × {one_line(', '.join(lost))}", "red"))
    return spans


def _sent_text(step: TraceStep) -> str:
    """What was sent, with the targets of equal messages together: `RequestVote term=1 to s2 s3`."""
    targets: dict[str, list[str]] = {}
    for message in step.sent:
        targets.setdefault(message.text, []).append(message.target)
    return one_line(", ".join(f"{text} to {' '.join(names)}" for text, names in targets.items()))


def _all_states(story: Story) -> Iterable[Fields]:
    for moment in story.moments:
        yield from moment.states.values()


def _wanted_fields(story: Story) -> tuple[str, ...]:
    present = dict.fromkeys(name for state in _all_states(story) for name in state)
    if "role" not in present:
        return tuple(present)[:3]
    chosen = (next((name for name in names if name in present), None) for names in _PREFERRED)
    return tuple(name for name in chosen if name is not None)


def _fitting_fields(story: Story, width: int | None) -> tuple[str, ...]:
    fields = _wanted_fields(story)
    while width is not None and len(fields) > 1:
        table = _Table(story, fields, _field_widths(story, fields))
        used = table.number_width + 3 + sum(table.cell_width(actor) for actor in table.actors)
        if used + _MIN_EVENT_WIDTH <= width:
            break
        fields = fields[:-1]
    return fields


def _field_widths(story: Story, fields: Sequence[str]) -> dict[str, int]:
    return {
        name: max((len(_field_text(story, state, name)) for state in _all_states(story)), default=0) for name in fields
    }


def _field_text(story: Story, state: Fields, name: str) -> str:
    value = state.get(name, "")
    if name == "role":
        return story.roles.get(value, "")
    text = one_line(value)
    return text if len(text) <= _LONGEST_FIELD else "…" + text[1 - _LONGEST_FIELD :]  # the end of a log is news


def _opening(trace: Trace, width: int | None) -> list[_Line]:
    lines = [(_Span(text, "bold"),) for text in _wrapped(one_line(trace.title), width)]
    for name, value in trace.about.items():
        lines.extend((_Span(text, "dim"),) for text in _wrapped(one_line(f"{name}: {value}"), width))
    return [*lines, (_Span(""),)]


def _verdict(trace: Trace, width: int | None) -> list[_Line]:
    violation = trace.violation
    if violation is None:
        return []
    where = f"after step {violation.step}" if violation.step else "in the initial state"
    text = one_line(f"{violation.property} violated {where}: {violation.reason}")
    return [(_Span(""),), *((_Span(line, "bold red"),) for line in _wrapped(text, width, first="! ", rest="  "))]


def _legend(story: Story, fields: Sequence[str], width: int | None) -> list[_Line]:
    roles = [f"{letter} {one_line(role)}" for role, letter in story.roles.items()]
    signs = {
        "* changed in this step": any(moment.changed for moment in story.moments),
        "† down": any(Condition.DOWN in moment.conditions.values() for moment in story.moments),
        "‖ paused": any(Condition.PAUSED in moment.conditions.values() for moment in story.moments),
        "! breaks the property": story.trace.violation is not None,
        "[marks]": any(step.marks for step in story.trace.steps),
        "=> output": any(step.outputs for step in story.trace.steps),
        "> sends": any(step.sent for step in story.trace.steps),
        "× loses": any(step.lost for step in story.trace.steps),
    }
    columns = [f"a column: {' '.join(one_line(name) for name in fields)}"] if fields else []
    text = " · ".join([*columns, *roles, *(sign for sign, used in signs.items() if used)])
    return [(_Span(""),), *((_Span(line, "dim"),) for line in _wrapped(text, width))]


def _wrapped(text: str, width: int | None, *, first: str = "", rest: str = "") -> list[str]:
    if width is None:
        return [first + text]
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest) or [first]


def _cut(line: _Line, width: int | None) -> _Line:
    """*line* within *width*, its last character `…` if something is missing."""
    if width is None or sum(len(span.text) for span in line) <= width:
        return line
    kept: list[_Span] = []
    room = width - 1
    for span in line:
        kept.append(_Span(span.text[:room], span.style))
        room -= len(kept[-1].text)
    return (*kept, _Span("…"))


def _with_colour(lines: Iterable[_Line]) -> str:
    from rich.console import Console  # slow to import, seldom needed
    from rich.text import Text

    console = Console(file=StringIO(), force_terminal=True, color_system="standard", width=100_000, no_color=False)
    with console.capture() as capture:
        for line in lines:
            text = Text.assemble(*((span.text, span.style) for span in line))
            text.rstrip()
            console.print(text, soft_wrap=True, highlight=False)
    return capture.get()
