"""The state spaces of `tla/raft_core.tla`: which there are, how large each is, and what measuring one gives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import frozen

FOLDER = Path(__file__).parent / "tla"
TABLE_ROW = re.compile(r"^\|(?: *\d+ *\|){5}.*\|$")


class Unavailable(Exception):
    """What a benchmark needs is not on this machine; the message names it, and says where it would come from."""


@frozen
class Space:
    """One space, by the constants of the specification: servers, election timeouts, requests, heartbeats, restarts."""

    servers: int
    timeouts: int
    requests: int
    heartbeats: int
    restarts: int

    @classmethod
    def parse(cls, text: str) -> Space:
        """`3/2/1/0/0` is N/T/R/H/CR; ValueError for anything else."""
        if not re.fullmatch(r"\d+(/\d+){4}", text):
            raise ValueError(f"{text!r} is no space: write N/T/R/H/CR, as in 3/2/1/0/0")
        return cls(*map(int, text.split("/")))

    @property
    def budgets(self) -> dict[str, int]:
        """What may happen how often, as `raft_core` calls it."""
        return {
            "timeouts": self.timeouts,
            "commands": self.requests,
            "heartbeats": self.heartbeats,
            "restarts": self.restarts,
        }

    def __str__(self) -> str:
        return f"{self.servers}/{self.timeouts}/{self.requests}/{self.heartbeats}/{self.restarts}"


@frozen
class Counts:
    """How large a space is. A count of None is not known exactly, and equals anything (see `agrees_with`)."""

    states: int | None
    transitions: int | None
    depth: int | None

    def agrees_with(self, other: Counts) -> bool:
        """Whether no count is known to differ."""
        pairs = zip(self._all(), other._all(), strict=True)
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)

    def _all(self) -> tuple[int | None, ...]:
        return self.states, self.transitions, self.depth


UNKNOWN = Counts(None, None, None)


@frozen
class Measurement:
    """One run of one tool. `seconds` are from the start of its process to its end, `peak_bytes` what was resident.

    `search_seconds` are those of the search alone, as the tool tells them itself; None if it does not. A search in
    which one world stands for several says for how many its states stand; with all reductions, that is not the full
    space.
    """

    counts: Counts
    seconds: float
    processor_seconds: float
    peak_bytes: int
    search_seconds: float | None = None
    stands_for: int | None = None
    all_reductions: bool = False


def known_counts() -> dict[Space, Counts]:
    """The table of `tla/README.md`, smallest space first."""
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    return dict(_row(line) for line in lines if TABLE_ROW.match(line))


def _row(line: str) -> tuple[Space, Counts]:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return Space(*map(int, cells[:5])), Counts(*(_exact(cell) for cell in cells[5:8]))


def _exact(cell: str) -> int | None:
    """`18,110,772` is a number; `about 86.8 million` is not known exactly."""
    digits = cell.replace(",", "")
    return int(digits) if digits.isdecimal() else None


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, the first to the left and the others to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first = line[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]).rstrip()
