"""Bugs in reads that get no entry in the log: what a leader takes for confirmed, and when an answer is given."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from checker.mutants.base import Mutant
from checker.raft_system import Request
from raftframe import Command, Options, ServerState
from raftframe.entries import Index
from raftframe.messages import Acknowledgement
from raftframe.server_state import AwaitedRead, Lease, ReadRound
from raftframe.states import BaseState, FollowerState, LeaderState
from raftframe.states.rules.commitment import leading
from raftframe.states.turn import Turn


class ReadsBeforeItsOwnCommit(LeaderState):
    """A new leader takes its commit index for all that was ever committed."""

    def knows_commit_index(self, state: ServerState) -> bool:
        return True


class ReadsWithoutAQuorum(LeaderState):
    """Whoever believes that it leads answers."""

    def is_confirmed(self, state: ServerState, one: ReadRound) -> bool:
        return one.number > 0


class ReadsAtAnyFollower(FollowerState):
    """A follower takes what it has applied for all that there is."""

    def on_client_read(self, turn: Turn, command: Command) -> Turn:
        return self.allow_read(self.take_read(turn, command), command.client, command.serial, 0)


class CountsEarlierRounds(LeaderState):
    """An answer to any round counts for every read that waits."""

    def counts_for(self, message: Acknowledgement, one: ReadRound) -> bool:
        return one.number > 0


class AnswersBeforeItIsApplied(BaseState):
    """A confirmed read is answered at once, however old the application is."""

    def may_answer(self, state: ServerState, read: AwaitedRead) -> bool:
        return read.index is not None


class ReadsFromTheBeginning(LeaderState):
    """Any index is good enough to read from."""

    def read_index(self, state: ServerState) -> Index:
        return 0


class KeepsItsLeaseInATransfer(LeaderState):
    """A leader that has told another to stand goes on to trust its followers' loyalty."""

    def revoke_lease(self, turn: Turn) -> Turn:
        return turn


class RenewsItsLeaseByLateAnswers(LeaderState):
    """The lease begins when an answer arrives, not when its heartbeat was sent."""

    def counts_for_lease(self, message: Acknowledgement, lease: Lease) -> bool:
        return lease.number > 0 and message.read_round > 0


class LeasesWithoutAQuorum(LeaderState):
    """A heartbeat that was sent is a lease."""

    def has_lease(self, state: ServerState) -> bool:
        return leading(state).lease.number > 0


_OPTIONS: Final = Options(noop=True, announce_commit=False, linearizable_reads=True)
_ASKED: Final = (Request("c1", "x", "x"), Request("c2", "read", "read"))
_FIRST_LEADER: Final = (
    "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1",
    "AppendEntries s1 s2; AppendEntriesResponse s2 s1",  # its no-op is committed
)

_LEASES: Final = evolve(_OPTIONS, check_quorum=True, transfer=True, lease_reads=True)
_ALL_FOLLOW: Final = (*_FIRST_LEADER, "AppendEntries s1 s3; AppendEntriesResponse s3 s1")
_HEARD: Final = "heartbeat s1; AppendEntries s1 s2"  # s2's answer is on its way
_OTHER_LEADER: Final = "expire s2; expire s3; timeout s2; RequestVote s2 s3; RequestVoteResponse s3 s2"

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
        prelude=("timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1",),
    ),
    Mutant(
        name="reads_at_any_follower",
        catalogue="G3",
        summary="a follower answers a read from what it has, and asks nobody",
        rules=ReadsAtAnyFollower,
        breaks="linearizable",
        steps=7,
        bounds={"timeouts": 1, "commands": 2},
        options=_OPTIONS,
        requests=_ASKED,
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
    Mutant(
        name="keeps_its_lease_in_a_transfer",
        catalogue="G5",
        summary="a leader answers from its lease while its successor has taken over",
        rules=KeepsItsLeaseInATransfer,
        breaks="linearizable",
        steps=8,
        bounds={"commands": 2, "transfers": 1},
        options=_LEASES,
        requests=_ASKED,
        prelude=(*_ALL_FOLLOW, _HEARD, "AppendEntriesResponse s2 s1"),
    ),
    Mutant(
        name="renews_its_lease_by_late_answers",
        catalogue="G6",
        summary="a late answer to an earlier heartbeat makes a lease that is long over",
        rules=RenewsItsLeaseByLateAnswers,
        breaks="linearizable",
        steps=5,
        bounds={"commands": 2},
        options=_LEASES,
        requests=_ASKED,
        prelude=(*_ALL_FOLLOW, _HEARD, _OTHER_LEADER, "heartbeat s1"),
    ),
    Mutant(
        name="leases_without_a_quorum",
        summary="a deposed leader renews its lease by itself",
        rules=LeasesWithoutAQuorum,
        breaks="linearizable",
        steps=4,
        bounds={"commands": 2},
        options=_LEASES,
        requests=_ASKED,
        prelude=(*_ALL_FOLLOW, _OTHER_LEADER, "heartbeat s1"),
    ),
)
