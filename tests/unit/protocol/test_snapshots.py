"""Snapshots: taken, sent in parts, installed, and begun again from (Raft §7)."""

from __future__ import annotations

import pytest
from attrs import evolve

from raftframe import Configuration, DurableState, Log, Options, ServerState, StandardStateMap, recover
from raftframe.api.app import RecordingInParts
from raftframe.effects import AppendToLog, CompactLog, StoreSnapshot, Sync, written
from raftframe.events import ReportUnreachable, SendSnapshot, TakeSnapshot
from raftframe.messages import AppendEntries, InstallSnapshot
from raftframe.server_state import Arriving, FollowerData, FollowerProgress, LeaderData, Progress, Snapshot
from raftframe.sessions import NO_SESSIONS, Session, Sessions

from .support import (
    HEARTBEAT_TIMEOUT,
    MEMBERSHIP,
    PLAIN,
    SNAPSHOTS,
    STATES,
    append,
    ask,
    compacted,
    configured,
    entries,
    follower,
    install,
    installed,
    leader,
    read,
    read_from,
    rejected,
    sent,
    servers,
    states_of,
    stored,
    take,
    wants,
)

FLOW = states_of(evolve(PLAIN, snapshots=True, progress=True))


PARTS = StandardStateMap(RecordingInParts(), evolve(PLAIN, snapshots=True))


def feeding(states: StandardStateMap = PARTS) -> ServerState:
    """A leader with a snapshot of three entries, which s2 lacks."""
    return compacted(leader(1, 1, 1, 1, commit=3, progress={"s2": (2, 1)}), 3, states=states)


def progress_of(state: ServerState) -> Progress:
    """What the leader knows of s2."""
    assert isinstance(state.data, LeaderData)
    return state.data.of("s2")


# Taking one


def test_a_snapshot_is_of_what_is_applied() -> None:
    """Not of what is in the log and may still be cut from it."""
    state = take(follower(1, 1, 2, term=2, commit=2), TakeSnapshot(), SNAPSHOTS).state

    assert state.snapshot == Snapshot(2, 1, (("1.1", "2.1"),), NO_SESSIONS, servers(3), 0)
    assert state.log == Log(entries([2], 3), 2, 1)


def test_the_snapshot_is_stored_before_the_log_is_cut() -> None:
    """A crash between the two leaves what the snapshot covers twice, and never nowhere."""
    effects = take(follower(1, 1, commit=2), TakeSnapshot(1), SNAPSHOTS).effects

    assert [type(effect) for effect in effects] == [StoreSnapshot, CompactLog, Sync]


def test_entries_can_be_kept_that_the_snapshot_covers() -> None:
    """For followers that lag a little."""
    state = take(follower(1, 1, 1, commit=3), TakeSnapshot(1), SNAPSHOTS).state

    assert (state.log.base_index, state.log.last_index) == (1, 3)
    assert state.snapshot is not None
    assert state.snapshot.last_index == 3


def test_the_log_is_cut_again_without_a_new_snapshot() -> None:
    """The one that there is covers more."""
    before = take(follower(1, 1, 1, commit=3), TakeSnapshot(1), SNAPSHOTS).state
    step = take(before, TakeSnapshot(2), SNAPSHOTS)

    assert step.effects == (CompactLog(2), Sync())
    assert step.state.snapshot is before.snapshot


def test_a_snapshot_has_the_configuration_of_its_last_entry() -> None:
    """A later one may still be cut from the log (dissertation §5.1)."""
    states = states_of(Options(noop=False, membership=True, snapshots=True))
    state = take(configured(follower(1, 1, commit=1), 2, servers(4)), TakeSnapshot(), states).state

    assert state.snapshot is not None
    assert (state.snapshot.configuration_index, state.snapshot.configuration) == (0, servers(3))


def test_a_server_takes_one_by_itself_when_it_is_due() -> None:
    """After every second entry, of which it keeps one; those who wait for an answer need not wait for it."""
    states = states_of(evolve(PLAIN, snapshot_every=2, snapshot_keeps=1))
    before = take(follower(1), append(1, previous=(1, 1), commit=2), states).state
    state = take(before, append(previous=(2, 1), commit=2), states).state

    assert before.snapshot is None
    assert state.snapshot is not None
    assert (state.snapshot.last_index, state.log.base_index) == (2, 1)


def test_it_takes_none_before_that() -> None:
    """One entry is not two."""
    states = states_of(evolve(PLAIN, snapshot_every=2))
    before = take(follower(1), append(previous=(1, 1), commit=1), states).state
    state = take(before, append(previous=(1, 1), commit=1), states).state

    assert state.snapshot is None


# Beginning again


def test_a_server_begins_again_from_snapshot_and_log() -> None:
    """What the snapshot covers is applied, with its sessions; what follows is in the log."""
    sessions = Sessions((Session("c1", 2, ((2, 2),)),))
    before = evolve(follower(1, 1, 1, commit=2), sessions=sessions)
    durable = take(before, TakeSnapshot(), SNAPSHOTS).state.durable

    state = recover("s1", servers(3), durable, SNAPSHOTS)

    assert (state.commit_index, state.applied_index, state.app_state) == (2, 2, ("1.1", "2.1"))
    assert (state.sessions, state.log.terms) == (sessions, (1,))


def test_a_server_begins_again_with_the_members_of_its_snapshot() -> None:
    """The entry that made them members is gone."""
    states = states_of(Options(noop=False, membership=True, snapshots=True))
    durable = take(configured(follower(1, 1, commit=2), 2, servers(4)), TakeSnapshot(), states).state.durable

    state = recover("s1", servers(3), durable, states)

    assert (state.configuration_index, state.configuration) == (2, servers(4))


def test_it_begins_again_between_the_two_writes() -> None:
    """The snapshot is there, the log is whole: the same as before."""
    snapshot = Snapshot(2, 1, (("1.1", "2.1"),), NO_SESSIONS, servers(3), 0)
    durable = written(DurableState(1, None, follower(1, 1, 1).log), StoreSnapshot(snapshot))

    state = recover("s1", servers(3), durable, SNAPSHOTS)

    assert (state.applied_index, state.log.base_index, state.log.last_index) == (2, 0, 3)


# Sending one


def test_a_follower_that_needs_what_is_gone_gets_the_snapshot() -> None:
    """Its next entry is not in the log any more (§7)."""
    state = compacted(leader(1, 1, 1, commit=2, progress={"s2": (2, 1)}), 2)

    to_s2, to_s3 = sent(take(state, HEARTBEAT_TIMEOUT, SNAPSHOTS))

    assert to_s2 == install("1.1", "2.1", source="s1", target="s2")
    assert to_s3 == AppendEntries("s1", "s3", 1, 3, 1, (), 2)


def test_a_follower_that_lacks_the_first_entry_left_gets_entries() -> None:
    """The log knows the term of the entry before it."""
    state = compacted(leader(1, 1, 1, commit=2, progress={"s2": (3, 1)}), 2)

    to_s2, _ = sent(take(state, HEARTBEAT_TIMEOUT, SNAPSHOTS))

    assert to_s2 == AppendEntries("s1", "s2", 1, 2, 1, entries([1], 3), 2)


def test_parts_go_one_after_the_other() -> None:
    """Each when the one before is there; the sessions come with the last."""
    state, seen = feeding(), []
    (first, _) = sent(take(state, HEARTBEAT_TIMEOUT, PARTS))
    for offset in (1, 2):
        step = take(state, wants(offset, 3), PARTS)
        state, seen = step.state, [*seen, *sent(step)]

    assert isinstance(first, InstallSnapshot)
    assert [(m.offset, m.part, m.done) for m in (first, *seen) if isinstance(m, InstallSnapshot)] == [
        (0, "3.1", False),
        (1, "2.1", False),
        (2, "1.1", True),
    ]


def test_a_follower_that_has_lost_its_parts_gets_the_first_again() -> None:
    """It has begun anew, perhaps."""
    state = take(feeding(), wants(2, 3), PARTS).state

    (part,) = sent(take(state, wants(0, 3), PARTS))

    assert isinstance(part, InstallSnapshot)
    assert part.offset == 0


def test_a_repeated_answer_brings_nothing() -> None:
    """Else every duplicate on the network would be followed by one of each later part."""
    state = take(feeding(), wants(1, 3), PARTS).state

    step = take(state, wants(1, 3), PARTS)

    assert (step.state, sent(step)) == (state, ())


def test_a_part_that_there_is_not_is_not_sent() -> None:
    """The peer's mistake."""
    assert sent(take(feeding(), wants(3, 3), PARTS)) == ()


def test_parts_of_another_snapshot_do_not_count() -> None:
    """A newer snapshot was taken in the meantime: it begins with its first part."""
    before = take(feeding(), wants(2, 3), PARTS).state
    state = compacted(evolve(before, commit_index=4, applied_index=4, app_state=tuple("abcd")), 4, states=PARTS)

    part, _ = sent(take(state, HEARTBEAT_TIMEOUT, PARTS))

    assert isinstance(part, InstallSnapshot)
    assert (part.index, part.offset) == (4, 0)


def test_an_installed_snapshot_counts_for_what_it_covers() -> None:
    """And entries follow."""
    step = take(compacted(leader(1, 1, 1, commit=2, progress={"s2": (1, 0)}), 2), installed(2), SNAPSHOTS)

    assert progress_of(step.state) == Progress("s2", 3, 2)
    assert sent(step) == (AppendEntries("s1", "s2", 1, 2, 1, entries([1], 3), 2),)


def test_an_operator_may_send_one_that_is_not_needed() -> None:
    """It is taken on the spot, and the log stays as it is."""
    step = take(leader(1, 1, commit=1), SendSnapshot("s2"), SNAPSHOTS)

    assert sent(step) == (install("1.1", last=(1, 1), source="s1", target="s2"),)
    assert step.state.log.base_index == 0


# Sending one, with flow control


def test_the_state_is_snapshot_until_it_is_there() -> None:
    """Then entries are replicated at once."""
    during = take(feeding(FLOW), HEARTBEAT_TIMEOUT, FLOW).state
    after = take(during, installed(3), FLOW).state

    assert (progress_of(during).state, progress_of(during).held_back) == (FollowerProgress.SNAPSHOT, True)
    assert (progress_of(after).state, progress_of(after).snapshot) == (FollowerProgress.REPLICATE, 0)


def test_nothing_is_sent_while_a_part_is_on_its_way() -> None:
    """Neither for a command nor for a rejection that comes late."""
    during = take(feeding(FLOW), HEARTBEAT_TIMEOUT, FLOW).state

    for what in (ask(serial=5), rejected(1)):
        assert not any(message.target == "s2" for message in sent(take(during, what, FLOW)))


def test_a_heartbeat_sends_the_part_again() -> None:
    """It may be lost."""
    during = take(feeding(FLOW), HEARTBEAT_TIMEOUT, FLOW).state

    again, _ = sent(take(during, HEARTBEAT_TIMEOUT, FLOW))

    assert isinstance(again, InstallSnapshot)


def test_a_snapshot_that_fails_is_followed_by_a_probe() -> None:
    """Whoever watches the network has said so."""
    during = take(feeding(FLOW), HEARTBEAT_TIMEOUT, FLOW).state

    after = take(during, ReportUnreachable("s2"), FLOW).state

    assert progress_of(after) == Progress("s2", 2, 1, FollowerProgress.PROBE)


def test_a_follower_that_comes_near_by_other_means_needs_none() -> None:
    """It has stored all that the log of the leader lacks: an older snapshot, or entries that were late."""
    during = take(take(leader(1, 1, commit=1), SendSnapshot("s2"), FLOW).state, stored(1), FLOW).state

    assert progress_of(during).state is FollowerProgress.REPLICATE


def test_a_late_answer_does_not_end_it() -> None:
    """What is stored there is still not enough for the log to go on from."""
    during = take(feeding(FLOW), HEARTBEAT_TIMEOUT, FLOW).state

    after = take(during, stored(2), FLOW).state

    assert (progress_of(after).state, progress_of(after).match_index) == (FollowerProgress.SNAPSHOT, 2)


# Taking one over


def test_a_snapshot_takes_the_place_of_all_that_was_there() -> None:
    """Log, application, commit index; and it is stored in one write before it is answered."""
    step = take(follower(1, term=2), install("a", "b", last=(2, 2), term=2), STATES)

    state = step.state
    assert (state.log, state.app_state) == (Log((), 2, 2), ("a", "b"))
    assert (state.commit_index, state.applied_index) == (2, 2)
    assert state.snapshot is not None
    assert step.effects[:2] == (StoreSnapshot(state.snapshot), Sync())
    assert sent(step) == (installed(2, "s1", 2, "s2"),)


def test_a_longer_log_that_has_its_last_entry_is_kept() -> None:
    """All that is learned is that it is committed (§7)."""
    step = take(follower(1, 1, 1), install("a", "b"), STATES)

    assert (step.state.log, step.state.commit_index) == (follower(1, 1, 1).log, 2)
    assert sent(step) == (installed(2, "s1", 1, "s2"),)


def test_a_longer_log_that_differs_is_discarded() -> None:
    """Its entry there is of another term (§7)."""
    state = take(follower(1, 1, 1, term=2), install("a", "b", last=(2, 2), term=2), STATES).state

    assert state.log == Log((), 2, 2)


def test_an_older_snapshot_changes_nothing() -> None:
    """All of it is committed here; that is what the leader is told."""
    before = follower(1, 1, 1, commit=3, leader="s2")
    step = take(before, install("x", "y"), STATES)

    assert step.state == before
    assert sent(step) == (installed(2, "s1", 1, "s2"),)


def test_parts_are_put_together() -> None:
    """Nothing is stored before the last one is there."""
    first = take(follower(), InstallSnapshot("s2", "s1", 1, 2, 1, servers(3), 0, 0, "a", False), PARTS)
    last = take(first.state, InstallSnapshot("s2", "s1", 1, 2, 1, servers(3), 0, 1, "b", True), PARTS)

    assert first.state.data == FollowerData("s2", Arriving(2, 1, ("a",)))
    assert sent(first) == (wants_of_s1(1),)
    assert first.state.durable == follower().durable
    assert (last.state.app_state, last.state.data) == (("b", "a"), FollowerData("s2"))


def wants_of_s1(offset: int) -> object:
    """s1 wants the part *offset*."""
    return evolve(wants(offset, 2), source="s1", target="s2")


@pytest.mark.parametrize(("offset", "last"), [(0, (2, 1)), (2, (2, 1)), (1, (3, 1))])
def test_a_part_that_is_not_due_is_not_taken(offset: int, last: tuple[int, int]) -> None:
    """One that came twice, one after a gap, one of another snapshot."""
    first = take(follower(), install("a", done=False), STATES).state

    step = take(first, install("b", offset=offset, last=last), STATES)

    assert step.state.snapshot is None
    assert [getattr(message, "offset", None) for message in sent(step)] == [1 if last == (2, 1) else 0]


def test_the_members_are_those_of_the_snapshot() -> None:
    """The log that said otherwise is gone (dissertation §5.1)."""
    before = configured(follower(1, 1), 2, servers(5))
    message = install("a", "b", last=(3, 1), configuration=servers(4))

    state = take(before, message, MEMBERSHIP).state

    assert (state.configuration, state.configuration_index) == (servers(4), 0)


def test_reads_that_waited_for_it_are_answered() -> None:
    """The application has come to their index, and further."""
    reads = states_of(evolve(PLAIN, linearizable_reads=True))
    asked = take(take(follower(leader="s2"), read(), reads).state, read_from(2), reads).state

    step = take(asked, install("a", "b"), reads)

    assert step.state.reads == ()
    assert [effect.outcome.answer for effect in step.effects if hasattr(effect, "outcome")] == [2]


# Entries and snapshots


def test_entries_that_the_snapshot_covers_are_passed_over() -> None:
    """The leader does not know of the snapshot here."""
    before = compacted(follower(1, 1, commit=2), 2)
    step = take(before, append(1, 1, 1), STATES)

    assert step.state.log == Log(entries([1], 3), 2, 1)
    assert [effect for effect in step.effects if isinstance(effect, AppendToLog)] == [AppendToLog(3, entries([1], 3))]
    assert sent(step) == (stored(3, "s1", 1, "s2"),)


def test_a_message_that_is_covered_whole_is_acknowledged() -> None:
    """As far as it goes, and no further."""
    step = take(compacted(follower(1, 1, commit=2), 2), append(1), STATES)

    assert sent(step) == (stored(1, "s1", 1, "s2"),)


def test_a_gap_behind_the_snapshot_is_refused() -> None:
    """As behind any log."""
    step = take(compacted(follower(1, 1, commit=2), 2), append(1, previous=(3, 1)), STATES)

    assert sent(step) == (rejected(3, "s1", 1, "s2"),)


def test_a_configuration_is_restored_to_that_of_the_snapshot() -> None:
    """The entry that changed it is cut from the log, and there is no other."""
    states = states_of(Options(noop=False, membership=True, snapshots=True))
    made = configured(follower(1, 1, 1, term=2, commit=2), 2, servers(4))
    before = take(made, TakeSnapshot(), states).state
    later = configured(before, 3, Configuration(("s1", "s2")))

    state = take(later, append(2, term=2, previous=(2, 1)), states).state

    assert (state.configuration_index, state.configuration) == (2, servers(4))
