"""Workers share the work of a search, and nothing in the report shows how many there were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Barrier, Event, current_thread
from typing import Any

import numpy as np
import pytest
from attrs import asdict

from checker.engine import search
from checker.engine.compiled import call, compiled, take
from checker.engine.layout import Int64s, Number
from checker.engine.workers import PATIENCE, Workers
from checker.errors import UsageError
from checker.explore import Report, check
from checker.reductions import shares
from checker.reductions.choice import REDUCTIONS
from checker.system import ActorId, Bounds, State
from examples.raft_core import Role, Server, election_safety, raft_core


def nobody_leads_term_two(states: Mapping[ActorId, State]) -> str | None:
    """A property that does not hold."""
    for server in states.values():
        assert isinstance(server, Server)
        if server.role is Role.LEADER and server.term == 2:
            return "a leader of term 2"
    return None


def explore(workers: int, **options: object) -> Report:
    """raft_core with three servers and two timeouts."""
    properties = [election_safety, nobody_leads_term_two]
    bounds = Bounds({"timeouts": 2})
    return check(raft_core(3), properties=properties, bounds=bounds, workers=workers, **options)  # type: ignore[arg-type]


def told(report: Report) -> dict[str, object]:
    """All that a report says, but its times."""
    kept = asdict(report, recurse=False)
    return {name: value for name, value in kept.items() if "seconds" not in name}


@pytest.mark.parametrize("options", [{}, {"stop_at_first": False}, {"max_states": 20_000}, {"exact": True}])
def test_reports_are_the_same(monkeypatch: pytest.MonkeyPatch, options: dict[str, object]) -> None:
    """Counts, limits, and the very counterexample: also when chunks are so small that every level has many."""
    monkeypatch.setattr(search, "WORLDS", 32)

    one, two, five = (told(explore(workers, **options)) for workers in (1, 2, 5))

    assert one == two == five
    assert one["violations"]


@pytest.mark.parametrize("kinds", [("dead",), ("dead", "covered"), REDUCTIONS])
def test_reports_of_a_reduced_space_are_the_same(monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...]) -> None:
    """As with the full space, also when shares are so small that most levels have several."""
    monkeypatch.setattr(shares, "WORLDS", 4)

    one, two, five = (told(explore(workers, reduce=kinds)) for workers in (1, 2, 5))

    assert one == two == five
    assert one["violations"]


def test_shares_have_all_worlds_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """No share has more worlds than one has, and together they have all that are to be expanded; none is twice."""
    seen: list[list[int]] = []
    monkeypatch.setattr(shares, "WORLDS", 4)
    expand = shares.Shares.expand

    def noted(*given: Any) -> Sequence[shares.Share]:
        used = expand(*given)
        seen.append([len(share.todo) for share in used])
        assert np.array_equal(np.concatenate([share.todo for share in used]), given[3])
        return used

    monkeypatch.setattr(shares.Shares, "expand", noted)

    explore(2, reduce=("dead",))

    assert max(map(len, seen)) >= 10
    assert all(size == 4 for sizes in seen for size in sizes[:-1])


def test_all_share_one_job() -> None:
    """Every worker does the job at the same time, and no more of them than there are parts."""
    workers = Workers(4)
    together, names = Barrier(4), set[str]()

    def meet() -> None:
        together.wait(timeout=30)
        names.add(current_thread().name + str(current_thread().ident))

    workers.all(meet, 100)
    alone: list[int | None] = []
    workers.all(lambda: alone.append(current_thread().ident), 1)
    workers.close()

    assert len(names) == 4
    assert alone == [current_thread().ident]


def test_the_caller_does_first_what_it_alone_can() -> None:
    """The others begin at once, and do not wait for it; what it raises is raised when all have ended."""
    workers = Workers(2)
    began, ended = Event(), list[str]()

    def job() -> None:
        began.set()
        ended.append(current_thread().name)

    workers.all(job, 2, lambda: began.wait(timeout=30))
    assert len(set(ended)) == 2

    with pytest.raises(ZeroDivisionError):
        workers.all(job, 2, lambda: 1 // 0)
    workers.close()
    assert len(ended) == 4


@compiled
def do_parts(done: Int64s, turns: Int64s, rounds: Number) -> None:
    """Take part after part; each is *rounds* times something small, and counts how often it was done."""
    part = take(turns, 0)
    while part < done.shape[0]:
        for _ in range(rounds):
            take(done, part)
        part = take(turns, 0)


@pytest.mark.parametrize(("rounds", "patience"), [(1, PATIENCE), (1, 1), (100_000, 1)])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_calls_are_shared(monkeypatch: pytest.MonkeyPatch, count: int, rounds: int, patience: int) -> None:
    """Each part is done once, one call after the other, whether workers and the caller sleep in between or not."""
    monkeypatch.setattr("checker.engine.workers.PATIENCE", patience)
    workers, done = Workers(count), np.zeros(8, np.int64)

    for _ in range(300 if rounds == 1 else 3):
        workers.all(call(do_parts, done, np.zeros(1, np.int64), rounds), len(done))
        workers.all(lambda: None, 2)

    workers.close()
    assert set(done.tolist()) == {300 if rounds == 1 else 3 * rounds}


def test_each_does_all_of_them_in_order() -> None:
    """Results come in the order of the things, whoever did them."""
    workers = Workers(4)

    assert workers.each(lambda number: number * number, range(1000)) == [number * number for number in range(1000)]
    workers.close()


def test_what_a_worker_raises_is_raised() -> None:
    """An exception on any thread reaches the caller, and the workers go on."""
    workers = Workers(2)
    caller, together = current_thread(), Barrier(2)

    def fail() -> None:
        together.wait(timeout=30)
        if current_thread() is not caller:
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            workers.all(fail, 2)
    workers.close()


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_workers_are_a_number(workers: int) -> None:
    """Anything else is refused, and the message says what to write."""
    with pytest.raises(UsageError, match="1 or more"):
        explore(workers)
