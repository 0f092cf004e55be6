"""Who belongs to the cluster: the configuration in effect, and what those outside of it may do (dissertation §4).

A server uses the latest configuration in its log from the moment it is there, committed or not (§4.1). If that entry is
cut from the log, the one before is in effect again. So the configuration is a function of the log, and of the
configuration with which the cluster began.
"""

from __future__ import annotations

from attrs import evolve

from raftframe.configuration import Configuration
from raftframe.effects import Redirected, Refused, Reply
from raftframe.entries import Index
from raftframe.events import LeaveJoint, Reconfigure
from raftframe.log import Log
from raftframe.marks import Mark
from raftframe.membership import latest_configuration
from raftframe.messages import Message, PreVote, RequestVote, Response
from raftframe.server_state import ServerState
from raftframe.states.rules.base import Rules
from raftframe.states.turn import Turn


class Belonging(Rules):
    """Every server knows who belongs to the cluster."""

    # Events

    def on_reconfigure(self, turn: Turn, event: Reconfigure | LeaveJoint) -> Turn:
        """Only a leader changes the configuration; the operator is told who leads."""
        if not self.states.options.membership:
            return self.refuse_change(turn, event, "servers are not added or removed without the option membership")
        reply = Reply(event.client, event.serial, Redirected(turn.state.leader))
        return turn.replying(reply).marked(Mark.REDIRECTED_CLIENT)

    def refuse_change(self, turn: Turn, event: Reconfigure | LeaveJoint, reason: str) -> Turn:
        """The change is not made."""
        return turn.replying(Reply(event.client, event.serial, Refused(reason))).marked(Mark.REFUSED_CHANGE)

    # Rules: the configuration in effect

    def storing_log(self, turn: Turn, log: Log, kept: Index) -> Turn:
        """With *log*, of which the first *kept* entries were there before, and the configuration that it speaks of."""
        before = turn.state
        turn = turn.storing(log=log)
        if not self.states.options.membership:
            return turn
        index, configuration = self.configuration_after(before, log, kept)
        if index == before.configuration_index and configuration == before.configuration:
            return turn
        mark = Mark.RESTORED_CONFIGURATION if index < before.configuration_index else Mark.CHANGED_CONFIGURATION
        return turn.changing(configuration_index=index, configuration=configuration).marked(mark)

    def configuration_after(self, state: ServerState, log: Log, kept: Index) -> tuple[Index, Configuration]:
        """The configuration in effect when *log* takes the place of the log of *state*, and where it stands: the
        latest, as soon as it is there (dissertation §4.1).
        """
        fresh = latest_configuration(log, log.last_index, first=kept + 1)
        if fresh is not None:
            return fresh
        if state.configuration_index <= kept:
            return state.configuration_index, state.configuration
        return self.configuration_as_of(state, log, kept)

    def configuration_as_of(self, state: ServerState, log: Log, index: Index) -> tuple[Index, Configuration]:
        """The configuration that the entries of *log* up to *index* leave in effect, and where it stands; that of the
        snapshot if they have none, and without a snapshot the one that the cluster began with, at 0.
        """
        latest = latest_configuration(log, index)
        if latest is not None:
            return latest
        snapshot = state.snapshot
        return (0, state.bootstrap) if snapshot is None else (snapshot.configuration_index, snapshot.configuration)

    def with_recovered_configuration(self, state: ServerState) -> ServerState:
        """A server that begins again takes the configuration from its log, committed or not (dissertation §4.1)."""
        if not self.states.options.membership:
            return state
        index, configuration = self.configuration_as_of(state, state.log, state.log.last_index)
        return evolve(state, configuration_index=index, configuration=configuration)

    # Rules: who may do what

    def may_campaign(self, state: ServerState) -> bool:
        """Voters stand for election. So does a voter whose removal is in its log but not committed: nobody else may
        have that entry, and then nobody else can be elected (dissertation §4.2.2, figure 4.6).
        """
        if state.configuration.is_voter(state.identity) or not self.states.options.membership:
            return True
        if state.configuration_index <= state.commit_index:
            return False
        _, before = self.configuration_as_of(state, state.log, state.configuration_index - 1)
        return before.is_voter(state.identity)

    def is_stranger(self, state: ServerState, message: Message) -> bool:
        """Whether *message* comes from outside the configuration and nothing in it can be of use.

        Requests are taken from anybody, for this server's configuration may be out of date: a leader that adds this
        very server is a stranger to it, and so is a candidate that was added by an entry that is not here yet (§4.1).
        But that one's log is newer than the own. A stranger whose log is not newer has been removed, or never was a
        member; its request, which could only raise the term, is passed over (§4.2.3). So are answers of strangers.
        """
        if message.source in state.configuration:
            return False
        if not self.states.options.membership:
            return True
        match message:
            case RequestVote() | PreVote():
                own = (state.log.last_term, state.log.last_index)
                return (message.last_log_term, message.last_log_index) <= own
        return isinstance(message, Response)
