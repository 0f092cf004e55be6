"""The pages are what the code is: drawn tables, examples that load, excerpts that are there, modules that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checker.mutants import MUTANTS
from scenarios.language.verbs import VERBS
from tests.tidy.documents import blocks
from tests.tidy.repository import ROOT, modules, shown

from . import drawing

DOCS = sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)?(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("page", [page for page in drawing.PARTS if page.startswith("docs/")])
def test_what_is_drawn_from_the_code_is_up_to_date(page: str) -> None:
    """Write the parts anew with `python -m tests.unit.pages.drawing`."""
    assert (ROOT / page).read_text(encoding="utf-8") == drawing.drawn(page)


def test_every_verb_has_an_example() -> None:
    """One each, and none of a verb that is not there."""
    assert set(drawing.EXAMPLES) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_example_of_a_verb_is_right(verb: str) -> None:
    """It begins with the verb, and loads without an error."""
    loaded = drawing.example_of(verb)

    assert drawing.EXAMPLES[verb].split()[0] == verb
    assert not loaded.errors, "\n".join(map(str, loaded.errors))


def test_every_rule_and_every_mutant_is_on_the_page() -> None:
    """Each public method of a state class has a row, and each planted bug stands in a row of a rule it replaces."""
    rows = "\n".join(drawing.rules())

    for owner in drawing.OWNERS.values():
        for name in drawing.rule_names(owner):
            assert f"| `{name}` |" in rows, f"{owner.__name__}.{name} is not on the page"
    for mutant in MUTANTS:
        assert f"`{mutant.name}`" in rows, f"no rule is replaced by {mutant.name}"


@pytest.mark.parametrize("page", DOCS, ids=shown)
def test_excerpts_are_from_the_file_that_they_name(page: Path) -> None:
    """A `py` block with `from=FILE` stands in that file, word for word."""
    for block in blocks(page.read_text(encoding="utf-8")):
        if source := re.search(r"\bfrom=(\S+)", block.options):
            text = (ROOT / source[1]).read_text(encoding="utf-8")
            assert block.code in text, f"{page.name}:{block.line}: not in {source[1]}"


@pytest.mark.parametrize("page", [*DOCS, ROOT / "ARCHITECTURE.md"], ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link within the repository names a file that exists, and a heading that is in it."""
    for name, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {name}"
        assert not anchor or anchor in _anchors(target), f"{page.name} links to {name}#{anchor}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_module_is_on_the_map() -> None:
    """The code map names each committed module and none that is gone; `tests.unit.pages.drawing` draws it."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w/]+\.py)` \|", text, re.MULTILINE))
    there = {shown(path) for path in modules().values()}
    needed = {shown(path) for path in drawing.committed_modules()}

    assert not needed - listed, f"add to ARCHITECTURE.md: {sorted(needed - listed)}"
    assert not listed - there, f"remove from ARCHITECTURE.md: {sorted(listed - there)}"
