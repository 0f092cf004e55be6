"""What is committed, and when (Raft §5.3, §5.4.2, figure 8)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftframe import Options, Role
from raftframe.effects import Apply
from raftframe.marks import Mark
from raftframe.states.leader import leading

from .cluster import Cluster
from .support import append, ask, candidate, entry, follower, leader, of_type, states_of, stored, take, vote

# The leader


@pytest.mark.parametrize(("count", "needed"), [(2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3)])
def test_an_entry_is_committed_when_a_majority_has_it(count: int, needed: int) -> None:
    """The leader counts itself: so many followers must acknowledge, of an even number one more than half less one."""
    state, acknowledged = leader(1, term=1, count=count), 0

    while state.commit_index == 0:
        acknowledged += 1
        state = take(state, stored(1, f"s{acknowledged + 1}")).state

    assert acknowledged == needed


def test_one_follower_counts_once() -> None:
    """An acknowledgement that is delivered twice makes no majority of five."""
    once = take(leader(1, term=1, count=5), stored(1, "s2"))
    twice = take(once.state, stored(1, "s2"))

    assert twice.state.commit_index == 0


def test_an_entry_of_an_earlier_term_is_not_committed_by_counting() -> None:
    """Although a majority has it: a later leader could still overwrite it (§5.4.2)."""
    step = take(leader(1, 2, term=4), stored(2, term=4))

    assert step.state.commit_index == 0
    assert step.marks == (Mark.HELD_OLD_TERM_ENTRY,)


def test_it_is_committed_by_an_entry_of_the_leaders_term_behind_it() -> None:
    """Committing one entry commits all before it, and applies them in order."""
    step = take(leader(1, 2, 4, term=4), stored(3, term=4))

    assert step.state.commit_index == step.state.applied_index == 3
    assert of_type(step, Apply) == tuple(Apply(i, entry(i, t), i) for i, t in ((1, 1), (2, 2), (3, 4)))
    assert step.state.app_state == ("1.1", "2.2", "3.4")
    assert step.marks == (Mark.COMMITTED,)


def test_a_mixed_majority_commits_only_what_all_of_it_has() -> None:
    """Of five, the third highest of the acknowledged indexes counts."""
    state = leader(1, 1, 1, 1, term=1, progress={"s2": (4, 3), "s3": (2, 1)}, commit=1, count=5)

    assert take(state, stored(2, "s4")).state.commit_index == 2
    assert take(state, stored(4, "s4")).state.commit_index == 3


@settings(deadline=None)
@given(st.data())
def test_the_commit_index_only_grows(data: st.DataObject) -> None:
    """Whatever is acknowledged, in whatever order, however late."""
    state = leader(1, 1, 2, 2, 2, term=2, count=data.draw(st.integers(2, 5)))
    for _ in range(data.draw(st.integers(1, 12))):
        before = state
        source = data.draw(st.sampled_from(state.peers))
        state = take(state, stored(data.draw(st.integers(0, 5)), source, term=2)).state

        assert state.commit_index >= before.commit_index
        assert all(0 <= p.match_index < p.next_index for p in leading(state).progress)
        assert all(
            n.match_index >= b.match_index
            for b, n in zip(leading(before).progress, leading(state).progress, strict=True)
        )


# The follower


@pytest.mark.parametrize(
    ("message", "commit"),
    [
        pytest.param(append(1, previous=(1, 1), commit=1), 1, id="as far as the leader"),
        pytest.param(append(1, previous=(1, 1), commit=2), 2, id="with the entries"),
        pytest.param(append(1, previous=(1, 1), commit=9), 2, id="no further than the entries"),
        pytest.param(append(previous=(1, 1), commit=9), 1, id="no further than the entry before"),
        pytest.param(append(1, previous=(0, 0), commit=9), 1, id="not what lies behind"),
        pytest.param(append(1, previous=(2, 2), commit=9), 0, id="nothing if it does not fit"),
    ],
)
def test_a_follower_commits_what_it_is_known_to_share(message, commit: int) -> None:  # type: ignore[no-untyped-def]
    """The smaller of the leader's commit index and the last entry that the message vouches for (figure 2, rule 5)."""
    step = take(follower(1, 1, 1, term=2), type(message)(**{**as_fields(message), "term": 2}))

    assert step.state.commit_index == step.state.applied_index == commit
    assert len(of_type(step, Apply)) == commit


def as_fields(message: object) -> dict[str, object]:
    """The fields of *message* by name."""
    return {name: getattr(message, name) for name in type(message).__match_args__}  # type: ignore[attr-defined]


def test_a_late_message_does_not_take_a_commit_back() -> None:
    """Its commit index is lower, because it was sent earlier."""
    step = take(follower(1, 1, term=1, leader="s2", commit=2), append(1, commit=1))

    assert step.state.commit_index == 2
    assert of_type(step, Apply) == ()


def test_everything_is_applied_once_and_in_order() -> None:
    """Twice told is applied once."""
    told = append(1, 1, 1, commit=2)
    first = take(follower(term=1), told)
    second = take(first.state, told)
    third = take(second.state, append(previous=(3, 1), commit=3))

    applied = [effect.index for step in (first, second, third) for effect in of_type(step, Apply)]
    assert applied == [1, 2, 3]
    assert third.state.app_state == ("1.1", "2.1", "3.1")


# Figure 8


def _figure_8() -> Cluster:
    """Figure 8 (c): s1 leads term 4, its entry of term 2 is on s1, s2 and s3, and s5 has one of term 3."""
    cluster = Cluster(count=5, options=Options(noop=False, announce_commit=False))
    cluster.elect("s1", term=2, by=("s2", "s3"))
    cluster.lose_all()
    cluster.do("s1", ask("a"))  # (a) at index 1 of term 2, which s2 receives
    cluster.deliver("s1", "s2")
    cluster.crash("s1")
    cluster.lose_all()
    cluster.elect("s5", term=3, by=("s3", "s4"))
    cluster.do("s5", ask("b"))  # (b) at index 1 of term 3, which nobody receives
    cluster.crash("s5")
    cluster.lose_all()
    cluster.restart("s1")
    cluster.elect("s1", term=4, by=("s2", "s3"))
    cluster.deliver("s1", "s3")  # rejected: s3 has no entry 1
    cluster.deliver("s3", "s1")
    cluster.deliver("s1", "s3")  # (c) the entry of term 2 is on a majority
    cluster.deliver("s3", "s1")
    cluster.deliver("s1", "s2")
    cluster.deliver("s2", "s1")
    return cluster


def test_figure_8_does_not_commit_by_counting() -> None:
    """In (c) a majority has the entry of term 2, and yet it is not committed: in (d) s5 may overwrite it."""
    cluster = _figure_8()
    assert [cluster.durable(server).log.terms for server in ("s1", "s2", "s3", "s5")] == [(2,), (2,), (2,), (3,)]
    assert cluster.running("s1").commit_index == 0

    cluster.crash("s1")
    cluster.lose_all()
    cluster.restart("s5")
    cluster.elect("s5", term=5, by=("s2", "s3"))
    cluster.do("s5", ask("d"))
    cluster.settle()

    assert {cluster.durable(server).log.terms for server in ("s2", "s3", "s4", "s5")} == {(3, 5)}
    assert cluster.problems == []


def test_figure_8_commits_with_an_entry_of_its_own_term() -> None:
    """In (e) the entry of term 4 is on a majority, which commits both; s5 can no longer be elected."""
    cluster = _figure_8()
    cluster.do("s1", ask("e"))
    cluster.settle()
    assert cluster.running("s1").commit_index == 2

    cluster.crash("s1")
    cluster.restart("s5")
    cluster.stand("s5", term=5)
    cluster.settle()

    assert cluster.running("s5").role is not Role.LEADER
    assert cluster.problems == []


def test_a_new_leader_with_a_no_op_commits_what_was_left() -> None:
    """Nobody has to ask for anything: the no-op is an entry of its own term (dissertation §6.4)."""
    states = states_of(Options(noop=True, announce_commit=False))
    took_office = take(candidate(1, 1, term=2), vote(term=2), states)
    step = take(took_office.state, stored(3, term=2), states)

    assert step.state.commit_index == 3
    assert step.state.app_state == ("1.1", "2.1")
