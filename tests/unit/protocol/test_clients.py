"""What clients are told, and by whom (Raft §8)."""

from __future__ import annotations

import pytest

from bank_app.app import Balance, BankingApp, Credit, Debit, Overdrawn
from raftframe import Command, ServerState, StandardStateMap, start
from raftframe.effects import Done, Redirected, Refused, Reply, Unknown
from raftframe.events import ClientRequest, ClientRequests
from raftframe.marks import Mark
from raftframe.server_state import FollowerData

from .support import (
    ELECTION_TIMEOUT,
    PLAIN,
    append,
    ask,
    candidate,
    follower,
    leader,
    replies,
    request_vote,
    sent,
    servers,
    stored,
    take,
)

BANK = StandardStateMap(BankingApp(), PLAIN)


@pytest.mark.parametrize(
    ("before", "known"),
    [(follower(leader="s3"), "s3"), (follower(), None), (candidate(), None)],
    ids=["follower", "follower that knows no leader", "candidate"],
)
def test_only_a_leader_takes_commands(before: ServerState, known: str | None) -> None:
    """Everybody else says who leads, as far as known, and stores nothing."""
    step = take(before, ask("x", serial=7))

    assert step.state == before
    assert step.effects == (Reply("c1", 7, Redirected(known)),)
    assert step.marks == (Mark.REDIRECTED_CLIENT,)


@pytest.mark.parametrize("before", [follower(leader="s3"), leader(term=1), leader(2, term=2)], ids=lambda s: s.role)
def test_commands_that_come_together_are_taken_as_if_one_by_one(before: ServerState) -> None:
    """The same state, marks and answers in the same order; each follower is sent the last of the messages."""
    commands = [Command("c1", 1, "x"), Command("c2", 0, "no serial"), Command("c3", 1, "y")]
    state = before
    replied: list[Reply] = []
    marks: set[Mark] = set()
    for command in commands:
        single = take(state, ClientRequest(command))
        state, replied, marks = single.state, [*replied, *replies(single)], {*marks, *single.marks}

    together = take(before, ClientRequests(tuple(commands)))

    assert together.state == state
    assert list(replies(together)) == replied and len(replied) in (1, 3)
    assert {*together.marks} == marks
    assert sent(together) == sent(single)


def test_a_new_term_has_no_known_leader_yet() -> None:
    """Who led the last term is no answer to who leads this one."""
    state = take(follower(leader="s3", term=1), request_vote("s2", term=2)).state

    assert state.data == FollowerData(leader=None)


def test_the_answer_comes_when_the_command_is_applied() -> None:
    """Not when it enters the log: it is not decided then."""
    taken = take(leader(term=1), ask("x", serial=4, client="anna"))
    applied = take(taken.state, stored(1))

    assert replies(taken) == ()
    assert replies(applied) == (Reply("anna", 4, Done(1)),)


def test_every_client_gets_its_own_answer_in_log_order() -> None:
    """One acknowledgement may decide several commands."""
    state = leader(term=1)
    for client in ("anna", "bert"):
        state = take(state, ask(client, client=client)).state

    assert replies(take(state, stored(2))) == (Reply("anna", 1, Done(1)), Reply("bert", 1, Done(2)))


def test_a_follower_applies_without_answering() -> None:
    """The client spoke to the leader."""
    step = take(follower(term=1), append(1, commit=1))

    assert (step.state.applied_index, replies(step)) == (1, ())


def test_a_leader_does_not_answer_for_an_earlier_one() -> None:
    """The commands of earlier terms were taken by others, or by itself in an office that it has lost since."""
    step = take(leader(1, 2, 3, term=3), stored(3, term=3))

    assert (step.state.applied_index, replies(step)) == (3, (Reply("c1", 3, Done(3)),))


def test_an_operation_that_makes_no_sense_is_refused_before_the_log() -> None:
    """The application says why; the log stays as it is."""
    step = take(leader(term=1), ClientRequest(Command("c1", 1, Credit(-5))), BANK)

    assert step.state == leader(term=1)
    assert step.effects == (Reply("c1", 1, Refused("an amount is more than zero, not -5")),)
    assert step.marks == (Mark.REFUSED_COMMAND,)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (Command("c1", 0, "x"), "a client counts its requests from 1, so none is 0"),
        (Command("c1", True, "x"), "a client counts its requests from 1, so none is True"),
        (Command("c1", "2", "x"), "a client counts its requests from 1, so none is '2'"),  # type: ignore[arg-type]
        (Command(None, 1, "x"), "a client's name is text, not None"),  # type: ignore[arg-type]
        (Command("c1", 1, ("x", [])), "an operation is an immutable value that can be hashed, not ('x', [])"),
    ],
)
def test_a_command_that_no_log_can_hold_is_refused(command: Command, reason: str) -> None:
    """Whatever the application would say to it: states are values."""
    step = take(leader(term=1), ClientRequest(command))

    assert [reply.outcome for reply in replies(step)] == [Refused(reason)]
    assert step.state == leader(term=1)


def test_a_refusal_of_the_application_is_an_answer() -> None:
    """The bank lets nobody overdraw: the debit is committed and applied, and its answer is the refusal."""
    alone = take(start("s1", servers(1), BANK), ELECTION_TIMEOUT, BANK).state
    credited = take(alone, ClientRequest(Command("c1", 1, Credit(5))), BANK)
    debited = take(credited.state, ClientRequest(Command("c1", 2, Debit(7))), BANK)

    assert replies(credited) == (Reply("c1", 1, Done(Balance(5))),)
    assert replies(debited) == (Reply("c1", 2, Done(Overdrawn(5))),)
    assert (debited.state.app_state, debited.state.applied_index) == (5, 2)


def test_a_leader_that_loses_its_office_cannot_know() -> None:
    """Commands of its term that are not committed may or may not take effect; decided ones were answered already."""
    step = take(leader(1, 2, 2, term=2, commit=2), request_vote("s2", term=3, last=(9, 2)))

    assert replies(step) == (Reply("c1", 3, Unknown()),)
    assert Mark.LOST_PENDING_COMMANDS in step.marks


def test_a_leader_without_pending_commands_goes_silently() -> None:
    """Entries of earlier terms are nobody's that waits here."""
    step = take(leader(1, 1, term=2), request_vote("s2", term=3, last=(9, 2)))

    assert replies(step) == ()
    assert Mark.LOST_PENDING_COMMANDS not in step.marks


def test_nobody_is_answered_twice() -> None:
    """Told that nobody knows, the client hears nothing more, though its command is committed by the next leader."""
    lost = take(leader(1, term=1), request_vote("s2", term=2, last=(1, 1)))
    later = take(lost.state, append(2, term=2, previous=(1, 1), commit=2))

    assert [type(reply.outcome) for reply in (*replies(lost), *replies(later))] == [Unknown]
    assert later.state.applied_index == 2
