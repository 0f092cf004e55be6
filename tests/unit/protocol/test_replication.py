"""Replication (Raft §5.3): the leader sends, a follower takes or rejects, the leader keeps count."""

from __future__ import annotations

import pytest

from raftframe import Options, Role
from raftframe.marks import Mark
from raftframe.messages import AppendEntries
from raftframe.server_state import FollowerData, Progress
from raftframe.states.leader import leading

from .support import (
    HEARTBEAT_TIMEOUT,
    PLAIN,
    append,
    ask,
    entries,
    follower,
    leader,
    log_of,
    rejected,
    sent,
    states_of,
    stored,
    take,
)

# The follower


def test_a_follower_takes_entries_that_fit() -> None:
    """They are appended, and the answer says up to where the logs are now known to be equal."""
    step = take(follower(1, term=1), append(1, 1, previous=(1, 1)))

    assert step.state.log == log_of(1, 1, 1)
    assert sent(step) == (stored(3, source="s1", target="s2"),)
    assert step.marks == (Mark.APPENDED_ENTRIES,)


def test_a_heartbeat_says_who_leads() -> None:
    """It carries nothing, stores nothing, and is answered with what it verified: the entry before."""
    step = take(follower(1, 1, term=1), append(previous=(1, 1)))

    assert step.state.data == FollowerData(leader="s2")
    assert step.state.log == log_of(1, 1)
    assert sent(step) == (stored(1, source="s1", target="s2"),)
    assert step.marks == ()


@pytest.mark.parametrize("previous", [(2, 1), (3, 3), (9, 3)], ids=["other term", "just behind", "far behind"])
def test_a_follower_rejects_entries_that_do_not_fit(previous: tuple[int, int]) -> None:
    """It lacks the entry before them; it says which, and changes nothing of its log."""
    step = take(follower(1, 2, term=3), append(3, term=3, previous=previous))

    assert step.state.log == log_of(1, 2)
    assert sent(step) == (rejected(previous[0], source="s1", term=3, target="s2"),)
    assert step.marks == (Mark.REJECTED_PREVIOUS_ENTRY,)


def test_a_conflict_cuts_the_log_from_there() -> None:
    """An entry with another term goes, and all behind it (figure 2, rule 3)."""
    step = take(follower(1, 1, 2, 2, term=3), append(1, 3, term=3, previous=(1, 1)))

    assert step.state.log == log_of(1, 1, 3)
    assert step.marks == (Mark.TRUNCATED_SUFFIX, Mark.APPENDED_ENTRIES)


@pytest.mark.parametrize("terms", [(), (1,), (1, 1), (1, 1, 1)])
def test_a_late_message_cuts_nothing(terms: tuple[int, ...]) -> None:
    """What is there already stays, also what lies behind; the answer covers only what the message carried."""
    before = follower(1, 1, 1, 1, term=1, leader="s2")
    step = take(before, append(*terms, previous=(1, 1)))

    assert step.state == before
    assert sent(step) == (stored(1 + len(terms), source="s1", target="s2"),)
    assert step.marks == ()


def test_committed_entries_are_never_cut() -> None:
    """A message that would cut them comes from a cluster that is broken already: no change, no answer."""
    before = follower(1, 1, term=2, leader="s2", commit=2)
    step = take(before, append(2, term=2, previous=(1, 1)))

    assert step.state == before
    assert sent(step) == ()
    assert step.marks == (Mark.REFUSED_TO_CUT_COMMITTED,)


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.LEADER])
def test_entries_of_a_finished_term_are_rejected(role: Role) -> None:
    """The old leader learns from the answer that its term is over."""
    before = follower(1, term=3) if role is Role.FOLLOWER else leader(1, term=3)
    step = take(before, append(1, term=2, previous=(1, 1)))

    assert step.state == before
    assert sent(step) == (rejected(0, source="s1", term=3, target="s2"),)
    assert step.marks == (Mark.REJECTED_STALE_TERM,)


# The leader


def test_a_command_goes_to_every_follower() -> None:
    """Each is sent what it lacks, as far as the leader knows; the entry before decides whether it fits."""
    step = take(leader(1, 1, term=2, progress={"s2": (3, 2), "s3": (1, 0)}, commit=2), ask("x", serial=3))

    appended = step.state.log.entries[2:]
    assert sent(step) == (
        AppendEntries("s1", "s2", 2, 2, 1, appended, 2),
        AppendEntries("s1", "s3", 2, 0, 0, (*entries((1, 1)), *appended), 2),
    )
    assert step.marks == (Mark.ACCEPTED_COMMAND, Mark.SENT_NEW_ENTRIES)


def test_a_server_alone_sends_nothing_new_to_nobody() -> None:
    """The command is committed in the same step, and no message is claimed to have been sent."""
    step = take(leader(term=1, count=1), ask("x"))

    assert (step.state.commit_index, sent(step)) == (1, ())
    assert step.marks == (Mark.ACCEPTED_COMMAND, Mark.COMMITTED)


def test_a_heartbeat_sends_again_what_may_be_lost() -> None:
    """It goes to everybody and carries what the follower is not known to have."""
    before = leader(1, 1, term=1, progress={"s2": (2, 1), "s3": (3, 2)})
    step = take(before, HEARTBEAT_TIMEOUT)

    assert step.state == before
    assert sent(step) == (
        append(1, source="s1", previous=(1, 1), target="s2"),
        append(source="s1", previous=(2, 1), target="s3"),
    )
    assert step.marks == (Mark.SENT_HEARTBEAT,)


@pytest.mark.parametrize("batch", [1, 2, 3, None])
def test_a_batch_limits_the_entries_of_one_message(batch: int | None) -> None:
    """The rest follows, batch by batch, as the follower acknowledges."""
    states = states_of(Options(noop=False, announce_commit=False, batch=batch))
    state, carried = leader(1, 1, 1, 1, 1, term=1, progress={"s2": (1, 0)}), []
    step = take(state, HEARTBEAT_TIMEOUT, states)

    while to_s2 := [m for m in sent(step) if isinstance(m, AppendEntries) and m.target == "s2"]:
        carried.append(len(to_s2[0].entries))
        step = take(step.state, stored(to_s2[0].last_index), states)

    assert carried == {1: [1, 1, 1, 1, 1], 2: [2, 2, 1], 3: [3, 2], None: [5]}[batch]
    assert leading(step.state).of("s2") == Progress("s2", 6, 5)


def test_a_rejection_moves_the_leader_one_entry_back() -> None:
    """It tries again at once, with one entry more (§5.3)."""
    step = take(leader(1, 2, term=3), rejected(2, term=3))

    assert leading(step.state).of("s2") == Progress("s2", 2, 0)
    assert sent(step) == (append(2, source="s1", term=3, previous=(1, 1), target="s2"),)
    assert step.marks == (Mark.BACKED_UP,)


@pytest.mark.parametrize(
    ("index", "next_index", "match_index"),
    [(3, 3, 0), (1, 3, 0), (2, 3, 2), (0, 1, 0)],
    ids=["of an earlier attempt", "of a later attempt", "what has been stored since", "of the first entry"],
)
def test_a_late_rejection_says_nothing_new(index: int, next_index: int, match_index: int) -> None:
    """Only the answer to the latest attempt counts, and never against what the follower has acknowledged."""
    before = leader(1, 2, 3, term=3, progress={"s2": (next_index, match_index)})
    step = take(before, rejected(index, term=3))

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.IGNORED_RESPONSE,))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_late_acknowledgement_takes_nothing_back(index: int) -> None:
    """What is stored stays stored."""
    before = leader(1, 1, 1, term=1, progress={"s2": (4, 3)}, commit=3)
    step = take(before, stored(index))

    assert (step.state, step.effects) == (before, ())


@pytest.mark.parametrize("response", [stored(3), rejected(3), stored(10**30)], ids=["stored", "rejected", "huge"])
def test_an_answer_about_what_was_never_sent_is_dropped(response) -> None:  # type: ignore[no-untyped-def]
    """A leader's log only grows, so no honest answer of its term names an index behind its end."""
    before = leader(1, 1, term=1, progress={"s2": (4, 0)} if not response.success else None)
    step = take(before, response)

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.DROPPED_MALFORMED,))


@pytest.mark.parametrize("announce", [True, False])
def test_followers_learn_of_a_commit_at_once_or_with_the_next_message(announce: bool) -> None:
    """The option decides whether a higher commit index is a reason to send."""
    states = states_of(PLAIN if not announce else Options(noop=False, announce_commit=True))
    step = take(leader(1, term=1), stored(1), states)

    announced = tuple(append(source="s1", previous=(1, 1), commit=1, target=peer) for peer in ("s2", "s3"))
    assert step.state.commit_index == 1
    assert sent(step) == (announced if announce else ())


def test_an_acknowledgement_that_commits_nothing_is_announced_to_nobody() -> None:
    """Only the follower that answered is sent what it still lacks."""
    states = states_of(Options(noop=False, announce_commit=True, batch=1))
    before = leader(1, 1, term=1, progress={"s2": (1, 0)}, count=5)

    assert sent(take(before, stored(1), states)) == (append(1, source="s1", previous=(1, 1), target="s2"),)
    assert sent(take(before, stored(2), states)) == ()


def test_only_a_leader_cares_for_acknowledgements() -> None:
    """After its time, an answer of its own term changes nothing."""
    before = follower(1, term=1)
    step = take(before, stored(1))

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.IGNORED_RESPONSE,))
