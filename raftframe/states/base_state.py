"""What every server does with an event, whatever its role.

A state class, one a role, is put together from topics of rules (`raftframe.states.rules`), and says what happens on
which event. Methods named `on_...` handle an event; the other public methods each decide one thing, and are what a
subclass overrides to change a rule (or to plant a bug).
"""

from __future__ import annotations

from raftframe.effects import Redirected, Timer
from raftframe.entries import Command
from raftframe.events import ClientRequest, ElectionTimeout, Event, HeartbeatTimeout, MessageReceived
from raftframe.marks import Mark
from raftframe.messages import (
    AppendEntries,
    AppendEntriesResponse,
    Message,
    RequestVote,
    RequestVoteResponse,
    problem_with,
)
from raftframe.server_state import ServerState
from raftframe.states.rules.applying import Applying
from raftframe.states.rules.storing import Storing
from raftframe.states.rules.voting import Voting
from raftframe.states.turn import Turn


class BaseState(Voting, Storing, Applying):
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

    # Rules: terms

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
