"""What the commands share: their options, their exit codes, and how they write files and show progress."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import click

from checker.errors import UsageError

EXIT_CODES = {"pass": 0, "known-bug": 0, "skip": 0, "fail": 1, "unknown": 3}

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object (docs/json.md) and nothing else."
)


def pairs(given: Iterable[str], what: str) -> dict[str, str]:
    """`NAME=VALUE` arguments as a mapping."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{what} {text!r} is not NAME=VALUE")
        if name in found:
            raise UsageError(f"{what} {name} is given twice, {found[name]} and {value}")
        found[name] = value
    return found


def write_file(path: Path, text: str) -> None:
    """Write *text*, making the folders on the way."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


class Ticker(Protocol):
    """Told about the progress of a long search; see `checker.explore.check`."""

    def __call__(self, states: int, rate: float, depth: int, frontier: int, seconds: float) -> None: ...


@contextmanager
def search_progress(wanted: bool = True) -> Iterator[Ticker | None]:
    """A line on the terminal that follows a search; nothing at all when nobody watches."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.status import Status

    with Status("exploring ...", console=Console(stderr=True)) as status:

        def tell(states: int, rate: float, depth: int, frontier: int, seconds: float) -> None:
            status.update(f"{states:,} states, {rate:,.0f}/s, depth {depth}, frontier {frontier:,}, {seconds:.0f} s")

        yield tell
