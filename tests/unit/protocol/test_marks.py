"""Every mark is left where its name is true, and nowhere else."""

from __future__ import annotations

import pytest
from attrs import evolve

from raftframe import Configuration, Options, ServerState, StandardStateMap
from raftframe.events import (
    Event,
    ForgetLeader,
    ReportUnreachable,
    SendSnapshot,
    Stored,
    TakeSnapshot,
    TransferLeadership,
)
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, Message
from raftframe.server_state import Stable
from raftframe.sessions import Session, Sessions

from .support import (
    ELECTION_TIMEOUT,
    ELECTIONS,
    HEARTBEAT_TIMEOUT,
    LEASE_TIMEOUT,
    MEMBERSHIP,
    PLAIN,
    SNAPSHOTS,
    STATES,
    append,
    ask,
    candidate,
    change,
    compacted,
    configured,
    entries,
    follower,
    heard,
    install,
    installed,
    leader,
    pre_candidate,
    pre_vote,
    pre_voted,
    read,
    read_index,
    rejected,
    request_vote,
    servers,
    states_of,
    stored,
    take,
    timeout_now,
    vote,
)

READS = states_of(Options(noop=False, announce_commit=False, linearizable_reads=True))
SESSIONS = states_of(Options(noop=False, sessions=True))
ANSWERED = Sessions((Session("c1", 1, ((1, 1),)),), some_closed=True)
REMEMBERING = evolve(leader(1, count=1, commit=1), sessions=ANSWERED)
JOINT = Configuration(("s1", "s2"), outgoing=("s1", "s2", "s3"), auto_leave=True)
NOOP = states_of(Options(noop=True))
ALL = states_of(ELECTIONS)
TRANSFER = states_of(evolve(PLAIN, transfer=True))
LEASES = states_of(Options(noop=False, check_quorum=True, transfer=True, linearizable_reads=True, lease_reads=True))


LATER = states_of(evolve(PLAIN, async_storage=True))


def unstored() -> ServerState:
    """A follower of term 2 that has still to store its entry of term 1."""
    return evolve(follower(1, term=2), stable=Stable(2, None, 0, 0))


def repetition() -> AppendEntries:
    """The leader sends, and has committed, a second entry with the command of the first."""
    return evolve(append(1, previous=(1, 1), commit=2), entries=entries([1]))


def leased() -> ServerState:
    """A leader whose latest heartbeat a majority has answered."""
    state = take(leader(1, commit=1, progress={"s2": (2, 1)}), HEARTBEAT_TIMEOUT, LEASES).state
    return take(state, heard(1, 1), LEASES).state


FLOW = states_of(evolve(PLAIN, pipelining=True, inflight=1))


def at_the_limit() -> ServerState:
    """A leader with a message on its way to each follower."""
    return take(leader(), ask(), FLOW).state


def fed() -> ServerState:
    """A leader that sends its snapshot to a follower."""
    return take(leader(1, commit=1), SendSnapshot("s2"), SNAPSHOTS).state


Given = tuple[ServerState, Event | Message, StandardStateMap]
TABLE: list[tuple[Given, tuple[Mark, ...]]] = [
    ((follower(), ELECTION_TIMEOUT, STATES), (Mark.BECAME_CANDIDATE,)),
    ((candidate(), vote(), STATES), (Mark.COUNTED_VOTE, Mark.BECAME_LEADER)),
    ((candidate(), vote(), NOOP), (Mark.COUNTED_VOTE, Mark.BECAME_LEADER, Mark.SENT_NEW_ENTRIES)),
    ((candidate(count=5), vote(), STATES), (Mark.COUNTED_VOTE,)),
    ((candidate(), vote(granted=False), STATES), ()),
    ((candidate(), append(), STATES), (Mark.CONCEDED_TO_LEADER, Mark.BECAME_FOLLOWER)),
    ((candidate(), vote(term=2), STATES), (Mark.SAW_HIGHER_TERM, Mark.BECAME_FOLLOWER, Mark.IGNORED_RESPONSE)),
    ((leader(), append(term=2), STATES), (Mark.SAW_HIGHER_TERM, Mark.BECAME_FOLLOWER)),
    (
        (leader(1), request_vote(term=2), STATES),
        (Mark.SAW_HIGHER_TERM, Mark.LOST_PENDING_COMMANDS, Mark.BECAME_FOLLOWER, Mark.REFUSED_STALE_LOG),
    ),
    ((follower(), request_vote(term=2), STATES), (Mark.SAW_HIGHER_TERM, Mark.GRANTED_VOTE)),
    ((follower(voted_for="s3"), request_vote(), STATES), (Mark.REFUSED_SECOND_VOTE,)),
    ((follower(term=2), request_vote(), STATES), (Mark.REJECTED_STALE_TERM,)),
    ((follower(term=2), append(), STATES), (Mark.REJECTED_STALE_TERM,)),
    ((follower(term=2), stored(0), STATES), (Mark.IGNORED_RESPONSE,)),
    ((follower(), append(), STATES), ()),
    ((follower(), append(1, commit=1), STATES), (Mark.APPENDED_ENTRIES, Mark.COMMITTED)),
    ((follower(1, term=2), append(2, term=2), STATES), (Mark.TRUNCATED_SUFFIX, Mark.APPENDED_ENTRIES)),
    ((follower(1, term=2, commit=1), append(2, term=2), STATES), (Mark.REFUSED_TO_CUT_COMMITTED,)),
    ((follower(), append(previous=(1, 1)), STATES), (Mark.REJECTED_PREVIOUS_ENTRY,)),
    ((leader(), ask(), STATES), (Mark.ACCEPTED_COMMAND, Mark.SENT_NEW_ENTRIES)),
    ((leader(count=1), ask(), STATES), (Mark.ACCEPTED_COMMAND, Mark.COMMITTED)),
    ((REMEMBERING, ask(1), SESSIONS), (Mark.REPEATED_ANSWER,)),
    (
        (evolve(REMEMBERING, sessions=Sessions(some_closed=True)), ask(serial=2), SESSIONS),
        (Mark.ACCEPTED_COMMAND, Mark.COMMITTED, Mark.PASSED_OVER_EXPIRED),
    ),
    (
        (evolve(follower(1, commit=1), sessions=ANSWERED), repetition(), SESSIONS),
        (Mark.APPENDED_ENTRIES, Mark.COMMITTED, Mark.PASSED_OVER_REPETITION),
    ),
    ((leader(), HEARTBEAT_TIMEOUT, STATES), (Mark.SENT_HEARTBEAT,)),
    ((leader(1), stored(1), STATES), (Mark.COMMITTED,)),
    ((leader(1, term=2), stored(1, term=2), STATES), (Mark.HELD_OLD_TERM_ENTRY,)),
    ((leader(1), rejected(1), STATES), (Mark.BACKED_UP,)),
    ((leader(1), rejected(0), STATES), (Mark.IGNORED_RESPONSE,)),
    ((leader(1), stored(2), STATES), (Mark.DROPPED_MALFORMED,)),
    ((leader(), append(), STATES), (Mark.DROPPED_MALFORMED,)),
    ((leader(), append(term=0), STATES), (Mark.DROPPED_MALFORMED,)),
    ((follower(), ask(), STATES), (Mark.REDIRECTED_CLIENT,)),
    ((leader(), ask(serial=0), STATES), (Mark.REFUSED_COMMAND,)),
    ((leader(), ELECTION_TIMEOUT, STATES), (Mark.IGNORED_TIMEOUT,)),
    ((follower(), HEARTBEAT_TIMEOUT, STATES), (Mark.IGNORED_TIMEOUT,)),
    ((follower(), ELECTION_TIMEOUT, ALL), (Mark.BECAME_PRECANDIDATE,)),
    ((follower(), pre_vote(), ALL), (Mark.GRANTED_PREVOTE,)),
    ((follower(leader="s3"), pre_vote(), ALL), (Mark.STAYED_LOYAL,)),
    ((follower(leader="s3"), request_vote(term=2), ALL), (Mark.STAYED_LOYAL,)),
    ((follower(1), pre_vote(), ALL), (Mark.REFUSED_STALE_LOG,)),
    ((follower(term=2, voted_for="s3"), pre_vote(), ALL), (Mark.REFUSED_SECOND_VOTE,)),
    ((follower(term=3), pre_vote(), ALL), (Mark.REJECTED_STALE_TERM,)),
    ((follower(), pre_voted(), ALL), (Mark.IGNORED_RESPONSE,)),
    ((pre_candidate(count=5), pre_voted(), ALL), (Mark.COUNTED_PREVOTE,)),
    ((pre_candidate(), pre_voted(), ALL), (Mark.COUNTED_PREVOTE, Mark.BECAME_CANDIDATE)),
    ((pre_candidate(), append(), ALL), (Mark.CONCEDED_TO_LEADER, Mark.BECAME_FOLLOWER)),
    ((follower(leader="s2"), LEASE_TIMEOUT, ALL), (Mark.LEASE_ENDED,)),
    ((follower(), LEASE_TIMEOUT, ALL), (Mark.IGNORED_TIMEOUT,)),
    ((leader(heard=("s2",)), ELECTION_TIMEOUT, ALL), (Mark.KEPT_QUORUM,)),
    ((leader(), ELECTION_TIMEOUT, ALL), (Mark.LOST_QUORUM, Mark.BECAME_FOLLOWER)),
    ((leader(), TransferLeadership("s2"), ALL), (Mark.BEGAN_TRANSFER, Mark.SENT_TIMEOUT_NOW)),
    ((leader(1), TransferLeadership("s2"), ALL), (Mark.BEGAN_TRANSFER,)),
    ((leader(), TransferLeadership("s1"), ALL), (Mark.REFUSED_TRANSFER,)),
    ((leader(successor="s2"), TransferLeadership("s2"), ALL), (Mark.IGNORED_ORDER,)),
    ((leader(successor="s2"), ELECTION_TIMEOUT, TRANSFER), (Mark.CALLED_OFF_TRANSFER,)),
    ((follower(), timeout_now(), ALL), (Mark.TOOK_OVER, Mark.BECAME_CANDIDATE)),
    ((candidate(), timeout_now(), ALL), (Mark.IGNORED_ORDER,)),
    ((follower(term=2), timeout_now(), ALL), (Mark.IGNORED_ORDER,)),
    ((follower(leader="s2"), ForgetLeader(), ALL), (Mark.FORGOT_LEADER,)),
    ((leader(), ForgetLeader(), ALL), (Mark.IGNORED_ORDER,)),
    ((leader(), read(), READS), (Mark.HELD_READ,)),
    ((leader(1, commit=1), read(), READS), (Mark.STARTED_READ_ROUND,)),
    (
        (leader(1, commit=1, count=1), read(), READS),
        (Mark.STARTED_READ_ROUND, Mark.CONFIRMED_READ, Mark.ANSWERED_READ),
    ),
    ((leased(), read(), LEASES), (Mark.READ_IN_LEASE, Mark.ANSWERED_READ)),
    (
        (leased(), TransferLeadership("s2"), LEASES),
        (Mark.BEGAN_TRANSFER, Mark.SENT_TIMEOUT_NOW, Mark.REVOKED_LEASE),
    ),
    ((follower(leader="s2"), read(), READS), (Mark.FORWARDED_READ,)),
    ((leader(1), ReportUnreachable("s2"), FLOW), (Mark.BEGAN_PROBING,)),
    ((leader(1), ReportUnreachable("s2"), STATES), (Mark.IGNORED_ORDER,)),
    (
        (at_the_limit(), ask(serial=2), FLOW),
        (Mark.ACCEPTED_COMMAND, Mark.HELD_BACK_ENTRIES, Mark.HELD_BACK_ENTRIES, Mark.SENT_NEW_ENTRIES),
    ),
    ((follower(), read(), READS), (Mark.REDIRECTED_CLIENT,)),
    ((follower(), read_index(), READS), (Mark.REDIRECTED_READ,)),
    ((leader(), change(add="s4"), MEMBERSHIP), (Mark.REFUSED_CHANGE,)),
    (
        (leader(1, commit=1), change(add="s4"), MEMBERSHIP),
        (Mark.ACCEPTED_CHANGE, Mark.CHANGED_CONFIGURATION, Mark.SENT_NEW_ENTRIES),
    ),
    (
        (configured(follower(1, 1, term=2), 2, servers(4)), append(2, term=2, previous=(1, 1)), MEMBERSHIP),
        (Mark.TRUNCATED_SUFFIX, Mark.RESTORED_CONFIGURATION, Mark.APPENDED_ENTRIES),
    ),
    (
        (configured(leader(1, 1, commit=1), 2, JOINT), stored(2), MEMBERSHIP),
        (Mark.COMMITTED, Mark.CHANGED_CONFIGURATION, Mark.LEFT_JOINT, Mark.SENT_NEW_ENTRIES),
    ),
    (
        (configured(leader(1, 1, commit=1), 2, Configuration(("s2",))), stored(2), MEMBERSHIP),
        (Mark.COMMITTED, Mark.STEPPED_DOWN_REMOVED, Mark.BECAME_FOLLOWER),
    ),
    ((follower(), request_vote(source="s9"), MEMBERSHIP), (Mark.IGNORED_STRANGER,)),
    ((follower(identity="s9"), ELECTION_TIMEOUT, MEMBERSHIP), (Mark.KEPT_FROM_CAMPAIGN,)),
    ((follower(1, 1, commit=1), TakeSnapshot(), SNAPSHOTS), (Mark.TOOK_SNAPSHOT, Mark.COMPACTED_LOG)),
    ((follower(1, 1, commit=1), TakeSnapshot(0), SNAPSHOTS), (Mark.TOOK_SNAPSHOT,)),
    ((compacted(follower(1, 1, commit=1), 1), TakeSnapshot(), SNAPSHOTS), (Mark.IGNORED_ORDER,)),
    ((follower(1, 1, commit=1), TakeSnapshot(), STATES), (Mark.IGNORED_ORDER,)),
    (
        (compacted(leader(1, commit=1, progress={"s2": (1, 0)}), 1), HEARTBEAT_TIMEOUT, SNAPSHOTS),
        (Mark.SENT_SNAPSHOT, Mark.SENT_HEARTBEAT),
    ),
    ((follower(), install("a", "b"), STATES), (Mark.INSTALLED_SNAPSHOT,)),
    ((follower(), install("a", done=False), STATES), (Mark.TOOK_PART,)),
    ((follower(), install("a", offset=1), STATES), (Mark.ASKED_FOR_PART,)),
    ((follower(1, 1, commit=2), install("a", "b"), STATES), (Mark.IGNORED_SNAPSHOT,)),
    ((follower(1, 1, 1), install("a", "b"), STATES), (Mark.COMMITTED, Mark.KEPT_LONGER_LOG)),
    ((follower(term=2), install("a", "b"), STATES), (Mark.REJECTED_STALE_TERM,)),
    ((follower(), installed(1), STATES), (Mark.IGNORED_RESPONSE,)),
    ((leader(1, commit=1), installed(2), STATES), (Mark.DROPPED_MALFORMED,)),
    ((leader(1, commit=1), install("a", "b"), STATES), (Mark.DROPPED_MALFORMED,)),
    ((follower(1, commit=1), SendSnapshot("s2"), SNAPSHOTS), (Mark.IGNORED_ORDER,)),
    ((leader(1, commit=1), SendSnapshot("s2"), SNAPSHOTS), (Mark.TOOK_SNAPSHOT, Mark.SENT_SNAPSHOT)),
    ((fed(), installed(1), SNAPSHOTS), (Mark.FEEDS_ENTRIES_AGAIN,)),
    ((unstored(), Stored(2, None, 1, 1), LATER), (Mark.STORED,)),
    ((unstored(), Stored(1, None, 1, 1), LATER), (Mark.IGNORED_RECEIPT,)),
]


@pytest.mark.parametrize(("given", "marks"), TABLE, ids=[" ".join(marks) or "none" for _given, marks in TABLE])
def test_marks_of_a_step(given: Given, marks: tuple[Mark, ...]) -> None:
    """A step leaves exactly the marks of what happened in it, in the order in which it happened."""
    assert take(*given).marks == marks


def test_every_mark_is_in_the_table() -> None:
    """A mark that no step leaves would be a promise to watch for something that never comes."""
    assert {mark for _given, marks in TABLE for mark in marks} == set(Mark)


def test_marks_are_their_own_names() -> None:
    """A scenario writes them as text."""
    assert all(mark == mark.name.lower() for mark in Mark)


def test_an_event_that_is_none_is_the_drivers_mistake() -> None:
    """It is not dropped like a peer's: it raises."""
    with pytest.raises(TypeError, match="'tick' is not an event"):
        take(follower(), "tick")  # type: ignore[arg-type]
