"""How a search is watched: what it is expected to come to, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest

from checker.engine import watch
from checker.engine.memory import STEP_BYTES, bytes_of, bytes_of_tables
from checker.engine.tables import Tables
from checker.engine.watch import Limits, Progress, Watch, expected_states
from checker.explore import check
from checker.system import Bounds
from checker.world import Rules
from examples.raft_core import RaftCore, raft_core

from .toys import Counters

# raft_core, 3 servers, 2 timeouts, 1 command: 3,378,034 worlds in 27 levels.
LEVELS = [
    *(1, 3, 12, 39, 117, 321, 900, 2490, 6546, 16065, 36162, 73575, 133764, 217791, 318630, 419103),
    *(490959, 504456, 446580, 334968, 209352, 106575, 43008, 13323, 2922, 360, 12),
]


@pytest.mark.parametrize("known", range(14, 28))
def test_the_whole_is_told_once_the_largest_level_is_in_sight(known: int) -> None:
    """From the first seventh of a space on, its size is known within a third."""
    expected = expected_states(LEVELS[:known])

    assert expected is not None
    assert sum(LEVELS) / 1.34 < expected < sum(LEVELS) * 1.34


@pytest.mark.parametrize("levels", [[], [1, 3, 12], [1, 2, 4, 8, 16], [1, 2, 4, 9, 25], [3, 2, 1, 0]])
def test_nothing_is_told_that_is_not_known(levels: list[int]) -> None:
    """Few levels, levels that grow ever faster, and a space that has ended tell nothing of those to come."""
    assert expected_states(levels) is None


def test_progress_is_told() -> None:
    """Whoever asked is told how far the search has come."""
    told: list[Progress] = []
    telling = Watch(Limits(), told.append, levels=[1, 4, 8, 12])
    telling.begin()
    telling._told = -1.0  # as if half a second had passed

    cut = telling.cut(25, 4, 7, lambda: 0)

    assert cut is None
    assert [(one.states, one.depth, one.left, one.expected) for one in told] == [(25, 4, 7, 41)]


def test_whoever_asks_ends_the_search() -> None:
    """The search ends when it is told to, and says so; what was found until then is kept."""
    asked: list[int] = []

    report = check(
        raft_core(3), bounds=Bounds({"timeouts": 2, "commands": 1}), stop=lambda: asked.append(1) or len(asked) == 9
    )

    assert (report.verdict, report.complete, report.limits_hit) == ("unknown", False, ("interrupted",))
    assert 1 < report.states < sum(LEVELS)


@pytest.mark.parametrize("reduce", [(), None])
def test_the_end_does_not_wait_for_a_whole_round(
    monkeypatch: pytest.MonkeyPatch, reduce: tuple[str, ...] | None
) -> None:
    """A step of a system may take long, and a round has many: who asks for the end waits for the one that runs."""
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.0)
    taken: list[object] = []
    step = RaftCore.step

    def told(*given: Any) -> Any:
        taken.append(given)
        return step(*given)

    monkeypatch.setattr(RaftCore, "step", told)
    bounds = Bounds({"timeouts": 9, "commands": 9})
    report = check(raft_core(3), bounds=bounds, stop=lambda: len(taken) > 40, reduce=reduce)

    assert (report.verdict, report.limits_hit) == ("unknown", ("interrupted",))
    assert 40 < len(taken) < 60


def test_time_is_looked_at_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be done is done until the time is up, and the search is cut for that reason."""
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.0)
    late = Watch(Limits(time_s=60.0))
    late.begin()
    done = []

    for number in late.until_over(range(5)):
        done.append(number)
        if number == 2:
            late.begun -= 61.0  # as if a minute had passed

    assert done == [0, 1, 2]
    assert late.cut(1, 1, 1, lambda: 0) == "max_time_s"


def test_memory_is_a_limit() -> None:
    """A search that takes more memory than it may ends, and names the limit."""
    report = check(raft_core(3), bounds=Bounds({"timeouts": 2, "commands": 1}), max_memory_bytes=3_000_000, reduce=())

    assert (report.verdict, report.limits_hit) == ("unknown", ("max_memory_bytes",))
    assert report.visited_bytes > 0


@pytest.mark.parametrize(
    ("reduce", "states", "limit"),
    [((), 10_000, 1_200_000), (("dead", "covered"), 900, 2_000_000), (None, 900, 2_000_000)],
)
def test_tables_take_memory(reduce: tuple[str, ...] | None, states: int, limit: int) -> None:
    """Where few worlds take many distinct steps, tables are most of what a search fills, and the limit is on them."""
    system, bounds = raft_core(3), Bounds({"timeouts": 2, "commands": 1})

    free = check(system, bounds=bounds, reduce=reduce, max_states=states)
    cut = check(system, bounds=bounds, reduce=reduce, max_states=states, max_memory_bytes=limit)

    assert (free.limits_hit, cut.limits_hit) == (("max_states",), ("max_memory_bytes",))
    assert free.visited_bytes < limit / 3


def test_what_tables_take_is_counted_as_they_fill() -> None:
    """Arrays to the byte, a column's list too, and so much for each distinct step."""
    tables = Tables(Rules(system=raft_core(3), bounds=Bounds({"timeouts": 1})))
    before = bytes_of_tables(tables)

    tables.step(tables.state_id(0, raft_core(3).initial("s1")), 0)

    arrays = bytes_of(tables) - before
    assert tables.distinct_steps == 1
    assert bytes_of_tables(tables) == before + arrays + STEP_BYTES
    assert arrays > 0


def test_how_soon() -> None:
    """For each event and mark, the report has the length of the shortest run to it."""
    report = check(raft_core(3), bounds=Bounds({"timeouts": 1, "commands": 1}), reduce=())

    assert report.first_depth["timeout"] == 1
    assert report.first_depth["deliver RequestVote"] == 2
    assert report.first_depth["command"] == 4
    assert report.never_happened == ()


def test_what_never_happens_is_told() -> None:
    """A budget that cannot be spent is no silent nothing: without an election, no command is ever taken."""
    report = check(raft_core(3), bounds=Bounds({"commands": 1, "heartbeats": 1}))

    assert report.never_happened == ("command", "heartbeat")


def test_nothing_is_amiss_where_everything_happened() -> None:
    """A kind without a budget is not missed."""
    report = check(Counters(), bounds=Bounds({"goes": 2}), reduce=())

    assert (report.never_happened, report.first_depth) == ((), {"counted": 1, "go": 1})
