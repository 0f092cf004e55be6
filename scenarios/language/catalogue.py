"""The scenarios of other projects and of the literature that ours may stand for: what `covers:` may name.

The list is closed, and kept as data in `catalogue.txt`: an id that is in no list is an error of the file that names
it, so that a typo cannot inflate a count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

from attrs import frozen


@frozen
class Entry:
    """One scenario elsewhere. *features* are what it needs of a Raft."""

    id: str
    name: str
    shows: str
    features: tuple[str, ...]

    @property
    def source(self) -> str:
        """What it is counted under; etcd's interaction files are counted apart from its unit tests."""
        source, _slash, rest = self.id.partition("/")
        return "etcd-tests" if source == "etcd" and not rest.endswith(".txt") else source


@frozen
class Coverage:
    """How much of one source is written, run and passed."""

    source: str
    total: int
    written: int
    run: int
    passed: int
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = (
            f"{self.written}/{self.total} written",
            f"{self.run}/{self.total} run",
            f"{self.passed}/{self.total} pass",
        )
        return f"{self.source} {', '.join(counts)}, {len(self.unknown)} unknown ids"


@cache
def entries() -> Mapping[str, Entry]:
    """Every entry by its id, source after source."""
    return {
        identity: Entry(identity, name, shows, tuple(filter(None, needs.split(", "))))
        for identity, name, shows, needs in _rows("catalogue.txt")
    }


@cache
def exceptions() -> Mapping[str, str]:
    """The entries that no scenario can stand for, each with the reason."""
    return {row[0]: row[1] for row in _rows("exceptions.txt")}


def _rows(name: str) -> Iterator[list[str]]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return (line.split("|") for line in text.splitlines() if line and not line.startswith("#"))


@cache
def sources() -> tuple[str, ...]:
    """The prefixes of ids, in the order of the list."""
    return tuple(dict.fromkeys(identity.partition("/")[0] for identity in entries()))


def coverage(written: Collection[str], run: Collection[str] = (), passed: Collection[str] = ()) -> tuple[Coverage, ...]:
    """What `raftframe coverage` prints: one row for each source, from the ids that the scenarios cover.

    An id that no list has counts for nothing, and stands in the row of its prefix; prefixes unknown too come last.
    """
    by_source: dict[str, list[str]] = {}
    for entry in entries().values():
        by_source.setdefault(entry.source, []).append(entry.id)
    unknown: dict[str, list[str]] = {}
    for identity in sorted(set(written) - entries().keys()):
        unknown.setdefault(identity.partition("/")[0], []).append(identity)
    rows = by_source | {name: [] for name in unknown if name not in by_source}
    return tuple(_counted(source, rows[source], written, run, passed, unknown.get(source, [])) for source in rows)


def _counted(
    source: str,
    ids: Collection[str],
    written: Collection[str],
    run: Collection[str],
    passed: Collection[str],
    unknown: Collection[str],
) -> Coverage:
    counts = [len(set(ids).intersection(part)) for part in (written, run, passed)]
    return Coverage(source, len(ids), counts[0], counts[1], counts[2], tuple(unknown))
