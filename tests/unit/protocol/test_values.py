"""The values that the protocol is made of: logs, entries, configurations, states."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from raftframe import NOOP, Command, Configuration, Entry, Log, Options, Role
from raftframe.entries import problem_with_command, problem_with_entry
from raftframe.server_state import Progress

from .support import candidate, entry, follower, leader, log_of

logs = st.lists(st.integers(1, 3), max_size=6).map(lambda terms: log_of(*sorted(terms)))

# The log


def test_an_empty_log_ends_before_the_first_entry() -> None:
    """Index 0 with term 0 stands for it."""
    log = Log()

    assert (len(log), log.last_index, log.last_term, log.term_at(0), list(log)) == (0, 0, 0, 0, [])


def test_a_log_counts_from_1() -> None:
    """As the paper does."""
    log = log_of(1, 1, 2)

    assert (log.last_index, log.last_term, log.terms) == (3, 2, (1, 1, 2))
    assert [log.at(index) for index in (1, 2, 3)] == list(log) == [entry(1, 1), entry(2, 1), entry(3, 2)]
    assert [index in log for index in (-1, 0, 1, 3, 4, "1")] == [False, False, True, True, False, False]


@pytest.mark.parametrize("index", [-3, -1, 0, 4])
def test_there_is_no_entry_outside(index: int) -> None:
    """A negative index does not wrap around, as it would in a tuple."""
    with pytest.raises(IndexError, match=f"no entry at index {index}: the log has 1 to 3"):
        log_of(1, 1, 2).at(index)


@pytest.mark.parametrize("index", [-1, 4])
def test_nor_a_term(index: int) -> None:
    """Only index 0 has a term without an entry."""
    with pytest.raises(IndexError):
        log_of(1, 1, 2).term_at(index)


def test_neither_a_slice_nor_a_cut_wraps_around() -> None:
    """What lies before the log is a mistake, what lies behind it is empty."""
    log = log_of(1, 1, 2)

    assert log.between(1, -1) == log.between(3, 2) == log.between(4, 9) == ()
    with pytest.raises(IndexError):
        log.between(0, 2)
    with pytest.raises(IndexError):
        log.up_to(-1)


@given(logs, st.integers(0, 8), st.integers(0, 8))
def test_the_parts_of_a_log_make_it_up(log: Log, first: int, second: int) -> None:
    """Cut anywhere, and followed by what was behind the cut, it is the same log again."""
    cut = min(first, second)

    assert log.up_to(cut).followed_by(log.between(cut + 1, log.last_index)) == log
    assert log.starts_with(log.up_to(cut))
    assert len(log.up_to(cut)) == min(cut, len(log))


@given(logs, logs)
def test_a_log_starts_with_another_or_differs_from_it(log: Log, other: Log) -> None:
    """A prefix is what a cut gives."""
    assert log.starts_with(other) == (log.up_to(other.last_index) == other)


def test_a_cut_behind_the_end_gives_the_log_itself() -> None:
    """Not a copy: whether anything changed can be told by identity."""
    log = log_of(1)

    assert log.up_to(1) is log.up_to(9) is log


# Commands and entries

Loose: Any = Command  # as a peer in another language may fill them
LooseEntry: Any = Entry


def test_the_no_op_survives_as_itself() -> None:
    """It is compared by identity, so copies are none."""
    assert pickle.loads(pickle.dumps(NOOP)) is NOOP
    assert copy.deepcopy(Entry(1, NOOP)).command is NOOP


@pytest.mark.parametrize("command", [Command("c1", 1, "x"), Command("", 10**30, None), Command("c", 2, ("x", (1,)))])
def test_a_command_that_a_log_can_hold(command: Command) -> None:
    """A client's name, a serial from 1, and anything that can be hashed."""
    assert problem_with_command(command) is None
    assert problem_with_entry(Entry(1, command)) is None


@pytest.mark.parametrize(
    "command", [None, "x", Command("c1", -1, "x"), Loose("c1", 1.0, "x"), Loose(b"c", 1, "x"), Loose("c", 1, [])]
)
def test_a_command_that_no_log_can_hold(command: object) -> None:
    """The problem is a sentence."""
    assert problem_with_command(command)
    assert problem_with_entry(LooseEntry(1, command))


@pytest.mark.parametrize(
    "made", [None, (1, NOOP), Entry(0, NOOP), Entry(-1, NOOP), Entry(True, NOOP), LooseEntry("1", NOOP)]
)
def test_an_entry_that_no_log_can_hold(made: object) -> None:
    """Its term is that of an election, so 1 or more."""
    assert problem_with_entry(made)


# Configurations and options


def test_equal_configurations_are_equal_values() -> None:
    """Whatever the order in which the servers were named."""
    configuration = Configuration(("s3", "s1", "s2"))

    assert configuration == Configuration(iter(["s1", "s2", "s3"]))
    assert configuration.voters == ("s1", "s2", "s3")
    assert configuration.others("s2") == ("s1", "s3")
    assert ("s1" in configuration, "s9" in configuration) == (True, False)


@pytest.mark.parametrize(
    ("voters", "message"),
    [
        (("s1", "s2", "s1"), "named twice"),
        ((), "at least one voter"),
        ("s1", r"the servers are the text 's1'; write a tuple of names, as in \('s1',\)"),
    ],
)
def test_a_configuration_names_every_server_once(voters: object, message: str) -> None:
    """Mistakes are said at once, with the way out; a text is not a list of its letters."""
    with pytest.raises(ValueError, match=message):
        Configuration(voters)  # type: ignore[arg-type]


def test_a_joint_configuration_has_two_electorates_and_all_their_members() -> None:
    """Both halves decide and are written to, learners are written to; who is in both halves is one member."""
    joint = Configuration(("s2", "s3"), outgoing=("s1", "s2"), learners=("s5",), next_learners=("s1",), auto_leave=True)

    assert joint.is_joint
    assert joint.electorates == (("s2", "s3"), ("s1", "s2"))
    assert joint.members == ("s1", "s2", "s3", "s5")
    assert ("s5" in joint, joint.is_voter("s5"), joint.is_voter("s1")) == (True, False, True)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"learners": ("s1",)}, "s1 cannot be voter and learner at once"),
        ({"outgoing": ("s3",), "learners": ("s3",)}, "s3 cannot be voter and learner at once"),
        ({"outgoing": ("s1", "s3"), "next_learners": ("s1",)}, "only a voter that is leaving can"),
        ({"auto_leave": True}, "nothing is outgoing"),
    ],
)
def test_parts_of_a_configuration_do_not_contradict_each_other(parts: dict[str, Any], message: str) -> None:
    """A contradiction is said when it is made, not when somebody counts votes."""
    with pytest.raises(ValueError, match=message):
        Configuration(("s1", "s2"), **parts)


@pytest.mark.parametrize("batch", [0, -1, "3", 1.5])
def test_a_batch_has_at_least_one_entry(batch: object) -> None:
    """Otherwise a leader could never send anything."""
    with pytest.raises((ValueError, TypeError)):
        Options(batch=batch)  # type: ignore[arg-type]


# The state of a server


def test_a_state_says_what_its_parts_say() -> None:
    """Role and leader follow from the role's data, term, vote and log from the durable part."""
    states = (follower(1, term=2, voted_for="s3", leader="s3"), candidate(term=2), leader(term=2))

    assert [state.role for state in states] == [Role.FOLLOWER, Role.CANDIDATE, Role.LEADER]
    assert [state.leader for state in states] == ["s3", None, "s1"]
    assert (states[0].term, states[0].voted_for, states[0].log) == (2, "s3", log_of(1))
    assert states[0].peers == ("s2", "s3")


def test_a_leader_knows_its_followers_only() -> None:
    """Asking for a stranger's progress is a mistake; new knowledge replaces that of the same follower."""
    data = leader(1).data

    assert data.having(Progress("s3", 1, 0)).of("s3") == Progress("s3", 1, 0)  # type: ignore[union-attr]
    assert data.having(Progress("s3", 1, 0)).of("s2") == data.of("s2")  # type: ignore[union-attr]
    with pytest.raises(KeyError):
        data.of("s1")  # type: ignore[union-attr]


def test_a_state_cannot_be_changed() -> None:
    """Only `evolve` gives another one."""
    state = follower()

    with pytest.raises(FrozenInstanceError):
        state.commit_index = 1  # type: ignore[misc]
    assert evolve(state, commit_index=1).commit_index == 1
