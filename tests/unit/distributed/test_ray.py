"""The engine "ray": the same search by actors of a Ray cluster, here one of this machine's own."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bank_app.app import BankingApp
from checker.distributed import ray_crew
from checker.distributed.ray_crew import Cluster, LostWorkers, Ray, RayCrew
from checker.errors import UsageError
from checker.explore import Report, check
from checker.raft_system import RaftSystem
from checker.system import Bounds
from examples.raft_core import raft_core
from raftframe import StandardStateMap
from scenarios.cli import main

from .shares import check_in_shares, everything
from .test_shares import OPTIONS, TWO_TIMEOUTS

PROCESSORS = 3


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Cluster]:
    """One cluster for the tests of this module, with room for little."""
    cluster = Cluster(Ray(), PROCESSORS, store_bytes=100 << 20)
    yield cluster
    cluster.close()


def on_ray(workers: int, **options: Any) -> Report:
    """raft_core with three servers, explored on the cluster."""
    return check(raft_core(3), engine="ray", workers=workers, reduce=(), **options)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_counts(workers: int) -> None:
    """States, transitions and depth are exact for any number of workers, and each holds its share."""
    report = on_ray(workers, **TWO_TIMEOUTS)

    assert (report.states, report.transitions, report.depth) == (33_052, 141_639, 18)
    assert (report.verdict, report.complete) == ("pass", True)
    assert sum(holding.states for holding in report.holdings) == report.states
    assert len({holding.process for holding in report.holdings} | {os.getpid()}) == workers + 1


@pytest.mark.parametrize("name", ["a violation", "fifo"])
def test_it_is_the_search_in_shares(name: str) -> None:
    """All that is reported is what owners in one process find, whom `test_shares.py` compares with the local engine."""
    assert everything(on_ray(2, **OPTIONS[name])) == everything(
        check_in_shares(raft_core(3), workers=1, **OPTIONS[name])
    )


def test_a_limit_is_told() -> None:
    """A limit that is hit makes the verdict unknown, and is named."""
    report = on_ray(2, **TWO_TIMEOUTS, max_states=20_000)

    assert (report.verdict, report.complete, report.limits_hit) == ("unknown", False, ("max_states",))
    assert report.states == 20_000


def test_whoever_asks_for_the_end_is_told_what_was_found() -> None:
    """As Ctrl-C does."""
    asked: list[int] = []

    report = on_ray(2, **TWO_TIMEOUTS, stop=lambda: bool(asked.append(1)) or len(asked) > 40)

    assert (report.verdict, report.limits_hit) == ("unknown", ("interrupted",))
    assert report.states > 1


def test_a_worker_that_dies_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search ends with a sentence that says who died, what is lost with it, and what to do."""
    crews: list[RayCrew] = []
    begin = RayCrew.begin

    def begin_watched(self: RayCrew, *how: Any) -> None:
        begin(self, *how)
        crews.append(self)

    def kill_one() -> bool:
        os.kill(crews[0].where[1][1], signal.SIGKILL)
        return False

    monkeypatch.setattr(RayCrew, "begin", begin_watched)

    with pytest.raises(
        LostWorkers, match=r"worker 2 \(process \d+ on .*\) of 2 is lost, .* 1 in 2 of the .* begin again"
    ):
        on_ray(2, **TWO_TIMEOUTS, stop=kill_one)


def test_more_workers_than_processors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the search would wait for ever."""
    monkeypatch.setattr(ray_crew, "FREE_WITHIN_S", 0.1)

    with pytest.raises(UsageError, match="3 of its processors free: ask for at most so many workers"):
        on_ray(PROCESSORS + 1, **TWO_TIMEOUTS)


def test_where_nobody_listens_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and Ray is not asked: it would go on knocking for minutes."""
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

    with pytest.raises(UsageError, match=f"there is no Ray cluster at '{address}' that can be joined: .* refused"):
        check(raft_core(3), engine=Ray(address), bounds=Bounds({"timeouts": 1}), reduce=())


def test_without_ray_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(UsageError, match=r"needs Ray, which is not installed: pip install 'raftframe\[ray\]'"):
        on_ray(2, **TWO_TIMEOUTS)


def test_raft_by_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`raftframe check --engine ray` explores the protocol, of which no worker runs a line, and says what each held."""
    words = "raftframe check --limit timeouts=1 --engine ray --workers 2"
    monkeypatch.setattr("sys.argv", words.split())
    local = check(RaftSystem(StandardStateMap(BankingApp())), bounds=Bounds({"timeouts": 1}), reduce=())

    with pytest.raises(SystemExit) as ended:
        main()

    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"{local.states:,} states, {local.transitions:,} transitions, depth {local.depth}" in out
    assert "2 workers on 1 machine" in out
