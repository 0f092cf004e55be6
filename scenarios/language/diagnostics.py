"""Diagnostics: what is wrong, where, and the way out; and the one function that draws them.

    path:line:col: error: unknown verb `delivr`
       12 | delivr RequestVote
          | ^^^^^^ did you mean `deliver`?
          = used from examples/05.scenario:9:1: call leader_with s1 3
          = with N=3, point=after

The same drawing serves the errors of a file and the failed checks of a run (`Severity.FAILED`), where the headline
points at the statement and the carets at the clause that is false.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Collection, Iterable

from attrs import field, frozen

from scenarios.language.terms import Span


class Severity(enum.Enum):
    """What a diagnostic means for the run; the value is the word shown."""

    ERROR = "error:"
    WARNING = "warning:"
    FAILED = "FAILED"


@frozen
class Via:
    """How a line was reached: the `use` or `call` line that led to it."""

    span: Span
    text: str


@frozen
class Diagnostic:
    """One finding.

    *span* is where the headline points. *mark* is what the carets underline (None: the same). *label* follows the
    carets (a value, or a hint). *notes* are the `=` lines. *chain* leads from the line outwards to the file that was
    asked for. *binding* holds the parameters that the line was read with, when it used any.
    """

    severity: Severity
    message: str
    span: Span
    source: str = ""
    mark: Span | None = None
    label: str = ""
    notes: tuple[str, ...] = ()
    chain: tuple[Via, ...] = ()
    binding: tuple[tuple[str, str], ...] = field(default=(), eq=False)

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        return render(self)


def render(diagnostic: Diagnostic) -> str:
    """*diagnostic* as plain text, without a final line end."""
    lines = [f"{diagnostic.span}: {diagnostic.severity.value} {diagnostic.message}"]
    if diagnostic.source:
        lines += _source_lines(diagnostic)
    lines += [f"      = {note}" for note in _notes(diagnostic)]
    return "\n".join(lines)


def render_all(diagnostics: Iterable[Diagnostic]) -> str:
    """All of them as plain text, each ended by a line end."""
    return "".join(render(diagnostic) + "\n" for diagnostic in diagnostics)


def did_you_mean(word: str, choices: Collection[str]) -> str:
    """``did you mean `deliver`?`` when one of *choices* is close to *word*, else nothing."""
    lower = {choice.lower(): choice for choice in sorted(choices)}
    begun = [choice for choice in lower if len(word) > 2 and choice.startswith(word.lower())]
    close = begun[:1] if len(begun) == 1 else difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f"did you mean `{lower[close[0]]}`?" if close else ""


def suggest(word: str, choices: Collection[str]) -> str:
    """What to write instead of *word*: the closest of *choices*, or all of them when they are few."""
    close = did_you_mean(word, choices)
    if close or not choices or len(choices) > 10:
        return close
    return "one of: " + ", ".join(sorted(choices))


def _source_lines(diagnostic: Diagnostic) -> list[str]:
    mark = diagnostic.mark or diagnostic.span
    carets = " " * (mark.column - 1) + "^" * max(1, mark.length)
    label = f" {diagnostic.label}" if diagnostic.label else ""
    number = f"{mark.line:5}"
    return [f"{number} | {diagnostic.source}", f"{' ' * len(number)} | {carets}{label}"]


def _notes(diagnostic: Diagnostic) -> list[str]:
    notes = list(diagnostic.notes)
    notes += [f"from {via.span}: {via.text}" for via in diagnostic.chain]
    if diagnostic.binding:
        notes.append("with " + ", ".join(f"{name}={value}" for name, value in diagnostic.binding))
    return notes
