"""Turns what went wrong in a run into diagnostics: where, what is there instead, what led to it, how to see it
again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import define, field

from checker.runs.trace import SentMessage, TraceStep
from scenarios.language.diagnostics import Diagnostic, Severity, Via
from scenarios.language.loaded import Binding
from scenarios.language.terms import Span
from scenarios.runner.cluster_api import Cluster

LAST_STEPS = 5
_FIELD = re.compile(r"(s\d+)\.(\w+) ")
_TRACED = {"balance": "app", "state": "app", "last": "log", "last_term": "log", "applied": "commit"}


@define
class Sources:
    """The lines of the files that a scenario is made of."""

    texts: dict[str, list[str]] = field(factory=dict)

    def line(self, span: Span) -> str:
        """The line that *span* is in; empty when the file cannot be read."""
        if span.path not in self.texts:
            try:
                self.texts[span.path] = Path(span.path).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                self.texts[span.path] = []
        lines = self.texts[span.path]
        return lines[span.line - 1] if 0 < span.line <= len(lines) else ""

    def text(self, span: Span) -> str:
        """What stands at *span*."""
        return self.line(span)[span.column - 1 : span.column - 1 + span.length].rstrip()


@define
class Reporter:
    """Writes the diagnostics of one run."""

    sources: Sources
    cluster: Cluster
    binding: Binding
    instance_id: str
    seed: int | None
    state_map: str | None = None

    def failed(
        self,
        headline: str,
        span: Span,
        *,
        mark: Span | None = None,
        label: str = "",
        because: str | None = None,
        since: int = 0,
        chain: Sequence[Via] = (),
        extra: Iterable[str] = (),
    ) -> Diagnostic:
        """A failed check. *since* is the number of steps at the last check that passed."""
        notes = [f"because: {because}"] if because else []
        notes += extra
        notes += self._changed_by(label)
        notes += self._last_steps(since)
        notes.append(self.reproduce(chain[-1].span.line if chain else span.line))
        where = mark if mark is not None and mark.line == span.line else span
        source = self.sources.line(where)
        return Diagnostic(
            Severity.FAILED, headline, span, source, where, label, tuple(notes), tuple(chain), self.binding
        )

    def warning(self, message: str, span: Span) -> Diagnostic:
        """Something that the author should know."""
        return Diagnostic(Severity.WARNING, message, span, self.sources.line(span), binding=self.binding)

    def reproduce(self, line: int) -> str:
        """The command that leads here again."""
        seed = f" --seed {self.seed}" if self.seed is not None else ""
        bug = f" --state-map {self.state_map}" if self.state_map is not None else ""
        mode = f" --mode {self.cluster.mode}" if self.cluster.mode != "sim" else ""
        return f"reproduce: raftframe run {self.instance_id}{mode}{seed}{bug} --to {line}"

    def messages(self) -> dict[int, SentMessage]:
        """Every message of the run by its number."""
        return {each.number: self.cluster.journal.letter(each) for each in self.cluster.post.everything}

    def step_text(self, number: int, step: TraceStep, messages: dict[int, SentMessage]) -> str:
        """One step, in words."""
        from checker.views.story import event_line  # all views come with it, and most runs have nothing to tell

        line = f" (line {step.line})" if step.line is not None else ""
        marks = f"  [{', '.join(step.marks)}]" if step.marks else ""
        return f"step {number}{line}: {event_line(step, messages)}{marks}"

    def _last_steps(self, since: int) -> list[str]:
        steps = list(enumerate(self.cluster.journal.steps, 1))
        if not steps:
            return []
        messages = self.messages()
        shown = steps[-LAST_STEPS:]
        passed = f", {len(steps) - since} since the last check that passed" if since else ""
        return [
            f"the last {len(shown)} of {len(steps)} steps{passed}:",
            *(f"  {self.step_text(n, step, messages)}" for n, step in shown),
        ]

    def _changed_by(self, label: str) -> list[str]:
        """The step that gave the field of *label* (`s1.commit is 2`) its value."""
        found = _FIELD.match(label)
        if found is None:
            return []
        server, name = found[1], _TRACED.get(found[2], found[2])
        value = self.cluster.journal.before.get(server, {}).get(name)
        best: tuple[int, TraceStep, str | None, str] | None = None
        for number, step in enumerate(self.cluster.journal.steps, 1):
            now = step.after.get(server, {}).get(name, value)
            if now is not None and now != value:
                best, value = (number, step, value, now), now
        if best is None:
            return []
        number, step, then, now = best
        return [f"changed by {self.step_text(number, step, self.messages())}; {server}.{name} {then} -> {now}"]
