"""Pre-votes and the check of the quorum leave no cluster without a leader: it comes about on every fair run.

What shipped elsewhere were deadlocks of these options (etcd, Cloudflare 2020): states that nothing led out of. A search
for a goal shows that some run gets there; here it is shown that none can be kept from it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from attrs import evolve

from checker.errors import UsageError
from checker.mutants import find_mutant
from checker.prompt import Cluster, Links, PromptRaft, isolating, only
from checker.unavoidable import Missed, Ways, never_comes, never_stays, ways_from
from raftframe import NOOP, DurableState, Entry, Log, Options, StandardStateMap
from raftframe.api.app import RecordingApp

PLAIN = Options(noop=False, announce_commit=False)
PREVOTE = evolve(PLAIN, prevote=True)
CHECKED = evolve(PLAIN, check_quorum=True)
BOTH = evolve(PLAIN, prevote=True, check_quorum=True)
THREE = ("s1", "s2", "s3")
FIVE = ("s1", "s2", "s3", "s4", "s5")
NETWORKS: tuple[Links, ...] = (frozenset(), *(isolating(server, THREE) for server in THREE))


def _states(options: Options, mutant: str | None) -> StandardStateMap:
    app = RecordingApp()
    return StandardStateMap(app, options) if mutant is None else find_mutant(mutant).states(app, options)


def _is_led(*followers: str) -> Callable[[Cluster], bool]:
    """Whether all of these servers follow one of them."""

    def is_led(cluster: Cluster) -> bool:
        states = [cluster.of(server) for server in followers]
        return any(
            all((one.leader, one.term) == (leader.identity, leader.term) for one in states)
            for leader in cluster.leaders()
            if leader.identity in followers
        )

    return is_led


@cache
def _in_a_storm(options: Options, mutant: str | None) -> tuple[Cluster, ...]:
    """All that three servers can come to while the network changes and servers begin again."""
    storm = PromptRaft(_states(options, mutant), THREE, most_terms=2, networks=NETWORKS, restarts=True)
    return tuple(ways_from([storm.begin()], storm.moves).moves)


def _after_any_storm(options: Options, gone: frozenset[str], mutant: str | None = None) -> Missed[Cluster] | None:
    """Servers were cut off and restarted at any moments; then the network is whole, and some are *gone* for good."""
    calm = PromptRaft(_states(options, mutant), THREE, most_terms=4, gone=gone)
    ways = ways_from([calm.without(cluster) for cluster in _in_a_storm(options, mutant)], calm.moves)
    return never_comes(ways, _is_led(*(server for server in THREE if server not in gone)))


@pytest.mark.parametrize("options", [PLAIN, PREVOTE, CHECKED, BOTH], ids=["plain", "prevote", "check_quorum", "both"])
def test_a_leader_comes_about_after_any_storm(options: Options) -> None:
    """Whatever servers have come to, those who are left end up with a leader that all of them follow."""
    missed = [_after_any_storm(options, gone) for gone in (frozenset(), frozenset({"s3"}))]

    assert missed == [None, None]


@pytest.mark.parametrize(
    ("mutant", "options", "gone"),
    [
        ("refuses_among_pre_candidates", BOTH, frozenset({"s3"})),  # F3
        ("ignores_stale_appends", CHECKED, frozenset()),  # F6
        ("is_loyal_to_nobody", CHECKED, frozenset({"s3"})),  # F7
    ],
)
def test_the_deadlocks_that_shipped_are_found(mutant: str, options: Options, gone: frozenset[str]) -> None:
    """With the rule broken there is a state that nothing leads out of."""
    missed = _after_any_storm(options, gone, mutant)

    assert missed is not None


@pytest.mark.parametrize("mutant", [None, "ignores_stale_pre_votes"])
def test_a_server_behind_in_term_and_ahead_in_the_log_ends_an_election(mutant: str | None) -> None:
    """etcd's deadlock of pre-votes (F1): of two servers neither could win, for each lacked what the other had."""
    raft = PromptRaft(_states(PREVOTE, mutant), THREE, most_terms=7, last_index=1, gone=frozenset({"s3"}))
    stored = {"s1": DurableState(term=1, log=Log((Entry(1, NOOP),))), "s2": DurableState(term=5)}

    missed = never_comes(ways_from([raft.begin(stored=stored)], raft.moves), _is_led("s1", "s2"))

    assert (missed is None) == (mutant is None)


def _partly_connected(options: Options) -> Ways[Cluster]:
    """Five servers, of which s4 and s5 reach one other each, and not the same."""
    links = only([("s1", "s2"), ("s1", "s3"), ("s2", "s3"), ("s4", "s2"), ("s5", "s3")], FIVE)
    raft = PromptRaft(_states(options, None), FIVE, most_terms=3)
    return ways_from([raft.begin(links)], raft.moves)


def _has_followers(cluster: Cluster) -> bool:
    """Whether a majority of five follows a leader."""
    followed = [state.leader for state in cluster.servers]
    return any(followed.count(leader.identity) >= 3 for leader in cluster.leaders())


def test_a_leader_lasts_though_some_reach_only_some() -> None:
    """With pre-votes and the check of the quorum, whoever is elected stays so in the end (F8)."""
    missed = never_stays(_partly_connected(BOTH), _has_followers)

    assert missed is None


def test_without_either_no_leader_lasts() -> None:
    """Those who do not hear from it depose every leader, over and over."""
    ways = _partly_connected(PLAIN)

    assert never_comes(ways, _has_followers) is None
    assert never_stays(ways, _has_followers) is not None


def test_too_many_states_are_refused() -> None:
    """Nothing is claimed of a graph that is not whole."""
    with pytest.raises(UsageError, match="more than 3 states"):
        ways_from([0], lambda state: {"next": state + 1}, most=3)


def test_what_comes_need_not_stay() -> None:
    """A ring comes by each of its states, and stays in none; a dead end is missed by whoever looks for the ring."""
    ring = ways_from([0], lambda state: {"next": (state + 1) % 3})
    ends = ways_from([0], lambda state: {"on": 1, "back": 0} if state == 0 else {})

    assert never_comes(ring, lambda state: state == 2) is None
    assert never_stays(ring, lambda state: state == 2) == Missed((), 0)
    assert never_comes(ends, lambda state: state == 0) == Missed(("on",), 1)
    assert never_stays(ends, lambda state: state == 1) is None
