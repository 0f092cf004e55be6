"""Code of the user's that raises, or is not what it should be, is told in one line or found; never our traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from checker.properties import Invariant, as_property
from checker.properties.watch import RunWatch
from scenarios import cli

from .calling import Call

OWN = """
import os, sys
from checker.properties import Invariant, Monitor, StepRule
from checker.properties.base import MonitorMove
from checker.system import LocalKind, Send, Step

class Counter:
    actors = ("a",)
    local_kinds = (LocalKind("go", "goes"),)
    def initial(self, actor):
        return 0
    def step(self, actor, state, event):
        return Step(state + 1)

class InitialRaises(Counter):
    def initial(self, actor):
        raise ValueError("boom")

class Unhashable(Counter):
    def initial(self, actor):
        return []

class ActorsRaise(Counter):
    @property
    def actors(self):
        raise ValueError("boom")

class StepRaises(Counter):
    def step(self, actor, state, event):
        raise ValueError("boom")

class StepExits(Counter):
    def step(self, actor, state, event):
        sys.exit(0)

class NoEq:
    def __init__(self, n): self.n = n
    def __hash__(self): return 1
    def __eq__(self, other): raise ValueError("no eq")

class NoRepr:
    def __init__(self, n): self.n = n
    def __hash__(self): return 1
    def __eq__(self, other): return self.n == other.n
    def __repr__(self): raise ValueError("no repr")

def _with(make, first):
    class It(Counter):
        def initial(self, actor):
            return first
        def step(self, actor, state, event):
            return Step(make(1))
    return It

EqRaises, ReprRaises = _with(NoEq, NoEq(0)), _with(NoRepr, NoRepr(0))
EqRaisesLater, ReprRaisesLater = _with(NoEq, 0), _with(NoRepr, 0)
EqRaisesInside = _with(lambda n: (NoEq(n),), 0)

class KindsAreWords(Counter):
    local_kinds = ("go",)

class Stateless:
    actors = ("a",)
    local_kinds = (LocalKind("go", "goes"),)
    def step(self, actor, state, event):
        return None

class SendsWords(Counter):
    def step(self, actor, state, event):
        return Step(state, sends=("a",))

class SendsAway(Counter):
    def step(self, actor, state, event):
        return Step(state, sends=(Send("b", 1),))

class MarkIsNoTuple(Counter):
    def step(self, actor, state, event):
        return Step(state + 1, marks="went")

class MarksAreNumbers(Counter):
    def step(self, actor, state, event):
        return Step(state + 1, marks=(1,))

def factory_raises():
    raise ValueError("boom")

def factory_exits():
    sys.exit(0)

def inv_exits(states):
    sys.exit(0)

def inv_raises(states):
    raise ValueError("boom")

def inv_true(states):
    return True

def inv_empty(states):
    return ""

def leave(*given):
    sys.exit(0)

view_exits = Invariant("view_exits", lambda views, history: None, view=leave)
rule_exits = StepRule("rule_exits", leave)
rule_false = StepRule("rule_false", lambda *given: False)
observe_exits = Monitor("observe_exits", 0, leave, lambda s, o: MonitorMove(s))
observe_list = Monitor("observe_list", 0, lambda *given: [], lambda s, o: MonitorMove(s))
advance_exits = Monitor("advance_exits", 0, lambda *given: 1, leave)
advance_none = Monitor("advance_none", 0, lambda *given: 1, lambda s, o: None)
number = 3
"""

APPS = """
import sys
from raftframe.api.app import RecordingApp

class Raises(RecordingApp):
    def initial_state(self):
        raise ValueError("boom")

class Exits(RecordingApp):
    def initial_state(self):
        sys.exit(0)

class ApplyExits(RecordingApp):
    def apply(self, state, operation):
        sys.exit(0)
"""


@pytest.fixture(autouse=True)
def _code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "user_code_apps.py").write_text(APPS, encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--system", "own.py:InitialRaises"), "raised ValueError: boom (own.py:17 in initial)"),
        (("--system", "own.py:Unhashable"), "must be hashable: TypeError"),
        (("--system", "own.py:ActorsRaise"), "raised ValueError: boom"),
        (("--system", "own.py:KindsAreWords"), "has the local kind 'go'; write LocalKind(name, budget=...)"),
        (("--system", "own.py:Stateless"), "is no system: it lacks initial"),
        (("--system", "own.py:factory_raises"), "raised ValueError: boom (own.py:"),
        (("--system", "own.py:factory_exits"), "raised SystemExit: 0 (own.py:"),
        (("--system", "own.py:EqRaises"), "cannot be compared: it raised ValueError: no eq (own.py:"),
        (("--system", "own.py:ReprRaises"), "cannot be shown: it raised ValueError: no repr (own.py:"),
        (("--system", "own.py:Counter", "--invariant", "own.py:number"), "not 3"),
        (("--system", "own.py:Counter", "--invariant", "os:environ"), "a property is an Invariant"),
        (("--app", "os:getcwd"), "which lacks initial_state"),
        (("--app", "os.path:join"), "app: os.path:join cannot be made: it raised TypeError"),
        (("--app", "user_code_apps:Raises"), "raised ValueError: boom (user_code_apps.py:7 in initial_state)"),
        (("--app", "user_code_apps:Exits"), "raised SystemExit: 0 (user_code_apps.py:"),
        (("--state-map", "os.path:join"), "--state-map os.path:join: making it raised TypeError"),
        (("--state-map", "os:getcwd"), "--state-map os:getcwd: making it raised TypeError"),
    ],
)
def test_what_cannot_be_explored_is_refused_in_one_line(call: Call, words: tuple[str, ...], text: str) -> None:
    """Exit code 2, and one line that says why."""
    budget = "goes" if "--system" in words else "timeouts"
    code, out, errors = call("check", *words, "--limit", f"{budget}=1")

    assert (code, out) == (2, "")
    assert text in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("StepRaises", "raised ValueError: boom (own.py:30 in step)"),
        ("StepExits", "raised SystemExit: 0 (own.py:34 in step)"),
        ("SendsWords", "step sends 'a', which is no Send(target, message)"),
        ("SendsAway", "step sends Send(target='b', message=1); the target must be one of a"),
        ("MarkIsNoTuple", "step has the marks 'went'; write a tuple of strings"),
        ("MarksAreNumbers", "step has the marks (1,); write a tuple of strings"),
        ("EqRaisesLater", "comparing what step returned raised ValueError: no eq (own.py:"),
        ("EqRaisesInside", "comparing what step returned raised ValueError: no eq (own.py:"),
        ("ReprRaisesLater", "must have a repr: it raised ValueError: no repr (own.py:"),
    ],
)
def test_a_step_that_raises_is_found(call: Call, name: str, text: str) -> None:
    """Exit code 1, and the place in the user's file."""
    code, out, errors = call("check", "--system", f"own.py:{name}", "--limit", "goes=2")

    assert (code, errors) == (1, "")
    assert text in " ".join(out.split())
    assert "nondeterministic" not in out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("inv_exits", "raised SystemExit: 0 (own.py:"),
        ("inv_raises", "raised ValueError: boom (own.py:"),
        ("inv_true", "returned True; return None or a sentence"),
        ("inv_empty", "returned ''; return None or a sentence"),
        ("view_exits", "raised SystemExit: 0 (own.py:"),
        ("rule_exits", "raised SystemExit: 0 (own.py:"),
        ("rule_false", "returned False; return None or a sentence"),
        ("observe_exits", "raised SystemExit: 0 (own.py:"),
        ("observe_list", "raised TypeError: unhashable"),
        ("advance_exits", "raised SystemExit: 0 (own.py:"),
        ("advance_none", "the monitor returned None, not a MonitorMove"),
    ],
)
def test_a_property_that_raises_or_says_nothing_is_found(call: Call, name: str, text: str) -> None:
    """A finding under the property's own name."""
    code, out, errors = call(
        "check", "--system", "own.py:Counter", "--limit", "goes=2", "--invariant", f"own.py:{name}"
    )

    assert (code, errors) == (1, "")
    assert name in out and text in " ".join(out.split())


def test_an_application_that_exits_is_found(call: Call, tmp_path: Path) -> None:
    """In a search and in a run, with the line of the application."""
    text = "scenario: x\nservers: 1\napp: user_code_apps:ApplyExits\n\ntimeout s1\nclient c1 sends x to s1\n"
    (tmp_path / "x.scenario").write_text(text, encoding="utf-8")
    words = ("--app", "user_code_apps:ApplyExits", "--servers", "1", "--limit", "timeouts=1", "--limit", "commands=1")
    for command in (("check", *words), ("run", "x.scenario")):
        code, out, _errors = call(*command)

        assert code == 1
        assert "raised SystemExit: 0 (user_code_apps.py:15 in apply)" in " ".join(out.split())


def test_a_stray_exit_is_our_mistake(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that slips through and exits does not pass for a success."""

    def leave(**given: object) -> None:
        raise SystemExit(0)

    monkeypatch.setattr(cli.raftframe, "main", leave)
    assert call("doctor")[0] == 70


def test_an_exit_of_clicks_stays_one(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """--version, and a shell that completes words."""
    assert call("--version")[0] == 0

    monkeypatch.setenv("_RAFTFRAME_COMPLETE", "zsh_source")
    code, out, _errors = call()
    assert code == 0 and "compdef" in out


def test_a_run_that_is_watched_tells_the_same() -> None:
    """Properties of a scenario's run, which no search tabulates, may exit or answer nonsense too."""

    def leaves(*given: object) -> None:
        raise SystemExit(0)

    yes = Invariant("yes", lambda views, history: True)  # type: ignore[arg-type,return-value]  # the mistake itself
    asked = [as_property(leaves), yes, Invariant("no", lambda views, history: "")]
    found = {finding.property: finding.reason for finding in RunWatch(asked).begin({"a": 0})}

    assert found["leaves"].startswith("the property raised SystemExit: 0 (test_user_code.py:")
    assert found["yes"] == "returned True; return None or a sentence"
    assert found["no"] == "returned ''; return None or a sentence"


@pytest.mark.parametrize("mode", ["sim", "threads", "udp"])
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "def app():\n    raise RuntimeError('no bank today')",
            "own_app:app cannot be made: it raised RuntimeError",
        ),
        ("def app():\n    raise SystemExit(0)", "own_app:app cannot be made: it raised SystemExit: 0"),
        ("from user_code_apps import Raises as app", "own_app:app cannot be made: it raised ValueError: boom"),
        ("app = str", "own_app:app makes '', which lacks initial_state, problem_with or apply"),
        ("app = 1 / 0", "cannot import own_app: it raised ZeroDivisionError: division by zero (own_app.py:1"),
    ],
    ids=["raises", "exits", "has no state", "is none", "is not there"],
)
def test_an_application_that_cannot_be_made_is_said(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, code: str, told: str
) -> None:
    """What `app:` names raises when it is imported, called, or begins: one sentence, and exit code 2."""
    monkeypatch.delitem(sys.modules, "own_app", raising=False)
    (tmp_path / "own_app.py").write_text(f"{code}\n", encoding="utf-8")
    text = "scenario: x\nservers: 1\napp: own_app:app\n\ntimeout s1\n"
    (tmp_path / "x.scenario").write_text(text, encoding="utf-8")

    exit_code, out, errors = call("run", "x.scenario", "--mode", mode)
    assert (exit_code, out) == (2, "")
    assert told in errors and len(errors.splitlines()) == 1


def test_commands_that_the_application_cannot_read_are_a_finding(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its `parse_operation` raises fails the line that gives the command."""
    monkeypatch.delitem(sys.modules, "own_app", raising=False)
    parse = "def parse_operation(text):\n    raise KeyError(text)\n"
    (tmp_path / "own_app.py").write_text(f"from raftframe.api.app import RecordingApp as app\n{parse}")
    text = "scenario: x\nservers: 1\napp: own_app:app\n\nelect s1\nclient c1 op1 via s1\n"
    (tmp_path / "x.scenario").write_text(text, encoding="utf-8")

    exit_code, out, _errors = call("run", "x.scenario")
    assert exit_code == 1
    assert (
        "the application raised KeyError: 'op1' (own_app.py:3 in parse_operation) when it was given `op1`"
        in " ".join(out.split())
    )


def test_a_byte_order_mark_is_one_error(call: Call, tmp_path: Path) -> None:
    """The line behind it counts."""
    (tmp_path / "x.scenario").write_text("\ufeffscenario: x\nservers: 1\n\ntimeout s1\n", encoding="utf-8")

    code, out, errors = call("run", "x.scenario")
    assert code == 2
    assert "x.scenario:1:1: error: byte order mark" in out + errors
    assert "1 error;" in out + errors
