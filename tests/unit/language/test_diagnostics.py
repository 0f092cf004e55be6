"""How diagnostics are drawn."""

from __future__ import annotations

from scenarios.language.diagnostics import Diagnostic, Severity, render, suggest
from scenarios.language.terms import Span

FAILED = Diagnostic(
    Severity.FAILED,
    "expect s1.commit < 2",
    Span("examples/04.scenario", 30, 1, 20),
    'expect s1.commit < 2 because "two"',
    mark=Span("examples/04.scenario", 30, 8, 13),
    label="s1.commit is 2",
    notes=("because: two", "reproduce: raftframe run examples/04.scenario --to 30"),
)
DRAWN = """\
examples/04.scenario:30:1: FAILED expect s1.commit < 2
   30 | expect s1.commit < 2 because "two"
      |        ^^^^^^^^^^^^^ s1.commit is 2
      = because: two
      = reproduce: raftframe run examples/04.scenario --to 30"""


def test_a_failed_check_is_drawn_like_an_error() -> None:
    """Headline at the statement, carets at the clause, then the notes."""
    assert render(FAILED) == DRAWN


def test_suggestions() -> None:
    """The closest word; all of them when they are few; nothing when there are many."""
    assert suggest("delivr", {"deliver", "drop"}) == "did you mean `deliver`?"
    assert suggest("x", {"sim", "udp"}) == "one of: sim, udp"
    assert suggest("x", [str(number) for number in range(100, 200)]) == ""
