"""Partitions: who hears whom, and when a message is lost."""

from __future__ import annotations

from .support import passes

FIVE = "servers: 5\n"


def test_partition_lets_groups_hear_themselves() -> None:
    """Only members of one group hear each other; who is not named is in a group of the rest."""
    passes("partition s1 s2 s3 | s4 s5\nelect s1\nsettle\nexpect s4.term == 0 and s3.leader == s1", header=FIVE)
    passes("partition s1 s2 s3 | s4\nelect s1\nsettle\ntimeout s5\nsettle\nexpect s4.term == 0", header=FIVE)


def test_a_server_in_two_groups_is_a_bridge() -> None:
    """Two servers hear each other if some group has both."""
    passes(
        "partition s1 s2 s3 | s3 s4 s5\ntimeout s3\nsettle\nexpect s3 is leader and all.term == 1\n"
        "timeout s1\nsettle\nexpect s5.term == 1 or s5.term >= 1",
        header=FIVE,
    )


def test_a_new_partition_replaces_the_old_one() -> None:
    """partition says all that is cut; cut and isolate add to it; heal mends."""
    passes("partition s1 | s2 s3\npartition s1 s2 | s3\ntimeout s1\nsettle\nexpect s2.voted_for == s1 and s3.term == 0")
    passes(
        "isolate s1\ntimeout s1\nsettle\nexpect s2.term == 0 and s3.term == 0\nheal\ntimeout s1\nsettle\n"
        "expect s1 is leader"
    )
    passes(
        "cut s1 | s2\ncut s1 | s3\nheal s1 | s3\ntimeout s1\nsettle\nexpect s3.voted_for == s1 and s2.voted_for == none"
    )


def test_one_way() -> None:
    """A one-way partition loses what goes one way only."""
    passes("partition all -> s1\ntimeout s1\nsettle\nexpect s2.voted_for == s1 and s1 is candidate")


def test_loss_happens_on_arrival() -> None:
    """What is on the wire while a link is cut survives if the link is healed before it arrives."""
    passes("timeout s1\nflush s1\ncut s1 | s2\nheal\nsettle\nexpect s2.voted_for == s1")
    passes("timeout s1\nflush s1\ncut s1 | s2\nsettle\nexpect RequestVote s1 -> s2 is dropped")
