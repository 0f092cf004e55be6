"""The lists that `covers:` may name."""

from __future__ import annotations

from scenarios.language.catalogue import coverage, entries, sources
from scenarios.language.features import FEATURES


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
