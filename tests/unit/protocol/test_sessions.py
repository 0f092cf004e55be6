"""Sessions (dissertation §6.3): a command that is sent again is applied once, and answered as it was."""

from __future__ import annotations

import pytest

from raftframe import Command, Options, ServerState, StandardStateMap, start, step
from raftframe.api.app import RecordingApp
from raftframe.effects import Done, Expired, Reply
from raftframe.events import ClientRead, ClientRequest, ElectionTimeout
from raftframe.marks import Mark
from raftframe.sessions import MOST_ANSWERS, NO_SESSIONS, Session, Sessions
from raftframe.states.turn import Turn

from .support import servers

ON = StandardStateMap(RecordingApp(), Options(noop=False, sessions=True, most_sessions=2))
OFF = StandardStateMap(RecordingApp(), Options(noop=False))


def leader_alone(states: StandardStateMap = ON) -> ServerState:
    """The leader of a cluster of one, which commits and applies at once."""
    return step(start("s1", servers(1), states), ElectionTimeout(), states).state


def asked(state: ServerState, client: str, serial: int, states: StandardStateMap = ON):  # type: ignore[no-untyped-def]
    """What the leader does when *client* sends its command *serial*."""
    return step(state, ClientRequest(Command(client, serial, f"{client}.{serial}")), states)


def told(effects):  # type: ignore[no-untyped-def]
    """The outcomes that clients are told."""
    return [effect.outcome for effect in effects if isinstance(effect, Reply)]


def test_a_repeated_command_gets_its_first_answer_without_an_entry() -> None:
    """What was applied is answered again, at once: nothing is appended, nothing is applied."""
    state = asked(leader_alone(), "c1", 1).state
    state = asked(state, "c1", 2).state

    again = asked(state, "c1", 1)

    assert told(again.effects) == [Done(1)] and Mark.REPEATED_ANSWER in again.marks
    assert again.state == state


def test_a_command_that_is_in_the_log_twice_is_applied_once() -> None:
    """Two leaders took the same command: the second entry changes nothing, and gives the first answer."""
    state = asked(leader_alone(), "c1", 1).state
    rules = ON.leader

    turn = rules.advance_commit(rules.append(Turn(state), Command("c1", 1, "c1.1")))

    assert turn.state.app_state == ("c1.1",) and turn.state.applied_index == 2
    assert [reply.outcome for reply in turn.replies] == [Done(1)] and Mark.PASSED_OVER_REPETITION in turn.marks


def test_without_the_option_a_repeated_command_is_applied_again() -> None:
    """Without sessions a server cannot tell a repetition from a new command."""
    state = asked(leader_alone(OFF), "c1", 1, OFF).state

    again = asked(state, "c1", 1, OFF)

    assert told(again.effects) == [Done(2)] and again.state.sessions is NO_SESSIONS


def test_the_session_used_least_recently_closes_for_a_new_one() -> None:
    """The table is full: c2, whose latest command is the furthest back, makes room for c3."""
    state = leader_alone()
    for client, serial in (("c1", 1), ("c2", 1), ("c1", 2), ("c3", 1)):
        state = asked(state, client, serial).state

    assert [session.client for session in state.sessions.table] == ["c1", "c3"] and state.sessions.some_closed


def test_a_command_of_a_closed_session_has_expired() -> None:
    """c2's session is closed, so its second command is not applied: it may be a repetition."""
    state = leader_alone()
    for client in ("c2", "c1", "c3"):
        state = asked(state, client, 1).state

    late = asked(state, "c2", 2)

    assert told(late.effects) == [Expired()] and Mark.PASSED_OVER_EXPIRED in late.marks
    assert late.state.app_state == state.app_state and late.state.sessions == state.sessions


def test_serial_1_opens_a_session_at_any_time() -> None:
    """A closed table takes new clients: their first command has serial 1."""
    state = leader_alone()
    for client in ("c1", "c2", "c3"):
        state = asked(state, client, 1).state

    assert told(asked(state, "c4", 1).effects) == [Done(4)]


def test_a_serial_whose_answer_was_given_up_has_expired() -> None:
    """A session keeps its latest answers; what is older is not applied again."""
    state = leader_alone()
    for serial in range(1, MOST_ANSWERS + 2):
        state = asked(state, "c1", serial).state

    assert told(asked(state, "c1", 1).effects) == [Expired()]
    assert told(asked(state, "c1", 2).effects) == [Done(2)]


def test_answers_are_kept_by_serial_whatever_the_order_of_the_log() -> None:
    """A client with several commands on their way may see the later one applied first."""
    sessions = NO_SESSIONS.having(Command("c1", 2, "b"), "B", 1, most=2).having(Command("c1", 1, "a"), "A", 2, most=2)

    assert sessions == Sessions((Session("c1", 2, ((1, "A"), (2, "B"))),))
    assert sessions.answer_to(Command("c1", 1, "a")) == ("A",) and not sessions.has_expired(Command("c1", 3, "c"))


def test_the_first_command_takes_an_entry_though_it_only_reads() -> None:
    """It opens the session; what it reads later needs no entry."""
    states = StandardStateMap(RecordingApp(), Options(sessions=True, linearizable_reads=True))

    assert isinstance(states.asking(Command("c1", 1, "read")), ClientRequest)
    assert isinstance(states.asking(Command("c1", 2, "read")), ClientRead)


@pytest.mark.parametrize("most", [0, -1])
def test_a_table_has_room_for_one_session_at_least(most: int) -> None:
    """A table of no sessions would be no table."""
    with pytest.raises(ValueError, match="most_sessions"):
        Options(most_sessions=most)
