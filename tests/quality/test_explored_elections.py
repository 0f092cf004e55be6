"""Configurations of what an election can have, explored whole: complete, without a violation, and not vacuous.

A row says what is switched on, where the search begins, what may happen, and what must be met on the way. The number of
worlds is written down: a space that shrinks has lost behaviour, one that grows costs everybody time.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import field, frozen

from checker.explore import Report, check
from checker.mutants import Mutant
from checker.properties.base import Predicate
from checker.raft_system import RaftServer
from checker.system import ActorId, State
from raftframe import Options, Role, ServerState


class Correct:
    """No rule replaced."""


@frozen(kw_only=True)
class Explored:
    """One configuration. `prelude` has the events that come before the search, as in `checker.mutants`."""

    name: str
    options: Options
    bounds: Mapping[str, int]
    worlds: int
    sometimes: tuple[Predicate, ...]
    servers: int = 3
    network: str = "unordered"
    prelude: tuple[str, ...] = ()
    marks: frozenset[str] = field(default=frozenset(), converter=frozenset)

    def check(self) -> Report:
        """Explore all of it."""
        frame = Mutant(
            name=self.name,
            summary="",
            rules=Correct,
            breaks="",
            steps=0,
            bounds=self.bounds,
            servers=self.servers,
            network=self.network,
            options=self.options,
            prelude=self.prelude,
        )
        system = frame.system(mutated=False)
        return check(
            system,
            properties=frame.properties,
            bounds=frame.bound,
            network=self.network,
            initial=frame.start(system),
            sometimes=self.sometimes,
        )


def _office(_actor: ActorId, state: State) -> tuple[Role, int] | None:
    assert isinstance(state, RaftServer)
    server: ServerState | None = state.state
    return None if server is None else (server.role, server.term)


def met(name: str, **offices: tuple[Role, int]) -> Predicate:
    """Sometimes these servers are in these roles and terms at once."""
    return Predicate(name, lambda views, _history: all(views[who] == what for who, what in offices.items()), _office)


LEADER, FOLLOWER, CANDIDATE, PRE_CANDIDATE = Role.LEADER, Role.FOLLOWER, Role.CANDIDATE, Role.PRE_CANDIDATE
S1_LEADS = ("timeout s1 ; PreVote s1 s2 ; PreVoteResponse s2 s1 ; RequestVote s1 s2 ; RequestVoteResponse s2 s1",)
S2_FOLLOWS = ("timeout s1 ; RequestVote s1 s2 ; RequestVoteResponse s2 s1 ; AppendEntries s1 s2",)

CONFIGURATIONS = (
    Explored(
        name="prevote",
        options=Options(noop=False, announce_commit=False, prevote=True),
        bounds={"timeouts": 2},
        worlds=1_316_833,
        sometimes=(
            met("two pre-candidates", s1=(PRE_CANDIDATE, 0), s2=(PRE_CANDIDATE, 0)),
            met("a split vote", s1=(CANDIDATE, 1), s2=(CANDIDATE, 1)),
            met("a leader of term 2", s2=(LEADER, 2)),
        ),
        marks={"granted_prevote", "counted_prevote", "stayed_loyal"},
    ),
    Explored(
        name="prevote and check_quorum",
        options=Options(noop=False, announce_commit=False, prevote=True, check_quorum=True),
        prelude=S1_LEADS,
        network="fifo",
        bounds={"timeouts": 2, "leases": 1},
        worlds=418_687,
        sometimes=(
            met("the leader gives up", s1=(FOLLOWER, 1)),
            met("a follower succeeds it", s2=(LEADER, 2)),
            met("two pre-candidates", s2=(PRE_CANDIDATE, 1), s3=(PRE_CANDIDATE, 1)),
        ),
        marks={"lost_quorum", "kept_quorum", "lease_ended", "stayed_loyal"},
    ),
    Explored(
        name="check_quorum, with a crash",
        options=Options(noop=False, announce_commit=False, check_quorum=True),
        prelude=S2_FOLLOWS,
        bounds={"timeouts": 1, "leases": 1, "crashes": 1, "restarts": 1},
        worlds=60_320,
        sometimes=(
            met("the leader comes back and is elected", s1=(LEADER, 2)),
            met("a stuck candidate beside the leader", s1=(LEADER, 1), s3=(CANDIDATE, 2)),
        ),
        marks={"stayed_loyal", "lease_ended"},
    ),
    Explored(
        name="transfer",
        options=Options(noop=False, announce_commit=False, transfer=True),
        prelude=S2_FOLLOWS,
        bounds={"transfers": 2},
        worlds=1_914_412,
        sometimes=(
            met("the successor stands beside its leader", s1=(LEADER, 1), s2=(CANDIDATE, 2)),
            met("the successor leads", s2=(LEADER, 2)),
            met("the office comes back", s1=(LEADER, 3)),
        ),
        marks={"began_transfer", "sent_timeout_now", "took_over", "refused_transfer"},
    ),
    Explored(
        name="transfer that is called off",
        options=Options(noop=False, announce_commit=False, transfer=True),
        prelude=S2_FOLLOWS,
        network="fifo",
        bounds={"transfers": 1, "timeouts": 1},
        worlds=31_268,
        sometimes=(met("an election outweighs it", s3=(LEADER, 2)),),
        marks={"called_off_transfer", "ignored_order"},
    ),
    Explored(
        name="transfer of a command, with check_quorum and a forgotten leader",
        options=Options(noop=False, announce_commit=False, transfer=True, check_quorum=True, forget_leader=True),
        prelude=S2_FOLLOWS,
        bounds={"transfers": 1, "commands": 1, "forgets": 1},
        worlds=2_586_451,
        sometimes=(met("the successor leads", s2=(LEADER, 2)), met("another one leads", s3=(LEADER, 2))),
        marks={"refused_command", "accepted_command", "forgot_leader", "sent_timeout_now"},
    ),
)


@pytest.mark.parametrize("explored", CONFIGURATIONS, ids=lambda explored: explored.name)
def test_a_configuration_is_explored_whole(explored: Explored) -> None:
    """Nothing breaks in any of its worlds, and what makes the configuration interesting happens in some."""
    report = explored.check()

    assert (report.verdict, report.complete, report.never) == ("pass", True, ())
    assert explored.marks <= set(report.marks)
    assert report.states == explored.worlds
