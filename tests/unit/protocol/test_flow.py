"""Flow control: what a leader sends before it hears from a follower, and where it begins after a rejection."""

from __future__ import annotations

import random

import pytest

from raftframe import Command, Entry, Log, Options, StandardStateMap, step
from raftframe.api.app import RecordingApp
from raftframe.configuration import Configuration
from raftframe.effects import Send
from raftframe.events import (
    ClientRequest,
    ElectionTimeout,
    Event,
    HeartbeatTimeout,
    MessageReceived,
    ReportUnreachable,
)
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, AppendEntriesResponse, RequestVoteResponse, problem_with
from raftframe.protocol import Step, recover
from raftframe.server_state import DurableState, FollowerProgress, Progress, ServerState
from raftframe.states.rules.commitment import leading
from raftframe.states.rules.flow import last_at_or_before


class Leading:
    """A leader of s2 and s3, told one thing after the other."""

    def __init__(self, options: Options, log: Log | None = None) -> None:
        self.states = StandardStateMap(RecordingApp(), options)
        log = Log() if log is None else log
        stored = DurableState(log.last_term, None, log)
        self.state: ServerState = recover("s1", Configuration(("s1", "s2", "s3")), stored, self.states)
        self.after: Step
        self.tell(ElectionTimeout())
        self.tell(MessageReceived(RequestVoteResponse("s2", "s1", self.state.term, True)))

    def tell(self, event: Event) -> list[AppendEntries]:
        """One step; what it sends to s2."""
        self.after = step(self.state, event, self.states)
        self.state = self.after.state
        sent = [effect.message for effect in self.after.effects if isinstance(effect, Send)]
        return [one for one in sent if isinstance(one, AppendEntries) and one.target == "s2"]

    def ask(self, serial: int) -> list[AppendEntries]:
        """A command."""
        return self.tell(ClientRequest(Command("c", serial, "x")))

    def answer(self, index: int, *, success: bool = True, hint: tuple[int, int] = (0, 0)) -> list[AppendEntries]:
        """An answer of s2."""
        response = AppendEntriesResponse("s2", "s1", self.state.term, success, index, 0, *hint)
        return self.tell(MessageReceived(response))

    @property
    def s2(self) -> Progress:
        """What the leader knows of s2."""
        return leading(self.state).of("s2")


PIPELINED = Options(noop=False, pipelining=True, inflight=2)


def test_a_probe_is_the_only_message_until_it_is_answered_or_the_heartbeat_is_due() -> None:
    """Commands wait; the heartbeat probes again."""
    leader = Leading(Options(noop=False, progress=True))

    assert leader.ask(1) == []
    assert Mark.HELD_BACK_ENTRIES in leader.after.marks
    assert [len(message.entries) for message in leader.tell(HeartbeatTimeout())] == [1]
    assert leader.ask(2) == []
    assert leader.s2.state is FollowerProgress.PROBE


def test_pipelined_entries_are_sent_once_up_to_the_limit_and_heartbeats_go_on() -> None:
    """Each message begins behind the one before; an answer makes room for all that waits."""
    leader = Leading(PIPELINED)
    leader.answer(0)

    sent = [leader.ask(serial) for serial in range(1, 5)]
    beat = leader.tell(HeartbeatTimeout())
    rest = leader.answer(1)

    assert [[(m.previous_index, len(m.entries)) for m in each] for each in sent] == [[(0, 1)], [(1, 1)], [], []]
    assert [(message.previous_index, message.entries) for message in beat] == [(2, ())]
    assert [(message.previous_index, len(message.entries)) for message in rest] == [(2, 2)]
    assert leader.s2.in_flight == (2, 4)


def test_a_rejection_while_replicating_probes_from_what_was_rejected_and_later_ones_say_nothing_new() -> None:
    """The first message was lost, so those behind it are all rejected."""
    leader = Leading(Options(noop=False, pipelining=True))
    leader.answer(0)
    for serial in range(1, 4):
        leader.ask(serial)

    first = leader.answer(1, success=False)
    second = leader.answer(2, success=False)

    assert [(message.previous_index, len(message.entries)) for message in first] == [(0, 3)]
    assert second == []
    assert (leader.s2.state, leader.s2.in_flight) == (FollowerProgress.PROBE, ())


@pytest.mark.parametrize(("server", "mark"), [("s2", Mark.BEGAN_PROBING), ("s9", Mark.IGNORED_ORDER)])
def test_an_unreachable_follower_is_probed_from_what_it_is_known_to_have(server: str, mark: Mark) -> None:
    """A stranger is nobody's follower."""
    leader = Leading(PIPELINED)
    leader.answer(0)
    leader.ask(1)

    leader.tell(ReportUnreachable(server))

    assert mark in leader.after.marks
    assert leader.s2.next_index == (1 if server == "s2" else 2)


def test_without_the_options_nothing_is_held_back_or_counted() -> None:
    """Progress keeps the values that it begins with."""
    leader = Leading(Options(noop=False))
    leader.ask(1)
    leader.answer(1)
    leader.tell(ReportUnreachable("s2"))

    assert leader.s2 == Progress("s2", 2, 1)
    assert leader.after.marks == (Mark.IGNORED_ORDER,)


def of_terms(*terms: int) -> Log:
    """A log with entries of *terms*."""
    return Log(tuple(Entry(term, Command("c", at, "x")) for at, term in enumerate(terms, start=1)))


def test_the_hint_never_skips_an_entry_that_both_logs_hold() -> None:
    """On a thousand pairs of logs that match as logs of Raft do."""
    rng = random.Random(7)
    for _ in range(1000):
        common = sorted(rng.choices(range(1, 4), k=rng.randrange(5)))
        mine = [*common, *sorted(rng.choices((4, 6, 8), k=rng.randrange(1, 6)))]
        theirs = [*common, *sorted(rng.choices((5, 7), k=rng.randrange(6)))]
        leader = Leading(Options(noop=False, reject_hint=True), of_terms(*mine))
        previous, term = len(mine), mine[-1]
        hint = last_at_or_before(of_terms(*theirs), previous, term)

        sent = leader.answer(previous, success=False, hint=(hint, of_terms(*theirs).term_at(hint)))

        assert len(common) <= sent[0].previous_index < previous


@pytest.mark.parametrize(("hint", "sound"), [((0, 0), True), ((3, 1), True), ((3, 0), False), ((3, 9), False)])
def test_a_hint_that_no_log_can_give_is_malformed(hint: tuple[int, int], sound: bool) -> None:
    """An entry has a term, and none of a term to come."""
    message = AppendEntriesResponse("s2", "s1", 2, False, 5, 0, *hint)

    assert (problem_with(message) is None) is sound
