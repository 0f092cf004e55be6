"""Verbs of snapshots: what they refuse, what an exploration varies, and disks that fail meanwhile."""

from __future__ import annotations

import pytest

from .support import fails, passes

NEEDS = "servers: 3\napp: bank\nrequires: snapshots\n"
COMMITTED = "elect s1\nsettle\nclient c1 credit 5 to s1 => ok\nsettle\n"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("compact s1", "s1 has ignored it"),
        ("snapshot s1", "s1 has ignored it"),
        (f"{COMMITTED}compact s1 to 9", "s1 has not applied its log up to 9"),
        (f"{COMMITTED}compact s1\ncompact s1 to 1", "s1 has ignored it"),
        (f"{COMMITTED}snapshot s2 -> s3", "s2 does not lead"),
        (f"{COMMITTED}snapshot s1 -> s1", "s1 has ignored it"),
        (f"{COMMITTED}crash s1\ncompact s1", "s1 is crashed"),
        (f"{COMMITTED}compact s1\nset s1.last = 1", "the log begins behind 2"),
    ],
)
def test_what_has_nothing_to_act_on_is_an_error(lines: str, says: str) -> None:
    """A silent no-op is how scripted tests rot."""
    fails(lines, "action", says, header=NEEDS)


def test_an_exploration_varies_snapshots() -> None:
    """At any moment, at any server, as often as the limit says."""
    passes(
        f"{COMMITTED}explore\n  vary deliver, compact, crash, restart, timeout s2\n"
        "  limit snapshots 1, crashes 1, restarts 1, timeouts 1\n  sometimes s1.snapshot == 2\n",
        header=NEEDS,
    )


def test_a_disk_that_fails_while_the_snapshot_is_stored() -> None:
    """Nothing of it is there, and the log is whole."""
    passes(
        f"{COMMITTED}disk s1 fail snapshot\ncompact s1\n"
        "expect s1 is crashed and s1.snapshot == 0 and s1.first == 1\n"
        "disk s1 ok\nrestart s1\nelect s1\nsettle\nexpect s1.balance == 5",
        header=NEEDS,
    )


def test_a_log_behind_a_snapshot_can_be_changed_by_hand() -> None:
    """And is then compared with the others as far as they tell."""
    result = passes(f"{COMMITTED}compact s1\nset s2.last = 3\nexpect s2.last == 3 and s1.last == 2", header=NEEDS)

    assert result.warnings == ()
