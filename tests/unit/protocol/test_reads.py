"""Reads that need no entry in the log (dissertation §6.4)."""

from __future__ import annotations

import pytest
from attrs import evolve

from bank_app.app import BankingApp, Credit, Query
from raftframe import Command, Options, ServerState, StandardStateMap, recover
from raftframe.effects import Done, Redirected, Refused, Reply
from raftframe.events import ClientRead, ClientRequest, ForgetLeader, TransferLeadership
from raftframe.marks import Mark
from raftframe.messages import AppendEntries, ReadIndex, ReadIndexResponse
from raftframe.server_state import AwaitedRead

from .support import (
    ELECTION_TIMEOUT,
    HEARTBEAT_TIMEOUT,
    append,
    candidate,
    follower,
    heard,
    leader,
    read,
    read_from,
    read_index,
    rejected,
    replies,
    request_vote,
    sent,
    states_of,
    stored,
    take,
)

READS = states_of(Options(noop=False, announce_commit=False, linearizable_reads=True))
LEASES = states_of(evolve(READS.options, check_quorum=True, transfer=True, lease_reads=True))
ASKED = Command("c2", 1, "read")


def rounds(messages: object) -> list[int]:
    """The round that each AppendEntries carries."""
    assert isinstance(messages, tuple)
    return [message.read_round for message in messages if isinstance(message, AppendEntries)]


def asked(state: ServerState) -> ServerState:
    """*state* after a client has asked for a read."""
    return take(state, read(), READS).state


# At the leader


def test_a_read_begins_a_round_of_heartbeats() -> None:
    """Everybody is asked; nothing is appended, and nothing answered yet."""
    step = take(leader(1, commit=1), read(), READS)

    assert rounds(sent(step)) == [1, 1]
    assert (step.state.log, replies(step)) == (leader(1).log, ())
    assert step.state.reads == (AwaitedRead(ASKED),)


def test_a_majority_confirms_the_read() -> None:
    """With its own, one of two answers is enough; the answer is the application's, at that moment."""
    step = take(asked(leader(1, commit=1)), heard(1, 1), READS)

    assert replies(step) == (Reply("c2", 1, Done(1)),)
    assert step.state.reads == ()


def test_five_servers_need_two_answers() -> None:
    """From two different ones."""
    state = asked(leader(1, commit=1, count=5))
    once = take(state, heard(1, 1), READS)
    twice = take(once.state, heard(1, 1), READS)
    enough = take(twice.state, heard(1, 1, source="s3"), READS)

    assert [replies(step) for step in (once, twice)] == [(), ()]
    assert replies(enough) == (Reply("c2", 1, Done(1)),)


def test_a_rejection_confirms_too() -> None:
    """Whoever lacks entries still follows this leader."""
    state = asked(leader(1, 1, 1, commit=1))
    rejection = rejected(2)
    step = take(state, type(rejection)("s2", "s1", 1, False, 2, 1), READS)

    assert replies(step) == (Reply("c2", 1, Done(1)),)


def test_an_answer_to_an_earlier_round_confirms_nothing() -> None:
    """It was given before the client asked."""
    state = take(asked(leader(1, commit=1)), heard(1, 1), READS).state
    state = take(state, read(serial=2), READS).state
    late = take(state, heard(1, 1, source="s3"), READS)
    right = take(late.state, heard(2, 1, source="s3"), READS)

    assert replies(late) == ()
    assert replies(right) == (Reply("c2", 2, Done(1)),)


def test_a_later_round_confirms_the_reads_before_it() -> None:
    """Whoever follows now has followed when the earlier round began."""
    state = take(asked(leader(1, commit=1)), read(serial=2), READS).state
    step = take(state, heard(2, 1), READS)

    assert replies(step) == (Reply("c2", 1, Done(1)), Reply("c2", 2, Done(1)))


def test_a_round_is_repeated_until_it_is_answered() -> None:
    """Heartbeats carry it, so a lost one costs time, not the read; without a read they carry none."""
    waiting = asked(leader(1, commit=1))
    answered = take(waiting, heard(1, 1), READS).state

    assert rounds(sent(take(waiting, HEARTBEAT_TIMEOUT, READS))) == [1, 1]
    assert rounds(sent(take(answered, HEARTBEAT_TIMEOUT, READS))) == [0, 0]


def test_a_new_leader_does_not_know_what_is_committed() -> None:
    """Its commit index may lag behind that of its predecessor; the first entry of its own term tells."""
    held = take(leader(1, 2, term=2), read(), READS)
    begun = take(held.state, stored(2, term=2), READS)
    step = take(begun.state, heard(1, 2, term=2), READS)

    assert (sent(held), held.marks) == ((), (Mark.HELD_READ,))
    assert begun.marks == (Mark.COMMITTED, Mark.STARTED_READ_ROUND)
    assert replies(step) == (Reply("c2", 1, Done(2)),)


def test_what_makes_no_sense_is_refused() -> None:
    """By leaders and followers alike, in the application's words."""
    bank = StandardStateMap(BankingApp(), READS.options)
    for server in (leader(1, commit=1), follower(leader="s2")):
        step = take(server, ClientRead(Command("c2", 1, "nonsense")), bank)

        assert [type(reply.outcome) for reply in replies(step)] == [Refused]
        assert step.state.reads == ()


def test_a_leader_that_loses_its_office_redirects() -> None:
    """It cannot confirm anything any more; the read has had no effect, so its client may ask again."""
    step = take(asked(leader(1, commit=1)), request_vote("s3", term=2, last=(1, 1)), READS)

    assert replies(step) == (Reply("c2", 1, Redirected(None)),)
    assert step.state.reads == ()


# At a follower


def test_a_follower_asks_its_leader() -> None:
    """The read stays where its client is; the leader hears its name only."""
    step = take(follower(1, leader="s2", commit=1), read(), READS)

    assert sent(step) == (ReadIndex("s1", "s2", 1, "c2", 1),)
    assert step.state.reads == (AwaitedRead(ASKED),)


def test_a_leader_tells_the_follower_when_the_round_is_answered() -> None:
    """The index is that of the commit index when the round began."""
    begun = take(leader(1, commit=1), read_index(), READS)
    step = take(begun.state, heard(1, 1, source="s3"), READS)

    assert rounds(sent(begun)) == [1, 1]
    assert sent(step) == (ReadIndexResponse("s1", "s2", 1, "c2", 1, True, 1),)


def test_a_follower_answers_once_it_has_applied_the_index() -> None:
    """Not before: its application may be older than what the client knows of."""
    state = asked(follower(1, leader="s2"))
    early = take(state, read_from(1), READS)
    step = take(early.state, append(previous=(1, 1), commit=1), READS)
    at_once = take(asked(follower(1, leader="s2", commit=1)), read_from(1), READS)

    assert (replies(early), early.state.reads) == ((), (AwaitedRead(ASKED, 1),))
    assert replies(step) == replies(at_once) == (Reply("c2", 1, Done(1)),)


def test_a_confirmed_read_survives_a_change_of_leader() -> None:
    """Its index was right when it was given, whoever leads since."""
    state = take(asked(follower(1, leader="s2")), read_from(1), READS).state
    state = take(state, ELECTION_TIMEOUT, READS).state
    step = take(state, append(previous=(1, 1), term=2, commit=1), READS)

    assert replies(step) == (Reply("c2", 1, Done(1)),)


def test_the_same_question_is_kept_once_and_asked_again() -> None:
    """A client that asks twice gets one answer; a leader that hears it twice needs one round."""
    again = take(asked(follower(leader="s2")), read(), READS)
    leads = take(leader(1, commit=1), read_index(), READS).state

    assert (len(again.state.reads), len(sent(again))) == (1, 1)
    assert take(leads, read_index(), READS).state == leads


def test_a_follower_asks_again_when_its_leader_waits_for_no_round() -> None:
    """The question was lost, or the answer."""
    state = asked(follower(1, leader="s2"))
    silent = take(state, append(previous=(1, 1)), READS)
    waiting = take(state, AppendEntries("s2", "s1", 1, 1, 1, (), 0, read_round=3), READS)

    assert ReadIndex("s1", "s2", 1, "c2", 1) in sent(silent)
    assert [type(message).__name__ for message in sent(waiting)] == ["AppendEntriesResponse"]


@pytest.mark.parametrize(
    "event", [ELECTION_TIMEOUT, append(term=2, source="s3")], ids=["it stands itself", "somebody else leads"]
)
def test_a_follower_that_loses_its_leader_redirects(event: object) -> None:
    """Nobody confirms the read any more."""
    step = take(asked(follower(leader="s2")), event, READS)  # type: ignore[arg-type]

    assert [reply.outcome for reply in replies(step)] == [Redirected(None)]


def test_a_server_that_does_not_lead_says_so() -> None:
    """In the same term or a later one; the follower redirects its client."""
    said = sent(take(candidate(term=2), read_index(term=1), READS))
    step = take(asked(follower(leader="s2")), read_from(0, success=False), READS)

    assert said == (ReadIndexResponse("s1", "s2", 2, "c2", 1, False, 0),)
    assert replies(step) == (Reply("c2", 1, Redirected(None)),)


def test_an_answer_that_nobody_waits_for_is_ignored() -> None:
    """It came twice, or after a restart."""
    for server in (follower(leader="s2"), candidate(), leader(1, commit=1)):
        assert take(server, read_from(1), READS).marks == (Mark.IGNORED_RESPONSE,)


def test_a_read_is_lost_with_the_process() -> None:
    """Nothing of it is stored."""
    state = asked(follower(1, leader="s2"))

    assert recover("s1", state.configuration, state.durable, READS).reads == ()


# Whether there are any


def test_without_the_option_a_read_is_an_entry() -> None:
    """As any other command."""
    step = take(leader(1, commit=1), read())

    assert len(step.state.log) == 2
    assert step.state.reads == ()


def test_the_application_says_what_only_reads() -> None:
    """A query is a read, a credit is none; and with the option off, nothing is."""
    bank = StandardStateMap(BankingApp(), READS.options)
    query, credit = Command("c1", 1, Query()), Command("c1", 1, Credit(5))

    assert (bank.asking(query), bank.asking(credit)) == (ClientRead(query), ClientRequest(credit))
    assert StandardStateMap(BankingApp()).asking(query) == ClientRequest(query)


# Inside a lease


def test_a_lease_needs_what_it_rests_on() -> None:
    """Without loyal followers there is none, and outside of it reads take a round."""
    for options in ({"linearizable_reads": True}, {"check_quorum": True}, {}):
        with pytest.raises(ValueError, match="lease_reads needs check_quorum=on and linearizable_reads=on"):
            Options(lease_reads=True, **options)


def test_a_majority_that_answers_the_latest_heartbeat_is_a_lease() -> None:
    """Then a read is answered at once, without a message; before, it takes a round."""
    beaten = take(leader(1, commit=1, progress={"s2": (2, 1)}), HEARTBEAT_TIMEOUT, LEASES).state
    early = take(beaten, read(), LEASES)
    leased = take(take(beaten, heard(1, 1), LEASES).state, read(), LEASES)

    assert (rounds(sent(early)), replies(early)) == ([2, 2], ())
    assert (sent(leased), replies(leased)) == ((), (Reply("c2", 1, Done(1)),))


def test_the_next_heartbeat_ends_the_lease() -> None:
    """And an answer to the one before does not renew it."""
    state = take(leader(1, commit=1, progress={"s2": (2, 1)}), HEARTBEAT_TIMEOUT, LEASES).state
    state = take(take(state, heard(1, 1), LEASES).state, HEARTBEAT_TIMEOUT, LEASES).state
    late = take(take(state, heard(1, 1, source="s3"), LEASES).state, read(), LEASES)
    renewed = take(take(state, heard(2, 1, source="s3"), LEASES).state, read(), LEASES)

    assert replies(late) == ()
    assert replies(renewed) == (Reply("c2", 1, Done(1)),)


def test_a_follower_is_told_at_once_too() -> None:
    """Its leader's lease is as good for the clients of others."""
    state = take(leader(1, commit=1, progress={"s2": (2, 1)}), HEARTBEAT_TIMEOUT, LEASES).state
    step = take(take(state, heard(1, 1), LEASES).state, read_index(), LEASES)

    assert sent(step) == (ReadIndexResponse("s1", "s2", 1, "c2", 1, True, 1),)


def test_a_new_leader_has_no_use_for_a_lease() -> None:
    """It does not know yet how far its predecessors have committed."""
    state = take(leader(1, term=2, commit=1), HEARTBEAT_TIMEOUT, LEASES).state
    step = take(take(state, heard(1, 0, term=2), LEASES).state, read(), LEASES)

    assert (replies(step), step.marks) == ((), (Mark.HELD_READ,))


def test_a_transfer_ends_the_lease_for_the_rest_of_the_term() -> None:
    """Also when it is called off: the successor may have been told, and may stand later."""
    state = take(leader(1, commit=1, progress={"s2": (2, 1)}), TransferLeadership("s2"), LEASES).state
    state = take(take(state, HEARTBEAT_TIMEOUT, LEASES).state, heard(0, 1), LEASES).state
    state = take(take(state, ELECTION_TIMEOUT, LEASES).state, HEARTBEAT_TIMEOUT, LEASES).state
    step = take(state, read(), LEASES)

    assert rounds(sent(step)) == [1, 1]


def test_no_follower_forgets_a_leader_that_may_have_a_lease() -> None:
    """The lease relies on the followers' loyalty."""
    forgetful = states_of(evolve(LEASES.options, forget_leader=True))
    before = follower(leader="s2")

    assert take(before, ForgetLeader(), forgetful).state == before
