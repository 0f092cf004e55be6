"""Bugs in reads that get no entry in the log: what a leader takes for confirmed, and when an answer is given."""

from __future__ import annotations

from typing import Final

from checker.mutants.base import Mutant
from checker.raft_system import Request
from raftframe import Options, ServerState
from raftframe.entries import Index
from raftframe.messages import AppendEntriesResponse
from raftframe.server_state import AwaitedRead, ReadRound
from raftframe.states import BaseState, LeaderState


class ReadsBeforeItsOwnCommit(LeaderState):
    """A new leader takes its commit index for all that was ever committed."""

    def knows_commit_index(self, state: ServerState) -> bool:
        return True


class ReadsWithoutAQuorum(LeaderState):
    """Whoever believes that it leads answers."""

    def is_confirmed(self, state: ServerState, one: ReadRound) -> bool:
        return one.number > 0


class CountsEarlierRounds(LeaderState):
    """An answer to any round counts for every read that waits."""

    def counts_for(self, message: AppendEntriesResponse, one: ReadRound) -> bool:
        return one.number > 0


class AnswersBeforeItIsApplied(BaseState):
    """A confirmed read is answered at once, however old the application is."""

    def may_answer(self, state: ServerState, read: AwaitedRead) -> bool:
        return read.index is not None


class ReadsFromTheBeginning(LeaderState):
    """Any index is good enough to read from."""

    def read_index(self, state: ServerState) -> Index:
        return 0


_OPTIONS: Final = Options(noop=True, announce_commit=False, linearizable_reads=True)
_ASKED: Final = (Request("c1", "x", "x"), Request("c2", "read", "read"))
_FIRST_LEADER: Final = (
    "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1",
    "AppendEntries s1 s2; AppendEntriesResponse s2 s1",  # its no-op is committed
)

READ_MUTANTS = (
    Mutant(
        name="reads_before_its_own_commit",
        catalogue="G1",
        summary="a new leader answers a read without what an earlier leader has committed",
        rules=ReadsBeforeItsOwnCommit,
        breaks="linearizable",
        steps=9,
        bounds={"timeouts": 1, "commands": 2},
        options=_OPTIONS,
        requests=_ASKED,
        prelude=_FIRST_LEADER,
    ),
    Mutant(
        name="reads_without_a_quorum",
        catalogue="G3",
        summary="a deposed leader answers a read with an old value",
        rules=ReadsWithoutAQuorum,
        breaks="linearizable",
        steps=6,
        bounds={"commands": 2},
        options=_OPTIONS,
        requests=_ASKED,
        prelude=(*_FIRST_LEADER, "timeout s2; RequestVote s2 s3; RequestVoteResponse s3 s2"),
    ),
    Mutant(
        name="counts_earlier_rounds",
        summary="a late answer to an earlier round confirms a read of a deposed leader",
        rules=CountsEarlierRounds,
        breaks="linearizable",
        steps=5,
        bounds={"commands": 3},
        options=_OPTIONS,
        requests=_ASKED,
        prelude=(
            *_FIRST_LEADER,
            "client c2 read s1; AppendEntries s1 s2; AppendEntries s1 s3 1; AppendEntriesResponse s3 s1",
            "timeout s2; RequestVote s2 s3; RequestVoteResponse s3 s2",
        ),
    ),
    Mutant(
        name="answers_before_it_is_applied",
        summary="a follower answers a confirmed read from an application that lags behind",
        rules=AnswersBeforeItIsApplied,
        breaks="linearizable",
        steps=8,
        bounds={"timeouts": 1, "commands": 2},
        options=_OPTIONS,
        requests=_ASKED,
        prelude=_FIRST_LEADER,
    ),
    Mutant(
        name="reads_from_the_beginning",
        summary="a follower is told that it may answer from any index on",
        rules=ReadsFromTheBeginning,
        breaks="linearizable",
        steps=8,
        bounds={"timeouts": 1, "commands": 2},
        options=_OPTIONS,
        requests=_ASKED,
        prelude=_FIRST_LEADER,
    ),
)
