"""Whatever a scenario asks for, its run comes to an end, and says why it was ended."""

from __future__ import annotations

import time

import pytest

from checker.views import render_html
from scenarios.runner import Verdict, journal
from scenarios.runner import run as running

from .support import fails, passes, run

ENDLESS = {
    "advance": "advance 1000000s",
    "advance again and again": "repeat 1000000\n  advance 100ms",
    "remarks": 'repeat 1000000\n  note "again"',
    "steps": "step 1000000000",
    "ticks": "tick s1 1000000000 elections",
    "run until, in steps": "run until s1.term == 5000 within 1000000000 steps",
    "run until, in time": "run until count(any handled) == 1000000 within 100000s",
    "eventually": "eventually s1.term == 5000 within 1000000s",
    "timeouts of nothing": "repeat 1000000\n  set all.timeout = 0\n  advance 1ms",
    "a client": "partition s1 | s2 | s3\nrepeat 1000000\n  client c1 put x\n  advance 20ms",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_run_has_so_many_steps_and_no_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An action that would take more fails, and says so; scanning all messages after each step is no way around."""
    monkeypatch.setattr(journal, "MOST_STEPS", 2_000)

    result = fails(ENDLESS[name], "action", "no run takes more")

    assert result.steps == 2_000


def test_a_run_has_so_many_statements_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that take no step count, too."""
    monkeypatch.setattr(running, "MOST_STATEMENTS", 1_000)

    fails("repeat 1000\n  repeat 1000\n    repeat 1000\n      let k = s1.term", "action", "statements in one run")


def test_a_run_reports_so_many_failures_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hundredth failure of one loop says nothing new."""
    monkeypatch.setattr(running, "MOST_FAILURES", 10)

    result = run("repeat 1000000\n  expect s1.term == 7")

    assert len(result.failures) == 11 and "10 checks have failed" in str(result.failures[-1])


@pytest.mark.parametrize("steps", ["tick s1 5", "advance 1ms", "step 3", "settle"])
def test_timeouts_of_nothing_end(steps: str) -> None:
    """A timer that is due at once fires once, and is set anew."""
    passes(f"set all.timeout = 0\n{steps}")


def test_what_is_delayed_for_ever_is_settled_last() -> None:
    """A delay puts off; it does not hold."""
    passes("timeout s1\ndelay any by 1000000000 steps\nsettle\nexpect s1 is leader")
    passes("timeout s1\ndelay any by 1000000s\nsettle\nexpect s1 is leader")


@pytest.mark.parametrize("before", ["crash all", "isolate s1 s2 s3", "partition s1 | s2 | s3 | c1"])
def test_a_client_that_reaches_nobody_gives_up(before: str) -> None:
    """After ten seconds of the clock, not of ours."""
    result = run(f"{before}\nclient c1 put x => ok")

    assert result.verdict is Verdict.FAIL


@pytest.mark.parametrize("limit", ["time 1s", "states 2000"])
def test_a_search_of_a_huge_space_is_cut(limit: str) -> None:
    """Seven servers, everything may happen, no budget but time or states: unknown, and by what."""
    vary = "vary deliver, timeout, heartbeat, crash, restart, drop, duplicate"
    budgets = "timeouts 99, heartbeats 99, crashes 99, restarts 99, drops 99, duplicates 99"
    begun = time.monotonic()

    result = run(f"explore\n  {vary}\n  limit {budgets}, {limit}", header="servers: 7\n")

    assert result.verdict is Verdict.UNKNOWN and "was cut by max_" in result.reason
    assert time.monotonic() - begun < 60


def test_pictures_of_long_runs_take_time_in_proportion() -> None:
    """Ten times the steps may not take a hundred times as long: this once hid as a run that never ended."""
    seconds = []
    for length in ("1s", "10s"):
        trace = run(f"advance {length}", header="servers: 5\n").trace
        assert trace is not None
        begun = time.process_time()
        render_html(trace)
        seconds.append((time.process_time() - begun) / len(trace.steps))

    assert seconds[1] < 6 * seconds[0]
