"""Scenarios that were written in `sim` run, unchanged, on real threads; `make test-threads` runs all that can."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from functools import partial

import pytest
from click.testing import CliRunner

from checker.views import render_html
from raftframe.api.app import Applied, RecordingApp
from raftframe.clusters import pausing
from raftframe.storage.memory import MemoryLogStore
from scenarios.commands.run import command
from scenarios.language.loader import load, load_if_fit
from scenarios.runner import Verdict, run_instance, run_loaded, threads
from tests.scenario import support
from tests.scenario.support import LIBRARY, only_failure, verbs_of_mode, verbs_used
from tests.unit.runner.test_pauses import POINTS

FILES = (
    "clients/k10_no_lost_no_double_credit",
    "commit/c08_no_commit_without_new_term_entry",
    "counterexamples/12_two_leaders_after_forgotten_vote",
    "crashes/08_pause_points",
    "crashes/p06_leader_crash_after_send",
    "crashes/p18_stop_is_clean",
    "crashes/wiped_server_breaks_every_promise",
    "elections/e08_dueling_candidates",
    "elections/e21_disruptive_rejoiner",
    "log_repair/l01_figure_7_all_followers",
    "partitions/n16_clock_skew",
    "reads/query_goes_through_the_log",
    "replication/r17_slow_follower_does_not_slow_commit",
)
SCRIPTED = (
    "counterexamples/12_two_leaders_after_forgotten_vote",
    "crashes/wiped_server_breaks_every_promise",
    "elections/e10_one_vote_per_term",
    "elections/e14_higher_term_demotes",
    "elections/e18_duplicate_vote_counts_once",
    "etcd/probe_and_replicate",
    "log_repair/l03_extra_suffix",
    "replication/r04_follower_checks_previous_entry",
)
"""Files of which no line lets the servers run by themselves."""


MODE = "threads"
run = partial(support.run, mode=MODE)
instances_of = partial(support.instances_of, mode=MODE)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("raftframe")]
    assert not left


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_library_passes(name: str) -> None:
    """Every instance, as it stands in the library."""
    for instance in instances_of(name):
        result = run_instance(instance)

        assert result.ok and result.verdict is not Verdict.SKIP, "\n".join(map(str, result.failures))
        assert result.trace is not None and result.trace.about["mode"] == "threads"


def test_these_files_use_every_verb_of_the_mode() -> None:
    """So that a verb that breaks on threads is noticed here."""
    unused = verbs_of_mode(MODE) - verbs_used(FILES, MODE)

    assert unused == {"use", "define", "note", "wipe"}  # the first three act on no cluster


@pytest.mark.parametrize("name", SCRIPTED)
def test_a_scripted_run_leaves_the_very_trace_that_sim_leaves(name: str) -> None:
    """Threads or not: the same lines, the same steps, step by step, with the same messages and states."""
    for instance, plain in zip(instances_of(name), instances_of(name, mode="sim"), strict=True):
        result, expected = run_instance(instance), run_instance(plain)

        assert result.trace is not None and expected.trace is not None
        assert result.trace.steps == expected.trace.steps
        assert result.elementary == expected.elementary


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_servers_stop_at_every_pause_point(point: str) -> None:
    """The same lines as in sim; what stops is a thread, at its gate."""
    result = run(point, header="servers: 3\noptions: noop=off\n")

    assert result.verdict is Verdict.PASS, "\n".join(map(str, result.failures))


def test_points_bite_while_the_servers_run_by_themselves() -> None:
    """A thread that comes to a point stops there; the others go on."""
    lines = (
        "pause s1 on timer election\npause s2 on role leader\nset s3.timeout = 1000\n"
        "run until s2 is paused\nexpect s1 is paused and s2 is leader\nresume s1 s2\neventually s2.commit == 1"
    )
    result = run(f"set s1.timeout = 100\nset s2.timeout = 120\n{lines}")

    assert result.verdict is Verdict.PASS, "\n".join(map(str, result.failures))


def test_what_came_before_a_pause_point_is_handled_before_it() -> None:
    """Two messages wait in one inbox: the first is handled, and the server stops in front of the second."""
    lines = (
        "timeout s1 s2\npause s3 before handling RequestVote from s2\nrun until s3 is paused\n"
        "expect s3.voted_for == s1 and RequestVote s2 -> s3 is arrived"
    )
    result = run(lines)

    assert result.verdict is Verdict.PASS, "\n".join(map(str, result.failures))


def test_timers_stand_still_unless_a_line_lets_time_pass() -> None:
    """A line that lets no time pass leaves every timer as it is, and no election comes of waiting."""
    result = run("timeout s1\nsettle\nshow s1 timers\nheartbeat s1\nsettle\nshow s1 timers\ntick s1 2\nshow s1 timers")

    assert result.verdict is Verdict.PASS
    assert [line for line in result.shown if "heartbeat" in line] == [
        "s1 heartbeat timer 50 ms",
        "s1 heartbeat timer 50 ms",
        "s1 heartbeat timer 30 ms",
    ]


def test_invariants_are_judged_after_every_step() -> None:
    """A leader of a term in which another leads is found, named, and drawn as in sim."""
    forgotten = "".join(f"set {name}.term = 0\nset {name}.voted_for = none\n" for name in ("s2", "s3"))
    result = run(f"elect s1\ncrash s1\n{forgotten}elect s2")

    assert "election_safety" in {failure.check for failure in result.failures}
    assert "--mode threads" in str(result.failures[0])
    assert result.trace is not None and "s2" in render_html(result.trace)


class Raises(RecordingApp):
    """An application that cannot bear its second command."""

    def apply(self, state: tuple[Hashable, ...], operation: Hashable) -> Applied:
        if operation == "bad":
            raise RuntimeError("the application has a fault")
        return super().apply(state, operation)


def test_a_server_that_raises_is_a_finding_and_is_down() -> None:
    """The thread has ended; the run says why, and goes on with the others."""
    header = "servers: 3\napp: tests.scenario.test_threads_mode:Raises\n"
    result = run(
        "elect s1\nsettle\nclient c1 bad to s1\ntry settle\nexpect s1 is crashed\nexpect s2 is follower", header=header
    )

    assert {failure.check for failure in result.failures} == {"no_handler_error"}
    assert "RuntimeError: the application has a fault" in str(result.failures[0])


def test_a_server_that_hangs_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait has a limit, and the line that waited is named."""
    let_go = threading.Event()
    monkeypatch.setattr(threads, "REST_TIMEOUT_S", 0.2)
    monkeypatch.setattr(pausing, "END_TIMEOUT_S", 0.2)
    monkeypatch.setattr(MemoryLogStore, "sync", lambda self: let_go.wait(5))
    text = only_failure(run("timeout s1"))
    let_go.set()

    assert "s1 has not come to rest in 0.2 s" in text
    for thread in threading.enumerate():
        if thread.name.startswith("raftframe"):
            thread.join(5)


def test_a_store_that_forgets_is_found_at_the_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server begins from its store, and the books know what should be in it."""
    monkeypatch.setattr(MemoryLogStore, "load", lambda self: type(self.synced)())
    text = only_failure(run("elect s1\ncrash s1\nrestart s1"))

    assert "s1 was to begin with" in text and "and began with" in text


def test_what_a_crash_of_the_machine_loses_is_what_the_store_lost() -> None:
    """`losing unsynced` is carried out by the store that the server wrote to."""
    lines = "elect s1\nsettle\nclient c1 credit 10 => ok 10\ncrash all losing unsynced\nrestart all\nelect s2\nsettle"
    result = run(f"{lines}\nexpect all.balance == 10\ncrash s3\nwipe s3\nrestart s3 empty\nexpect s3.last == 0")

    assert result.verdict is Verdict.PASS, "\n".join(map(str, result.failures))


def test_what_the_mode_lacks_is_said_before_the_run() -> None:
    """In a file that is meant for the mode it is an error; one of a folder is skipped, and says at which line."""
    path = LIBRARY / "commit/c07_figure_8_unreliable.scenario"

    (error, *_) = load(path, mode="threads").errors
    assert "`explore` does not exist in mode threads" in str(error)
    skipped = load_if_fit(path, mode="threads")
    assert skipped.ok
    assert all("`explore` does not exist" in (one.skip_reason or "") for one in skipped.instances)


def test_a_file_may_say_that_it_is_not_for_threads() -> None:
    """`modes:` decides: what is not listed is not checked, and not run."""
    text = "scenario: s\nservers: 1\nmodes: sim\n\nstep\nexpect s1 is leader\n"
    loaded = load(text=text, mode="threads")

    assert loaded.ok
    assert run_loaded(loaded).instances[0].verdict is Verdict.SKIP


def test_the_command_line_skips_what_cannot_run_and_refuses_to_compare_bytes() -> None:
    """A folder runs, the rest of it is skipped; `--twice` asks for what threads cannot promise."""
    folder = CliRunner().invoke(command, [str(LIBRARY / "reads"), "--mode", "threads", "-v"])
    twice = CliRunner().invoke(command, [str(LIBRARY / "reads"), "--mode", "threads", "--twice"])

    assert folder.exit_code == 0
    assert "passed" in folder.output
    assert twice.exit_code == 2 and "only sim is deterministic" in twice.output


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(2))
def test_the_whole_library_passes(round_: int) -> None:
    """Every file that can run in this mode does, and passes."""
    ran = 0
    for path in sorted(LIBRARY.rglob("*.scenario")):
        results = run_loaded(load_if_fit(path, mode="threads")).instances
        ran += any(result.verdict is not Verdict.SKIP for result in results)
        for result in results:
            assert result.ok, "\n".join(map(str, result.failures))

    assert ran >= 110
