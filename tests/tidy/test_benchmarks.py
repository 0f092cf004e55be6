"""The benchmarks read right: their table of counts, and what TLC prints. What they measure needs TLC, and time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import stateright, tlc
from benchmarks.reporting import verdict_on
from benchmarks.running import Run, run
from benchmarks.spaces import Counts, Measurement, Space, Unavailable, known_counts

PRINTED = """\
TLC2 Version 2.15 of Day Month 20?? (rev: d5b5a7f)
Progress(17) at 2026-01-01 00:00:00: 140,199 states generated, 32,937 distinct states found, 500 states left on queue.
21049 states generated, 6868 distinct states found, 0 states left on queue.
The depth of the complete state graph search is 18.
Finished in 01min 24s at (2026-01-01 00:00:00)
"""


def test_the_table_of_counts_is_read() -> None:
    """Exact counts are numbers, approximate ones are unknown and agree with anything."""
    counts = known_counts()

    assert counts[Space(3, 2, 1, 0, 0)] == Counts(3_378_034, 18_110_772, 27)
    assert counts[Space.parse("3/2/2/0/0")] == Counts(368_202_919, None, 38)
    assert counts[Space.parse("3/2/2/0/0")].agrees_with(Counts(368_202_919, 2_474_355_210, 38))
    assert not counts[Space.parse("3/2/2/0/0")].agrees_with(Counts(368_202_918, None, 38))


def test_a_space_that_is_none_is_refused() -> None:
    """The message says how a space is written."""
    with pytest.raises(ValueError, match="write N/T/R/H/CR"):
        Space.parse("3/2")


def test_what_tlc_prints_is_read() -> None:
    """The last line of counts is the one that counts, and the initial state is no transition."""
    measured, version = tlc.parse(Run(0, PRINTED, 1.5, 2.0, 1024))

    assert measured.counts == known_counts()[Space.parse("3/1/1/0/0")]
    assert verdict_on(Space.parse("3/1/1/0/0"), measured) == "exact"
    assert verdict_on(Space.parse("3/2/0/0/0"), measured) == "DIFFER"
    assert measured.search_seconds == 84.0
    assert "2.15" in version


def test_a_run_of_tlc_tells_its_time_in_parts() -> None:
    """Each unit that it may print is read; what it does not tell is None, not zero."""
    assert tlc.search_seconds("Finished in 523ms at (now)") == 0.523
    assert tlc.search_seconds("Finished in 01h 02min at (now)") == 3720.0
    assert tlc.search_seconds("TLC has ended") is None


def test_worlds_that_stand_for_others_are_judged_by_those() -> None:
    """With symmetry a count is not that of the table; for how many worlds it stands is."""
    symmetric = Measurement(Counts(1_200, 4_000, 18), 1.0, 1.0, 1024, stands_for=6_868)
    wrong = Measurement(Counts(1_200, 4_000, 18), 1.0, 1.0, 1024, stands_for=6_867)

    assert verdict_on(Space.parse("3/1/1/0/0"), symmetric) == "for 6,868"
    assert verdict_on(Space.parse("3/1/1/0/0"), wrong) == "DIFFER"


def test_a_run_of_tlc_that_failed_is_no_measurement() -> None:
    """A violation, or a space that was left early, raises with all that TLC printed."""
    with pytest.raises(RuntimeError, match="exited with 12"):
        tlc.parse(Run(12, PRINTED, 1.5, 2.0, 1024))
    with pytest.raises(RuntimeError, match="Progress"):
        tlc.parse(Run(0, PRINTED.replace(" 0 states left", " 7 states left"), 1.5, 2.0, 1024))


def test_a_tool_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever lacks TLC reads where it would have been looked for; whoever lacks Rust, that it is Rust."""
    monkeypatch.setattr("shutil.which", lambda _: "java")
    monkeypatch.setenv("TLA2TOOLS", str(tmp_path / "tla2tools.jar"))

    with pytest.raises(Unavailable, match=r"tla2tools\.jar: there is no such file"):
        tlc.find_jar()

    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(Unavailable, match="no `cargo` on the path"):
        stateright.build()


def test_a_run_is_measured_from_outside(tmp_path: Path) -> None:
    """Exit code, output, time and memory of a process are its own."""
    ended = run([sys.executable, "-c", "b = b'x' * (64 << 20); print('done'); raise SystemExit(4)"], tmp_path)

    assert (ended.exit_code, ended.output.strip()) == (4, "done")
    assert ended.seconds > 0
    assert ended.peak_bytes > 64 << 20
