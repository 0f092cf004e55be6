"""Bugs of flow control: what a leader takes its messages on the way for."""

from __future__ import annotations

from attrs import evolve

from checker.mutants.base import Mutant
from checker.properties.raft import match_index_is_true
from raftframe import Options
from raftframe.messages import AppendEntries, AppendEntriesResponse
from raftframe.server_state import Progress
from raftframe.states import LeaderState
from raftframe.states.rules.commitment import leading
from raftframe.states.turn import Turn


class CountsWhatWasSent(LeaderState):
    """Entries count as stored as soon as they are on their way."""

    def progress_after_sending(self, progress: Progress, message: AppendEntries) -> Progress:
        after = super().progress_after_sending(progress, message)
        return evolve(after, match_index=max(progress.match_index, message.last_index))


class TakesTheHintForStored(LeaderState):
    """Where a rejection says that the logs may agree, they are taken to agree."""

    def backed_up(self, turn: Turn, progress: Progress, message: AppendEntriesResponse) -> Turn:
        turn = super().backed_up(turn, progress, message)
        after = leading(turn.state).of(message.source)
        return self.knowing(turn, evolve(after, match_index=after.next_index - 1))


FLOW_MUTANTS = (
    Mutant(
        name="counts_what_was_sent",
        summary="a leader commits entries that are on their way to a follower",
        rules=CountsWhatWasSent,
        breaks="commit_on_majority",
        steps=3,
        bounds={"timeouts": 1, "commands": 1},
        options=Options(pipelining=True),
    ),
    Mutant(
        name="takes_the_hint_for_stored",
        summary="a leader takes it that a follower has what the hint of its rejection only does not exclude",
        rules=TakesTheHintForStored,
        breaks="match_index_is_true",
        steps=5,
        bounds={"timeouts": 1},
        options=Options(noop=False, announce_commit=False, reject_hint=True),
        properties=(match_index_is_true,),
        given={"s1": (1, 3, 3), "s2": (2, 2), "s3": (1, 3, 3)},
        given_term=3,
    ),
)
