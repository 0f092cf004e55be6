"""Every command answers with the exit code that the README promises, and says what to do about a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .calling import Call

GOOD = "scenario: a server elects itself\nservers: 1\n\ntimeout s1\nexpect s1 is leader\n"
WRONG = "scenario: it does not\nservers: 1\n\ntimeout s1\nexpect s1 is follower\n"
BROKEN = "scenario: words\nservers: 1\n\ntimout s1\nexpct s1 is leader\n"
CUT = "scenario: cut\nservers: 3\n\nexplore some\n  vary deliver, timeout\n  limit states 50, timeouts 3\n"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    for name, text in {"good": GOOD, "wrong": WRONG, "broken": BROKEN, "cut": CUT}.items():
        (tmp_path / f"{name}.scenario").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("wrong", 1), ("broken", 2), ("cut", 3)])
def test_run_tells_the_verdict_by_its_exit_code(call: Call, name: str, code: int) -> None:
    """0 pass, 1 fail, 2 a bad file, 3 unknown."""
    assert call("run", f"{name}.scenario")[0] == code


def test_a_bad_file_gets_all_its_errors_and_nothing_is_run(call: Call) -> None:
    """Both mistakes are named, with the word that was meant, though one of the files is good."""
    code, out, errors = call("run", "good.scenario", "broken.scenario")

    assert code == 2
    assert "passed" not in out
    assert "broken.scenario:4:1: error:" in errors and "broken.scenario:5:1: error:" in errors
    assert "did you mean" in errors and "nothing was run" in errors


def test_a_named_file_without_statements_is_an_error(call: Call) -> None:
    """Nothing was checked, so it is no success; a folder may have such files, libraries for one."""
    Path("folder").mkdir()
    Path("folder/empty.scenario").write_text("scenario: nothing\nservers: 3\n", encoding="utf-8")

    code, _, errors = call("run", "good.scenario", "folder/empty.scenario")

    assert code == 2 and "folder/empty.scenario has no statement" in errors
    assert call("run", "folder")[0] == 0


def test_a_failure_leaves_a_picture(call: Call, tmp_path: Path) -> None:
    """The page is where the output says that it is."""
    _, out, _ = call("run", "wrong.scenario")

    assert "picture: reports/wrong.html" in out
    assert "<svg" in (tmp_path / "reports" / "wrong.html").read_text(encoding="utf-8")


def test_a_broken_invariant_is_written_as_a_shorter_scenario(call: Call, tmp_path: Path) -> None:
    """`--write` gives a file that fails too."""
    lines = ["scenario: two campaigns", "servers: 3", "", "timeout s1", "timeout s2"]
    lines += ["deliver RequestVote s1 -> s3 term=1", "deliver RequestVote s2 -> s3 term=1"]
    Path("votes.scenario").write_text("\n".join(lines) + "\n", encoding="utf-8")

    code, out, _ = call("run", "votes.scenario", "--state-map", "votes_for_everybody", "--write", "found")

    assert code == 1 and "written: found/votes_one_vote_per_term.scenario" in out
    text = (tmp_path / "found" / "votes_one_vote_per_term.scenario").read_text(encoding="utf-8")
    assert "state_map: votes_for_everybody" in text and "1-minimal" in text
    assert call("replay", "found/votes_one_vote_per_term.scenario")[0] == 1


def test_check_judges_what_clients_see_of_reads(call: Call) -> None:
    """A server alone that restarts, and answers before it knows again what is committed: found, and written down."""
    limits = [
        f"{name}={number}" for name, number in (("timeouts", 2), ("commands", 2), ("crashes", 1), ("restarts", 1))
    ]
    words = ["check", "--servers", "1", "--option", "linearizable_reads=on", "--option", "noop=off"]
    words += [word for limit in limits for word in ("--limit", limit)]
    words += ["--command", "credit 10", "--command", "query"]

    assert call(*words)[0] == 0
    code, out, _ = call(*words, "--state-map", "reads_before_its_own_commit", "--write", "old.scenario")
    assert code == 1 and "linearizable violated after step 6" in out
    assert call("replay", "old.scenario")[0] == 1


def test_run_as_json_counts_what_happened(call: Call) -> None:
    """One object, with the counts that docs/json.md names."""
    code, out, _ = call("run", "good.scenario", "wrong.scenario", "--json")

    found = json.loads(out)
    assert code == 1
    assert (found["files"], found["instances"], found["passed"], found["failed"]) == (2, 2, 1, 1)


def test_tags_select(call: Call) -> None:
    """A tag expression leaves out what does not match; nonsense is refused."""
    Path("tagged.scenario").write_text(GOOD.replace("servers", "tags: smoke, quick\nservers"), encoding="utf-8")

    assert "1 passed" in call("run", "tagged.scenario", "good.scenario", "-m", "smoke and not slow")[1]
    assert call("run", "good.scenario", "-m", "and and")[0] == 2


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["chek"], "did you mean 'check'"),
        (["check", "--limit", "timeout=2"], "did you mean 'timeouts'"),
        (["check", "--limit", "timeouts=two"], "write a whole number"),
        (["check", "--limit", "timeouts"], "write it as in --limit timeouts=2"),
        (["check", "--limit", "timeouts=1", "--limit", "timeouts=2"], "given twice"),
        (["check", "--limit", "timeouts=1", "--swarm"], "--swarm needs --walks N"),
        (["check", "--limit", "timeouts=1", "--length", "9"], "--length needs --walks N"),
        (["check", "--limit", "timeouts=1", "--seed", "9"], "--seed needs --walks N"),
        (["check", "--limit", "timeouts=1", "--every", "9"], "--every needs --checkpoint FOLDER"),
        (["check", "--limit", "timeouts=1", "--reduce", "none,dead"], "none stands alone"),
        (["check", "--limit", "timeouts=1", "--reduce", ""], "there is no reduction ''"),
        (["check", "--app", "bnk"], "write bank, or package.module:Class"),
        (["check", "--state-map", "forgets_vote"], "did you mean 'forgets_"),
        (["check", "--option", "nop=off"], "did you mean 'noop'"),
        (["check", "--limit", "timeouts=1", "--ignore", "election_saftey"], "did you mean 'election_safety'"),
        (["check", "--command", "credit x"], "whole number"),
        (["check", "--system", "nothing.py:thing"], "there is no file"),
        (["check", "--system", "nothing"], "FILE.py:NAME"),
        (["check", "--network", "ever-sent", "--limit", "drops=1"], "makes no sense"),
        (["run", "nowhere.scenario"], "there is no file or folder"),
        (["run", "good.scenario", "--mode", "upd"], "'upd' is not one of"),
        (["show", "nowhere.json"], "there is no file"),
        (["replay", "good.scenario[N=3]"], "names no instance"),
        (["run", "good.scenario[N=3]"], "good.scenario[N=3] names no instance; there are: good.scenario"),
        (["run", "good.scenario", "-m", "smoke"], "-m 'smoke' leaves nothing to run: no scenario here has a tag"),
        (["fmt", "nowhere"], "there is no file or folder"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(call: Call, words: list[str], hint: str) -> None:
    """Exit code 2, and a sentence that helps; never a traceback."""
    code, _, errors = call(*words)

    assert code == 2
    assert hint in errors, errors


def test_check_reports_what_docs_promise(call: Call) -> None:
    """A space without a fault passes, and is complete."""
    code, out, _ = call("check", "--servers", "2", "--limit", "timeouts=1", "--json")

    found = json.loads(out)
    assert code == 0
    assert found["verdict"] == "pass" and found["complete"] and found["violations"] == []


def test_check_that_is_cut_is_unknown(call: Call) -> None:
    """Never a pass: the limit is named."""
    code, out, _ = call("check", "--limit", "timeouts=2", "--limit", "states=100", "--json")

    assert code == 3
    assert json.loads(out)["limits_hit"] == ["max_states"]


def test_check_finds_writes_and_draws(call: Call, tmp_path: Path) -> None:
    """A planted bug: exit 1, a scenario that replays to the same violation, a page, a trace that can be shown."""
    words = ["check", "--limit", "timeouts=2", "--limit", "crashes=1", "--state-map", "forgets_vote_on_restart"]
    code, out, _ = call(*words, "--write", "a/b.scenario", "--html", "a/b.html", "--trace", "a/b.json")

    assert code == 1 and "one_vote_per_term violated after step 5" in out
    assert call("replay", "a/b.scenario")[0] == 1
    assert "one_vote_per_term" in call("show", "a/b.json")[1]
    assert "sequenceDiagram" in call("show", "a/b.json", "--format", "mermaid")[1]
    assert (tmp_path / "a" / "b.html").stat().st_size > 10_000


def test_an_invariant_of_ones_own_is_checked_and_may_raise(call: Call) -> None:
    """A sentence is a violation; an exception is a finding with a trace, not a crash."""
    Path("mine.py").write_text(
        "def nobody_leads(servers):\n"
        "    leaders = [n for n, s in servers.items() if s.state and s.state.role == 'leader']\n"
        "    return f'{leaders[0]} leads' if leaders else None\n\n"
        "def clumsy(servers):\n    return 1 / 0\n",
        encoding="utf-8",
    )
    words = ["check", "--limit", "timeouts=1", "--json"]

    code, out, _ = call(*words, "--invariant", "mine.py:nobody_leads")
    assert code == 1 and json.loads(out)["violations"][0]["reason"].endswith("leads")
    code, out, _ = call(*words, "--invariant", "mine.py:clumsy")
    assert code == 1 and "ZeroDivisionError" in json.loads(out)["violations"][0]["reason"]


@pytest.mark.parametrize("suffix", ["graphml", "dot", "json"])
def test_check_writes_the_graph(call: Call, tmp_path: Path, suffix: str) -> None:
    """In the format that the file's name says."""
    code, _, _ = call("check", "--servers", "2", "--limit", "timeouts=1", "--graph", f"g.{suffix}")

    assert code == 0
    assert (tmp_path / f"g.{suffix}").stat().st_size > 100


def test_fmt_mends_and_lint_warns(call: Call, tmp_path: Path) -> None:
    """`fmt --check` tells, `fmt` mends, and the second time there is nothing to do."""
    (tmp_path / "untidy.scenario").write_text(GOOD.replace("timeout s1", "timeout   s1"), encoding="utf-8")

    assert call("fmt", "--check", "untidy.scenario")[0] == 1
    assert call("fmt", "untidy.scenario")[0] == 0
    assert call("fmt", "--check", "untidy.scenario")[0] == 0
    assert call("lint", "good.scenario")[0] == 0
    assert call("lint", "broken.scenario")[0] == 2


def test_doctor_finds_everything_well(call: Call) -> None:
    """Python, packages, engine and language."""
    code, out, _ = call("doctor", "--json")

    assert code == 0 and json.loads(out)["ok"]


def test_two_names_of_one_file_share_its_classes(call: Call) -> None:
    """An invariant may ask `isinstance`: the system and the invariant come from one execution of the file."""
    Path("own.py").write_text(
        "from attrs import frozen\nfrom checker import LocalKind, Step\n\n\n"
        "@frozen\nclass Busy:\n    times: int = 0\n\n\n"
        "class Clock:\n    actors = ('a',)\n    local_kinds = (LocalKind('tick', budget='ticks'),)\n\n"
        "    def initial(self, actor):\n        return Busy()\n\n"
        "    def step(self, actor, state, event):\n        return Step(Busy(state.times + 1))\n\n\n"
        "def clock():\n    return Clock()\n\n\n"
        "def never_twice(actors):\n"
        "    return 'twice' if isinstance(actors['a'], Busy) and actors['a'].times == 2 else None\n",
        encoding="utf-8",
    )
    code, out, _ = call("check", "--system", "own.py:clock", "--invariant", "own.py:never_twice", "--limit", "ticks=3")

    assert code == 1 and "twice" in out


def test_the_planted_bug_of_a_file_can_be_taken_out(call: Call) -> None:
    """`replay --state-map none` runs a counterexample on the correct rules: it must pass there."""
    call("check", "--limit", "timeouts=3", "--state-map", "counts_stale_votes", "--write", "x.scenario")

    assert call("replay", "x.scenario")[0] == 1
    assert call("replay", "x.scenario", "--state-map", "none")[0] == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["show", "bad.json"], "bad.json: not a trace"),
        (["check", "--limit", "timeouts=1", "--graph", "x.png"], "must end in"),
        (["help", "delive"], "did you mean 'deliver'"),
        (["run", "unknown_map.scenario"], "did you mean 'votes_for_everybody'"),
        (["check", "--system", "own.py:x", "--write", "y.scenario"], "--write is for Raft"),
    ],
)
def test_files_that_cannot_be_used_are_refused_first(call: Call, words: list[str], hint: str) -> None:
    """Exit code 2, before anything is run or searched."""
    Path("bad.json").write_text('{"bad": 1}', encoding="utf-8")
    Path("unknown_map.scenario").write_text(
        GOOD.replace("\n\n", "\nstate_map: votes_for_everbody\n\n"), encoding="utf-8"
    )

    code, _, errors = call(*words)

    assert code == 2
    assert hint in errors, errors


def test_nothing_to_explore_is_a_mistake_not_a_pass(call: Call) -> None:
    """Without a budget no event can happen; a pass would be empty."""
    code, _, errors = call("check", "--state-map", "votes_for_everybody")

    assert code == 2
    assert "--limit timeouts=2" in errors


def test_a_finding_survives_a_file_that_cannot_be_written(call: Call) -> None:
    """The trace is printed before the files are written."""
    Path("wall").write_text("a file, not a folder", encoding="utf-8")

    code, out, errors = call(
        "check", "--limit", "timeouts=2", "--state-map", "votes_for_everybody", "--html", "wall/x.html"
    )

    assert code == 2
    assert "one_vote_per_term violated" in out and "cannot be written" in errors


def test_a_property_of_ones_own_is_not_written_as_a_scenario(call: Call) -> None:
    """The language cannot name it: said, and nothing is written."""
    Path("own.py").write_text("def never(servers):\n    return 'no'\n", encoding="utf-8")

    code, _, errors = call("check", "--limit", "timeouts=1", "--invariant", "own.py:never", "--write", "x.scenario")

    assert code == 1
    assert "no scenario was written" in errors and not Path("x.scenario").exists()
