"""What every server does with an event, whatever its role.

A state class, one a role, is put together from topics of rules (`raftframe.states.rules`), and says what happens on
which event. Methods named `on_...` handle an event; the other public methods each decide one thing, and are what a
subclass overrides to change a rule (or to plant a bug).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from raftframe.effects import Redirected, Timer
from raftframe.entries import Command, ServerId
from raftframe.events import (
    ClientRead,
    ClientRequest,
    ClientRequests,
    ElectionTimeout,
    Event,
    ForgetLeader,
    HeartbeatTimeout,
    LeaseTimeout,
    LeaveJoint,
    MessageReceived,
    Reconfigure,
    ReportUnreachable,
    SendSnapshot,
    TakeSnapshot,
    TransferLeadership,
)
from raftframe.marks import Mark
from raftframe.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    Message,
    PreVote,
    PreVoteResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
    is_of_a_term_to_come,
    problem_with,
)
from raftframe.receipts import Applied, Stored
from raftframe.server_state import ServerState
from raftframe.states.rules.belonging import Belonging
from raftframe.states.rules.canvassing import Canvassing
from raftframe.states.rules.deferring import Deferring
from raftframe.states.rules.reading import Reading
from raftframe.states.rules.snapshotting import Snapshotting
from raftframe.states.turn import Turn


class BaseState(Canvassing, Deferring, Reading, Snapshotting, Belonging):
    """What every server does, unless the state class of its role says otherwise."""

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
            case ClientRequest() | ClientRequests() | ClientRead():
                return self.on_asked(turn, event)
            case LeaseTimeout():
                return self.on_lease_timeout(turn)
            case TransferLeadership(successor):
                return self.on_transfer(turn, successor)
            case ForgetLeader():
                return self.on_forget_leader(turn)
            case ReportUnreachable(follower):
                return self.on_unreachable(turn, follower)
            case Reconfigure() | LeaveJoint():
                return self.on_reconfigure(turn, event)
            case TakeSnapshot() | SendSnapshot():
                return self.on_snapshot_wanted(turn, event)
            case Stored() | Applied():
                return self.on_receipt(turn, event)
            case _:
                raise TypeError(f"{event!r} is not an event: see raftframe.events")

    def on_arrival(self, turn: Turn, message: Message) -> Turn:
        """A message from the network: refuse what is malformed, settle the term (§5.1), then handle it in the role that
        is left.
        """
        if self.is_malformed(turn.state, message):
            return turn.marked(Mark.DROPPED_MALFORMED)
        if self.is_stranger(turn.state, message):
            return turn.marked(Mark.IGNORED_STRANGER if self.states.options.membership else Mark.DROPPED_MALFORMED)
        if self.is_newer(turn.state, message):
            if self.is_disruptive(turn.state, message):
                return turn.marked(Mark.STAYED_LOYAL)
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
            case PreVote():
                return self.on_pre_vote(turn, message)
            case PreVoteResponse():
                return self.on_pre_vote_response(turn, message)
            case TimeoutNow():
                return self.on_timeout_now(turn, message)
            case ReadIndex():
                return self.on_read_index(turn, message)
            case ReadIndexResponse():
                return self.on_read_index_response(turn, message)
            case InstallSnapshot():
                return self.on_install_snapshot(turn, message)
            case InstallSnapshotResponse():
                return self.on_install_snapshot_response(turn, message)

    def on_stale_message(self, turn: Turn, message: Message) -> Turn:
        """A message of a finished term: a request is rejected, with the current term for its sender to learn; a
        response is ignored (§5.1), and so is the order to take over from a leader of the past.
        """
        state = turn.state
        match message:
            case RequestVote():
                answer: Message = RequestVoteResponse(state.identity, message.source, state.term, granted=False)
            case AppendEntries():
                answer = AppendEntriesResponse(state.identity, message.source, state.term, success=False, index=0)
            case PreVote():
                answer = PreVoteResponse(state.identity, message.source, state.term, granted=False)
            case TimeoutNow():
                return turn.marked(Mark.IGNORED_ORDER)
            case ReadIndex():
                answer = self.read_refused(state, message)
            case InstallSnapshot():
                answer = InstallSnapshotResponse(state.identity, message.source, state.term, installed=False, index=0)
            case _:
                return turn.marked(Mark.IGNORED_RESPONSE)
        return turn.sending(answer).marked(Mark.REJECTED_STALE_TERM)

    def on_election_timeout(self, turn: Turn) -> Turn:
        """Stand for election (§5.2); with the option `prevote` ask first whether it can be won (dissertation §9.6)."""
        if not self.may_campaign(turn.state):
            return turn.starting(Timer.ELECTION).marked(Mark.KEPT_FROM_CAMPAIGN)
        turn = self.wait_for_no_leader(turn)
        return self.canvass(turn) if self.states.options.prevote else self.campaign(self.states.stand(turn))

    def campaign(self, turn: Turn, *, transfer: bool = False) -> Turn:
        """This server has just become a candidate: ask everybody else for a vote (§5.2)."""
        turn = turn.starting(Timer.ELECTION)
        requests = [self.request_for(turn.state, voter) for voter in turn.state.electors]
        if transfer:
            requests = [evolve(request, transfer=True) for request in requests]
        return self.states.candidate.count_votes(turn.sending(*requests))

    def on_heartbeat_timeout(self, turn: Turn) -> Turn:
        """Only a leader has a heartbeat timer; one that fires late is ignored."""
        return turn.marked(Mark.IGNORED_TIMEOUT)

    def on_client_request(self, turn: Turn, command: Command) -> Turn:
        """Only a leader takes commands; the client is told who leads (§8)."""
        return self.reply(turn, command, Redirected(turn.state.leader)).marked(Mark.REDIRECTED_CLIENT)

    def on_asked(self, turn: Turn, event: ClientRequest | ClientRequests | ClientRead) -> Turn:
        """Clients hand over commands, or one that only reads, which is a command like any other without the option
        `linearizable_reads`.
        """
        match event:
            case ClientRequests(commands):
                return self.on_client_requests(turn, commands)
            case ClientRead(command) if self.states.options.linearizable_reads:
                return self.on_client_read(turn, command)
        return self.on_client_request(turn, event.command)

    def on_client_requests(self, turn: Turn, commands: Sequence[Command]) -> Turn:
        """Several commands that have come together: one after the other."""
        for command in commands:
            turn = self.on_client_request(turn, command)
        return turn

    def on_transfer(self, turn: Turn, wanted: ServerId | None) -> Turn:
        """Only a leader has an office to hand over."""
        return turn.marked(Mark.REFUSED_TRANSFER)

    def on_timeout_now(self, turn: Turn, message: TimeoutNow) -> Turn:
        """Only a follower takes over."""
        return turn.marked(Mark.IGNORED_ORDER)

    def on_unreachable(self, turn: Turn, follower: ServerId) -> Turn:
        """Only a leader sends to followers."""
        return turn.marked(Mark.IGNORED_ORDER)

    def on_request_vote_response(self, turn: Turn, message: RequestVoteResponse) -> Turn:
        """Only a candidate counts votes; one that arrives later changes nothing."""
        return turn.marked(Mark.IGNORED_RESPONSE)

    def on_append_entries(self, turn: Turn, message: AppendEntries) -> Turn:
        """A candidate hears from the leader of its term: follow it (§5.2), then take the entries (§5.3)."""
        turn = self.states.concede(turn, message.source)
        return self.states.follower.on_append_entries(turn, message)

    def on_install_snapshot(self, turn: Turn, message: InstallSnapshot) -> Turn:
        """As for entries: follow the leader of the term, then take what it sends (§7)."""
        turn = self.states.concede(turn, message.source)
        return self.states.follower.on_install_snapshot(turn, message)

    def on_append_entries_response(self, turn: Turn, message: AppendEntriesResponse) -> Turn:
        """Only a leader cares."""
        return turn.marked(Mark.IGNORED_RESPONSE)

    # Rules: terms

    def is_malformed(self, state: ServerState, message: Message) -> bool:
        """Whether *message* is broken, or not for this server."""
        return problem_with(message) is not None or message.target != state.identity

    def is_newer(self, state: ServerState, message: Message) -> bool:
        """Whether *message* is of a later term, so that this server must follow into it (§5.1)."""
        return message.term > state.term and not is_of_a_term_to_come(message)

    def is_stale(self, state: ServerState, message: Message) -> bool:
        """Whether *message* is of a finished term (§5.1)."""
        return message.term < state.term
