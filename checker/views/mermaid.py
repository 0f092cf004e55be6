"""A trace as a Mermaid sequence diagram, because that is what a pull request or a wiki page can show.

A sequence diagram has no slanted arrows: a message is drawn where it was *delivered*, which is when it matters, and one
that was dropped, or lost in a crash, ends in a cross. Messages that never arrived are left out. Long traces are better
served by the page of `html.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from checker.runs.trace import Trace, What
from checker.views.story import Moment, Story, one_line, tell

_LONGEST_TEXT = 120


def render_mermaid(trace: Trace) -> str:
    """*trace* as the text of a Mermaid `sequenceDiagram`, ending with a newline."""
    story = tell(trace)
    alias = {lane: f"p{number}" for number, lane in enumerate(story.lanes)}
    lines = ["sequenceDiagram", *(f"  participant {alias[lane]} as {_safe(lane)}" for lane in story.lanes)]
    previous = story.moments[0]
    for moment in story.moments:
        lines.extend(_step_lines(story, moment, alias))
        lines.extend(_state_notes(story, previous, moment, alias))
        lines.extend(_violation_note(story, moment, alias))
        previous = moment
    return "\n".join(line if line == "sequenceDiagram" else "  " + line.strip() for line in lines) + "\n"


def _step_lines(story: Story, moment: Moment, alias: dict[str, str]) -> Iterator[str]:
    step = moment.step
    if step is None:
        return
    flight = story.flights.get(step.message) if step.message is not None else None
    if flight is not None and step.what in (What.DELIVER, What.DROP):
        arrow = "->>" if step.what is What.DELIVER else "-x"
        source, target = alias[flight.message.source], alias[flight.message.target]
        yield f"{source}{arrow}{target}: {moment.number} {_safe(flight.message.text)}"
    elif step.actor is not None:
        yield f"Note over {alias[step.actor]}: {moment.number} {_safe(moment.text)}"
        for lost in (story.flights[number].message for number in step.lost if number in story.flights):
            yield f"{alias[lost.source]}-x{alias[lost.target]}: {moment.number} {_safe(lost.text)}"
    elif story.lanes:
        yield f"Note over {_everyone(alias)}: {moment.number} {_safe(moment.text)}"


def _state_notes(story: Story, before: Moment, after: Moment, alias: dict[str, str]) -> Iterator[str]:
    """A note where the role or term of a server changes (for other systems: its first field)."""
    for actor in after.changed:
        headline = story.headline(after.states[actor])
        if actor in alias and headline and headline != story.headline(before.states.get(actor, {})):
            role, term = after.states[actor].get("role"), after.states[actor].get("term")
            words = f"{role}{f', term {term}' if term else ''}" if role else headline
            yield f"Note right of {alias[actor]}: {_safe(words)}"


def _violation_note(story: Story, moment: Moment, alias: dict[str, str]) -> Iterator[str]:
    violation = story.trace.violation
    if violation is not None and violation.step == moment.number and story.lanes:
        yield "rect rgb(255, 200, 200)"
        yield f"Note over {_everyone(alias)}: {_safe(f'{violation.property} violated: {violation.reason}')}"
        yield "end"


def _everyone(alias: dict[str, str]) -> str:
    names = list(alias.values())
    return names[0] if len(names) == 1 else f"{names[0]},{names[-1]}"


def _safe(text: str) -> str:
    """*text* with everything that means something to Mermaid, or to HTML within it, as a character entity."""
    cut = one_line(text)
    cut = cut if len(cut) <= _LONGEST_TEXT else cut[: _LONGEST_TEXT - 1] + "…"
    return "".join(f"#{ord(char)};" if char in '#;<>&"%`{}' else char for char in cut) or " "
