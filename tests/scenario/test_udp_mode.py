"""Scenarios run, unchanged, on servers in processes of their own, over UDP; `make test-udp` runs all that can."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.views import render_html, render_text
from raftframe.api.app import Applied, RecordingApp
from scenarios.commands.run import command
from scenarios.language.loader import load, load_if_fit
from scenarios.runner import Verdict, run_instance, run_loaded
from scenarios.runner.setup import plain_setup
from tests.scenario import support
from tests.scenario.support import LIBRARY, only_failure, verbs_of_mode, verbs_used
from tests.unit.runner.test_pauses import POINTS

FILES = (
    "clients/k10_no_lost_no_double_credit",
    "commit/c08_no_commit_without_new_term_entry",
    "counterexamples/12_two_leaders_after_forgotten_vote",
    "crashes/08_pause_points",
    "crashes/p06_leader_crash_after_send",
    "crashes/p14_crash_losing_unsynced",
    "crashes/p18_stop_is_clean",
    "crashes/wiped_server_breaks_every_promise",
    "elections/07_vote_survives_restart",
    "elections/e08_dueling_candidates",
    "elections/e21_disruptive_rejoiner",
    "etcd/prevote_checkquorum",
    "partitions/n16_clock_skew",
    "reads/query_goes_through_the_log",
    "replication/r17_slow_follower_does_not_slow_commit",
)
MODE = "udp"
ME = "tests.scenario.test_udp_mode"
SOON_S = 20.0
run = partial(support.run, mode=MODE)
instances_of = partial(support.instances_of, mode=MODE)


def servers_of(runner: int) -> set[int]:
    """The processes of servers that the process *runner* has started: it, and what it started, hold none open."""
    parents = {}
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            if process.name.isdigit():
                parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    starters = {runner, *(pid for pid, parent in parents.items() if parent == runner)}
    below = {pid for pid, parent in parents.items() if parent in starters} - starters
    return {pid for pid in below if "raftframe-scenario-" in opened_by(pid)}


def opened_by(pid: int) -> str:
    """The files that the process has open."""
    with contextlib.suppress(OSError):
        return " ".join(str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir())
    return ""


def runs(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    with contextlib.suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False


def comes_true(condition: Callable[[], bool]) -> bool:
    """Whether *condition* holds soon."""
    end_s = time.monotonic() + SOON_S
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_library_leaves_the_very_trace_that_sim_leaves(name: str) -> None:
    """Processes or values: every instance passes, with the same steps, messages and states, one by one."""
    for instance, plain in zip(instances_of(name), instances_of(name, mode="sim"), strict=True):
        result, expected = run_instance(instance), run_instance(plain)

        assert result.ok and result.verdict is not Verdict.SKIP, "\n".join(map(str, result.failures))
        assert result.trace is not None and expected.trace is not None
        assert result.trace.about["mode"] == "udp"
        assert result.trace.steps == expected.trace.steps
        assert result.elementary == expected.elementary


def test_these_files_use_every_verb_of_the_mode() -> None:
    """So that a verb that breaks on processes is noticed here."""
    unused = verbs_of_mode(MODE) - verbs_used(FILES, MODE)

    assert unused == {"use", "define", "note", "wipe"}  # the first three act on no cluster, and `wipe` is below


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_servers_stop_at_every_pause_point(point: str) -> None:
    """The same lines as in sim; what stops is a process, at its gate."""
    result = run(point, header="servers: 3\noptions: noop=off\n")

    assert result.verdict is Verdict.PASS, "\n".join(map(str, result.failures))


def test_what_is_on_the_wire_outlives_both_its_ends() -> None:
    """A message whose source and target have died since is handled by the next life of the target."""
    lines = (
        "timeout s1\nflush s1\ncrash s1 s2\nrestart s2\nduplicate RequestVote s1 -> s2\ndrop RequestVote s1 -> s3\n"
        "deliver RequestVote s1 -> s2\nexpect s2.voted_for == s1\ndeliver RequestVote s1 -> s2\nsettle\n"
        "restart s1\nelect s1\nsettle\nexpect s1 is leader and s3.term == s1.term"
    )
    result = run(lines)

    assert result.verdict is Verdict.PASS, "\n".join(map(str, result.failures))


def test_timers_stand_still_and_resuming_triggers_no_timeout() -> None:
    """Neither real time nor a pause makes anything fire; what a timer had left, it has left."""
    lines = (
        "timeout s1\nsettle\nset s2.timeout = 40\nshow s2 timers\npause s2\nadvance 120ms\nresume s2\nshow s2 timers\n"
        "expect s2.term == 1\npause s2 on timer election\nhold any s1 -> s2 as quiet\nrun until s2 is paused\n"
        "resume s2\nexpect s2.term == 1\nadvance 1ms\nexpect s2.term == 2\nrelease quiet"
    )
    result = run(lines)

    assert result.verdict is Verdict.PASS, "\n".join(map(str, result.failures))
    assert [line for line in result.shown if "election" in line] == ["s2 election timer 40 ms"] * 2


def test_a_disk_that_was_emptied_or_rewritten_is_what_a_server_begins_with() -> None:
    """`wipe`, `restart empty`, and `set` on a server that is down, whose log is a file."""
    lines = (
        "elect s1\nsettle\nclient c1 credit 10 => ok 10\nsettle\ncrash s2 s3\nwipe s3\nset s2.term = 7\n"
        "ignore invariant monotonic_term\nrestart s2\nrestart s3 empty\n"
        "expect s2.term == 7 and s2.last == 2 and s3.last == 0 and s3.term == 0"
    )
    result = run(lines)

    assert not [one for one in result.failures if one.check in ("expect", "action")], list(map(str, result.failures))


class Breaks(RecordingApp):
    """An application that cannot bear some commands, each in its own way."""

    def apply(self, state: tuple[Hashable, ...], operation: Hashable) -> Applied:
        if operation == "bad":
            raise RuntimeError("the application has a fault")
        if operation == "fatal":
            os._exit(7)
        if operation == "endless":
            time.sleep(60)
        return super().apply(state, operation)


def test_a_server_that_raises_is_a_finding_and_is_down() -> None:
    """The run says what was raised and where, goes on with the others, and can be drawn."""
    result = run(
        "elect s1\nsettle\nclient c1 bad to s1\ntry settle\nexpect s1 is crashed\nexpect s2 is follower",
        header=f"servers: 3\napp: {ME}:Breaks\n",
    )

    assert {failure.check for failure in result.failures} == {"no_handler_error"}
    assert "RuntimeError: the application has a fault (test_udp_mode.py:" in str(result.failures[0])
    assert "--mode udp" in str(result.failures[0])
    assert result.trace is not None
    assert "bad" in render_html(result.trace) and "s1" in render_text(result.trace)


def test_a_process_that_ends_by_itself_is_a_finding() -> None:
    """It says with which code; the others go on."""
    header = f"servers: 3\napp: {ME}:Breaks\n"
    result = run("elect s1\nsettle\nclient c1 fatal to s1\ntry settle\nexpect s1 is crashed\nelect s2", header=header)

    assert {failure.check for failure in result.failures} == {"no_handler_error"}
    assert "s1 ended: its process ended with 7" in str(result.failures[0])


def test_a_server_that_hangs_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait has a limit, and the line that waited is named; its process is killed."""
    header = f"servers: 1\napp: {ME}:Breaks\n"
    monkeypatch.setattr("raftframe.clusters.processes.CALL_TIMEOUT_S", 0.5)
    monkeypatch.setattr("raftframe.clusters.processes.END_TIMEOUT_S", 0.5)
    text = only_failure(run("elect s1\nclient c1 endless to s1", header=header))

    assert "client c1 endless to s1" in text and "did not answer in time" in text


class Unsendable(RecordingApp):
    """An application that cannot be pickled."""

    def __init__(self) -> None:
        self.file = sys.stdout


def test_what_cannot_be_sent_to_a_process_is_said_before_the_run() -> None:
    """The application; and a setup that a program has made."""
    from scenarios.runner.errors import SetupError
    from scenarios.runner.udp import UdpCluster

    text = only_failure(run("elect s1", header=f"servers: 1\napp: {ME}:Unsendable\n"))
    with pytest.raises(SetupError, match="made by a program"):
        UdpCluster(plain_setup(1))

    assert "the application cannot be sent to another process" in text


def test_invariants_are_judged_after_every_step() -> None:
    """A leader of a term in which another leads is found and named as in sim."""
    forgotten = "".join(f"set {name}.term = 0\nset {name}.voted_for = none\n" for name in ("s2", "s3"))
    result = run(f"elect s1\ncrash s1\n{forgotten}elect s2")

    assert "election_safety" in {failure.check for failure in result.failures}


def test_what_the_mode_lacks_is_said_before_the_run() -> None:
    """In a file that is meant for the mode it is an error; one of a folder is skipped, and says at which line."""
    path = LIBRARY / "commit/c07_figure_8_unreliable.scenario"

    (error, *_) = load(path, mode=MODE).errors
    assert "`explore` does not exist in mode udp" in str(error)
    assert all("`explore` does not exist" in (one.skip_reason or "") for one in load_if_fit(path, mode=MODE).instances)


def test_the_command_line_runs_a_folder() -> None:
    """What cannot run is skipped; `--twice` is for what is deterministic by construction."""
    folder = CliRunner().invoke(command, [str(LIBRARY / "reads"), "--mode", "udp", "-v"])
    twice = CliRunner().invoke(command, [str(LIBRARY / "reads"), "--mode", "udp", "--twice"])

    assert folder.exit_code == 0 and "passed" in folder.output
    assert twice.exit_code == 2 and "only sim is deterministic" in twice.output


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, -15)])
def test_no_process_outlives_the_runner(how: signal.Signals, code: int, tmp_path: Path) -> None:
    """Interrupted, terminated or killed in the middle of a run, and one of its servers stopped by SIGSTOP: all end."""
    file = tmp_path / "long.scenario"
    file.write_text("scenario: long\nservers: 3\n\nrepeat 1000\n  advance 10s\n", encoding="utf-8")
    program = "from scenarios.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "run", str(file), "--mode", "udp"], stderr=subprocess.DEVNULL
    ) as runner:
        assert comes_true(lambda: len(servers_of(runner.pid)) == 3)
        started = servers_of(runner.pid)
        os.kill(min(started), signal.SIGSTOP)
        runner.send_signal(how)
        assert runner.wait(SOON_S) == code

    assert comes_true(lambda: not any(runs(pid) for pid in started))


@pytest.mark.slow
def test_the_whole_library_passes() -> None:
    """Every file that can run in this mode does, and passes."""
    ran = 0
    for path in sorted(LIBRARY.rglob("*.scenario")):
        results = run_loaded(load_if_fit(path, mode=MODE)).instances
        ran += any(result.verdict is not Verdict.SKIP for result in results)
        for result in results:
            assert result.ok, "\n".join(map(str, result.failures))

    assert ran >= 110
