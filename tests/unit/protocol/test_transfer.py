"""A leader hands its office over (dissertation §3.10)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve

from raftframe import Configuration, Role, ServerState
from raftframe.effects import Refused, StartTimer, Timer
from raftframe.entries import Index, ServerId
from raftframe.events import TransferLeadership
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, TimeoutNow

from .support import (
    ELECTION_TIMEOUT,
    ELECTIONS,
    HEARTBEAT_TIMEOUT,
    PLAIN,
    STATES,
    ask,
    candidate,
    follower,
    leader,
    pre_candidate,
    replies,
    request_vote,
    sent,
    states_of,
    stored,
    take,
    timeout_now,
)

TRANSFER = states_of(evolve(PLAIN, transfer=True))
ALL = states_of(ELECTIONS)
TIME_LIMIT = StartTimer(Timer.ELECTION, longest=True)
STORED: Mapping[ServerId, tuple[Index, Index]] = {"s2": (3, 2), "s3": (2, 1)}
"""s2 has all of a log of two entries, s3 the first."""


def successor_of(state: ServerState) -> ServerId | None:
    """To whom the leader hands over."""
    return state.data.successor  # type: ignore[union-attr]  # a leader's


def test_an_up_to_date_successor_is_told_at_once() -> None:
    """TimeoutNow, in the leader's term; the time limit begins."""
    step = take(leader(1, 1, progress=STORED), TransferLeadership("s2"), TRANSFER)

    assert sent(step) == (TimeoutNow("s1", "s2", 1),)
    assert successor_of(step.state) == "s2"
    assert step.effects[-1] == TIME_LIMIT


def test_a_slow_successor_is_brought_up_to_date_first() -> None:
    """What it lacks is sent at once; the order to stand follows its acknowledgement of everything, not of a part."""
    begun = take(leader(1, 1, progress={"s3": (1, 0)}), TransferLeadership("s3"), TRANSFER)
    part = take(begun.state, stored(1, "s3"), TRANSFER)
    done = take(part.state, stored(2, "s3"), TRANSFER)

    assert [type(message) for message in sent(begun)] == [AppendEntries]
    assert TimeoutNow("s1", "s3", 1) not in sent(part)
    assert TimeoutNow("s1", "s3", 1) in sent(done)


def test_another_followers_acknowledgement_hands_nothing_over() -> None:
    """Only the successor's log must be complete."""
    before = leader(1, 1, progress={"s2": (1, 0), "s3": (1, 0)}, successor="s3")

    assert not [m for m in sent(take(before, stored(2, "s2"), TRANSFER)) if isinstance(m, TimeoutNow)]


def test_a_lost_order_is_repeated() -> None:
    """Every acknowledgement of the successor, that of a heartbeat too, shows that it has not stood yet."""
    before = leader(1, 1, progress=STORED, successor="s2")

    assert TimeoutNow("s1", "s2", 1) in sent(take(before, stored(2, "s2"), TRANSFER))


@pytest.mark.parametrize("wanted", ["s1", "s9", "s4"], ids=["itself", "a stranger", "a learner"])
def test_who_cannot_succeed(wanted: ServerId) -> None:
    """Nothing happens, and the mark says so."""
    before = evolve(leader(1), configuration=Configuration(("s1", "s2", "s3"), learners=("s4",)))
    step = take(before, TransferLeadership(wanted), TRANSFER)

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.REFUSED_TRANSFER,))


@pytest.mark.parametrize("before", [follower(), pre_candidate(), candidate()], ids=lambda state: str(state.role))
def test_only_a_leader_has_an_office(before: ServerState) -> None:
    """It is refused, not passed on."""
    step = take(before, TransferLeadership("s2"), TRANSFER)

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.REFUSED_TRANSFER,))


@pytest.mark.parametrize(
    ("progress", "best"),
    [
        ({"s2": (3, 2), "s3": (2, 1)}, "s2"),
        ({"s2": (2, 1), "s3": (3, 2)}, "s3"),
        ({"s2": (1, 0), "s3": (1, 0)}, "s2"),
    ],
)
def test_without_a_name_the_longest_log_succeeds(progress: Mapping[ServerId, tuple[Index, Index]], best: str) -> None:
    """It is ready first."""
    step = take(leader(1, 1, progress=progress), TransferLeadership(), TRANSFER)

    assert successor_of(step.state) == best


def test_a_learner_is_never_the_best() -> None:
    """However complete its log; and a leader that is the only voter stays."""
    learns = Configuration(("s1", "s2"), learners=("s3",))
    step = take(evolve(leader(1, 1, progress={"s3": (3, 2)}), configuration=learns), TransferLeadership(), TRANSFER)
    alone = take(leader(count=1), TransferLeadership(), TRANSFER)

    assert successor_of(step.state) == "s2"
    assert alone.marks == (Mark.REFUSED_TRANSFER,)


def test_no_commands_meanwhile() -> None:
    """They would keep the successor's log from ever being complete; the client hears who will lead."""
    before = leader(1, successor="s2")
    step = take(before, ask(), TRANSFER)

    assert (step.state, sent(step), step.marks) == (before, (), (Mark.REFUSED_COMMAND,))
    assert replies(step)[0].outcome == Refused("s1 hands its office over to s2: ask again soon")


def test_heartbeats_go_on() -> None:
    """The leader leads until somebody else does."""
    step = take(leader(successor="s2"), HEARTBEAT_TIMEOUT, TRANSFER)

    assert [type(message) for message in sent(step)] == [AppendEntries, AppendEntries]


def test_a_second_transfer_to_the_same_does_nothing() -> None:
    """Least of all does it lengthen the time limit."""
    before = leader(successor="s2")
    step = take(before, TransferLeadership("s2"), TRANSFER)

    assert (step.state, step.effects) == (before, ())


def test_a_second_transfer_to_another_replaces_the_first() -> None:
    """The time limit stays that of the first: commands are refused for one election timeout, not for ever."""
    step = take(leader(successor="s2"), TransferLeadership("s3"), TRANSFER)

    assert successor_of(step.state) == "s3"
    assert sent(step) == (TimeoutNow("s1", "s3", 1),)
    assert TIME_LIMIT not in step.effects


def test_a_silent_successor_is_given_up() -> None:
    """After an election timeout commands are taken again."""
    step = take(leader(1, successor="s2"), ELECTION_TIMEOUT, TRANSFER)

    assert step.state == leader(1)
    assert Mark.ACCEPTED_COMMAND in take(step.state, ask(), TRANSFER).marks


def test_the_time_limit_is_also_a_check_of_the_quorum() -> None:
    """One timer for both; whoever loses its office has nothing to hand over."""
    kept = take(leader(successor="s2", heard=("s2",)), ELECTION_TIMEOUT, ALL)
    lost = take(leader(successor="s2"), ELECTION_TIMEOUT, ALL)

    assert kept.marks == (Mark.CALLED_OFF_TRANSFER, Mark.KEPT_QUORUM)
    assert lost.marks == (Mark.CALLED_OFF_TRANSFER, Mark.LOST_QUORUM, Mark.BECAME_FOLLOWER)


def test_a_higher_term_ends_a_transfer() -> None:
    """A real election outweighs it, whoever stands."""
    step = take(leader(successor="s2"), request_vote("s3", term=2), TRANSFER)

    assert (step.state.role, step.state.voted_for) == (Role.FOLLOWER, "s3")


# The successor


@pytest.mark.parametrize("states", [TRANSFER, ALL], ids=["plain", "with pre-votes"])
def test_the_successor_stands_at_once(states) -> None:  # type: ignore[no-untyped-def]
    """Without pre-votes, in the next term, and its requests say by whose wish."""
    step = take(follower(1, term=1, leader="s2"), timeout_now(), states)

    assert (step.state.role, step.state.term) == (Role.CANDIDATE, 2)
    assert sent(step) == tuple(evolve(request_vote("s1", 2, (1, 1), to), transfer=True) for to in ("s2", "s3"))


@pytest.mark.parametrize(
    "before",
    [follower(term=2), pre_candidate(term=1), candidate(term=1), leader(term=1), leader(term=2)],
    ids=["a later term", "a pre-candidate", "a candidate", "a leader", "the leader of a later term"],
)
def test_a_stale_order_to_take_over_is_ignored(before: ServerState) -> None:
    """It is of a finished term, or the server wants to lead anyway."""
    step = take(before, timeout_now(term=1), TRANSFER)

    assert (step.state, step.effects, step.marks) == (before, (), (Mark.IGNORED_ORDER,))


def test_without_the_option_nothing_is_handed_over() -> None:
    """Neither does a leader begin, nor does a follower obey."""
    assert take(leader(), TransferLeadership("s2"), STATES).marks == (Mark.REFUSED_TRANSFER,)
    assert take(follower(), timeout_now(), STATES).marks == (Mark.IGNORED_ORDER,)
