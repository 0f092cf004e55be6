"""The rules that hold in every role.

A state class holds rules, never data: what a server knows is in its `ServerState`, which comes in with the turn and
leaves, changed, with the turn that is returned. Methods named `on_...` handle an event; the other public methods
each decide one thing, and are what a subclass overrides to change a rule (or to plant a bug).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar

from raftframe import quorum
from raftframe.configuration import Configuration
from raftframe.effects import (
    AppendToLog,
    Apply,
    Done,
    Outcome,
    Redirected,
    Reply,
    Timer,
    TruncateLog,
    Write,
    WriteTermAndVote,
)
from raftframe.entries import Command, Entry, Index, ServerId, Term
from raftframe.events import ClientRequest, ElectionTimeout, Event, HeartbeatTimeout, MessageReceived
from raftframe.log import Log
from raftframe.marks import Mark
from raftframe.messages import (
    AppendEntries,
    AppendEntriesResponse,
    Message,
    RequestVote,
    RequestVoteResponse,
    problem_with,
)
from raftframe.server_state import DurableState, Role, ServerState
from raftframe.states.turn import Turn

if TYPE_CHECKING:
    from raftframe.states.state_map import StandardStateMap


class BaseState:
    """What every server does, unless the state class of its role says otherwise."""

    role: ClassVar[Role]

    def __init__(self, states: StandardStateMap) -> None:
        self.states = states

    # Events

    def handle(self, turn: Turn, event: Event) -> Turn:
        """The turn after *event*. Raises TypeError for what is no event: the driver's mistake, not a peer's."""
        match event:
            case MessageReceived(message):
                return self.on_arrival(turn, message)
            case ElectionTimeout():
                return self.on_election_timeout(turn)
            case HeartbeatTimeout():
                return self.on_heartbeat_timeout(turn)
            case ClientRequest(command):
                return self.on_client_request(turn, command)
            case _:
                raise TypeError(f"{event!r} is not an event: see raftframe.events")

    def on_arrival(self, turn: Turn, message: Message) -> Turn:
        """A message from the network: refuse what is malformed, settle the term (§5.1), then handle it in the role that
        is left.
        """
        if self.is_malformed(turn.state, message):
            return turn.marked(Mark.DROPPED_MALFORMED)
        if self.is_newer(turn.state, message):
            turn = self.states.step_down(turn.marked(Mark.SAW_HIGHER_TERM), message.term)
        elif self.is_stale(turn.state, message):
            return self.on_stale_message(turn, message)
        return self.states.rules(turn.state).on_message(turn, message)

    def on_message(self, turn: Turn, message: Message) -> Turn:
        """A message of the server's own term."""
        match message:
            case RequestVote():
                return self.on_request_vote(turn, message)
            case RequestVoteResponse():
                return self.on_request_vote_response(turn, message)
            case AppendEntries():
                return self.on_append_entries(turn, message)
            case AppendEntriesResponse():
                return self.on_append_entries_response(turn, message)

    def on_stale_message(self, turn: Turn, message: Message) -> Turn:
        """A message of a finished term: a request is rejected, with the current term for its sender to learn; a
        response is ignored (§5.1).
        """
        state = turn.state
        match message:
            case RequestVote():
                answer: Message = RequestVoteResponse(state.identity, message.source, state.term, granted=False)
            case AppendEntries():
                answer = AppendEntriesResponse(state.identity, message.source, state.term, success=False, index=0)
            case _:
                return turn.marked(Mark.IGNORED_RESPONSE)
        return turn.sending(answer).marked(Mark.REJECTED_STALE_TERM)

    def on_election_timeout(self, turn: Turn) -> Turn:
        """Stand for election: a new term, the own vote, a request to everybody else (§5.2)."""
        turn = self.states.stand(turn).starting(Timer.ELECTION)
        turn = turn.sending(*(self.request_for(turn.state, peer) for peer in turn.state.peers))
        return self.states.candidate.count_votes(turn)

    def on_heartbeat_timeout(self, turn: Turn) -> Turn:
        """Only a leader has a heartbeat timer; one that fires late is ignored."""
        return turn.marked(Mark.IGNORED_TIMEOUT)

    def on_client_request(self, turn: Turn, command: Command) -> Turn:
        """Only a leader takes commands; the client is told who leads (§8)."""
        return self.reply(turn, command, Redirected(turn.state.leader)).marked(Mark.REDIRECTED_CLIENT)

    def on_request_vote(self, turn: Turn, message: RequestVote) -> Turn:
        """Grant the vote or refuse it (§5.2, §5.4.1)."""
        granted = self.may_vote_for(turn.state, message.source)
        if not granted:
            turn = turn.marked(Mark.REFUSED_SECOND_VOTE)
        elif not self.candidate_log_is_up_to_date(turn.state.log, message):
            granted, turn = False, turn.marked(Mark.REFUSED_STALE_LOG)
        if granted:
            turn = turn.storing(voted_for=message.source).starting(Timer.ELECTION).marked(Mark.GRANTED_VOTE)
        return turn.sending(RequestVoteResponse(turn.state.identity, message.source, turn.term, granted))

    def on_request_vote_response(self, turn: Turn, message: RequestVoteResponse) -> Turn:
        """Only a candidate counts votes; one that arrives later changes nothing."""
        return turn.marked(Mark.IGNORED_RESPONSE)

    def on_append_entries(self, turn: Turn, message: AppendEntries) -> Turn:
        """A candidate hears from the leader of its term: follow it (§5.2), then take the entries (§5.3)."""
        turn = self.states.concede(turn, message.source)
        return self.states.follower.on_append_entries(turn, message)

    def on_append_entries_response(self, turn: Turn, message: AppendEntriesResponse) -> Turn:
        """Only a leader cares."""
        return turn.marked(Mark.IGNORED_RESPONSE)

    # Rules: terms and votes

    def is_malformed(self, state: ServerState, message: Message) -> bool:
        """Whether *message* is broken, not for this server, or from a stranger."""
        return (
            problem_with(message) is not None
            or message.target != state.identity
            or message.source not in state.configuration
        )

    def is_newer(self, state: ServerState, message: Message) -> bool:
        """Whether *message* is of a later term, so that this server must follow into it (§5.1)."""
        return message.term > state.term

    def is_stale(self, state: ServerState, message: Message) -> bool:
        """Whether *message* is of a finished term (§5.1)."""
        return message.term < state.term

    def may_vote_for(self, state: ServerState, candidate: ServerId) -> bool:
        """One vote a term, first come, first served; the same candidate may be told again (§5.2)."""
        return state.voted_for in (None, candidate)

    def candidate_log_is_up_to_date(self, log: Log, message: RequestVote) -> bool:
        """The later last term wins; with equal last terms, the longer log (§5.4.1)."""
        return (message.last_log_term, message.last_log_index) >= (log.last_term, log.last_index)

    def is_quorum(self, servers: Collection[ServerId], configuration: Configuration) -> bool:
        """Whether *servers* are a majority (§5.2)."""
        return quorum.is_quorum(servers, configuration.voters)

    def vote_after_step_down(self, state: ServerState, term: Term) -> ServerId | None:
        """The vote belongs to its term: a new term has a new one, the same term keeps it (§5.2)."""
        return None if term > state.term else state.voted_for

    def request_for(self, state: ServerState, voter: ServerId) -> RequestVote:
        """The request for *voter*'s vote."""
        return RequestVote(state.identity, voter, state.term, state.log.last_index, state.log.last_term)

    # Rules: what is stored, what comes back

    def writes(self, before: ServerState, after: ServerState) -> tuple[Write, ...]:
        """What must be stored for *after* to survive (figure 2: persistent state is stored before answering)."""
        writes: list[Write] = []
        if (before.term, before.voted_for) != (after.term, after.voted_for):
            writes.append(self.write_of_term_and_vote(after))
        kept = self.common_prefix(before.log, after.log)
        if kept < before.log.last_index:
            writes.append(TruncateLog(kept))
        if kept < after.log.last_index:
            writes.append(AppendToLog(kept + 1, after.log.between(kept + 1, after.log.last_index)))
        return tuple(writes)

    def write_of_term_and_vote(self, state: ServerState) -> WriteTermAndVote:
        """Term and vote are one write."""
        return WriteTermAndVote(state.term, state.voted_for)

    def must_sync(self, writes: Collection[Write]) -> bool:
        """Whether a sync must follow *writes*: nothing leaves before what it speaks of is safe on disk."""
        return len(writes) > 0

    def recovered(self, stored: DurableState) -> DurableState:
        """What a restarted server takes from its storage: all of it."""
        return stored

    @staticmethod
    def common_prefix(one: Log, other: Log) -> Index:
        """The last index up to which the two logs are equal. Whole slices are compared: logs mostly share their
        entries.
        """
        low, high = 0, min(len(one), len(other))
        if one.entries[:high] == other.entries[:high]:
            return high
        while low < high:
            middle = (low + high + 1) // 2
            if one.entries[low:middle] == other.entries[low:middle]:
                low = middle
            else:
                high = middle - 1
        return low

    # Rules: committed entries and clients

    def commit_to(self, turn: Turn, index: Index) -> Turn:
        """Move the commit index to *index*, which callers have found to be higher, and apply what it covers, in order
        (§5.3).
        """
        turn = turn.changing(commit_index=index).marked(Mark.COMMITTED)
        while turn.state.applied_index < turn.state.commit_index:
            turn = self.apply_next(turn)
        return turn

    def apply_next(self, turn: Turn) -> Turn:
        """Apply the first entry that is committed and not yet applied."""
        index = turn.state.applied_index + 1
        entry = turn.state.log.at(index)
        answer = None
        if isinstance(entry.command, Command):
            applied = self.states.app.apply(turn.state.app_state, entry.command.operation)
            turn, answer = turn.changing(app_state=applied.state), applied.answer
            if self.answers_for(turn.state, entry):
                turn = self.reply(turn, entry.command, Done(answer))
        return turn.changing(applied_index=index).applying(Apply(index, entry, answer))

    def answers_for(self, state: ServerState, entry: Entry) -> bool:
        """Whether this server owes the client of *entry* an answer: only the leader that took the command does."""
        return False

    def reply(self, turn: Turn, command: Command, outcome: Outcome) -> Turn:
        """Tell the client of *command* its *outcome*."""
        return turn.replying(Reply(command.client, command.serial, outcome))
