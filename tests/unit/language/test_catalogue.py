"""The lists that `covers:` may name."""

from __future__ import annotations

from pathlib import Path

from scenarios.language.catalogue import coverage, entries, exceptions, sources
from scenarios.language.features import BUILT, FEATURES
from scenarios.language.loader import load

LIBRARY = Path(__file__).parents[3] / "scenarios" / "library"


def test_the_lists_are_whole() -> None:
    """28 interaction files of etcd and 217 scenarios of our own catalogue, each with known features."""
    rows = {row.source: row for row in coverage([])}

    assert rows["etcd"].total == 28
    assert rows["cat"].total == 217
    assert {feature for entry in entries().values() for feature in entry.features} <= set(FEATURES)
    assert {
        "mit",
        "paper",
        "dissertation",
        "hashicorp",
        "canonical",
        "ccf",
        "openraft",
        "tigerbeetle",
        "jepsen",
    } <= set(sources())


def test_counts() -> None:
    """Written, run, passed; ids that no list has are named, not counted."""
    rows = {row.source: row for row in coverage(["etcd/campaign.txt", "etcd/campain.txt"], ["etcd/campaign.txt"])}

    assert str(rows["etcd"]) == "etcd 1/28 written, 1/28 run, 0/28 pass, 1 unknown ids"
    assert rows["etcd"].unknown == ("etcd/campain.txt",)


def test_every_entry_has_a_scenario_or_a_reason() -> None:
    """Of our own list and of etcd's files, whatever needs only what is built; at most ten have a reason instead."""
    written = {identity for path in LIBRARY.rglob("*.scenario") for identity in load(path).header.covers}

    due = {one.id for one in entries().values() if one.source in ("cat", "etcd") and BUILT.issuperset(one.features)}

    assert due - written - exceptions().keys() == set()
    assert len(exceptions()) <= 10
    assert exceptions().keys() <= entries().keys() - written
