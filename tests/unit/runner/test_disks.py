"""Disks that misbehave: what a server does whose write fails, and what is refused."""

from __future__ import annotations

import pytest

from .support import fails, passes

ELECTED = "elect s1\nsettle\n"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("fail", "AppendEntries s1 -> s2 entries=1"),
        ("fail append", "AppendEntries s1 -> s2 entries=1"),
        ("fail sync", "AppendEntries s1 -> s2 entries=1"),
        ("full", "AppendEntries s1 -> s2 entries=1"),
    ],
)
def test_a_server_whose_write_fails_ends(fault: str, message: str) -> None:
    """The step is not taken, nothing is sent, and the disk holds what it held."""
    passes(
        f"{ELECTED}disk s2 {fault}\nclient c1 credit 5 to s1\ndeliver {message}\n"
        "expect s2 is crashed and s2.last == 1\n"
        "expect count(AppendEntriesResponse s2 -> s1 index>1) == 0"
    )


@pytest.mark.parametrize("fault", ["full", "fail append", "slow"])
def test_what_the_fault_does_not_concern_goes_on(fault: str) -> None:
    """A full disk has room for a vote; a slow one stores it later."""
    passes(f"disk s2 {fault}\ntimeout s1\ndeliver RequestVote s1 -> s2\nexpect s2 is running and s2.voted_for == s1")


def test_a_fault_outlasts_a_restart() -> None:
    """Until the disk is ok."""
    passes(
        "disk s2 fail\ntimeout s1\ndeliver RequestVote s1 -> s2\nexpect s2 is crashed\nrestart s2\n"
        "timeout s1\ndeliver RequestVote s1 -> s2\nexpect s2 is crashed\ndisk s2 ok\nrestart s2\n"
        "timeout s1\nsettle\nexpect s1 is leader and s2.voted_for == s1"
    )


def test_a_leader_that_fails_tells_nobody() -> None:
    """Its client's connection is lost; what it asked for is nowhere."""
    passes(
        f"{ELECTED}disk s1 fail\nclient c1 credit 5 to s1 as op1\n"
        "expect s1 is crashed and op1 is unknown and all.last == 1"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("disk s1 ok", "the disk of s1 is ok"),
        ("disk s1 full append", "only `fail` takes a kind"),
        ("disk s1 fail apply", "only `fail` takes a kind"),
        ("disk s1 slow 3", "takes no count"),
    ],
)
def test_what_makes_no_sense_is_refused(line: str, words: str) -> None:
    """With the way out."""
    fails(line, "action", words)


def test_a_search_knows_no_faulty_disks() -> None:
    """What it would say of a cluster whose disks fail would be about another one."""
    fails("disk s1 fail\nexplore\n  vary deliver, timeout\n  limit timeouts 1", "action", "no disks that misbehave")


LATER = "servers: 3\nrequires: async_storage, disk_faults, unsynced\n"


def test_held_writes_happen_one_after_the_other() -> None:
    """The messages that promise them leave with them."""
    passes(
        "disk s1 hold append\ntimeout s1\nexpect s1.term == 1 and s1.stable == 0\n"
        "expect count(RequestVote s1 -> *) == 0\ndisk s1 release append 1\n"
        "expect count(RequestVote s1 -> *) == 2\nsettle\ndisk s1 release append\nsettle\n"
        "expect s1 is leader and s1.stable == 1 and logs match",
        header=LATER,
    )


def test_word_of_what_is_stored_can_be_late() -> None:
    """The disk has it, and the server does not know."""
    passes(
        f"{ELECTED}disk s2 hold sync\nclient c1 credit 5 to s1\nsettle\nexpect s2.last == 2 and s2.stable == 1\n"
        "crash s2 losing unsynced\ndisk s2 release sync\nrestart s2\nexpect s2.last == 2 and s2.stable == 2",
        header=LATER,
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("disk s1 release append", "the disk of s1 holds no append"),
        ("disk s1 hold append 2", "takes no count"),
        ("disk s1 hold vote", "what is done later is append or sync or apply"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(line: str, words: str) -> None:
    """With the words that would."""
    fails(line, "action", words, header=LATER)


def test_a_held_disk_that_fails_ends_the_server_when_it_writes() -> None:
    """Not before, and nothing of it is stored or sent."""
    passes(
        f"{ELECTED}disk s2 hold append\nclient c1 credit 5 to s1\nsettle\nexpect s2 is running and s2.last == 2\n"
        "disk s2 fail append\ndisk s2 release append 1\nexpect s2 is crashed and s2.last == 1",
        header=LATER,
    )
