"""Bugs in changes of members: which configuration is in effect, who counts, and what a change must wait for."""

# The rules that a mixin replaces are typed where they are defined: checker/mutants is checked against them by the
# tests.
from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import evolve

from checker.mutants.base import Mutant
from checker.mutants.liveness import s1_gives_up, s2_takes_over, somebody_leads
from checker.properties.base import Invariant, StepRule
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import Order, RaftServer
from checker.system import ActorId, Deliver, Event, State, Step
from raftframe import Configuration, Log, Options, Role, ServerState, quorum
from raftframe.entries import Index, ServerId
from raftframe.events import Reconfigure
from raftframe.membership import Change, Transition, changed, latest_configuration, left
from raftframe.messages import Message, PreVote, RequestVote
from raftframe.server_state import LeaderData
from raftframe.states import BaseState, LeaderState
from raftframe.states.rules.commitment import leading
from raftframe.states.turn import Turn


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


class CountsTheUnion(BaseState):
    """In a joint configuration a majority of all servers together decides."""

    def is_quorum(self, servers: Collection[ServerId], configuration: Configuration) -> bool:
        return quorum.is_quorum(servers, (*configuration.voters, *_only_outgoing(configuration)))


class UsesWhatIsApplied(BaseState):
    """A configuration is in effect when its entry is applied, and not before."""

    def configuration_after(self, state: ServerState, log: Log, kept: Index) -> tuple[Index, Configuration]:
        return state.configuration_index, state.configuration

    def with_recovered_configuration(self, state: ServerState) -> ServerState:
        return state

    def apply_committed(self, turn: Turn, last_index: Index) -> Turn:
        before = turn.state.applied_index
        turn = super().apply_committed(turn, last_index)
        latest = latest_configuration(turn.state.log, turn.state.applied_index, first=before + 1)
        if latest is None:
            return turn
        turn = turn.changing(configuration_index=latest[0], configuration=latest[1])
        if not isinstance(turn.state.data, LeaderData):
            return turn
        return turn.changing(data=self.states.leader.progress_of_members(turn.state))


class ForgetsTheConfigurationOnRestart(BaseState):
    """A server begins again with the configuration that it was made with."""

    def with_recovered_configuration(self, state: ServerState) -> ServerState:
        return state


class RestoresOneChangeOnly(BaseState):
    """When entries are cut from the log, the configuration before the latest is in effect, cut as well or not."""

    def configuration_as_of(self, state: ServerState, log: Log, index: Index) -> tuple[Index, Configuration]:
        before = latest_configuration(state.log, state.configuration_index - 1)
        return before or super().configuration_as_of(state, log, index)


class RefusesToVoteAsALearner(BaseState):
    """Who takes itself for a learner gives no vote."""

    def may_vote_for(self, state: ServerState, candidate: ServerId) -> bool:
        return state.configuration.is_voter(state.identity) and super().may_vote_for(state, candidate)


class ListensToTheRemoved(BaseState):
    """Requests of servers that were removed are followed into their term."""

    def is_stranger(self, state: ServerState, message: Message) -> bool:
        return not isinstance(message, RequestVote | PreVote) and super().is_stranger(state, message)


class RetiresTooEarly(BaseState):
    """Who reads of its own removal stands no more, though nobody else may have that entry."""

    def may_campaign(self, state: ServerState) -> bool:
        return state.configuration.is_voter(state.identity)


class LeadsOnWhenRemoved(LeaderState):
    """A leader that is no voter any more stays in office."""

    def steps_down_when_removed(self, state: ServerState) -> bool:
        return False


class TakesNewcomersForSilent(LeaderState):
    """A server that was just added counts as one that has not answered."""

    def progress_of_members(self, state: ServerState) -> LeaderData:
        return evolve(super().progress_of_members(state), heard=leading(state).heard)


# What must be


def _only_outgoing(configuration: Configuration) -> tuple[ServerId, ...]:
    return tuple(server for server in configuration.outgoing if server not in configuration.voters)


def _configuration(_actor: ActorId, state: State) -> tuple[Configuration, Configuration] | None:
    """The configuration that a running server has in effect, and the one that its log speaks of."""
    assert isinstance(state, RaftServer)
    server = state.state
    if server is None:
        return None
    before = server.bootstrap if server.snapshot is None else server.snapshot.configuration
    _, latest = latest_configuration(server.log, server.log.last_index) or (0, before)
    return server.configuration, latest


def _is_of_the_log(views: Mapping[ActorId, tuple[Configuration, Configuration] | None], _history: object) -> str | None:
    for actor, view in views.items():
        if view is not None and view[0] != view[1]:
            return f"{actor} uses {view[0]}, and the latest in its log is {view[1]}"
    return None


def _not_deposed_by_a_stranger(actor: ActorId, before: State, event: Event, step: Step) -> str | None:
    assert isinstance(before, RaftServer)
    server = before.state
    if server is None or not isinstance(event, Deliver) or server.configuration_index > server.commit_index:
        return None
    stranger = event.source not in server.configuration
    return (
        f"{actor} follows {event.source}, which was removed" if stranger and "saw_higher_term" in step.marks else None
    )


def _keeps_office(actor: ActorId, before: State, event: Event, step: Step) -> str | None:
    return f"{actor} gave up before the newcomers could answer" if "lost_quorum" in step.marks else None


configuration_is_of_the_log = Invariant("configuration_is_of_the_log", _is_of_the_log, _configuration)
removed_depose_nobody = StepRule("removed_depose_nobody", _not_deposed_by_a_stranger)
newcomers_depose_nobody = StepRule("newcomers_depose_nobody", _keeps_office)


def _order(change: Change, kind: str = "change") -> Order:
    """An operator asks whoever leads for *change*: an event called *kind*."""
    event = Reconfigure("operator", 1, change)
    return Order(kind, event, "changes", frozenset({Role.LEADER}), f"reconfigure {change} to {{actor}}")


_OPTIONS = Options(noop=False, announce_commit=False, membership=True)
_S1_HAS_COMMITTED = (
    "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1",
    "command s1; AppendEntries s1 s2 1; AppendEntriesResponse s2 s1",
)
_TO_S2_AND_S3 = (
    "AppendEntries s1 s2 -1; AppendEntriesResponse s2 s1 -1; AppendEntries s1 s3 -1; AppendEntriesResponse s3 s1 -1"
)
_ALONE_HAS_COMMITTED = ("timeout s1; command s1",)
_SWAP = Change(voters=("s4", "s5"), removed=("s2", "s3"))

MEMBERSHIP_MUTANTS = (
    Mutant(
        name="changes_without_barrier",
        catalogue="E1",
        summary="two leaders each change the same configuration, and neither knows of the other's change",
        rules=ChangesWithoutBarrier,
        breaks="leader_completeness",
        steps=4,
        bounds={"timeouts": 2},
        options=_OPTIONS,
        servers=4,
        orders=(_order(Change(removed=("s4",)), "shrink"), _order(Change(removed=("s3",)), "narrow")),
        prelude=(
            "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1; RequestVote s1 s3; RequestVoteResponse s3 s1",
            "shrink s1",
            "timeout s2; RequestVote s2 s3; RequestVoteResponse s3 s2; RequestVote s2 s4; RequestVoteResponse s4 s2",
            "narrow s2; AppendEntries s2 s4 -1; AppendEntriesResponse s4 s2",
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
    Mutant(
        name="counts_the_union",
        catalogue="A14",
        summary="a majority of old and new servers together elects, beside a majority of the old ones",
        rules=CountsTheUnion,
        breaks="election_safety",
        steps=5,
        bounds={"timeouts": 1},
        options=_OPTIONS,
        joining=("s4", "s5"),
        orders=(_order(_SWAP, "swap"),),
        prelude=(
            *_S1_HAS_COMMITTED,
            "swap s1; AppendEntries s1 s4; AppendEntries s1 s5",
            "timeout s2; RequestVote s2 s3; RequestVoteResponse s3 s2",
        ),
    ),
    Mutant(
        name="uses_what_is_applied",
        catalogue="E2",
        summary="a server that has not applied two changes elects with a majority of the first configuration",
        rules=UsesWhatIsApplied,
        breaks="election_safety",
        steps=8,
        bounds={"timeouts": 2},
        options=_OPTIONS,
        joining=("s4", "s5"),
        orders=(_order(Change(voters=("s4",)), "grow"), _order(Change(voters=("s5",)), "widen")),
        prelude=(
            *_S1_HAS_COMMITTED,
            f"grow s1; {_TO_S2_AND_S3}",
            f"widen s1; {_TO_S2_AND_S3}",
            "heartbeat s1; AppendEntries s1 s2 -1; AppendEntries s1 s4 -1; AppendEntries s1 s5 -1",
            "crash s3; RequestVote s1 s3; AppendEntries s1 s3; AppendEntries s1 s3; AppendEntries s1 s3; restart s3",
            "AppendEntries s1 s2; AppendEntries s1 s4",  # late ones, so that fewer are on their way
        ),
    ),
    Mutant(
        name="forgets_the_configuration_on_restart",
        catalogue="E4",
        summary="a restarted server elects itself with the configuration that the cluster began with",
        rules=ForgetsTheConfigurationOnRestart,
        breaks="election_safety",
        steps=6,
        bounds={"timeouts": 2, "crashes": 1, "restarts": 1},
        options=_OPTIONS,
        servers=1,
        joining=("s2", "s3"),
        orders=(_order(Change(voters=("s2", "s3")), "grow"),),
        prelude=(
            *_ALONE_HAS_COMMITTED,
            "grow s1; AppendEntries s1 s2; AppendEntriesResponse s2 s1",
            "AppendEntries s1 s2 -1; AppendEntries s1 s3 -1",
        ),
    ),
    Mutant(
        name="restores_one_change_only",
        catalogue="B12",
        summary="two changes are cut from a follower's log, and it uses the first of them",
        rules=RestoresOneChangeOnly,
        breaks="configuration_is_of_the_log",
        steps=5,
        bounds={"timeouts": 1, "commands": 1},
        options=evolve(_OPTIONS, disable_conf_change_validation=True),
        joining=("s4", "s5"),
        orders=(_order(Change(learners=("s4",)), "grow"), _order(Change(learners=("s5",)), "widen")),
        prelude=(*_S1_HAS_COMMITTED, "grow s1; widen s1"),
        properties=(*RAFT_PROPERTIES, configuration_is_of_the_log),
    ),
    Mutant(
        name="refuses_to_vote_as_a_learner",
        catalogue="A16",
        summary="a voter that does not know of its promotion gives no vote, and nobody is elected",
        rules=RefusesToVoteAsALearner,
        breaks="s2_takes_over",
        goal=s2_takes_over,
        steps=3,
        bounds={"timeouts": 2},
        options=_OPTIONS,
        learners=("s3",),
        orders=(_order(Change(voters=("s3",)), "promote"),),
        prelude=(
            *_S1_HAS_COMMITTED,
            "promote s1; AppendEntries s1 s2 -1; crash s1; crash s3",
            "AppendEntries s1 s3; AppendEntries s1 s3; AppendEntries s1 s3; restart s3",  # lost on the way
        ),
    ),
    Mutant(
        name="listens_to_the_removed",
        catalogue="E8",
        summary="a server that was removed deposes the leader with its term",
        rules=ListensToTheRemoved,
        breaks="removed_depose_nobody",
        steps=2,
        bounds={"timeouts": 1},
        options=_OPTIONS,
        orders=(_order(Change(removed=("s3",)), "shrink"),),
        prelude=(
            *_S1_HAS_COMMITTED,
            "shrink s1; AppendEntries s1 s2 -1; AppendEntriesResponse s2 s1; RequestVote s1 s3",
        ),
        properties=(*RAFT_PROPERTIES, removed_depose_nobody),
    ),
    Mutant(
        name="retires_too_early",
        catalogue="E7",
        summary="a leader that has appended its own removal is restarted, and nobody can be elected",
        rules=RetiresTooEarly,
        breaks="somebody_leads",
        goal=somebody_leads,
        steps=3,
        bounds={"timeouts": 2},
        options=_OPTIONS,
        servers=2,
        orders=(_order(Change(removed=("s1",)), "shrink"),),
        prelude=(
            *_S1_HAS_COMMITTED,
            "shrink s1; crash s2; AppendEntries s1 s2; AppendEntries s1 s2; restart s2",  # lost on the way
            "crash s1; restart s1",
        ),
    ),
    Mutant(
        name="leads_on_when_removed",
        catalogue="E3",
        summary="a leader that has committed its own removal stays in office",
        rules=LeadsOnWhenRemoved,
        breaks="s1_gives_up",
        goal=s1_gives_up,
        steps=5,
        bounds={"changes": 1},
        options=_OPTIONS,
        orders=(_order(Change(removed=("s1",))),),
        prelude=_S1_HAS_COMMITTED,
    ),
    Mutant(
        name="takes_newcomers_for_silent",
        catalogue="E6",
        summary="a leader gives up because the server that it has just added has not answered",
        rules=TakesNewcomersForSilent,
        breaks="newcomers_depose_nobody",
        steps=2,
        bounds={"timeouts": 1, "changes": 1},
        options=evolve(_OPTIONS, check_quorum=True),
        servers=1,
        joining=("s2",),
        orders=(_order(Change(voters=("s2",))),),
        prelude=_ALONE_HAS_COMMITTED,
        properties=(*RAFT_PROPERTIES, newcomers_depose_nobody),
    ),
)
