"""The table of transitions is what the code does, and a rule can be replaced by a subclass or a mixin."""

from __future__ import annotations

import pytest
from attrs import evolve

from raftframe import Configuration, Options, Role, ServerState, StandardStateMap
from raftframe.api.app import RecordingApp
from raftframe.effects import Done, Reply
from raftframe.events import Event, ForgetLeader, TransferLeadership
from raftframe.log import Log
from raftframe.messages import Message
from raftframe.states import BaseState, CandidateState, FollowerState, LeaderState
from raftframe.states.state_map import TRANSITIONS, Cause
from raftframe.states.turn import Turn

from .support import (
    ELECTION_TIMEOUT,
    HEARTBEAT_TIMEOUT,
    LEASE_TIMEOUT,
    PLAIN,
    STATES,
    append,
    ask,
    candidate,
    configured,
    follower,
    leader,
    log_of,
    pre_candidate,
    pre_vote,
    pre_voted,
    rejected,
    replies,
    request_vote,
    states_of,
    stored,
    take,
    timeout_now,
    vote,
)

SERVERS = {
    Role.FOLLOWER: follower(term=2),
    Role.PRE_CANDIDATE: pre_candidate(term=2),
    Role.CANDIDATE: candidate(term=2),
    Role.LEADER: leader(term=2),
}
HIGHER: tuple[Message, ...] = (
    request_vote(term=3),
    vote(term=3),
    append(term=3),
    stored(0, term=3),
    rejected(0, term=3),
)
CAUSES: dict[Cause, tuple[Event | Message, ...]] = {
    Cause.ELECTION_TIMEOUT: (ELECTION_TIMEOUT,),
    Cause.CANVASS: (ELECTION_TIMEOUT,),
    Cause.PRE_VOTE_QUORUM: (pre_voted(term=3),),
    Cause.TIMEOUT_NOW: (timeout_now(term=2),),
    Cause.NO_QUORUM: (ELECTION_TIMEOUT,),
    Cause.VOTE_QUORUM: (vote(term=2),),
    Cause.CURRENT_LEADER: (append(term=2), append(1, term=2, previous=(5, 1))),
    Cause.HIGHER_TERM: HIGHER,
    Cause.REMOVED: (stored(1, term=2),),
}
NEEDS: dict[Cause, Options] = {
    Cause.CANVASS: evolve(PLAIN, prevote=True),
    Cause.TIMEOUT_NOW: evolve(PLAIN, transfer=True),
    Cause.NO_QUORUM: evolve(PLAIN, check_quorum=True),
    Cause.REMOVED: evolve(PLAIN, membership=True),
}
"""The options without which a cause makes nothing happen, or something else."""
NO_CAUSE: tuple[Event | Message, ...] = (
    HEARTBEAT_TIMEOUT,
    LEASE_TIMEOUT,
    TransferLeadership("s2"),
    ForgetLeader(),
    ask(),
    pre_vote(term=3),
    pre_voted(term=2, granted=False),
    pre_voted(term=2),
    timeout_now(term=2),
    request_vote(term=2),
    vote(term=2, granted=False),
    stored(0, term=2),
    rejected(0, term=2),
    *(request_vote(term=1), vote(term=1), append(term=1), stored(0, term=1), rejected(0, term=1)),
)


@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name.lower())
@pytest.mark.parametrize("role", Role)
def test_the_table_of_transitions_is_what_happens(role: Role, cause: Cause) -> None:
    """Every role meets every cause: where the table has a row it becomes that, elsewhere it stays what it is."""
    expected = TRANSITIONS.get((role, cause), role)
    if cause is Cause.NO_QUORUM and role is not Role.LEADER:
        expected = Role.CANDIDATE  # the same timeout, to whoever does not lead
    states = states_of(NEEDS.get(cause, PLAIN))
    before = _removed(SERVERS[role]) if cause is Cause.REMOVED else SERVERS[role]

    for event in CAUSES[cause]:
        assert take(before, event, states).state.role is expected, event


def _removed(state: ServerState) -> ServerState:
    """The same, when its last entry makes s2 the only voter."""
    stored_log = evolve(state, durable=evolve(state.durable, log=log_of(2)))
    return configured(stored_log, 1, Configuration(("s2",)))


@pytest.mark.parametrize("role", Role)
def test_nothing_else_changes_a_role(role: Role) -> None:
    """What is no cause leaves everybody as it is, also the same messages from a finished term."""
    for event in NO_CAUSE:
        assert take(SERVERS[role], event).state.role is role, event


def test_a_transition_that_is_not_in_the_table_is_a_bug() -> None:
    """A follower that is told to take office has met a broken rule, which must not pass unseen."""
    with pytest.raises(AssertionError, match="a majority of votes makes no follower a leader"):
        STATES.win(Turn(follower()))
    with pytest.raises(AssertionError, match="a leader of its term makes no leader a follower"):
        STATES.concede(Turn(leader()), "s2")
    with pytest.raises(AssertionError, match="election timeout makes no leader a candidate"):
        STATES.stand(Turn(leader()))


@pytest.mark.parametrize("state", SERVERS.values(), ids=lambda state: str(state.role))
def test_every_role_has_its_rules(state: ServerState) -> None:
    """The map finds them by the role."""
    assert STATES.rules(state).role is state.role
    assert STATES.rules(state).states is STATES


def test_a_map_without_options_takes_the_standard_ones() -> None:
    """A no-op for new leaders, no limit of entries, commits announced at once."""
    assert StandardStateMap(RecordingApp()).options == Options(noop=True, batch=None, announce_commit=True)


# Replacing a rule


class Generous:
    """A mixin for every role: votes for whoever asks."""

    def may_vote_for(self, state: ServerState, candidate: str) -> bool:
        """Everybody."""
        return True


class Trusting(BaseState):
    """The same, typed by what it extends: every log is good enough."""

    def candidate_log_is_up_to_date(self, log: Log, message: object) -> bool:
        """Always."""
        return True


class Deaf(FollowerState):
    """A mixin for followers: whatever comes before the entries, they don't fit."""

    def previous_entry_matches(self, log: Log, message: object) -> bool:
        """Never."""
        return False


class VeryDeaf(Deaf):
    """A mixin that extends another mixin."""


class Hasty(CandidateState):
    """A mixin for candidates: they need no majority."""

    def is_quorum(self, servers: object, configuration: object) -> bool:
        """Anything will do."""
        return True


def test_a_mixin_replaces_a_rule_in_every_role() -> None:
    """One class, put before each state class."""
    states = states_of(mixin=Generous)

    for before in (follower(term=2, voted_for="s3"), candidate(term=2), leader(term=2)):
        assert take(before, request_vote(term=2), states).state.voted_for == "s2"


def test_a_mixin_may_extend_the_base_class() -> None:
    """Then it can call the rule that it replaces, and still holds in every role."""
    states = states_of(mixin=Trusting)

    assert take(follower(1, 2, term=2), request_vote(term=2), states).state.voted_for == "s2"
    assert take(leader(1, 2, term=2), request_vote(term=3), states).state.voted_for == "s2"


@pytest.mark.parametrize("mixin", [Deaf, VeryDeaf])
def test_a_mixin_for_one_role_leaves_the_others_alone(mixin: type) -> None:
    """Also if it extends that role's state class at a distance: it must not be ignored."""
    states = states_of(mixin=mixin)

    assert isinstance(states.follower, mixin)
    assert (type(states.candidate), type(states.leader)) == (CandidateState, LeaderState)
    assert take(follower(term=1), append(1), states).state.log == Log()


def test_a_candidates_rule_is_not_a_followers() -> None:
    """The rule of the role is asked in which the server is."""
    states = states_of(mixin=Hasty)

    assert take(follower(count=5), ELECTION_TIMEOUT, states).state.role is Role.LEADER
    assert type(states.follower) is FollowerState


def test_a_subclass_may_name_its_own_state_classes() -> None:
    """As this library was always extended; a mixin still comes first."""

    class DeafMap(StandardStateMap):
        """Whose followers are deaf."""

        follower_state = Deaf

    states = DeafMap(RecordingApp(), PLAIN, mixin=Generous)
    assert isinstance(states.follower, Deaf)
    assert isinstance(states.follower, Generous)
    assert isinstance(DeafMap(RecordingApp(), mixin=VeryDeaf).follower, VeryDeaf)


def test_maps_share_nothing() -> None:
    """A mixin in one changes no other."""
    states_of(mixin=Generous)

    assert take(follower(term=2, voted_for="s3"), request_vote(term=2)).state.voted_for == "s3"


def test_an_application_answers_through_the_map() -> None:
    """The map carries the application that all roles apply to."""
    step = take(leader(count=1), ask("x"), StandardStateMap(RecordingApp(), PLAIN))

    assert replies(step) == (Reply("c1", 1, Done(1)),)
    assert step.state.app_state == ("x",)
