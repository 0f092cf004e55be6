"""Quorum arithmetic, by tables and against its definition."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftframe.quorum import committed_index, describe, is_joint_quorum, is_quorum, jointly_committed_index, majority

VOTERS = ("s1", "s2", "s3", "s4", "s5", "s6", "s7")
voters = st.integers(1, 7).map(lambda count: VOTERS[:count])
acknowledged = st.dictionaries(st.sampled_from(VOTERS), st.integers(0, 9))


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_a_majority_is_more_than_half(count: int, needed: int) -> None:
    """An even number needs one more than half."""
    assert majority(VOTERS[:count]) == needed


@pytest.mark.parametrize(
    ("servers", "among", "enough"),
    [
        ((), VOTERS[:1], False),
        (("s1",), VOTERS[:1], True),
        (("s1",), VOTERS[:2], False),
        (("s1", "s2"), VOTERS[:3], True),
        (("s1", "s1"), VOTERS[:3], False),
        (("s1", "s2"), VOTERS[:4], False),
        (("s1", "s8", "s9"), VOTERS[:5], False),
        (("s1", "s2", "s3", "s9"), VOTERS[:5], True),
    ],
)
def test_who_is_a_quorum(servers: tuple[str, ...], among: tuple[str, ...], enough: bool) -> None:
    """Voters count once; others don't."""
    assert is_quorum(servers, among) == enough


@given(voters)
def test_any_two_quorums_share_a_voter(among: tuple[str, ...]) -> None:
    """What all of Raft's safety rests on."""
    quorums = [
        chosen for size in range(len(among) + 1) for chosen in combinations(among, size) if is_quorum(chosen, among)
    ]

    assert quorums
    assert all(set(one) & set(other) for one, other in combinations(quorums, 2))


@pytest.mark.parametrize(
    ("acked", "committed"),
    [
        ({"s1": 5}, 0),
        ({"s1": 5, "s2": 3}, 3),
        ({"s1": 5, "s2": 3, "s3": 4}, 4),
        ({"s1": 5, "s2": 5, "s3": 0}, 5),
        ({"s1": 5, "s8": 9, "s9": 9}, 0),
    ],
)
def test_what_three_voters_have_committed(acked: dict[str, int], committed: int) -> None:
    """The second highest of three; who says nothing has nothing; strangers don't count."""
    assert committed_index(acked, VOTERS[:3]) == committed


def test_four_voters_need_three() -> None:
    """The third highest of four."""
    assert committed_index({"s1": 9, "s2": 9, "s3": 4, "s4": 1}, VOTERS[:4]) == 4


@given(acknowledged, voters)
def test_the_committed_index_is_the_highest_that_a_quorum_has(acked: dict[str, int], among: tuple[str, ...]) -> None:
    """By definition: a quorum has acknowledged it, and none has acknowledged more."""
    index = committed_index(acked, among)

    assert is_quorum([voter for voter in among if acked.get(voter, 0) >= index], among)
    assert not is_quorum([voter for voter in among if acked.get(voter, 0) > index], among)


@given(acknowledged, voters, st.sampled_from(VOTERS), st.integers(0, 9))
def test_one_more_acknowledgement_never_lowers_it(
    acked: dict[str, int], among: tuple[str, ...], voter: str, index: int
) -> None:
    """More knowledge, no less committed."""
    more = {**acked, voter: max(index, acked.get(voter, 0))}

    assert committed_index(more, among) >= committed_index(acked, among)


@given(acknowledged, voters, voters, st.sets(st.sampled_from(VOTERS)))
def test_a_joint_decision_takes_both_halves(
    acked: dict[str, int], one: tuple[str, ...], other: tuple[str, ...], servers: set[str]
) -> None:
    """A majority of one half alone is none; the joint index is what both halves have committed."""
    assert is_joint_quorum(servers, (one, other)) == (is_quorum(servers, one) and is_quorum(servers, other))
    index = jointly_committed_index(acked, (one, other))
    assert is_joint_quorum([server for server in VOTERS if acked.get(server, 0) >= index], (one, other))
    assert not is_joint_quorum([server for server in VOTERS if acked.get(server, 0) > index], (one, other))


def test_a_count_describes_itself() -> None:
    """One line a voter, its arrow as long as the index; the verdict last."""
    assert describe({"s1": 4, "s3": 2}, VOTERS[:3]).splitlines() == [
        "  s1 ====> 4",
        "  s2 >     0",
        "  s3 ==>   2",
        "a majority (2 of 3) has 2",
    ]


@given(acknowledged, voters)
def test_a_description_shows_what_was_counted(acked: dict[str, int], among: tuple[str, ...]) -> None:
    """Every voter has a line, in order; arrows and numbers agree, and the last line has the committed index."""
    *rows, verdict = describe(acked, among).splitlines()

    assert [row.split()[0] for row in rows] == sorted(among)
    assert [row.count("=") for row in rows] == [int(row.split()[-1]) for row in rows]
    assert len({row.rindex(" ") for row in rows}) == 1, "the numbers stand below one another"
    assert verdict.endswith(f" has {committed_index(acked, among)}")
