"""Verdicts, golden lines, repetition, and what a result carries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.language.loader import load
from scenarios.runner import Verdict, differs_when_repeated, run_file, run_paths
from scenarios.runner.files import run_loaded

from .support import passes, run

FORGETFUL = "servers: 3\nstate_map: forgets_vote_on_restart\nknown-bug: {}; votes are kept in memory only\n"
TWO_LEADERS = """timeout s1
deliver RequestVote s1 -> s3
deliver RequestVoteResponse s3 -> s1
crash s3
restart s3
timeout s2
deliver RequestVote s2 -> s3
deliver RequestVoteResponse s3 -> s2
expect election_safety"""


def test_known_bugs_are_strict() -> None:
    """It must fail, by the named check; passing, and failing otherwise, are failures."""
    assert run(TWO_LEADERS, header=FORGETFUL.format("election_safety")).verdict is Verdict.KNOWN_BUG
    assert run(TWO_LEADERS, header=FORGETFUL.format("one_vote_per_term")).verdict is Verdict.KNOWN_BUG
    assert run(TWO_LEADERS, header=FORGETFUL.format("log_matching")).verdict is Verdict.FAIL
    assert (
        run(f"{TWO_LEADERS}\nexpect s1.term == 9", header=FORGETFUL.format("election_safety")).verdict is Verdict.FAIL
    )
    passing = run("timeout s1", header=FORGETFUL.format("election_safety"))
    assert passing.verdict is Verdict.FAIL and "remove the mark" in passing.reason


def test_invariants_are_watched_after_every_step() -> None:
    """A planted bug is found by the step that breaks the property, unless it is ignored, visibly."""
    header = "servers: 3\nstate_map: forgets_vote_on_restart\n"
    result = run(TWO_LEADERS, header=header)
    assert result.failures[0].check == "one_vote_per_term" and result.failures[0].step == 7
    ignoring = run(
        f"ignore invariant one_vote_per_term\nignore invariant election_safety\n{TWO_LEADERS}", header=header
    )
    assert ignoring.verdict is Verdict.PASS and ignoring.ignored == ("one_vote_per_term", "election_safety")


def test_missing_features_skip() -> None:
    """A feature that is not built skips the instance, and is named; a wrong state map fails."""
    skipped = run("expect no leader", header="servers: 3\nrequires: prevote\n")
    assert skipped.verdict in (Verdict.SKIP, Verdict.PASS)
    wrong = run("expect no leader", state_map="forgets_vote_on_restrat")
    assert wrong.verdict is Verdict.FAIL and "did you mean" in str(wrong.failures[0])


def test_injected_runs_are_marked() -> None:
    """given and set can write what no execution reaches: the run says so, and impossible logs are warned of."""
    assert passes("set s1.term = 3").injected and not passes("timeout s1").injected
    odd = run("given logs\n  s1: 1 2\n  s2: 2 2\nexpect no leader", header="servers: 3\n")
    assert any("differ before it" in str(warning) for warning in odd.warnings)


def test_results_turn_into_json(tmp_path: Path) -> None:
    """Everything of a file's result survives as JSON."""
    file = tmp_path / "a.scenario"
    file.write_text("scenario: a\nservers: $N\nparam: N = 2, 3\n\ntimeout s1\nsettle\nexpect s1 is leader\n")
    (result,) = run_paths([tmp_path])

    document = json.loads(json.dumps(result.as_json()))
    assert [instance["verdict"] for instance in document["instances"]] == ["pass", "pass"]
    assert document["instances"][0]["trace"]["steps"][0]["name"] == "timeout"
    assert document["instances"][0]["elementary"][0] == "timeout s1"
    assert result.ok and result.exit_code == 0


def test_golden_lines(tmp_path: Path) -> None:
    """A difference fails and is shown; an update rewrites the lines in place, after which it passes."""
    file = tmp_path / "g.scenario"
    file.write_text("scenario: g\nservers: 2\n\ntimeout s1\nshow s1 state\n  | old\nexpect s1 is candidate\n")

    before = run_file(file).instances[0]
    assert before.verdict is Verdict.FAIL and "- old" in str(before.failures[0])
    assert run_file(file, update=True).ok
    assert run_file(file).ok and "role=candidate" in file.read_text() and "old" not in file.read_text()


def test_to_line(tmp_path: Path) -> None:
    """A run can be stopped behind a line."""
    file = tmp_path / "t.scenario"
    file.write_text("scenario: t\nservers: 2\n\ntimeout s1\ntimeout s2\nexpect s1 is leader\n")

    assert run_file(file, to_line=4).instances[0].steps == 1
    assert run_file(file).instances[0].verdict is Verdict.FAIL


@pytest.mark.parametrize("options", ["network=jitter", "network=steady"])
def test_the_same_choices_give_the_same_bytes(options: str) -> None:
    """Two runs with the same seed have the same log; another seed has another one."""
    text = f"scenario: d\nservers: 5\nseed: 3\noptions: {options}\n\nadvance 2s\nclient c1 credit 1 => ok\nadvance 1s\n"
    loaded = load(text=text)
    assert loaded.ok, loaded.errors
    (instance,) = loaded.instances

    assert differs_when_repeated(instance) is None
    assert run("advance 2s").log != run("advance 2s", seed=9).log


@pytest.mark.parametrize(
    ("header", "lines", "lacks"),
    [
        ("requires: membership, learners\noptions: learners=s3\n", "elect s1", "servers without a vote (s3)"),
        ("requires: membership\n", "start s4 empty", "servers that join later (s4)"),
        ("options: prevote=s1 s2\n", "elect s1", "servers with options of their own (s3)"),
        ("requires: async_storage\n", "elect s1", "servers that store later (async_storage)"),
    ],
)
def test_what_a_mode_cannot_do_is_said_before_the_run(header: str, lines: str, lacks: str) -> None:
    """The same instance runs in sim, and is skipped with the reason elsewhere."""
    text = f"scenario: x\nservers: 3\n{header}\n{lines}\n"

    (in_sim,) = run_loaded(load(text=text)).instances
    (in_threads,) = run_loaded(load(text=text, mode="threads")).instances

    assert in_sim.verdict is Verdict.PASS
    assert (in_threads.verdict, in_threads.reason) == (Verdict.SKIP, f"the mode threads has no {lacks}")


def test_a_server_that_nobody_can_add_is_refused() -> None:
    """Without changes of members only the servers of the header can be started."""
    (result,) = run_loaded(load(text="scenario: x\nservers: 3\n\nstart s4 empty\n")).instances

    assert [failure.check for failure in result.failures] == ["setup"]
    assert "s4: not in `servers:`" in str(result.failures[0])


def test_an_option_may_be_on_at_some_servers_only() -> None:
    """s3 stands at once, where the others ask first."""
    text = "scenario: x\nservers: 3\noptions: prevote=s1 s2\n\n"
    text += "timeout s1 s3\nexpect s1 is precandidate and s3 is candidate\n"

    (result,) = run_loaded(load(text=text)).instances

    assert result.failures == ()
