"""Every code block of README.md, docs/ and the other pages at the top is run; how that is done is tested first."""

from __future__ import annotations

from pathlib import Path

import pytest

from .documents import Block, Differs, blocks, commands, is_run, lay_out, matches, run_page
from .repository import ROOT, files, shown

PAGES = [path for path in files() if path.suffix == ".md" and path.parent in {ROOT, ROOT / "docs"}]


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of each page run in order and show what they show."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    run_page(page, tmp_path)


def test_blocks_are_found_with_their_lines() -> None:
    """Fences of any length, indented in a list, with options; a longer fence may hold a shorter one."""
    page = "a\n```python file=app.py\nx = 1\n```\n* b\n  ```console\n  $ c\n  ```\n````text\n```python\n````\n"

    found = list(blocks(page))

    assert found == [
        Block("python", " file=app.py", "x = 1\n", 3),
        Block("console", "", "$ c\n", 7),
        Block("text", "", "```python\n", 10),
    ]
    assert [block.file for block in found] == ["app.py", None, None]


def test_commands_are_told_from_their_output() -> None:
    """A backslash continues a command, `$ echo $?` says the exit code of the one before it."""
    block = Block("console", "", "$ raftframe check \\\n    --servers 3\nfail\n$ echo $?\n1\n$ make\n", 10)

    first, second = commands(block)

    assert (first.text, first.shown, first.exit_code) == ("raftframe check \\\n    --servers 3", "fail", 1)
    assert (second.text, second.shown, second.exit_code, second.line) == ("make", "", 0, 15)


@pytest.mark.parametrize(
    ("command", "run"),
    [("raftframe run", True), ("SEED=1 raftframe run", True), ("git clone x", False), ("# raftframe", False)],
)
def test_only_our_own_commands_are_run(command: str, run: bool) -> None:
    """What a page tells the reader to install or fetch is shown, not done."""
    assert is_run(command) is run


@pytest.mark.parametrize(
    ("example", "output", "same"),
    [
        ("", "whatever\n", True),
        ("pass", "pass  \n", True),
        ("pass", "pass\nmore\n", False),
        ("pass in ... s", "pass in 0.3 s\n", True),
        ("pass in ... s", "pass in 0.3 s\n1 s\n", False),
        ("first\n...\nlast", "first\nlast\n", True),
        ("first\n...\nlast", "first\na\n\nb\nlast\n", True),
        ("first\n...\nlast", "last\n", False),
        ("[1.5]", "[1x5]\n", False),
    ],
)
def test_output_is_compared_loosely(example: str, output: str, same: bool) -> None:
    """`...` is any text in a line and any lines on a line of its own; everything else is meant literally."""
    assert matches(example, output) is same


def run_text(text: str, folder: Path) -> int:
    """Run a page that has *text*."""
    (folder / "page.md").write_text(text, encoding="utf-8")
    return run_page(folder / "page.md", folder)


def test_python_blocks_share_a_namespace(tmp_path: Path) -> None:
    """What one block defines, the next one sees; an error names the page's own line."""
    assert run_text("```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n", tmp_path) == 2

    with pytest.raises(ZeroDivisionError) as error:
        run_text("one\n\n```python\n1 / 0\n```\n", tmp_path)
    assert error.traceback[-1].lineno + 1 == 4


def test_a_page_can_write_a_file_and_use_it(tmp_path: Path) -> None:
    """A block with file=NAME is there for the commands that follow, and a difference is named with its line."""
    page = "```text file=a.txt\nhello\n```\n```console\n$ cat a.txt\n{}\n```\n"

    assert run_text(page.format("hello"), tmp_path) == 2
    with pytest.raises(Differs, match=r"page.md:5: \$ cat a.txt"):
        run_text(page.format("goodbye"), tmp_path)
    with pytest.raises(Differs, match="exits with 1, not 0"):
        run_text("```console\n$ cat nothing\n```\n", tmp_path)
    assert run_text("```console\n$ cat nothing\n...\n$ echo $?\n1\n```\n", tmp_path) == 1


def test_a_page_without_blocks_is_fine(tmp_path: Path) -> None:
    """Prose runs nothing."""
    assert run_text("# Title\n\nNo code, only `words`.\n", tmp_path) == 0
