"""Random clusters keep every promise of Raft, whatever is lost, doubled or reordered, whoever crashes, and recover."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from checker.mutants import find_mutant
from raftframe import Options, Role
from raftframe.events import ElectionTimeout, HeartbeatTimeout
from raftframe.marks import Mark

from .cluster import Cluster
from .support import ask
from .walk import walk

some_options = st.builds(
    Options,
    noop=st.booleans(),
    batch=st.sampled_from([None, 1, 2]),
    announce_commit=st.booleans(),
    snapshot_every=st.sampled_from([None, 1, 3]),
    snapshot_keeps=st.sampled_from([0, 2]),
)
which = st.integers(0, 10_000)


class AnyHistory(RuleBasedStateMachine):
    """A cluster to which anything happens that may; the promises are checked after each step, progress at the end."""

    cluster: Cluster

    @initialize(count=st.integers(3, 5), options=some_options)
    def begin(self, count: int, options: Options) -> None:
        """A fresh cluster."""
        self.cluster = Cluster(count=count, options=options)

    def _server(self, number: int) -> str:
        return sorted(self.cluster.servers)[number % len(self.cluster.servers)]

    def _position(self, number: int) -> int:
        return number % len(self.cluster.in_flight)

    def _fine(self) -> None:
        assert self.cluster.problems == []

    @rule(server=which)
    def election_timeout(self, server: int) -> None:
        """Somebody's patience is over."""
        self.cluster.do(self._server(server), ElectionTimeout())
        self._fine()

    @rule(server=which)
    def heartbeat_timeout(self, server: int) -> None:
        """Somebody's heart beats, perhaps too late."""
        self.cluster.do(self._server(server), HeartbeatTimeout())
        self._fine()

    @rule(server=which)
    def command(self, server: int) -> None:
        """A client asks anybody."""
        self.cluster.serial += 1
        self.cluster.do(self._server(server), ask(f"x{self.cluster.serial}", self.cluster.serial))
        self._fine()

    @rule()
    def command_for_the_leader(self) -> None:
        """A client asks whoever leads."""
        self.cluster.serial += 1
        for server, known in self.cluster.servers.items():
            if known.state is not None and known.state.role is Role.LEADER:
                self.cluster.do(server, ask(f"x{self.cluster.serial}", self.cluster.serial))
        self._fine()

    @precondition(lambda self: self.cluster.in_flight)
    @rule(position=which, keep=st.booleans())
    def delivery(self, position: int, keep: bool) -> None:
        """Any message arrives, for the last time or not."""
        self.cluster.receive(self._position(position), keep=keep)
        self._fine()

    @precondition(lambda self: self.cluster.in_flight)
    @rule(many=st.integers(1, 8))
    def deliveries(self, many: int) -> None:
        """Several messages arrive in the order in which they were sent."""
        for _ in range(min(many, len(self.cluster.in_flight))):
            self.cluster.receive(0)
        self._fine()

    @precondition(lambda self: self.cluster.in_flight)
    @rule(position=which)
    def loss(self, position: int) -> None:
        """Any message is lost."""
        self.cluster.in_flight.pop(self._position(position))

    @precondition(lambda self: self.cluster.in_flight)
    @rule(position=which, done=st.integers(0, 4))
    def crash_while_handling(self, position: int, done: int) -> None:
        """A server dies after some of a step's effects."""
        self.cluster.receive(self._position(position), dies_after=done)
        self._fine()

    @rule(server=which, losing_unsynced=st.booleans(), at_once=st.booleans())
    def crash(self, server: int, losing_unsynced: bool, at_once: bool) -> None:
        """A server dies between two steps, and may come back at once."""
        self.cluster.crash(self._server(server), losing_unsynced=losing_unsynced)
        if at_once:
            self.cluster.restart(self._server(server))
        self._fine()

    @rule(server=which)
    def restart(self, server: int) -> None:
        """A server comes back."""
        self.cluster.restart(self._server(server))
        self._fine()

    def teardown(self) -> None:
        """When nothing fails any more, somebody leads, and everybody applies the same."""
        if not hasattr(self, "cluster"):
            return
        self.cluster.heal()

        states = [self.cluster.running(server) for server in self.cluster.servers]
        assert all(one.log.starts_with(other.log) for one in states for other in states)
        assert len({state.app_state for state in states}) == 1
        assert all(state.applied_index == state.log.last_index for state in states)
        assert states[0].app_state[-1] == "healed"  # type: ignore[index]
        self._fine()


TestAnyHistory: Any = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@given(count=st.integers(1, 6), options=some_options)
@settings(max_examples=25, deadline=None)
def test_a_cluster_of_any_size_gets_to_work(count: int, options: Options) -> None:
    """From nothing to a committed command on every server, even-sized clusters and single servers included."""
    cluster = Cluster(count=count, options=options)

    assert cluster.heal() == "s1"
    assert {cluster.running(server).app_state for server in cluster.servers} == {("healed",)}
    assert cluster.problems == []


# a planted bug, and the seed of a walk that meets it
NOTICED = {
    "forgets_vote_on_step_down": 2,
    "forgets_vote_on_restart": 0,
    "forgets_own_vote_on_restart": 0,
    "forgets_term_on_restart": 0,
    "ignores_candidate_log": 1,
    "compares_log_length_only": 3,
    "votes_for_everybody": 0,
    "leads_with_half": 0,
    "counts_refusals": 1,
    "keeps_conflicting_entries": 1,
    "skips_consistency_check": 3,
    "commit_index_goes_back": 1,
    "acknowledges_before_sync": 0,
    "match_index_goes_back": 1,
    "backs_up_without_floor": 3,
    "counts_own_entry_before_sync": 0,
}


@pytest.mark.parametrize(("mutant", "seed"), NOTICED.items(), ids=NOTICED.keys())
def test_these_clusters_notice_planted_bugs(mutant: str, seed: int) -> None:
    """Finding nothing wrong in the real rules proves something only because much that is wrong is found."""
    cluster = walk(seed, 600, mixin=find_mutant(mutant).rules, until_broken=True)

    assert cluster.problems != []


@pytest.mark.parametrize("seed", sorted(set(NOTICED.values())))
def test_the_real_rules_keep_every_promise_on_the_same_walks(seed: int) -> None:
    """The same things happen, and nothing is wrong."""
    assert walk(seed, 600).problems == []


WITH_SNAPSHOTS = Options(batch=2, snapshots=True, snapshot_every=4, snapshot_keeps=1)


@pytest.mark.parametrize("seed", range(7))
def test_servers_that_take_snapshots_keep_every_promise_and_recover(seed: int) -> None:
    """By themselves and when they are told, with crashes between any two effects; in the end all have done the same,
    and not without a snapshot that was sent.
    """
    cluster = walk(seed, 600, options=WITH_SNAPSHOTS)

    cluster.heal()

    assert cluster.problems == []
    assert len({cluster.running(server).app_state for server in cluster.servers}) == 1
    marks = {mark for step in cluster.steps for mark in step.marks}
    assert {Mark.TOOK_SNAPSHOT, Mark.COMPACTED_LOG, Mark.INSTALLED_SNAPSHOT} <= marks
