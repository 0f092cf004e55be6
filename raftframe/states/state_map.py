"""Which rules apply in which role, and the only place where a server's role changes.

    follower ──election timeout──▶ candidate ──majority of votes──▶ leader
      ▲  │ ▲                       ▲  ▲   │                           │
      │  │ └── a leader of its term ──────┤                           │
      │  │                         │  └───┘ election timeout          │
      │  │                  majority of pre-votes                     │
      │  └─election timeout─▶ pre-candidate                           │
      └─ a higher term; for a leader, also no quorum or its removal ◀─┘

With pre-votes an election timeout makes a pre-candidate, without them a candidate. Whoever its leader tells to take
over becomes a candidate at once.

`TRANSITIONS` is the drawing as data, and every change of role is checked against it.

To change a rule, subclass a state class and put it into a map; to change it in every role at once, give the map a
mixin:

    class Generous:                                    # votes for whoever asks
        def may_vote_for(self, state, candidate):
            return True

    states = StandardStateMap(app, mixin=Generous)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeVar

from raftframe.api import AppAPI, ReadsOnly
from raftframe.effects import Reply, Timer, Unknown
from raftframe.entries import Command, ServerId, Term
from raftframe.events import ClientRead, ClientRequest
from raftframe.marks import Mark
from raftframe.options import Options
from raftframe.server_state import (
    CandidateData,
    FollowerData,
    LeaderData,
    PreCandidateData,
    Role,
    RoleData,
    ServerState,
)
from raftframe.states.base_state import BaseState
from raftframe.states.candidate import CandidateState
from raftframe.states.follower import FollowerState
from raftframe.states.leader import LeaderState
from raftframe.states.pre_candidate import PreCandidateState
from raftframe.states.turn import Turn


class Cause(Enum):
    """Why a role changes."""

    ELECTION_TIMEOUT = "election timeout"
    CANVASS = "election timeout, with pre-votes"
    PRE_VOTE_QUORUM = "a majority of pre-votes"
    TIMEOUT_NOW = "its leader hands over"
    VOTE_QUORUM = "a majority of votes"
    CURRENT_LEADER = "a leader of its term"
    HIGHER_TERM = "a higher term"
    NO_QUORUM = "no answers of a majority"
    REMOVED = "it is no voter any more"


TRANSITIONS: Final[Mapping[tuple[Role, Cause], Role]] = {
    (Role.FOLLOWER, Cause.ELECTION_TIMEOUT): Role.CANDIDATE,
    (Role.PRE_CANDIDATE, Cause.ELECTION_TIMEOUT): Role.CANDIDATE,
    (Role.CANDIDATE, Cause.ELECTION_TIMEOUT): Role.CANDIDATE,
    **{(role, Cause.CANVASS): Role.PRE_CANDIDATE for role in (Role.FOLLOWER, Role.PRE_CANDIDATE, Role.CANDIDATE)},
    (Role.PRE_CANDIDATE, Cause.PRE_VOTE_QUORUM): Role.CANDIDATE,
    (Role.FOLLOWER, Cause.TIMEOUT_NOW): Role.CANDIDATE,
    (Role.CANDIDATE, Cause.VOTE_QUORUM): Role.LEADER,
    (Role.CANDIDATE, Cause.CURRENT_LEADER): Role.FOLLOWER,
    (Role.PRE_CANDIDATE, Cause.CURRENT_LEADER): Role.FOLLOWER,
    (Role.LEADER, Cause.NO_QUORUM): Role.FOLLOWER,
    (Role.LEADER, Cause.REMOVED): Role.FOLLOWER,
    **{(role, Cause.HIGHER_TERM): Role.FOLLOWER for role in Role},
}


_STATE_CLASSES = (FollowerState, PreCandidateState, CandidateState, LeaderState)
_S = TypeVar("_S", bound=BaseState)


class StandardStateMap:
    """The state classes of production, one instance each, with the application and the options they work with.

    *mixin*, if given, comes before the state classes: its methods replace those of every role, or of the one role whose
    state class it extends, at whatever distance.
    """

    follower_state: type[FollowerState] = FollowerState
    pre_candidate_state: type[PreCandidateState] = PreCandidateState
    candidate_state: type[CandidateState] = CandidateState
    leader_state: type[LeaderState] = LeaderState

    def __init__(self, app: AppAPI, options: Options | None = None, *, mixin: type | None = None) -> None:
        self.app = app
        self.options = options if options is not None else Options()
        self.follower = _mixed(self.follower_state, mixin)(self)
        self.pre_candidate = _mixed(self.pre_candidate_state, mixin)(self)
        self.candidate = _mixed(self.candidate_state, mixin)(self)
        self.leader = _mixed(self.leader_state, mixin)(self)

    def rules(self, state: ServerState) -> BaseState:
        """The rules for *state*'s role."""
        match state.role:
            case Role.FOLLOWER:
                return self.follower
            case Role.PRE_CANDIDATE:
                return self.pre_candidate
            case Role.CANDIDATE:
                return self.candidate
            case Role.LEADER:
                return self.leader

    def asking(self, command: Command) -> ClientRequest | ClientRead:
        """The event by which *command* reaches a server: one that only reads is a read, if reads need no entry. The
        first command of a client opens its session, which takes an entry.
        """
        app = self.app
        if self.options.sessions and command.serial == 1:
            return ClientRequest(command)
        reads = self.options.linearizable_reads and isinstance(app, ReadsOnly) and app.only_reads(command.operation)
        return ClientRead(command) if reads else ClientRequest(command)

    # Changes of role

    def canvass(self, turn: Turn) -> Turn:
        """Become a pre-candidate, or one again: nothing changes but the role (dissertation §9.6)."""
        data = PreCandidateData(votes=self.rules(turn.state).first_votes(turn.state))
        return _become(turn, Cause.CANVASS, data).marked(Mark.BECAME_PRECANDIDATE)

    def stand(self, turn: Turn) -> Turn:
        """Become a candidate of a new term, with its own vote (§5.2)."""
        return self._stand(turn, Cause.ELECTION_TIMEOUT)

    def stand_with_support(self, turn: Turn) -> Turn:
        """A pre-candidate has found that a majority would vote for it, and stands (dissertation §9.6)."""
        return self._stand(turn, Cause.PRE_VOTE_QUORUM)

    def take_over(self, turn: Turn) -> Turn:
        """A follower is told by its leader to stand, and does (dissertation §3.10)."""
        return self._stand(turn, Cause.TIMEOUT_NOW)

    def _stand(self, turn: Turn, cause: Cause) -> Turn:
        rules = self.rules(turn.state)
        data = CandidateData(votes=rules.first_votes(turn.state))
        turn = rules.redirect_reads(turn, None).storing(term=turn.term + 1, voted_for=turn.state.identity)
        return _become(turn, cause, data).marked(Mark.BECAME_CANDIDATE)

    def step_down(self, turn: Turn, term: Term) -> Turn:
        """Become a follower of a later term, with no leader known yet (§5.1)."""
        return self._follow(turn, Cause.HIGHER_TERM, term, leader=None)

    def concede(self, turn: Turn, leader: ServerId) -> Turn:
        """Whoever wanted to be elected hears from the *leader* of its term, and follows it (§5.2)."""
        return self._follow(turn.marked(Mark.CONCEDED_TO_LEADER), Cause.CURRENT_LEADER, turn.term, leader)

    def lose_quorum(self, turn: Turn) -> Turn:
        """A leader hears from no majority, and gives its office up in the same term (dissertation §6.2)."""
        return self._follow(turn, Cause.NO_QUORUM, turn.term, leader=None)

    def resign(self, turn: Turn) -> Turn:
        """A leader that is no voter of what it has committed gives its office up (dissertation §4.2.2)."""
        return self._follow(turn, Cause.REMOVED, turn.term, leader=None)

    def win(self, turn: Turn) -> Turn:
        """A candidate has the votes of a majority, and takes office (§5.2)."""
        state = turn.state
        progress = tuple(self.leader.initial_progress(state, peer) for peer in state.peers)
        turn = _become(turn, Cause.VOTE_QUORUM, LeaderData(progress)).marked(Mark.BECAME_LEADER)
        return self.leader.on_taking_office(turn)

    def _follow(self, turn: Turn, cause: Cause, term: Term, leader: ServerId | None) -> Turn:
        state = turn.state
        if state.role is Role.LEADER:
            turn = _fail_pending(turn).stopping(Timer.HEARTBEAT).starting(Timer.ELECTION)
        turn = self.rules(state).redirect_reads(turn, leader)
        if state.role is not Role.FOLLOWER:
            turn = turn.marked(Mark.BECAME_FOLLOWER)
        if state.role is Role.FOLLOWER and state.leader is not None:
            turn = self.follower.wait_for_no_leader(turn)
        vote = self.rules(state).vote_after_step_down(state, term)
        return _become(turn.storing(term=term, voted_for=vote), cause, FollowerData(leader))


def _become(turn: Turn, cause: Cause, data: RoleData) -> Turn:
    """With the role whose own *data* is, which `TRANSITIONS` must allow."""
    after = turn.changing(data=data)
    before = turn.state.role
    assert TRANSITIONS.get((before, cause)) is after.state.role, f"{cause.value} makes no {before} a {after.state.role}"
    return after


def _fail_pending(turn: Turn) -> Turn:
    """A leader that loses its office tells the clients whose commands are not applied that it cannot know what
    becomes of them.
    """
    state = turn.state
    pending = state.log.between(state.applied_index + 1, state.log.last_index)
    replies = tuple(
        Reply(entry.command.client, entry.command.serial, Unknown())
        for entry in pending
        if entry.term == state.term and isinstance(entry.command, Command)
    )
    waiting = state.data.waiting if isinstance(state.data, LeaderData) else None
    if waiting is not None:
        replies += (Reply(waiting.client, waiting.serial, Unknown()),)
    return turn.replying(*replies).marked(Mark.LOST_PENDING_COMMANDS) if replies else turn


def _mixed(rules: type[_S], mixin: type | None) -> type[_S]:
    """*rules* with the methods of *mixin*, unless *mixin* extends state classes of other roles only."""
    if mixin is None:
        return rules
    extended = [role for role in _STATE_CLASSES if issubclass(mixin, role)]
    if extended and not any(issubclass(rules, role) for role in extended):
        return rules
    return type(f"{mixin.__name__}{rules.__name__}", (mixin, rules), {})
