"""Storing and applying later: what may leave before it is stored, and which receipt counts (dissertation §10.2.1)."""

from __future__ import annotations

from attrs import evolve

from raftframe import Configuration, DurableState, Role, ServerState, Step, protocol
from raftframe.effects import AppendToLog, ApplyLater, StoreLater, Sync, TruncateLog, WriteTermAndVote
from raftframe.entries import Index, ServerId, Term
from raftframe.events import Applied, Stored
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, AppendEntriesResponse, RequestVote, RequestVoteResponse
from raftframe.server_state import Stable

from .support import (
    ELECTION_TIMEOUT,
    PLAIN,
    append,
    ask,
    follower,
    leader,
    log_of,
    of_type,
    replies,
    request_vote,
    sent,
    states_of,
    stored,
    take,
    vote,
)

LATER = states_of(evolve(PLAIN, async_storage=True))


def storing(state: ServerState, index: Index | None = None) -> ServerState:
    """*state* of a server that has stored its log up to *index*, None: all, and its term and vote."""
    known = state.log.last_index if index is None else index
    return evolve(state, stable=Stable(state.term, state.voted_for, known, state.applied_index))


def store_of(step: Step) -> StoreLater:
    """What the step leaves to be stored."""
    (effect,) = of_type(step, StoreLater)
    return effect


def stable_index(state: ServerState) -> Index:
    """How far the log is known to be stored."""
    assert state.stable is not None
    return state.stable.index


def receipt(term: Term, last: tuple[Index, Term], voted_for: ServerId | None = None) -> Stored:
    """Everything is stored up to a step in *term* at whose end the log ended with *last*."""
    return Stored(term, voted_for, *last)


def test_a_follower_answers_when_the_entries_are_stored() -> None:
    """The writes and the answer are one effect for later; nothing is written, and nothing leaves, now."""
    step = take(storing(follower(1)), append(1, previous=(1, 1)), LATER)

    assert sent(step) == ()
    assert of_type(step, Sync) == of_type(step, AppendToLog) == ()
    assert [type(write) for write in store_of(step).writes] == [AppendToLog]
    assert store_of(step).messages == (AppendEntriesResponse("s1", "s2", 1, True, 2),)
    assert store_of(step).receipt == receipt(1, (2, 1))


def test_an_answer_waits_for_what_came_before_it() -> None:
    """A heartbeat changes nothing, but its answer vouches for an entry that is still to be stored."""
    step = take(storing(follower(1, 1), 1), append(previous=(2, 1)), LATER)

    assert sent(step) == ()
    assert store_of(step) == StoreLater((), (AppendEntriesResponse("s1", "s2", 1, True, 2),), receipt(1, (2, 1)))


def test_what_is_stored_is_answered_for_at_once() -> None:
    """With nothing left to store there is nothing to wait for."""
    step = take(storing(follower(1, 1)), append(previous=(2, 1)), LATER)

    assert sent(step) == (AppendEntriesResponse("s1", "s2", 1, True, 2),)
    assert of_type(step, StoreLater) == ()


def test_a_vote_leaves_when_it_is_stored() -> None:
    """A server that forgot it could vote a second time."""
    step = take(storing(follower()), request_vote("s2"), LATER)

    assert sent(step) == ()
    assert store_of(step).writes == (WriteTermAndVote(1, "s2"),)
    assert store_of(step).messages == (RequestVoteResponse("s1", "s2", 1, True),)
    assert store_of(step).receipt == receipt(1, (0, 0), "s2")


def test_a_candidate_asks_when_its_own_vote_is_stored() -> None:
    """Else it could stand twice in one term, with two logs."""
    step = take(storing(follower()), ELECTION_TIMEOUT, LATER)

    assert sent(step) == ()
    assert [type(message) for message in store_of(step).messages] == [RequestVote, RequestVote]


def test_a_leader_sends_what_it_has_not_stored() -> None:
    """The followers write while the leader does."""
    step = take(storing(leader(1, progress={"s2": (2, 1)})), ask(), LATER)

    assert AppendEntries in {type(message) for message in sent(step)}
    assert store_of(step).messages == ()
    assert stable_index(step.state) == 1


def test_a_leader_whose_term_is_not_stored_sends_nothing() -> None:
    """A server alone with its vote leads at once; a restart could take it through the same term again."""
    alone = Configuration(("s1",), learners=("s2",))
    state = storing(evolve(follower(count=1), configuration=alone))

    step = take(state, ELECTION_TIMEOUT, LATER)

    assert step.state.role is Role.LEADER
    assert sent(step) == ()
    assert [type(message) for message in store_of(step).messages] == [AppendEntries]


def test_a_leader_counts_itself_for_what_it_has_stored() -> None:
    """One follower and the leader are a majority when the leader, too, has stored the entry."""
    state = storing(leader(1, progress={"s2": (2, 0)}), 0)
    acknowledged = take(state, stored(1), LATER)

    step = take(acknowledged.state, receipt(1, (1, 1), "s1"), LATER)

    assert acknowledged.state.commit_index == 0
    assert step.state.commit_index == 1


def test_a_majority_without_the_leader_commits() -> None:
    """The leader has one vote like everybody else."""
    state = storing(leader(1, progress={"s2": (2, 0), "s3": (2, 1)}), 0)

    step = take(state, stored(1), LATER)

    assert step.state.commit_index == 1
    assert stable_index(step.state) == 0


def test_committed_entries_that_are_not_stored_are_not_applied() -> None:
    """A follower may learn that an entry is committed before it has stored it."""
    behind = take(storing(follower()), append(1, commit=1), LATER)

    step = take(behind.state, receipt(1, (1, 1)), LATER)

    assert behind.state.commit_index == 1
    assert of_type(behind, ApplyLater) == ()
    assert of_type(step, ApplyLater) == (ApplyLater(Applied(1)),)
    assert step.state.applied_index == 0


def test_the_answer_comes_when_the_entry_is_applied() -> None:
    """The application comes to it in a step of its own; what came before is not asked for twice."""
    asked = take(storing(leader(count=1)), ask("x"), LATER)
    committed = take(asked.state, receipt(1, (1, 1), "s1"), LATER)

    step = take(committed.state, Applied(1), LATER)

    assert replies(committed) == ()
    assert step.state.applied_index == 1
    assert len(replies(step)) == 1
    assert of_type(step, ApplyLater) == ()


def test_overwritten_entries_are_not_stored_any_more() -> None:
    """What is stored counts as far as the log has not changed."""
    step = take(storing(follower(1, 1, term=2)), append(2, previous=(1, 1), term=2), LATER)

    assert [type(write) for write in store_of(step).writes] == [TruncateLog, AppendToLog]
    assert stable_index(step.state) == 1


def test_a_receipt_of_an_earlier_term_says_nothing_of_the_log() -> None:
    """The entry may have been overwritten since, and written anew: the latter is still to be stored."""
    state = storing(follower(1, 2, term=4), 1)

    step = take(state, receipt(2, (2, 2)), LATER)

    assert stable_index(step.state) == 1
    assert step.marks == (Mark.IGNORED_RECEIPT,)


def test_a_receipt_for_an_overwritten_entry_says_nothing() -> None:
    """Nor does one of this term, if the log has another entry there."""
    step = take(storing(follower(1, 2, term=2), 1), receipt(2, (2, 1)), LATER)

    assert stable_index(step.state) == 1
    assert step.marks == (Mark.IGNORED_RECEIPT,)


def test_a_late_receipt_takes_nothing_back() -> None:
    """Receipts come in order, but a repeated one does no harm."""
    step = take(storing(follower(1, 1)), receipt(1, (1, 1)), LATER)

    assert stable_index(step.state) == 2
    assert step.marks == (Mark.STORED,)


def test_what_was_asked_for_and_a_snapshot_has_overtaken_is_passed_over() -> None:
    """There is nothing left to hand to the application."""
    state = storing(follower(1, 1, commit=2))

    step = take(state, Applied(1), LATER)

    assert step.state == state


def test_a_restarted_server_has_stored_what_it_knows() -> None:
    """All of it comes from its storage."""
    durable = DurableState(3, "s2", log_of(1, 3))

    state = protocol.recover("s1", Configuration(("s1", "s2")), durable, LATER)

    assert state.stable == Stable(3, "s2", 2, 0)


def test_a_counted_vote_makes_a_leader_as_always() -> None:
    """A vote that arrives was stored by the voter; that of the candidate itself was, too, before it asked."""
    standing = take(storing(follower()), ELECTION_TIMEOUT, LATER).state
    asking = take(standing, receipt(2, (0, 0), "s1"), LATER).state

    step = take(asking, vote("s2", term=2), LATER)

    assert step.state.role is Role.LEADER
    assert {type(message) for message in sent(step)} == {AppendEntries}
