"""Bugs in changes of members: which configuration is in effect, who counts, and what a change must wait for."""

# The rules that a mixin replaces are typed where they are defined: checker/mutants is checked against them by the
# tests.
from __future__ import annotations

from checker.mutants.base import Mutant
from checker.raft_system import Order
from raftframe import Configuration, Options, Role, ServerState, quorum
from raftframe.entries import Index
from raftframe.events import Reconfigure
from raftframe.membership import Change, Transition, changed, left
from raftframe.states import LeaderState
from raftframe.states.rules.commitment import leading


class ChangesWithoutBarrier(LeaderState):
    """A change does not wait for an entry of the leader's own term."""

    def has_committed_in_its_term(self, state: ServerState) -> bool:
        return True


class SwitchesDirectly(LeaderState):
    """Any change is made at once, whoever comes and goes (figure 10)."""

    def next_configuration(self, state: ServerState, event: Reconfigure) -> Configuration:
        return left(changed(state.configuration, event.change, Transition.IMPLICIT))


class CommitsByTheNewHalf(LeaderState):
    """In a joint configuration what a majority of the new voters has stored is committed."""

    def index_on_quorum(self, state: ServerState) -> Index:
        acked = {progress.server: progress.match_index for progress in leading(state).progress}
        acked[state.identity] = self.own_acknowledged_index(state)
        return quorum.committed_index(acked, state.configuration.voters)


class CountsLearners(LeaderState):
    """What learners have stored counts as if they were voters."""

    def index_on_quorum(self, state: ServerState) -> Index:
        acked = {progress.server: progress.match_index for progress in leading(state).progress}
        acked[state.identity] = self.own_acknowledged_index(state)
        ranked = sorted(acked.values(), reverse=True)
        return ranked[quorum.majority(state.configuration.voters) - 1]


def _order(change: Change, kind: str = "change") -> Order:
    """An operator asks whoever leads for *change*: an event called *kind*."""
    event = Reconfigure("operator", 1, change)
    return Order(kind, event, "changes", frozenset({Role.LEADER}), f"reconfigure {change} to {{actor}}")


_OPTIONS = Options(noop=False, announce_commit=False, membership=True)

MEMBERSHIP_MUTANTS = (
    Mutant(
        name="changes_without_barrier",
        catalogue="E1",
        summary="two leaders each change the same configuration, and neither knows of the other's change",
        rules=ChangesWithoutBarrier,
        breaks="leader_completeness",
        steps=7,
        bounds={"changes": 1},
        options=_OPTIONS,
        servers=4,
        joining=("s5",),
        orders=(_order(Change(voters=("s5",)), "grow"), _order(Change(removed=("s1",)), "shrink")),
        prelude=(
            "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1; RequestVote s1 s3; RequestVoteResponse s3 s1",
            "command s1; AppendEntries s1 s2 1; AppendEntriesResponse s2 s1",
            "AppendEntries s1 s3 1; AppendEntriesResponse s3 s1",
            "grow s1; AppendEntries s1 s5",
            "timeout s2; RequestVote s2 s3; RequestVoteResponse s3 s2; RequestVote s2 s4; RequestVoteResponse s4 s2",
            "RequestVote s2 s1; timeout s1",
        ),
    ),
    Mutant(
        name="switches_directly",
        summary="two voters are added at once, and the old majority elects without them (figure 10)",
        rules=SwitchesDirectly,
        breaks="leader_completeness",
        steps=7,
        bounds={"timeouts": 1},
        options=_OPTIONS,
        joining=("s4", "s5"),
        orders=(_order(Change(voters=("s4", "s5")), "grow"),),
        prelude=(
            "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1",
            "command s1; AppendEntries s1 s2 1; AppendEntriesResponse s2 s1",
            "grow s1",
        ),
    ),
    Mutant(
        name="commits_by_the_new_half",
        summary="in a joint configuration a majority of the new voters alone commits",
        rules=CommitsByTheNewHalf,
        breaks="commit_on_majority",
        steps=9,
        bounds={"timeouts": 1, "changes": 1, "commands": 1},
        options=_OPTIONS,
        joining=("s4",),
        orders=(_order(Change(voters=("s4",), removed=("s2",))),),
    ),
    Mutant(
        name="counts_learners",
        catalogue="A15",
        summary="what a learner has stored counts for a majority of the voters",
        rules=CountsLearners,
        breaks="commit_on_majority",
        steps=6,
        bounds={"timeouts": 1, "commands": 1},
        options=_OPTIONS,
        learners=("s3",),
    ),
)
