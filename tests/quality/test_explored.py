"""Whole spaces of Raft with its options, explored: every row complete, without a violation, and not vacuous.

A row says what is switched on, where the search begins, what may happen, and what must be met on the way; its size is
written down. A size that changes without a reason is a finding: either the protocol does something else, or the search
does. A space that is too large for a test has a limit in place of a size, and must come out as `unknown` by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import pytest
from attrs import evolve, field, frozen

from checker.explore import check
from checker.properties.base import Predicate
from checker.properties.raft import RAFT_PROPERTIES, applied_is_stored, applied_states_match, stable_is_true
from checker.raft_system import Order, RaftServer, Request
from checker.spaces import Space
from checker.system import ActorId, State
from raftframe import Options, Role, ServerState
from raftframe.api.app import RecordingInParts
from raftframe.events import Reconfigure, SendSnapshot
from raftframe.membership import Change


@frozen(kw_only=True)
class Explored(Space):
    """A space of *states* states; None if it is not whole within *most_states*. *sometimes* and *marks* must happen
    somewhere in it, or the row shows nothing.
    """

    name: str
    states: int | None
    most_states: int | None = None
    sometimes: tuple[Predicate, ...] = ()
    marks: frozenset[str] = field(default=frozenset(), converter=frozenset)
    is_slow: bool = False


def _server(_actor: ActorId, state: State) -> ServerState | None:
    assert isinstance(state, RaftServer)
    return state.state


def _office(_actor: ActorId, state: State) -> tuple[Role, int] | None:
    server = _server(_actor, state)
    return None if server is None else (server.role, server.term)


def met(name: str, **offices: tuple[Role, int]) -> Predicate:
    """Sometimes these servers are in these roles and terms at once."""
    return Predicate(name, lambda views, _history: all(views[who] == what for who, what in offices.items()), _office)


def committed(*voters: str) -> Predicate:
    """Sometimes a configuration of these voters, and of nobody else, is committed."""

    def view(actor: ActorId, state: State) -> bool:
        server = _server(actor, state)
        if server is None or server.configuration_index > server.commit_index or server.configuration.is_joint:
            return False
        return server.configuration_index > 0 and server.configuration.voters == voters

    return Predicate(f"{' '.join(voters)} are the cluster", lambda views, _history: any(views.values()), view)


LEADER, FOLLOWER, CANDIDATE, PRE_CANDIDATE = Role.LEADER, Role.FOLLOWER, Role.CANDIDATE, Role.PRE_CANDIDATE
S1_LEADS: Final = (
    "timeout s1 ; PreVote s1 s2 ; PreVoteResponse s2 s1 ; RequestVote s1 s2 ; RequestVoteResponse s2 s1",
)
S2_FOLLOWS: Final = ("timeout s1 ; RequestVote s1 s2 ; RequestVoteResponse s2 s1 ; AppendEntries s1 s2",)
PLAIN: Final = Options(noop=False, announce_commit=False)

# --- elections -------------------------------------------------------------------------------------------------------

ELECTIONS: Final = (
    Explored(
        name="prevote",
        options=evolve(PLAIN, prevote=True),
        bounds={"timeouts": 2},
        states=1_316_833,
        sometimes=(
            met("two pre-candidates", s1=(PRE_CANDIDATE, 0), s2=(PRE_CANDIDATE, 0)),
            met("a split vote", s1=(CANDIDATE, 1), s2=(CANDIDATE, 1)),
            met("a leader of term 2", s2=(LEADER, 2)),
        ),
        marks={"granted_prevote", "counted_prevote", "stayed_loyal"},
    ),
    Explored(
        name="prevote and check_quorum",
        options=evolve(PLAIN, prevote=True, check_quorum=True),
        prelude=S1_LEADS,
        network="fifo",
        bounds={"timeouts": 2, "leases": 1},
        states=418_687,
        sometimes=(
            met("the leader gives up", s1=(FOLLOWER, 1)),
            met("a follower succeeds it", s2=(LEADER, 2)),
            met("two pre-candidates", s2=(PRE_CANDIDATE, 1), s3=(PRE_CANDIDATE, 1)),
        ),
        marks={"lost_quorum", "kept_quorum", "lease_ended", "stayed_loyal"},
    ),
    Explored(
        name="check_quorum, with a crash",
        options=evolve(PLAIN, check_quorum=True),
        prelude=S2_FOLLOWS,
        bounds={"timeouts": 1, "leases": 1, "crashes": 1, "restarts": 1},
        states=60_320,
        sometimes=(
            met("the leader comes back and is elected", s1=(LEADER, 2)),
            met("a stuck candidate beside the leader", s1=(LEADER, 1), s3=(CANDIDATE, 2)),
        ),
        marks={"stayed_loyal", "lease_ended"},
    ),
    Explored(
        name="transfer",
        options=evolve(PLAIN, transfer=True),
        prelude=S2_FOLLOWS,
        bounds={"transfers": 2},
        states=1_914_412,
        sometimes=(
            met("the successor stands beside its leader", s1=(LEADER, 1), s2=(CANDIDATE, 2)),
            met("the successor leads", s2=(LEADER, 2)),
            met("the office comes back", s1=(LEADER, 3)),
        ),
        marks={"began_transfer", "sent_timeout_now", "took_over", "refused_transfer"},
    ),
    Explored(
        name="transfer that is called off",
        options=evolve(PLAIN, transfer=True),
        prelude=S2_FOLLOWS,
        network="fifo",
        bounds={"transfers": 1, "timeouts": 1},
        states=31_268,
        sometimes=(met("an election outweighs it", s3=(LEADER, 2)),),
        marks={"called_off_transfer", "ignored_order"},
    ),
    Explored(
        name="transfer of a command, with check_quorum and a forgotten leader",
        options=evolve(PLAIN, transfer=True, check_quorum=True, forget_leader=True),
        prelude=S2_FOLLOWS,
        bounds={"transfers": 1, "commands": 1, "forgets": 1},
        states=2_586_451,
        sometimes=(met("the successor leads", s2=(LEADER, 2)), met("another one leads", s3=(LEADER, 2))),
        marks={"refused_command", "accepted_command", "forgot_leader", "sent_timeout_now"},
    ),
)

# --- what clients see ------------------------------------------------------------------------------------------------

READ: Final = Request("c2", "read", "read")
WRITE: Final = Request("c1", "x", "x")
TRY: Final = Request("c1", "x", "again 1", serial=1)  # the same command every time it comes
READS: Final = Options(announce_commit=False, linearizable_reads=True)
LEASES: Final = evolve(READS, check_quorum=True, lease_reads=True)
SESSIONS: Final = evolve(PLAIN, sessions=True)

CLIENTS: Final = (
    Explored(
        name="reads at leaders and followers, with a crash",
        options=READS,
        bounds={"timeouts": 1, "commands": 1, "crashes": 1, "restarts": 1},
        requests=(READ,),
        states=56_503,
        marks={"held_read", "started_read_round", "forwarded_read", "confirmed_read", "answered_read"},
    ),
    Explored(
        name="reads inside a lease and outside",
        options=LEASES,
        bounds={"timeouts": 1, "heartbeats": 1, "commands": 1},
        requests=(READ,),
        states=160_766,
        marks={"started_read_round", "read_in_lease", "answered_read"},
    ),
    Explored(
        name="a command that is sent again",
        options=SESSIONS,
        bounds={"timeouts": 1, "commands": 2},
        requests=(TRY,),
        states=591_508,
        marks={"repeated_answer", "passed_over_repetition"},
    ),
    Explored(
        name="a read beside a write",
        options=READS,
        bounds={"timeouts": 1, "commands": 2},
        requests=(WRITE, READ),
        states=3_619_746,
        marks={"confirmed_read", "answered_read"},
        is_slow=True,
    ),
    Explored(
        name="a read between two elections",
        options=READS,
        bounds={"timeouts": 2, "commands": 1},
        requests=(READ,),
        states=4_141_055,
        marks={"redirected_read", "answered_read"},
        is_slow=True,
    ),
    Explored(
        name="a command that is sent again, beside another client's",
        options=SESSIONS,
        bounds={"timeouts": 1, "commands": 2},
        requests=(TRY, Request("c2", "y", "y")),
        states=2_776_399,
        marks={"repeated_answer", "passed_over_repetition"},
        is_slow=True,
    ),
)

# --- changes of members ----------------------------------------------------------------------------------------------


def changing(
    name: str,
    change: Change,
    *,
    servers: int,
    states: int | None,
    into: Collection[str],
    joining: Iterable[str] = (),
    timeouts: int = 1,
    marks: Collection[str] = (),
    most_states: int | None = None,
    is_slow: bool = False,
) -> Explored:
    """A row in which an operator asks once, at any moment, whoever leads for *change*; it leads *into* voters."""
    order = Order("change", Reconfigure("operator", 1, change), "changes", frozenset({Role.LEADER}))
    return Explored(
        name=name,
        options=Options(announce_commit=False, membership=True),
        servers=servers,
        joining=tuple(joining),
        orders=(order,),
        bounds={"timeouts": timeouts, "changes": 1},
        states=states,
        most_states=most_states,
        sometimes=(committed(*into),),
        marks={"changed_configuration", *marks},
        is_slow=is_slow,
    )


def add(*servers: str) -> Change:
    """These servers come."""
    return Change(voters=servers)


def swap(coming: Collection[str], going: Collection[str]) -> Change:
    """Some come and some go, at once."""
    return Change(voters=tuple(coming), removed=tuple(going))


FIVE: Final = ("s1", "s2", "s3", "s4", "s5")
S1_IS_HEARD: Final = (
    "timeout s1 ; RequestVote s1 s2 ; RequestVoteResponse s2 s1 ; AppendEntries s1 s2 ; AppendEntriesResponse s2 s1",
)

MEMBERS: Final = (
    changing("2 to 1", Change(removed=("s2",)), servers=2, timeouts=2, states=246, into=("s1",)),
    changing("2 to 3", add("s3"), servers=2, joining=("s3",), timeouts=2, states=7_912, into=("s1", "s2", "s3")),
    changing("3 to 4", add("s4"), servers=3, joining=("s4",), states=7_798, into=("s1", "s2", "s3", "s4")),
    changing(
        "one of two swapped",
        swap(("s3",), ("s2",)),
        servers=2,
        joining=("s3",),
        timeouts=2,
        states=1_841,
        into=("s1", "s3"),
        marks={"left_joint"},
    ),
    changing(
        "both swapped",
        swap(("s3", "s4"), ("s1", "s2")),
        servers=2,
        joining=("s3", "s4"),
        timeouts=2,
        states=30_202,
        into=("s3", "s4"),
        marks={"left_joint", "stepped_down_removed"},
    ),
    changing(
        "one of three swapped",
        swap(("s4",), ("s3",)),
        servers=3,
        joining=("s4",),
        states=99_787,
        into=("s1", "s2", "s4"),
        marks={"left_joint"},
    ),
    evolve(
        changing("3 to 5", add("s4", "s5"), servers=3, joining=("s4", "s5"), states=510_285, into=FIVE),
        prelude=S1_IS_HEARD,
        bounds={"changes": 1},
    ),
    changing(
        "3 to 5, elections included",
        add("s4", "s5"),
        servers=3,
        joining=("s4", "s5"),
        states=4_989_976,
        into=FIVE,
    ),
    changing(
        "one of three swapped, two elections: too large for a test",
        swap(("s4",), ("s3",)),
        servers=3,
        joining=("s4",),
        timeouts=2,
        states=None,
        most_states=2_000_000,
        into=("s1", "s2", "s4"),
    ),
    changing(
        "all of three swapped",
        swap(("s4", "s5", "s6"), ("s1", "s2", "s3")),
        servers=3,
        joining=("s4", "s5", "s6"),
        states=555_073,
        into=("s4", "s5", "s6"),
        marks={"left_joint", "stepped_down_removed"},
    ),
)

# --- snapshots -------------------------------------------------------------------------------------------------------

SNAPSHOTS: Final = evolve(PLAIN, snapshots=True)
S1_HAS_COMMITTED: Final = (
    "timeout s1 ; RequestVote s1 s2 ; RequestVoteResponse s2 s1",
    "command s1 ; AppendEntries s1 s2 -1 ; AppendEntriesResponse s2 s1 -1",
)
IT_COMMITS_AGAIN: Final = "command s1 ; AppendEntries s1 s2 -1 ; AppendEntriesResponse s2 s1 -1"
FEED_S2: Final = Order("feed", SendSnapshot("s2"), "snapshots", frozenset({Role.LEADER}))
ON_SNAPSHOTS: Final = {"took_snapshot", "sent_snapshot", "installed_snapshot", "ignored_snapshot", "kept_longer_log"}


def began_with_a_snapshot(_actor: ActorId, state: State) -> bool:
    """Whether a server that has been restarted has what its snapshot has, and nothing that came later."""
    server = _server(_actor, state)
    return server is not None and server.snapshot is not None and server.commit_index == server.snapshot.last_index


def keeps_what_is_covered(_actor: ActorId, state: State) -> bool:
    """Whether a server has entries that its snapshot covers."""
    assert isinstance(state, RaftServer)
    durable = state.durable
    return durable.snapshot is not None and durable.log.base_index < durable.snapshot.last_index


TORN: Final = Predicate(
    "a crash between the snapshot and the cut", lambda views, _history: any(views.values()), keeps_what_is_covered
)
BEGAN: Final = Predicate(
    "a snapshot is all that a server has", lambda views, _history: any(views.values()), began_with_a_snapshot
)


def compacting(name: str, **space: Any) -> Explored:  # Any: the attributes of a space
    """A row in which servers may be told to take a snapshot, and what they have applied must match."""
    space = {"options": SNAPSHOTS, "sometimes": (BEGAN,), **space}
    return Explored(name=name, properties=(*RAFT_PROPERTIES, applied_states_match), **space)


COMPACTIONS: Final = (
    compacting(
        "snapshots, with a crash",
        bounds={"timeouts": 1, "commands": 1, "snapshots": 1, "crashes": 1, "restarts": 1},
        states=201_568,
        marks=ON_SNAPSHOTS - {"ignored_snapshot"},
    ),
    compacting(
        "snapshots in parts",
        app=RecordingInParts,
        prelude=(*S1_HAS_COMMITTED, IT_COMMITS_AGAIN),
        bounds={"snapshots": 1, "heartbeats": 1},
        states=150_600,
        marks={*ON_SNAPSHOTS, "took_part", "asked_for_part"},
    ),
    compacting(
        "snapshots in parts, with a crash",
        app=RecordingInParts,
        prelude=(*S1_HAS_COMMITTED, IT_COMMITS_AGAIN, "compact s1"),
        bounds={"snapshots": 1, "heartbeats": 1, "crashes": 1, "restarts": 1},
        states=2_387_514,
        marks={*ON_SNAPSHOTS, "took_part", "asked_for_part"},
    ),
    compacting(
        "snapshots, with flow control",
        options=evolve(SNAPSHOTS, progress=True),
        bounds={"timeouts": 1, "commands": 1, "snapshots": 1, "heartbeats": 1},
        states=62_465,
        marks={*ON_SNAPSHOTS, "feeds_entries_again"},
    ),
    compacting(
        "snapshots that nobody needs",
        prelude=S1_HAS_COMMITTED,
        orders=(FEED_S2,),
        bounds={"commands": 1, "snapshots": 1},
        states=212_482,
        marks={*ON_SNAPSHOTS, "feeds_entries_again"},
    ),
    compacting(
        "snapshots, and a command that is sent again",
        options=evolve(SESSIONS, snapshots=True),
        requests=(TRY,),
        bounds={"timeouts": 1, "commands": 2, "snapshots": 1},
        states=3_481_238,
        marks={*ON_SNAPSHOTS, "repeated_answer"},
    ),
    compacting(
        "snapshots that are stored later, with a crash between any two writes",
        options=evolve(SNAPSHOTS, async_storage=True),
        servers=2,
        bounds={
            "timeouts": 1,
            "commands": 1,
            "heartbeats": 1,
            "snapshots": 1,
            "stores": 9,
            "receipts": 9,
            "applies": 3,
            "tears": 1,
            "restarts": 1,
        },
        states=347_302,
        sometimes=(TORN,),
        marks={"took_snapshot"},
    ),
    compacting(
        "snapshots, while one of two servers is swapped",
        options=Options(announce_commit=False, membership=True, snapshots=True),
        servers=2,
        joining=("s3",),
        orders=(Order("change", Reconfigure("operator", 1, swap(("s3",), ("s2",))), "changes", frozenset({LEADER})),),
        bounds={"timeouts": 1, "changes": 1, "snapshots": 1, "heartbeats": 1, "crashes": 1, "restarts": 1},
        states=50_132,
        sometimes=(BEGAN, committed("s1", "s3")),
        marks={"took_snapshot", "sent_snapshot", "installed_snapshot", "changed_configuration"},
    ),
    compacting(
        "snapshots that servers take by themselves",
        options=evolve(PLAIN, snapshot_every=1),
        bounds={"timeouts": 1, "commands": 1, "heartbeats": 1},
        states=201_916,
        marks=ON_SNAPSHOTS,
    ),
)

# --- asynchronous storage --------------------------------------------------------------------------------------------

S1_LEADS_AND_KNOWS: Final = (
    "timeout s1 ; store s1 ; receipt s1 ; RequestVote s1 s2 ; store s2 ; receipt s2 ; RequestVoteResponse s2 s1",
)


def is_ahead_of_its_disk(_actor: ActorId, state: State) -> bool:
    """Whether a server knows that an entry is committed which it has not stored."""
    server = _server(_actor, state)
    return server is not None and server.stable is not None and server.commit_index > server.stable.index


AHEAD: Final = Predicate(
    "what is committed is still to be stored", lambda views, _history: any(views.values()), is_ahead_of_its_disk
)


def storing(name: str, **space: Any) -> Explored:  # Any: the attributes of a space
    """A row in which servers store later, and what they believe of their disks must be true."""
    space = {"options": evolve(PLAIN, async_storage=True), **space}
    return Explored(name=name, properties=(*RAFT_PROPERTIES, stable_is_true, applied_is_stored), **space)


STORAGE: Final = (
    storing(
        "async_storage, two elections, with a crash",
        bounds={"timeouts": 2, "stores": 3, "receipts": 1, "crashes": 1, "restarts": 1},
        states=101_095,
        marks={"stored", "crashed", "became_leader"},
    ),
    storing(
        "async_storage, one entry",
        prelude=S1_LEADS_AND_KNOWS,
        bounds={"commands": 1, "stores": 3, "receipts": 2, "applies": 1, "heartbeats": 1},
        states=1_595_813,
        sometimes=(AHEAD,),
        marks={"stored", "committed"},
    ),
    storing(
        "async_storage, one entry, with a crash",
        prelude=S1_LEADS_AND_KNOWS,
        bounds={"commands": 1, "stores": 3, "receipts": 2, "applies": 1, "crashes": 1, "restarts": 1},
        states=442_657,
        marks={"stored", "committed", "crashed"},
    ),
    storing(
        "async_storage, a crash in the midst of overwriting",
        given={"s1": (1,), "s2": (2,)},
        given_term=2,
        bounds={"timeouts": 1, "stores": 4, "receipts": 2, "tears": 1, "restarts": 1},
        states=9_603,
        marks={"truncated_suffix", "crashed"},
    ),
    storing(
        "async_storage, receipts of earlier terms",
        given={"s1": (1,), "s2": (2,)},
        given_term=2,
        bounds={"timeouts": 2, "stores": 4, "receipts": 3},
        states=213_973,
        marks={"ignored_receipt", "truncated_suffix"},
    ),
    storing(
        "async_storage, snapshots, with a crash in the midst of compaction",
        options=evolve(SNAPSHOTS, async_storage=True),
        prelude=(
            *S1_LEADS_AND_KNOWS,
            "command s1 ; AppendEntries s1 s2 -1 ; store s1 ; receipt s1 ; store s2 ; receipt s2",
            "AppendEntriesResponse s2 s1 -1 ; apply s1",
        ),
        bounds={"snapshots": 1, "heartbeats": 1, "stores": 2, "receipts": 1, "applies": 1, "tears": 1, "restarts": 1},
        states=990_964,
        marks={"took_snapshot", "compacted_log", "installed_snapshot", "crashed"},
    ),
)

TABLE: Final = (*ELECTIONS, *CLIENTS, *MEMBERS, *COMPACTIONS, *STORAGE)


def _rows() -> list[object]:
    slow = pytest.mark.slow
    return [pytest.param(row, id=row.name, marks=[slow] if row.is_slow else []) for row in TABLE]


@pytest.mark.parametrize("row", _rows())
def test_the_whole_space_is_sound(row: Explored) -> None:
    """Nothing breaks in any of its states, what makes the row interesting happens in some, and the size is the one that
    is written down; or the limit is named that cut it.
    """
    system = row.cluster()

    report = check(
        system,
        properties=row.properties_of(system),
        bounds=row.bound,
        network=row.network,
        initial=row.start(system),
        sometimes=row.sometimes,
        max_states=row.most_states,
        reduce=(),
    )

    assert (report.violations, report.never) == ((), ())
    assert row.marks <= set(report.marks)
    if row.states is None:
        assert (report.verdict, report.limits_hit) == ("unknown", ("max_states",))
    else:
        assert (report.verdict, report.complete, report.states) == ("pass", True, row.states)


def test_there_are_enough_rows() -> None:
    """Every option that changes what may happen is explored, and no two rows have the same name."""
    assert len(TABLE) >= 12
    assert len({row.name for row in TABLE}) == len(TABLE)
