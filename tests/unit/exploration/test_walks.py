"""Random walks: what they find is real and short, they repeat, and they never claim to have seen everything."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve

from checker.engine.checkpoints import Checkpoint
from checker.engine.walks import AT_ONCE, Walks
from checker.errors import UsageError
from checker.explore import Report, check
from checker.mutants import MUTANTS
from checker.properties.raft import RAFT_PROPERTIES
from checker.system import ActorId, Bounds, State
from examples.raft_core import raft_core

from .toys import Counters, Senders

RAFT = Bounds({"timeouts": 2, "commands": 1})


def walking(walks: Walks, **options: object) -> Report:
    """Walks of raft_core."""
    return check(raft_core(3), **({"bounds": RAFT, "walks": walks} | options))  # type: ignore[arg-type]


def without_times(report: Report) -> Report:
    """The report, but for what differs from run to run."""
    return evolve(report, seconds=0.0, compile_seconds=0.0)


def b_never_goes(states: Mapping[ActorId, State]) -> bool:
    """Whether a went all the way, and b not at all."""
    return (states["a"], states["b"]) == (3, 0)


def test_walks_come_to_every_world_of_a_small_space_and_claim_nothing() -> None:
    """All 16 worlds are met, and the verdict is unknown all the same."""
    report = check(Counters(), bounds=Bounds({"goes": 6}), walks=Walks(count=500, length=10))

    assert (report.verdict, report.complete, report.limits_hit) == ("unknown", False, ("walks",))
    assert (report.states, report.depth, report.marks) == (16, 7, {"counted": 6})


@pytest.mark.parametrize("swarm", [False, True])
def test_the_same_seed_makes_the_same_walks(swarm: bool) -> None:
    """Reports are equal, however the work is shared; another seed goes elsewhere."""
    walks = Walks(count=200, length=30, seed=7, swarm=swarm)

    report = walking(walks)

    assert without_times(report) == without_times(walking(walks)) == without_times(walking(walks, workers=2))
    assert report.states != walking(evolve(walks, seed=8)).states


def test_walks_stay_within_the_space() -> None:
    """More walks meet more worlds, in more than one batch too, and never more than there are."""
    whole = check(raft_core(3), bounds=Bounds({"timeouts": 1, "commands": 1}), reduce=())

    few, many = (walking(Walks(count=count), bounds=Bounds({"timeouts": 1, "commands": 1})) for count in (20, 9000))

    assert AT_ONCE < 9000
    assert few.states < many.states <= whole.states
    assert set(many.marks) <= set(whole.marks)


def test_a_walk_has_an_end() -> None:
    """No walk is longer than it may be."""
    assert walking(Walks(count=50, length=7)).depth == 8


def test_a_swarm_goes_to_the_edges() -> None:
    """That one of two counters goes all the way while the other never does is far more frequent in a swarm."""
    bounds, aim = Bounds({"goes": 3}), [b_never_goes]

    def share(swarm: bool) -> int:
        seeds = range(200)
        walks = (Walks(count=1, length=3, seed=seed, swarm=swarm) for seed in seeds)
        reports = (check(Counters(), bounds=bounds, sometimes=aim, walks=one) for one in walks)
        return sum(report.sometimes["b_never_goes"].count for report in reports)

    plain, swarm = share(False), share(True)

    assert plain < 40 < swarm  # of 200: 25 and 64 are expected


def test_a_bug_is_found_and_its_run_is_shortened() -> None:
    """A planted bug of Raft is told by a run of which nothing can be left out: here as short as the shortest."""
    mutant = next(one for one in MUTANTS if one.name == "counts_stale_votes")
    system = mutant.system()

    report = check(
        system, properties=RAFT_PROPERTIES, bounds=Bounds({"timeouts": 3}), walks=Walks(count=20_000, seed=1)
    )

    assert report.verdict == "fail"
    assert report.violations[0].property == "election_safety"
    assert len(report.violations[0].events) == 7


def test_a_goal_is_reached() -> None:
    """A walk that comes to a goal is a witness."""
    report = check(Counters(), bounds=Bounds({"goes": 6}), goal=b_never_goes, walks=Walks(count=100))

    assert report.verdict == "pass"
    assert report.reached is not None and len(report.reached.events) == 3


def short(actor: ActorId, state: State) -> bool:
    """Whether at most four messages arrived: on a network that may repeat them for ever, somebody must count."""
    return len(state) <= 4  # type: ignore[arg-type]


@pytest.mark.parametrize("network", ["unordered", "fifo", "ever-sent"])
def test_every_network_can_be_walked(network: str) -> None:
    """Losses and duplicates too, where a channel has them: all worlds are met."""
    faults = {} if network == "ever-sent" else {"drops": 1, "duplicates": 1}
    options: dict[str, object] = {"bounds": Bounds({"goes": 2} | faults), "network": network, "within": short}

    walked = check(Senders(), walks=Walks(count=3000, length=20, swarm=True), **options)  # type: ignore[arg-type]

    assert walked.states == check(Senders(), reduce=(), **options).states  # type: ignore[arg-type]


@pytest.mark.parametrize("option", [{"exact": True}, {"graph": True}, {"reduce": ["dead"]}, {"order": "depth"}])
def test_walks_remember_nothing(option: dict[str, object]) -> None:
    """What needs a memory of all worlds is refused."""
    with pytest.raises(UsageError, match="random walks remember nothing"):
        walking(Walks(), **option)


def test_walks_have_no_checkpoints() -> None:
    """They can be taken with another seed instead."""
    with pytest.raises(UsageError, match="leave reduce, exact, graph, walks and order out"):
        walking(Walks(), checkpoint=Checkpoint(folder="kept"))
