"""Bugs of client sessions (dissertation §6.3): commands that are applied twice, and answers that are none."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from checker.mutants.base import Mutant
from checker.raft_system import Request
from raftframe import Command, Options
from raftframe.entries import Index
from raftframe.sessions import NO_SESSIONS, Sessions
from raftframe.states import BaseState, FollowerState


class KnowsNoAnswers(BaseState):
    """The table is kept, and nobody looks into it."""

    def answer_known(self, sessions: Sessions, command: Command) -> tuple[Hashable] | None:
        return None


class LeaderAloneRemembers(FollowerState):
    """The table is the leader's: followers apply without writing down for whom."""

    def sessions_after(self, sessions: Sessions, command: Command, answer: Hashable, index: Index) -> Sessions:
        return NO_SESSIONS


class AppliesWhatHasExpired(BaseState):
    """A command that may have been forgotten is taken for a new one."""

    def has_expired(self, sessions: Sessions, command: Command) -> bool:
        return False


class RemembersWithoutTheAnswer(BaseState):
    """That a command was applied is remembered, and not what came of it."""

    def answer_known(self, sessions: Sessions, command: Command) -> tuple[Hashable] | None:
        return None if super().answer_known(sessions, command) is None else (None,)


_OPTIONS: Final = Options(noop=False, announce_commit=False, sessions=True)
_TRIES: Final = (Request("c1", "x", "again 1", 1),)

SESSION_MUTANTS = (
    Mutant(
        name="knows_no_answers",
        summary="a command that is sent again is applied again",
        rules=KnowsNoAnswers,
        breaks="linearizable",
        steps=7,
        bounds={"timeouts": 1, "commands": 2},
        options=_OPTIONS,
        requests=_TRIES,
    ),
    Mutant(
        name="leader_alone_remembers",
        summary="the next leader applies again what the last one has answered",
        rules=LeaderAloneRemembers,
        breaks="linearizable",
        steps=6,
        bounds={"timeouts": 1, "commands": 1},
        options=Options(noop=False, sessions=True),
        requests=_TRIES,
        prelude=(
            "timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1",
            "client c1 again 1 s1; AppendEntries s1 s2 1; AppendEntriesResponse s2 s1",
            "AppendEntries s1 s2 1",  # s2 has applied it
        ),
    ),
    Mutant(
        name="applies_what_has_expired",
        summary="a command whose session was closed is applied again",
        rules=AppliesWhatHasExpired,
        breaks="linearizable",
        steps=5,
        bounds={"commands": 3},
        options=Options(noop=False, announce_commit=False, sessions=True, most_sessions=1),
        requests=(Request("c1", "x", "again 2", 2), Request("c2", "y", "y")),
        asked_before=(Request("c1", "w", "again 1", 1),),  # a first command opens a session whenever it comes
        prelude=("timeout s1; RequestVote s1 s2; RequestVoteResponse s2 s1; client c1 again 1 s1",),
    ),
    Mutant(
        name="remembers_without_the_answer",
        summary="a command that is sent again is answered with nothing",
        rules=RemembersWithoutTheAnswer,
        breaks="linearizable",
        steps=7,
        bounds={"timeouts": 1, "commands": 2},
        options=_OPTIONS,
        requests=_TRIES,
    ),
)
