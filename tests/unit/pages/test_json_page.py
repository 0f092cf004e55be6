"""docs/json.md has exactly the keys that the commands print, with their types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from attrs import frozen
from click.testing import CliRunner

from scenarios.cli import COMMANDS, raftframe

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
PLAIN = {
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
SCENARIO = """\
scenario: everything that a result can hold
servers: 3

elect s1
client c1 credit 10 => ok 10
show s1 state
crash s2
ignore invariant leader_append_only
explore with everything
  vary deliver, timeout s3
  limit timeouts 1, depth 3
  sometimes s3 is candidate
expect s1.term == 7
"""


@frozen
class Key:
    """One row of a table."""

    type: str
    optional: bool


def objects(page: str) -> dict[str, dict[str, Key]]:
    """The keys of each object, by the heading that it stands under. A row `...` brings in another object's keys."""
    found: dict[str, dict[str, Key]] = {}
    heading = ""
    for line in page.splitlines():
        if match := re.match(r"##+ (?:raftframe )?(.+)", line):
            heading = match[1]
        elif match := re.match(r"\| (`(?P<key>\w+)`|\.\.\.) \| (?P<type>[^|]+?)(?P<optional>, optional)? \|", line):
            key = match["key"] or f"... {match['type']}"
            found.setdefault(heading, {})[key] = Key(match["type"], match["optional"] is not None)
    for keys in found.values():
        for inherited in [key for key in keys if key.startswith("... ")]:
            del keys[inherited]
            keys.update(found[inherited.removeprefix("... ")])
    return found


OBJECTS = objects(PAGE)


def problems(value: object, kind: str, where: str) -> Iterator[str]:
    """Where *value* is not what the page says."""
    plain = kind.removesuffix(" or null")
    if value is None and plain != kind:
        return
    if plain in PLAIN:
        if not PLAIN[plain](value):
            yield f"{where} is {value!r}, not {kind}"
    elif plain.startswith("list of "):
        assert isinstance(value, list), f"{where} is no list"
        for number, item in enumerate(value):
            yield from problems(item, plain.removeprefix("list of "), f"{where}[{number}]")
    elif plain.startswith("map of "):
        assert isinstance(value, dict), f"{where} is no map"
        for key, item in value.items():
            yield from problems(item, plain.removeprefix("map of "), f"{where}[{key}]")
    else:
        assert isinstance(value, dict), f"{where} is no object"
        yield from _key_problems(value, OBJECTS[plain], where)


def _key_problems(value: Mapping[str, object], keys: Mapping[str, Key], where: str) -> Iterator[str]:
    yield from (f"{where}.{name} is not on the page" for name in value if name not in keys)
    for name, key in keys.items():
        if name in value:
            yield from problems(value[name], key.type, f"{where}.{name}")
        elif not key.optional:
            yield f"{where}.{name} is on the page, and not there"


def printed(arguments: list[str]) -> object:
    """What a command prints, as JSON."""
    result = CliRunner().invoke(raftframe, [*arguments, "--json"])
    assert result.exit_code in (0, 1, 3), result.output
    return json.loads(result.stdout)


def with_a_scenario(arguments: str, folder: Path) -> list[str]:
    """*arguments*, FILE standing for a scenario that has everything."""
    path = folder / "all.scenario"
    path.write_text(SCENARIO, encoding="utf-8")
    return [word.replace("FILE", str(path)) for word in arguments.split()]


@pytest.mark.parametrize(
    "arguments",
    [
        "check --limit timeouts=1",
        "check --limit timeouts=2 --state-map votes_for_everybody --trace FILE.json",
        "check --limit timeouts=2 --limit depth=2",
        "check --limit timeouts=1 --local",
        "run FILE",
        "replay FILE",
        "show FILE",
        "fmt --check FILE",
        "lint FILE",
        "coverage FILE",
        "help",
        "doctor",
    ],
)
def test_what_a_command_prints_is_on_the_page(arguments: str, tmp_path: Path) -> None:
    """Every key is there, none is missing, and the values have the types that the page names."""
    document = printed(with_a_scenario(arguments, tmp_path))

    assert not list(problems(document, arguments.split()[0], arguments))


def test_what_is_printed_without_a_search_is_on_the_page() -> None:
    """Where `--local` proves everything, there is no search to tell of."""
    own = f"{ROOT}/examples/raft_core.py"
    document = printed(f"check --system {own}:raft_core --limit timeouts=1 --local".split())

    assert not list(problems(document, "check without a search", "check"))


def test_every_kind_of_object_is_met(tmp_path: Path) -> None:
    """The scenario of this test makes failures, explorations, messages and violations, so their keys are compared."""
    document = printed(with_a_scenario("run FILE", tmp_path))

    assert isinstance(document, dict)
    instance = document["results"][0]["instances"][0]
    assert instance["failures"] and instance["explorations"] and instance["shown"] and instance["trace"]["violation"]
    assert instance["ignored"] and any("sent" in step and "outputs" in step for step in instance["trace"]["steps"])


def test_every_command_is_on_the_page() -> None:
    """Each command of the program has a section."""
    assert set(COMMANDS) <= set(OBJECTS)


def test_a_key_that_is_missing_would_be_noticed() -> None:
    """The comparison itself: a key too many, one too few, and a wrong type."""
    wrong = {"name": 3, "detail": "", "extra": 1}

    assert list(problems(wrong, "finding", "it")) == [
        "it.extra is not on the page",
        "it.name is 3, not text",
        "it.ok is on the page, and not there",
    ]
