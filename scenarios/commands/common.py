"""What the commands share: their options, their exit codes, and how they write files and show progress."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checker.errors import UsageError

if TYPE_CHECKING:
    from checker.engine.watch import Progress

ENDING = b"\nending with what was found so far; press Ctrl-C once more to end without it\n"
NO_ESTIMATE = 10**12  # worlds: early on the estimate is far too large, and then it may have a hundred digits
EXIT_CODES = {"pass": 0, "known-bug": 0, "skip": 0, "fail": 1, "unknown": 3}

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object (docs/json.md) and nothing else."
)


def pairs(given: Iterable[str], what: str, example: str) -> dict[str, str]:
    """`NAME=VALUE` arguments as a mapping. Errors name the option, *what*, and show an *example*."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{what} {text!r} is not NAME=VALUE; write it as in {what} {example}")
        if name in found:
            raise UsageError(f"{what} {name} is given twice, {found[name]} and {value}")
        found[name] = value
    return found


def counted(number: int, what: str) -> str:
    """`1 state`, `2,000 states`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def write_file(path: Path, text: str) -> None:
    """Write *text*, making the folders on the way."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def search_progress(wanted: bool = True) -> Iterator[Callable[[Progress], None] | None]:
    """A line on the terminal that follows a search; nothing at all when nobody watches."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.status import Status

    getting_ready = "getting ready ... (the first search on a machine compiles its loops)"
    with Status(getting_ready, console=Console(stderr=True)) as status:
        yield lambda progress: status.update(progress_line(progress))


def progress_line(progress: Progress) -> str:
    """How far a search has come, in a line."""
    tells = progress.expected is not None and progress.expected < NO_ESTIMATE
    whole = f" of about {progress.expected:,}" if tells else ""
    pace = f"{progress.states_per_second:,.0f}/s"
    return (
        f"{progress.states:,} states{whole}, {pace}, depth {progress.depth}, frontier {progress.left:,},"
        f" {progress.seconds:.0f} s"
    )


@contextmanager
def ended_by_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, which asks a search to end with what it has found so far; twice interrupts it.

    The search ends when it comes up for air, which the user's code may put off; so what is going on is said at once.
    """
    pressed: list[int] = []

    def press(_signal: int, _frame: object) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(1)
        os.write(2, ENDING)  # no echo: the signal may have come in the middle of one

    if threading.current_thread() is not threading.main_thread():  # only there may signals be handled
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
