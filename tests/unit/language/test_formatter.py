"""The formatter changes looks, never meaning."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.language.formatter import format_text
from scenarios.language.loader import load

from .support import CORPUS, texts

UGLY = """\
scenario:   some
servers:3
param: N=1,2 ,3
param: noop commit=on 1;off   2
options: noop = off,sync=on


elect   s1   # why
drop AppendEntries s1->s2 entries > 0
let term=s1.term
expect s1.commit<2   and ( no  leader )
      # deep
expect count ( any s1 -> * )==$N
set s1.log=[ 1 2 ]
partition s1|s2 s3

"""
PRETTY = """\
scenario: some
servers: 3
param: N = 1, 2, 3
param: noop commit = on 1; off 2
options: noop=off, sync=on

elect s1     # why
drop AppendEntries s1 -> s2 entries>0
let term = s1.term
expect s1.commit < 2 and (no leader)
# deep
expect count(any s1 -> *) == $N
set s1.log = [1 2]
partition s1 | s2 s3
"""


def test_canonical_look() -> None:
    """Blanks, commas, operators and comments have one place each."""
    assert format_text(UGLY).text == PRETTY


def test_the_corpus_looks_right_already() -> None:
    """The examples define the look."""
    for name, text in texts():
        assert format_text(text).text == text, name


def test_what_cannot_be_told_apart_is_left_alone() -> None:
    """With a tab or a string without an end the text comes back as it was, with the reasons."""
    result = format_text('scenario: x\n\n\tnote "\n')

    assert result.text == 'scenario: x\n\n\tnote "\n'
    assert [found.message for found in result.diagnostics] == ["tab character", "unterminated string"]


TEXTS = [(file, file.read_text(encoding="utf-8")) for file in CORPUS]
_GAP = re.compile(r'"(?:\\.|[^"\\])*"|#.*|(?<=\S) +(?=\S)|(?<=\S)(?=[,()\[\]|])|(?<=[,()\[\]|])(?=\S)')


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str, str]:
    """Path, text, and the text with other blanks between tokens, more blank lines and more comments."""
    path, text = draw(st.sampled_from(TEXTS))
    random = draw(st.randoms(use_true_random=False))
    lines = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        header = re.match(r"[\w-]+:", line)
        body = line[indent:] if header else _GAP.sub(lambda gap: _blanks(gap[0], random.randint(0, 3)), line[indent:])
        lines.append(line[:indent] + body + " " * random.randint(0, 2))
        if random.random() < 0.2:
            lines.append(random.choice(["", "# more", "     # more"]))
    return path.as_posix(), text, "\n".join(lines)


def _blanks(gap: str, count: int) -> str:
    return gap if gap.strip() else " " * (max(1, count) if gap else count)


@given(mutated())
@settings(max_examples=150, deadline=None)
def test_formatting_keeps_the_tree_and_is_idempotent(case: tuple[str, str, str]) -> None:
    """Whatever the blanks were: formatted, the trees are those of the original; formatting again does nothing."""
    path, original, changed = case

    once = format_text(changed)

    assert not once.diagnostics
    assert format_text(once.text).text == once.text
    before, after = load(path, text=original), load(path, text=once.text)
    assert [instance.statements for instance in after.instances] == [
        instance.statements for instance in before.instances
    ]
    assert after.header == before.header


def test_comments_are_kept() -> None:
    """No comment is lost, whatever its place."""
    for _name, text in texts():
        comments = re.findall(r"#.*", text)
        assert re.findall(r"#.*", format_text(text).text) == [comment.rstrip() for comment in comments]
