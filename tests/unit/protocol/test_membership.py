"""Changes of the cluster's servers: which are allowed, when they take effect, and who is listened to."""

from __future__ import annotations

import pytest

from raftframe import Configuration, DurableState, Entry, Log, Options, Role, ServerState, recover, start
from raftframe.effects import Done, Outcome, Redirected, Refused, Reply, Unknown
from raftframe.events import LeaveJoint
from raftframe.membership import Change, Transition, changed, left, problem_with_change
from raftframe.messages import AppendEntries, RequestVote
from raftframe.server_state import LeaderData, Progress

from .support import (
    ELECTION_TIMEOUT,
    MEMBERSHIP,
    STATES,
    append,
    ask,
    candidate,
    change,
    configured,
    entry,
    follower,
    leader,
    log_of,
    of_type,
    request_vote,
    sent,
    servers,
    states_of,
    stored,
    take,
    vote,
)


def config(text: str) -> Configuration:
    """`s1 s2 | s1 / s4 / s5 !` is joint, with the learner s4, with s5 that will be one, and leaves by itself."""
    parts = [part.split() for part in (text.removesuffix("!") + "///").split("/")]
    new, _, old = " ".join(parts[0]).partition("|")
    return Configuration(new.split(), old.split(), parts[1], parts[2], text.endswith("!"))


def a_change(text: str) -> Change:
    """`+s4 ~s5 -s1` adds s4, makes s5 a learner and removes s1."""
    groups = {sign: [word[1:] for word in text.split() if word[0] == sign] for sign in "+~-"}
    return Change(groups["+"], groups["~"], groups["-"])


def outcomes(replies: tuple[Reply, ...]) -> list[Outcome]:
    """What clients and operators are told."""
    return [reply.outcome for reply in replies]


# Which configuration follows (after etcd's tables of changes)


@pytest.mark.parametrize(
    ("before", "what", "how", "after"),
    [
        ("s1", "+s2", "direct", "s1 s2"),
        ("s1", "+s2", "auto", "s1 s2"),
        ("s1", "+s2", "implicit", "s1 s2 | s1 !"),
        ("s1", "+s2", "explicit", "s1 s2 | s1"),
        ("s1", "+s2 +s3", "auto", "s1 s2 s3 | s1 !"),
        ("s1 s2 s3", "-s2 -s3", "auto", "s1 | s1 s2 s3 !"),
        ("s1 s2 s3", "-s1 +s4", "auto", "s2 s3 s4 | s1 s2 s3 !"),
        ("s1 s2", "-s2", "auto", "s1"),
        ("s1", "~s2 ~s3", "auto", "s1 / s2 s3"),
        ("s1", "~s2 ~s3", "explicit", "s1 | s1 / s2 s3"),
        ("s1 / s2", "+s2", "auto", "s1 s2"),
        ("s1 / s2", "-s2", "auto", "s1"),
        ("s1 s2", "~s2", "auto", "s1 / s2"),
        ("s1 s2", "~s2", "explicit", "s1 | s1 s2 / / s2"),
        ("s1 s2 s3 / s4", "~s1 +s4", "auto", "s2 s3 s4 | s1 s2 s3 / / s1 !"),
        ("s1 s2 s3", "~s2 ~s3", "implicit", "s1 | s1 s2 s3 / / s2 s3 !"),
        ("s1 s2 / s3", "+s1 ~s4", "direct", "s1 s2 / s3 s4"),
    ],
)
def test_what_a_change_makes(before: str, what: str, how: str, after: str) -> None:
    """Directly if one voter at most comes or goes, jointly otherwise; a demoted voter keeps its vote meanwhile."""
    transition = Transition(how)

    assert problem_with_change(config(before), a_change(what), transition) is None
    assert changed(config(before), a_change(what), transition) == config(after)


@pytest.mark.parametrize(
    ("before", "what", "how", "problem"),
    [
        ("s1", "-s1", "auto", "no voter"),
        ("s1", "~s1", "explicit", "no voter"),
        ("s1 s2", "+s1", "auto", "change nothing"),
        ("s1", "-s9", "auto", "change nothing"),
        ("s1 / s2", "~s2", "direct", "change nothing"),
        ("s1", "+s2 +s3", "direct", "more than one voter"),
        ("s1 s2 s3", "+s4 -s1", "direct", "more than one voter"),
        ("s1 s2 | s1", "+s3", "auto", "must be left first"),
    ],
)
def test_what_no_change_makes(before: str, what: str, how: str, problem: str) -> None:
    """A change that is unsafe, empty or impossible is refused with the reason."""
    assert problem in str(problem_with_change(config(before), a_change(what), Transition(how)))


@pytest.mark.parametrize(
    ("joint", "after"),
    [
        ("s1 s2 | s1 !", "s1 s2"),
        ("s2 s3 | s1 / s4", "s2 s3 / s4"),
        ("s1 | s1 s2 s3 / s5 / s2 s3", "s1 / s2 s3 s5"),
    ],
)
def test_what_leaving_makes(joint: str, after: str) -> None:
    """The new half, with those that have given their votes up as learners."""
    assert left(config(joint)) == config(after)


def test_a_change_that_contradicts_itself_cannot_be_written() -> None:
    """It names each server once, and at least one."""
    with pytest.raises(ValueError, match="twice"):
        Change(voters=("s1",), removed=("s1",))
    with pytest.raises(ValueError, match="at least one"):
        Change()


# When a change takes effect


def test_a_configuration_is_in_effect_as_soon_as_it_is_appended() -> None:
    """The leader sends it to the newcomer, from the first entry on, and to all others (dissertation §4.1)."""
    step = take(leader(1, commit=1), change(add="s4"), MEMBERSHIP)

    assert step.state.configuration == servers(4)
    assert step.state.configuration_index == 2
    appends = [message for message in sent(step) if isinstance(message, AppendEntries)]
    assert [(each.target, each.previous_index) for each in appends] == [("s2", 1), ("s3", 1), ("s4", 0)]


def test_a_follower_takes_the_configuration_from_the_log_and_gives_it_back() -> None:
    """When the entry is cut, the configuration before it is in effect again: the first, or one that is in the log."""
    changing = Entry(1, servers(4))
    message = AppendEntries("s2", "s1", 1, 0, 0, (changing, entry(2, 1)), 0)

    after = take(follower(), message, MEMBERSHIP).state
    cut = take(after, append(2, term=2), MEMBERSHIP).state

    assert (after.configuration, after.configuration_index) == (servers(4), 1)
    assert (cut.configuration, cut.configuration_index) == (servers(3), 0)


def test_cutting_the_second_of_two_configurations_restores_the_first() -> None:
    """The one before is found in the log, however many were cut (a bug that kept one step back only)."""
    configurations = (Entry(1, servers(4)), Entry(1, servers(5)), Entry(1, servers(6)))
    state = take(follower(), AppendEntries("s2", "s1", 1, 0, 0, configurations, 0), MEMBERSHIP).state

    after = take(state, append(2, term=2, previous=(1, 1)), MEMBERSHIP).state

    assert state.configuration == servers(6)
    assert (after.configuration, after.configuration_index) == (servers(4), 1)


def test_a_restarted_server_takes_the_configuration_from_its_log() -> None:
    """Committed or not: the tail of the log outweighs the configuration that the cluster began with."""
    stored_log = Log((*log_of(1), Entry(1, servers(4)), entry(3, 1)))

    state = recover("s1", servers(3), DurableState(1, None, stored_log), MEMBERSHIP)

    assert (state.configuration, state.configuration_index, state.bootstrap) == (servers(4), 2, servers(3))


def test_what_waited_for_a_removed_server_is_committed() -> None:
    """The new configuration's majority commits the entries before it, too."""
    state = leader(1, 1, commit=1, count=2)

    after = take(state, change(remove="s2"), MEMBERSHIP).state

    assert after.commit_index == 3
    assert after.configuration == Configuration(("s1",))


# What is in the way of a change


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (leader(1, term=2, commit=1), "nothing of term 2"),
        (leader(1, commit=0), "nothing of term 1"),
        (configured(leader(1, 1, commit=1), 2, servers(4)), "not committed yet"),
        (configured(leader(1, 1, commit=2), 2, config("s1 s2 | s1 s2 s3")), "must be left first"),
    ],
)
def test_a_change_waits(state: ServerState, reason: str) -> None:
    """For the change before it, and for an entry of the leader's own term."""
    step = take(state, change(add="s5"), MEMBERSHIP)

    (outcome,) = outcomes(of_type(step, Reply))
    assert isinstance(outcome, Refused)
    assert reason in outcome.reason
    assert step.state == state


def test_without_validation_a_change_waits_for_nothing() -> None:
    """The option is for studying what goes wrong then."""
    states = states_of(Options(noop=False, membership=True, disable_conf_change_validation=True))
    state = configured(leader(1, term=2), 1, servers(4))

    assert take(state, change(add="s5"), states).state.configuration == servers(5)


def test_a_newcomer_must_catch_up_if_so_configured() -> None:
    """A learner becomes a voter when it has what is committed (dissertation §4.2.1)."""
    states = states_of(Options(noop=False, membership=True, catch_up=True))
    state = configured(leader(1, 1, commit=2), 2, config("s1 s2 s3 / s4"))
    caught_up = take(state, stored(2, source="s4"), states).state

    (refused,) = outcomes(of_type(take(state, change(add="s4"), states), Reply))
    assert isinstance(refused, Refused)
    assert take(caught_up, change(add="s4"), states).state.configuration == servers(4)


def test_without_the_option_nothing_changes() -> None:
    """Strangers are no servers, and a change is refused, by whoever is asked."""
    for state in (leader(1, commit=1), follower()):
        (outcome,) = outcomes(of_type(take(state, change(add="s4"), STATES), Reply))
        assert isinstance(outcome, Refused)
    with pytest.raises(ValueError, match="s4 is not one of the servers"):
        start("s4", servers(3), STATES)


# What the operator is told


def test_the_operator_hears_when_the_change_is_committed() -> None:
    """Not before, and once."""
    asked = take(leader(1, commit=1), change(add="s4"), MEMBERSHIP)
    two = take(asked.state, stored(2), MEMBERSHIP)
    three = take(two.state, stored(2, source="s3"), MEMBERSHIP)
    again = take(three.state, stored(2, source="s4"), MEMBERSHIP)

    assert [of_type(step, Reply) for step in (asked, two, again)] == [(), (), ()]
    assert of_type(three, Reply) == (Reply("operator", 1, Done("[s1 s2 s3 s4]")),)


def test_an_operator_is_sent_to_the_leader() -> None:
    """A follower knows who leads."""
    (outcome,) = outcomes(of_type(take(follower(leader="s2"), change(add="s4"), MEMBERSHIP), Reply))

    assert outcome == Redirected("s2")


def test_an_operator_is_told_that_nobody_knows_when_the_leader_falls() -> None:
    """The change may still be committed by another leader."""
    asked = take(leader(1, commit=1), change(add="s4"), MEMBERSHIP)

    step = take(asked.state, append(term=2), MEMBERSHIP)

    assert outcomes(of_type(step, Reply)) == [Unknown()]


# Joint configurations


def test_a_joint_configuration_takes_a_majority_of_each_half() -> None:
    """Of the old voters and of the new (dissertation §4.3)."""
    state = configured(leader(1, 1, commit=1, count=3), 2, config("s1 s4 s5 | s1 s2 s3"))
    old = take(state, stored(2, source="s2"), MEMBERSHIP).state

    both = take(old, stored(2, source="s4"), MEMBERSHIP).state

    assert (old.commit_index, both.commit_index) == (1, 2)


def test_a_joint_configuration_is_left_by_itself_once() -> None:
    """As soon as it is committed; later acknowledgements of it change nothing."""
    state = configured(leader(1, 1, commit=1), 2, config("s1 s2 | s1 s2 s3 !"))
    after = take(state, stored(2), MEMBERSHIP).state

    again = take(after, stored(2, source="s2"), MEMBERSHIP).state

    assert (after.configuration, after.configuration_index) == (servers(2), 3)
    assert again.log.last_index == 3


def test_an_explicit_joint_configuration_stays_until_told() -> None:
    """Then it is left; a second time there is nothing to leave."""
    state = configured(leader(1, 1, commit=1), 2, config("s1 s2 | s1 s2 s3"))
    committed = take(state, stored(2), MEMBERSHIP).state

    after = take(committed, LeaveJoint("operator", 2), MEMBERSHIP).state
    (again,) = outcomes(of_type(take(after, LeaveJoint("operator", 3), MEMBERSHIP), Reply))

    assert committed.configuration.is_joint
    assert after.configuration == servers(2)
    assert isinstance(again, Refused)


def test_a_new_leader_leaves_the_joint_configuration_that_it_finds() -> None:
    """Whoever commits it, if only by an entry of its own term."""
    state = configured(leader(1, 1, 2, term=2, commit=0), 2, config("s1 s2 | s1 s2 s3 !"))

    after = take(state, stored(3, term=2), MEMBERSHIP).state

    assert after.commit_index == 3
    assert after.configuration == servers(2)


# Leaders that are removed


def test_a_removed_leader_does_not_count_itself_and_steps_down_when_that_is_committed() -> None:
    """It manages a cluster that it is no part of, in its own term, and keeps its vote (dissertation §4.2.2)."""
    state = configured(leader(1, 1, commit=1, count=3), 2, config("s2 s3"))
    one = take(state, stored(2), MEMBERSHIP).state

    both = take(one, stored(2, source="s3"), MEMBERSHIP).state

    assert (one.role, one.commit_index) == (Role.LEADER, 1)
    assert (both.role, both.commit_index) == (Role.FOLLOWER, 2)
    assert (both.term, both.voted_for) == (1, "s1")


def test_a_removed_leader_that_stays_takes_no_commands() -> None:
    """With the option it goes on to lead, for those that know of no other."""
    states = states_of(Options(noop=False, membership=True, removed_leader_stays=True))
    state = configured(leader(1, 1, commit=2), 2, config("s2 s3"))

    step = take(state, ask(), states)

    assert step.state.role is Role.LEADER
    (outcome,) = outcomes(of_type(step, Reply))
    assert isinstance(outcome, Refused)


# Who stands for election, and who is listened to


@pytest.mark.parametrize(
    ("state", "role"),
    [
        (follower(identity="s4"), Role.FOLLOWER),
        (configured(follower(1, identity="s4"), 1, config("s1 s2 s3 / s4")), Role.FOLLOWER),
        (configured(follower(1, identity="s4"), 1, servers(4)), Role.CANDIDATE),
        (configured(follower(1), 1, config("s2 s3")), Role.CANDIDATE),
        (configured(follower(1, commit=1), 1, config("s2 s3")), Role.FOLLOWER),
        (configured(follower(1), 1, config("s2 s3 | s1 s2 s3")), Role.CANDIDATE),
    ],
)
def test_who_stands_for_election(state: ServerState, role: Role) -> None:
    """Voters, of either half; and a voter whose removal may yet be needed (dissertation §4.2.2, figure 4.6)."""
    assert take(state, ELECTION_TIMEOUT, MEMBERSHIP).state.role is role


def test_only_voters_are_asked_for_votes() -> None:
    """Of both halves; learners have none."""
    state = configured(follower(1), 1, config("s1 s2 | s1 s3 / s4"))

    messages = sent(take(state, ELECTION_TIMEOUT, MEMBERSHIP))

    assert [message.target for message in messages if isinstance(message, RequestVote)] == ["s2", "s3"]


def test_an_election_takes_a_majority_of_each_half() -> None:
    """The votes of one half alone elect nobody (dissertation §4.3)."""
    state = configured(candidate(1), 1, config("s1 s4 s5 | s1 s2 s3"))
    half = take(state, vote("s2"), MEMBERSHIP).state

    assert half.role is Role.CANDIDATE
    assert take(half, vote("s4"), MEMBERSHIP).state.role is Role.LEADER


def test_a_learner_votes_when_it_is_asked() -> None:
    """It may be a voter and not know."""
    state = configured(follower(1), 1, config("s2 s3 / s1"))

    (answer,) = sent(take(state, request_vote(term=2, last=(1, 1)), MEMBERSHIP))

    assert answer == vote("s1", 2, target="s2")


@pytest.mark.parametrize(("last", "heard"), [((0, 0), False), ((1, 1), False), ((2, 1), True), ((1, 2), True)])
def test_a_stranger_is_heard_only_if_its_log_is_newer(last: tuple[int, int], heard: bool) -> None:
    """Then it may have been added by an entry that is not here; otherwise it was removed, and not even its term
    counts.
    """
    step = take(follower(1), request_vote("s9", term=7, last=last), MEMBERSHIP)

    assert (step.state.term == 7, bool(sent(step))) == (heard, heard)


def test_a_newcomer_hears_the_leader_that_adds_it() -> None:
    """Its own configuration knows neither the leader nor itself."""
    newcomer = start("s4", Configuration(("s1",)), MEMBERSHIP)
    message = AppendEntries("s2", "s4", 1, 0, 0, (Entry(1, servers(4)),), 0)

    assert take(newcomer, message, MEMBERSHIP).state.configuration == servers(4)


def test_an_answer_of_a_server_that_was_removed_counts_for_nothing() -> None:
    """It is no follower any more."""
    state = configured(leader(1, 1, commit=1), 2, servers(2))

    assert take(state, stored(2, source="s3"), MEMBERSHIP).state == state


def test_progress_of_those_who_stay_is_kept() -> None:
    """Nothing is known of the newcomer, and the removed server is forgotten."""
    state = leader(1, commit=1, progress={"s2": (2, 1)})

    data = take(state, change(add="s4", remove="s3"), MEMBERSHIP).state.data

    assert isinstance(data, LeaderData)
    assert data.progress == (Progress("s2", 2, 1), Progress("s3", 2, 0), Progress("s4", 1, 0))
