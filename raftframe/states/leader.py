"""The rules of a leader: replicate, count acknowledgements, commit (Raft §5.3, §5.4.2)."""

from __future__ import annotations

from attrs import evolve

from raftframe import quorum
from raftframe.effects import Refused, Timer
from raftframe.entries import NOOP, Command, Entry, Index, Noop, ServerId, problem_with_command
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, AppendEntriesResponse
from raftframe.server_state import LeaderData, Progress, Role, ServerState
from raftframe.states.base_state import BaseState
from raftframe.states.turn import Turn


class LeaderState(BaseState):
    """Takes commands, brings every follower's log in line with its own, and decides what is committed."""

    role = Role.LEADER

    # Events

    def on_taking_office(self, turn: Turn) -> Turn:
        """Assert leadership at once: a no-op, if so configured, or an empty heartbeat to everybody (§5.2)."""
        turn = turn.stopping(Timer.ELECTION).starting(Timer.HEARTBEAT)
        if self.states.options.noop:
            return self.replicate_new(self.append(turn, NOOP))
        return self.advance_commit(self.replicate(turn))

    def on_election_timeout(self, turn: Turn) -> Turn:
        """A leader does not stand for election: its timer was stopped, and one that fires late is ignored."""
        return turn.marked(Mark.IGNORED_TIMEOUT)

    def on_heartbeat_timeout(self, turn: Turn) -> Turn:
        """Tell everybody that the leader lives; what was lost on the way is thereby sent again (§5.3)."""
        return self.replicate(turn).starting(Timer.HEARTBEAT).marked(Mark.SENT_HEARTBEAT)

    def on_client_request(self, turn: Turn, command: Command) -> Turn:
        """Append the command and replicate it; the answer comes when it is applied (§5.3)."""
        problem = problem_with_command(command) or self.states.app.problem_with(command.operation)
        if problem is not None:
            return self.reply(turn, command, Refused(problem)).marked(Mark.REFUSED_COMMAND)
        return self.replicate_new(self.append(turn, command).marked(Mark.ACCEPTED_COMMAND))

    def on_append_entries(self, turn: Turn, message: AppendEntries) -> Turn:
        """Nobody else leads this term (election safety); a message that says so is dropped."""
        return turn.marked(Mark.DROPPED_MALFORMED)

    def on_append_entries_response(self, turn: Turn, message: AppendEntriesResponse) -> Turn:
        """Learn how far a follower is; send it what comes next (§5.3)."""
        if self.speaks_of_unsent_entries(turn.state, message):
            return turn.marked(Mark.DROPPED_MALFORMED)
        progress = leading(turn.state).of(message.source)
        if message.success:
            return self.on_success(turn, progress, message)
        if not self.is_fresh_rejection(progress, message):
            return turn.marked(Mark.IGNORED_RESPONSE)
        backed_up = evolve(progress, next_index=self.next_index_after_rejection(progress, message))
        turn = self.knowing(turn, backed_up).marked(Mark.BACKED_UP)
        return turn.sending(self.entries_for(turn.state, message.source))

    def on_success(self, turn: Turn, progress: Progress, message: AppendEntriesResponse) -> Turn:
        """A follower has stored entries: count it, commit if that makes a majority, and send what is left."""
        match_index = self.match_index_after(progress, message)
        next_index = max(progress.next_index, match_index + 1)
        turn = self.knowing(turn, Progress(progress.server, next_index, match_index))
        before = turn.state.commit_index
        turn = self.advance_commit(turn)
        if turn.state.commit_index > before and self.states.options.announce_commit:
            return self.replicate(turn)
        if next_index <= turn.state.log.last_index:
            return turn.sending(self.entries_for(turn.state, message.source))
        return turn

    # Rules: replication

    def append(self, turn: Turn, command: Command | Noop) -> Turn:
        """A leader only ever appends to its log (leader append-only, §5.3)."""
        return turn.storing(log=turn.state.log.followed_by([Entry(turn.term, command)]))

    def replicate_new(self, turn: Turn) -> Turn:
        """Send what was just appended; a server that is its own majority commits it at once."""
        turn = self.replicate(turn)
        return self.advance_commit(turn.marked(Mark.SENT_NEW_ENTRIES) if turn.state.peers else turn)

    def replicate(self, turn: Turn) -> Turn:
        """Send every follower the entries it lacks, as far as known, or an empty heartbeat."""
        return turn.sending(*(self.entries_for(turn.state, peer) for peer in turn.state.peers))

    def entries_for(self, state: ServerState, follower: ServerId) -> AppendEntries:
        """The next entries for *follower*, as many as the batch size allows."""
        next_index = leading(state).of(follower).next_index
        previous = next_index - 1
        last = state.log.last_index
        if self.states.options.batch is not None:
            last = min(last, previous + self.states.options.batch)
        return AppendEntries(
            state.identity,
            follower,
            state.term,
            previous,
            state.log.term_at(previous),
            state.log.between(next_index, last),
            state.commit_index,
        )

    def knowing(self, turn: Turn, progress: Progress) -> Turn:
        """With *progress* known."""
        return turn.changing(data=leading(turn.state).having(progress))

    def initial_progress(self, state: ServerState, follower: ServerId) -> Progress:
        """Optimism about what to send, none about what is stored (figure 2, "reinitialized after election")."""
        return Progress(follower, next_index=state.log.last_index + 1, match_index=0)

    def speaks_of_unsent_entries(self, state: ServerState, message: AppendEntriesResponse) -> bool:
        """Whether a response is about an index that this leader has never sent: its log only grows (§5.3)."""
        return message.index > state.log.last_index

    def is_fresh_rejection(self, progress: Progress, message: AppendEntriesResponse) -> bool:
        """Whether the rejection answers the latest attempt. A late one says nothing new, least of all about what is
        stored.
        """
        return progress.match_index < message.index == progress.next_index - 1

    def next_index_after_rejection(self, progress: Progress, message: AppendEntriesResponse) -> Index:
        """One entry back (§5.3). A fresh rejection is above the match index, so this never falls below the first
        entry.
        """
        return progress.next_index - 1

    def match_index_after(self, progress: Progress, message: AppendEntriesResponse) -> Index:
        """What is stored stays stored: a late acknowledgement never lowers it."""
        return max(progress.match_index, message.index)

    # Rules: commit

    def advance_commit(self, turn: Turn) -> Turn:
        """Commit what a majority has stored, if the rule of §5.4.2 allows."""
        index = self.index_on_quorum(turn.state)
        if index <= turn.state.commit_index:
            return turn
        if not self.may_commit(turn.state, index):
            return turn.marked(Mark.HELD_OLD_TERM_ENTRY)
        return self.commit_to(turn, index)

    def index_on_quorum(self, state: ServerState) -> Index:
        """The highest index that a majority has stored, this server included (§5.3)."""
        acked = {progress.server: progress.match_index for progress in leading(state).progress}
        acked[state.identity] = self.own_acknowledged_index(state)
        return quorum.committed_index(acked, state.configuration.voters)

    def own_acknowledged_index(self, state: ServerState) -> Index:
        """The leader's own log is on disk before anything else of a step happens, so all of it counts."""
        return state.log.last_index

    def may_commit(self, state: ServerState, index: Index) -> bool:
        """Only an entry of the leader's own term is committed by counting; those before it follow (§5.4.2,
        figure 8)."""
        return state.log.term_at(index) == state.term

    def answers_for(self, state: ServerState, entry: Entry) -> bool:
        """The leader that took the command answers: entries of its own term came through nobody else."""
        return entry.term == state.term


def leading(state: ServerState) -> LeaderData:
    """The leader's part of *state*."""
    assert isinstance(state.data, LeaderData), f"{state.identity} does not lead"
    return state.data
