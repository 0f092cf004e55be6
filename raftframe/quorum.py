"""Quorum arithmetic, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from raftframe.entries import Index, ServerId


def majority(voters: Collection[ServerId]) -> int:
    """How many of *voters* are more than half of them (Raft §5.2): 2 of 3, 3 of 4, 3 of 5."""
    return len(voters) // 2 + 1


def is_quorum(servers: Collection[ServerId], voters: Collection[ServerId]) -> bool:
    """Whether *servers* contain a majority of *voters*. Servers that are not voters don't count, nor does one twice."""
    return len(set(servers) & set(voters)) >= majority(voters)


def committed_index(acked: Mapping[ServerId, Index], voters: Collection[ServerId]) -> Index:
    """The highest index that a majority of *voters* has acknowledged (Raft §5.3). A voter not in *acked* has
    acknowledged 0."""
    ranked = sorted((acked.get(voter, 0) for voter in voters), reverse=True)
    return ranked[majority(voters) - 1]


def is_joint_quorum(servers: Collection[ServerId], electorates: Collection[Collection[ServerId]]) -> bool:
    """Whether *servers* contain a majority of each electorate (dissertation §4.3)."""
    return all(is_quorum(servers, voters) for voters in electorates)


def jointly_committed_index(acked: Mapping[ServerId, Index], electorates: Collection[Collection[ServerId]]) -> Index:
    """The highest index that a majority of each electorate has acknowledged (dissertation §4.3)."""
    return min(committed_index(acked, voters) for voters in electorates)


def describe(acked: Mapping[ServerId, Index], voters: Collection[ServerId]) -> str:
    """What was counted, one line a voter: `s2  ===>  4`, the arrow as long as the acknowledged index.

    The last line names the committed index. Tests and error messages show it.
    """
    longest = max((acked.get(voter, 0) for voter in voters), default=0)
    rows = [f"{v:>4} {'=' * acked.get(v, 0) + '>':<{longest + 1}} {acked.get(v, 0)}" for v in sorted(voters)]
    return "\n".join([*rows, f"a majority ({majority(voters)} of {len(voters)}) has {committed_index(acked, voters)}"])
