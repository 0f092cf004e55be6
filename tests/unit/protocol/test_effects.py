"""The order of the effects within a step, which is part of the contract with every driver."""

from __future__ import annotations

from raftframe import Options
from raftframe import effects as fx
from raftframe.effects import Apply, Done, Effect, Reply, Send, StartTimer, StopTimer, Sync, Timer, Unknown

from .support import (
    ELECTION_TIMEOUT,
    append,
    ask,
    candidate,
    entries,
    entry,
    follower,
    leader,
    request_vote,
    states_of,
    stored,
    take,
    vote,
)
from .test_persistence import STEPS

ORDER = (
    (fx.WriteTermAndVote, fx.TruncateLog, fx.AppendToLog),
    (Sync,),
    (Send,),
    (Apply,),
    (Reply,),
    (StartTimer, StopTimer),
)


def rank(effect: Effect) -> int:
    """Which part of the contract's order *effect* belongs to."""
    return next(place for place, kinds in enumerate(ORDER) if isinstance(effect, kinds))


def test_writes_sync_sends_applies_replies_timers() -> None:
    """Every step keeps this order, and among them these steps have effects of every kind."""
    effects = {name: take(*given).effects for name, given in STEPS.items()}
    effects["loses office"] = take(leader(1, 1, term=1), request_vote(term=2, last=(2, 1))).effects

    ranks = {name: [rank(effect) for effect in given] for name, given in effects.items()}
    assert all(given == sorted(given) for given in ranks.values()), ranks
    assert {type(effect) for given in effects.values() for effect in given} == {
        kind for kinds in ORDER for kind in kinds
    }


def test_a_follower_stores_then_answers_then_applies() -> None:
    """In one step: the term, the cut, the entries, the sync; only then what others can see."""
    step = take(follower(1, 1, term=1), append(2, term=2, previous=(1, 1), commit=2))

    assert step.effects == (
        fx.WriteTermAndVote(2, None),
        fx.TruncateLog(1),
        fx.AppendToLog(2, entries((2,), 2)),
        Sync(),
        Send(stored(2, source="s1", term=2, target="s2")),
        Apply(1, entry(1, 1), 1),
        Apply(2, entry(2, 2), 2),
        StartTimer(Timer.ELECTION),
    )


def test_a_leader_tells_the_followers_before_it_answers_the_client() -> None:
    """The messages leave as early as they may; applying may take its time."""
    step = take(leader(1, term=1), stored(1), states_of(Options(noop=False)))

    assert step.effects == (
        *(Send(append(source="s1", previous=(1, 1), commit=1, target=peer)) for peer in ("s2", "s3")),
        Apply(1, entry(1, 1), 1),
        Reply("c1", 1, Done(1)),
    )


def test_a_leader_stores_before_it_sends() -> None:
    """Its own copy counts for the majority, so it must be safe before the others can acknowledge theirs."""
    step = take(leader(term=1), ask("x"))

    appended = step.state.log.entries
    assert step.effects[:2] == (fx.AppendToLog(1, appended), Sync())
    assert all(isinstance(effect, Send) for effect in step.effects[2:])


def test_messages_go_out_in_the_order_of_the_configuration() -> None:
    """So equal steps are equal everywhere."""
    step = take(follower(term=1, identity="s3", count=5), ELECTION_TIMEOUT)

    assert [e.message.target for e in step.effects if isinstance(e, Send)] == ["s1", "s2", "s4", "s5"]


def test_a_leader_that_loses_its_office_answers_in_log_order() -> None:
    """Whoever waits is told at once that nobody can know; then the timers change."""
    step = take(leader(1, 1, term=1), vote(term=2, granted=False))

    assert step.effects[2:] == (
        Reply("c1", 1, Unknown()),
        Reply("c1", 2, Unknown()),
        StopTimer(Timer.HEARTBEAT),
        StartTimer(Timer.ELECTION),
    )


def test_a_step_that_changes_nothing_asks_for_nothing() -> None:
    """Not even for a sync."""
    assert take(candidate(term=3), vote(term=2)).effects == ()
    assert take(leader(1, term=1), ELECTION_TIMEOUT).effects == ()
