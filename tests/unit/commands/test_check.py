"""`raftframe check`, beyond a verdict: what was covered, goals, limits, and Ctrl-C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checker.engine.watch import Progress
from scenarios.commands.common import progress_line

from .calling import Call

ROOT = Path(__file__).parents[3]
COUNTERS = """
from checker import LocalKind, Step


class Counters:
    actors = ("a", "b")
    local_kinds = (LocalKind("go", budget="goes"), LocalKind("leap", budget="leaps"))

    def initial(self, actor):
        return 0

    def step(self, actor, state, event):
        return Step(state + 1, marks=("counted",)) if event.kind == "go" else None


def three(states):
    return states["a"] == 3


def a_below_2(states):
    return "a is 2" if states["a"] >= 2 else None


def b_below_1(states):
    return "b is 1" if states["b"] >= 1 else None
"""
OWN = ("check", "--system", "counters.py:Counters")


def test_coverage_is_printed(call: Call, tmp_path: Path) -> None:
    """How many distinct steps had each event and mark, and how soon it came; what never came is warned of."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")

    code, out, _ = call(*OWN, "--limit", "goes=2", "--limit", "leaps=1", "--coverage")

    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["mark", "counted", "4", "1"] in rows and ["event", "go", "4", "1"] in rows
    assert "warning: allowed, and never happened: leap" in out


def test_a_goal_is_reached_by_the_shortest_run(call: Call, tmp_path: Path) -> None:
    """The run is shown; a goal that nothing leads to fails, and one beyond a limit is unknown."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")
    aim = ("--goal", "counters.py:three")

    reached = call(*OWN, "--limit", "goes=4", *aim)
    impossible = call(*OWN, "--limit", "goes=2", *aim)
    cut = call(*OWN, "--limit", "goes=4", "--limit", "depth=2", *aim)

    assert reached[0] == 0 and "reach three" in reached[1]
    assert impossible[0] == 1 and "was not reached: nothing leads to it" in impossible[1]
    assert cut[0] == 3 and "counters.py:three was not reached\n" in cut[1]


def test_going_on_finds_each_broken_property(call: Call, tmp_path: Path) -> None:
    """The first violation ends a search, unless it is told to keep going: then each is found by its shortest run."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")
    both = ("--invariant", "counters.py:a_below_2", "--invariant", "counters.py:b_below_1", "--json")

    first = json.loads(call(*OWN, "--limit", "goes=3", *both)[1])
    every = json.loads(call(*OWN, "--limit", "goes=3", *both, "--keep-going")[1])

    assert [(one["property"], one["steps"]) for one in first["violations"]] == [("b_below_1", 1)]
    assert [(one["property"], one["steps"]) for one in every["violations"]] == [("b_below_1", 1), ("a_below_2", 2)]
    assert every["complete"] and every["never_happened"] == []


def test_memory_is_a_limit(call: Call) -> None:
    """A search that would take more than it may is cut, and says by what."""
    code, out, _ = call("check", "--limit", "timeouts=3", "--limit", "commands=2", "--limit", "memory=1")

    assert code == 3
    assert "cut by max_memory_bytes" in out


def test_ctrl_c_ends_with_what_was_found() -> None:
    """A search that would take hours ends at once, with its counts, as unknown."""
    words = ["check", "--limit", "timeouts=6", "--limit", "commands=4", "--limit", "crashes=2"]
    code = (
        "import checker.engine.watch as watch, os, signal, sys; from scenarios.cli import main\n"
        "cut = watch.Watch.cut\n"
        "def press(self, *given): os.kill(os.getpid(), signal.SIGINT); return cut(self, *given)\n"
        "watch.Watch.cut = press\n"
        f"sys.argv = ['raftframe', *{words}]; main()\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 3, ended.stderr
    assert "unknown: part of the space, cut by interrupted" in ended.stdout
    assert "press Ctrl-C once more to end without it" in ended.stderr


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        (None, "70,000 states, 35,000/s, depth 9, frontier 400, 2 s"),
        (250_000, "70,000 states of about 250,000, 35,000/s, depth 9, frontier 400, 2 s"),
        (10**90, "70,000 states, 35,000/s, depth 9, frontier 400, 2 s"),
    ],
)
def test_progress_is_one_short_line(expected: int | None, told: str) -> None:
    """With an estimate if there is one that tells anything: early on it may have a hundred digits."""
    progress = Progress(states=70_000, states_per_second=35_000.0, depth=9, left=400, seconds=2.0, expected=expected)

    assert progress_line(progress) == told


def test_a_search_goes_on_from_its_checkpoint(call: Call) -> None:
    """Cut, and gone on with, it comes to what it comes to in one go; without a folder it is refused."""
    words = ("check", "--limit", "timeouts=2", "--limit", "terms=1", "--reduce", "none", "--json")
    kept = ("--checkpoint", "kept", "--every", "0")

    cut = json.loads(call(*words, "--limit", "depth=4", *kept)[1])
    whole = json.loads(call(*words, *kept, "--resume")[1])
    at_once = json.loads(call(*words)[1])
    code, _, errors = call(*words, "--resume")

    assert cut["limits_hit"] == ["max_depth"] and whole["complete"]
    told = ("states", "transitions", "depth", "deadlocks", "distinct_steps", "marks", "first_depth")
    assert {name: whole[name] for name in told} == {name: at_once[name] for name in told}
    assert code == 2 and "--resume needs --checkpoint" in errors


def test_limits_rise_until_something_is_found(call: Call) -> None:
    """The smallest space that shows a bug is named, and the counterexample is of it."""
    words = ("check", "--limit", "timeouts=1", "--limit", "time=60", "--rise", "--state-map", "counts_stale_votes")

    code, out, errors = call(*words, "--write", "found.scenario")

    assert code == 1
    rounds = [line.partition(":")[0] for line in errors.splitlines()]
    assert rounds == ["pass within timeouts=1", "pass within timeouts=2", "fail within timeouts=3"]
    assert "election_safety violated after step 7" in out
    assert "raftframe check --limit timeouts=3 --state-map" in Path("found.scenario").read_text(encoding="utf-8")


def test_limits_rise_until_the_time_is_up(call: Call, tmp_path: Path) -> None:
    """What was explored whole passes, and is named; a round that was cut takes nothing back."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")

    code, out, errors = call(*OWN, "--limit", "goes=2", "--limit", "time=1", "--rise", "--json")

    passed = [line for line in errors.splitlines() if line.startswith("pass within goes=")]
    assert code == 0 and len(passed) >= 3
    assert f"{json.loads(out)['states']:,} states" in passed[-1]


def test_what_cannot_rise_is_refused(call: Call) -> None:
    """Without a limit on time it would never end; checkpoints are of one space, and walks never see a whole one."""
    forever = call("check", "--limit", "timeouts=1", "--rise")
    kept = call("check", "--limit", "timeouts=1", "--limit", "time=9", "--rise", "--checkpoint", "kept")

    walking = call("check", "--limit", "timeouts=1", "--limit", "time=9", "--rise", "--walks", "9")

    assert forever[0] == kept[0] == walking[0] == 2
    assert "add --limit time=SECONDS" in forever[2] and "leave one of them out" in kept[2]
    assert "walks see none: leave one of them out" in walking[2]


def test_random_walks_find_and_repeat(call: Call) -> None:
    """A planted bug is found by walking, shortened, and the command that finds it again is told."""
    words = ("check", "--limit", "timeouts=3", "--state-map", "counts_stale_votes", "--walks", "20000", "--swarm")

    code, out, _ = call(*words, "--write", "found.scenario")
    again = call(*words)

    assert code == 1 and "election_safety violated after step 7" in out
    assert again[1].partition("fail:")[0] == out.partition("fail:")[0]
    assert "--walks 20000 --length 100 --seed 0 --swarm" in Path("found.scenario").read_text(encoding="utf-8")


def test_what_is_proven_is_not_searched_for(call: Call, tmp_path: Path) -> None:
    """`--local` says what holds for every schedule, and searches for the rest; for nothing if there is no rest."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")
    asked = (*OWN, "--limit", "goes=1", "--local", "--invariant")

    proven, broken = (call(*asked, f"counters.py:{name}") for name in ("a_below_2", "b_below_1"))

    assert proven[0] == 0 and proven[1].startswith("pass: all of it holds for every schedule, no search is needed")
    assert broken[0] == 1 and "left to the search" in broken[1] and "b_below_1: b is 1" in broken[1]


def test_what_is_proven_is_left_out_of_the_search(call: Call) -> None:
    """Fewer monitors, fewer worlds: the search has only what the proof left open."""
    alone, after = (
        json.loads(call("check", "--limit", "timeouts=1", *more, "--json")[1]) for more in ((), ("--local",))
    )

    assert (alone["local"], alone["verdict"], after["verdict"]) == (None, "pass", "pass")
    assert set(after["local"]["open"]) == {"election_safety", "commit_on_majority"}
    assert after["states"] <= alone["states"]


def test_a_goal_needs_a_search(call: Call, tmp_path: Path) -> None:
    """What is looked for is not proven by leaving it out."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")

    code, _, err = call(*OWN, "--limit", "goes=4", "--local", "--goal", "counters.py:three")

    assert code == 2 and "leave them out" in err


def test_what_fingerprints_are_worth_is_printed(call: Call, tmp_path: Path) -> None:
    """Two words for any two of the states; with --exact there is nothing to be said but that."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")
    space = (*OWN, "--limit", "goes=50", "--reduce", "none")

    _code, hashed, _ = call(*space)
    _code, exact, _ = call(*space, "--exact")
    _code, as_json, _ = call(*space, "--json")

    told = json.loads(as_json)
    assert told["collision_probability"] == told["states"] ** 2 / 2**65
    assert "64-bit fingerprints: the odds that any two share one" in hashed
    assert "are less than 1 in 20,000,000,000,000\n" in hashed
    assert "whole states were compared" in exact and "fingerprints" not in exact


def test_a_search_spills(call: Call, tmp_path: Path) -> None:
    """The report is the same, and says what was on disk; the folder is empty afterwards."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")
    space = (*OWN, "--limit", "goes=60", "--reduce", "none")
    spill = ("--spill", str(tmp_path / "spill"))

    code, out, _ = call(*space, *spill, "--spill-at", "1")
    _code, in_memory, _ = call(*space)
    _code, as_json, _ = call(*space, *spill, "--json")

    assert code == 0
    assert out.splitlines()[0] == in_memory.splitlines()[0]
    assert "at most 0 MiB were on disk" in out and "on disk" not in in_memory
    assert json.loads(as_json)["disk_bytes"] > 0
    assert not list((tmp_path / "spill").iterdir())


def test_spilling_where_nothing_can_be_written(call: Call, tmp_path: Path) -> None:
    """Mistakes are told before the search, with the option or the folder."""
    (tmp_path / "counters.py").write_text(COUNTERS, encoding="utf-8")
    space = (*OWN, "--limit", "goes=5", "--reduce", "none")

    no_folder, _, about_option = call(*space, "--spill-at", "5")
    no_place, _, about_folder = call(*space, "--spill", str(tmp_path / "counters.py"))

    assert (no_folder, no_place) == (2, 2)
    assert "--spill-at needs --spill FOLDER" in about_option
    assert "counters.py: nothing can be written there: File exists" in about_folder
