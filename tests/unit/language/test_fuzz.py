"""Whatever the text, loading and formatting give diagnostics and never an exception."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.language.diagnostics import render_all
from scenarios.language.formatter import format_text
from scenarios.language.loader import load
from scenarios.language.verbs import VERBS

from .support import CORPUS, FILES

WORDS = sorted(
    {word for file in CORPUS for word in file.read_text(encoding="utf-8").split()}
    | set(VERBS)
    | {
        "\t",
        '"',
        "$x",
        "\\",
        "9" * 5000,
        "(",
        ")",
        "[",
        "|",
        "\x00",
        "²",
        "é",
        "\u2028",
        "{",
        "not",
        "try",
        "->",
        "1.5.5s",
    }
)
TEXTS = [file.read_text(encoding="utf-8") for file in CORPUS]


def check(text: str) -> None:
    """Load and format; every diagnostic can be drawn; errors mean that nothing runs."""
    loaded = load(FILES / "fuzz.scenario", text=text)
    render_all(loaded.diagnostics)
    assert loaded.ok or not loaded.instances
    once = format_text(text)
    if not once.diagnostics:
        assert format_text(once.text).text == once.text


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text(text: str) -> None:
    """Text without any sense."""
    check(text)


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=8), max_size=12), st.data())
@settings(max_examples=300, deadline=None)
def test_words_of_the_language_in_any_order(lines: list[list[str]], data: st.DataObject) -> None:
    """Lines of real words, at random depths."""
    indents = st.integers(0, 3)
    body = "\n".join("  " * data.draw(indents) + " ".join(line) for line in lines)
    check(f"scenario: fuzz\nservers: 3\n\n{body}")


@given(st.sampled_from(TEXTS), st.data())
@settings(max_examples=300, deadline=None)
def test_real_files_with_a_piece_replaced(text: str, data: st.DataObject) -> None:
    """A real file with a few characters removed and others put in."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    check(text[:start] + data.draw(st.one_of(st.text(max_size=5), st.sampled_from(WORDS))) + text[end:])


def test_deep_nesting() -> None:
    """Nesting that would exhaust the stack is an error like any other."""
    check("scenario: deep\nservers: 3\n\nexpect " + "not " * 5000 + "quiet")
    check("scenario: deep\nservers: 3\n\nexpect " + "(" * 5000 + "quiet")
    check("scenario: deep\nservers: 3\nparam: N = 1\nassume: " + "(" * 5000 + "\n\nsettle")
    deep = "".join("  " * depth + "repeat 2\n" for depth in range(3000))
    check("scenario: deep\nservers: 3\n\n" + deep)


def test_a_missing_file() -> None:
    """A path that cannot be read gives a diagnostic, too."""
    loaded = load(Path("nowhere.scenario"))

    assert [found.message for found in loaded.errors] == ["cannot read this file: No such file or directory"]
