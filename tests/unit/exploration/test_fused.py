"""When a local event is fused with what went before, and what keeps it from being: each condition, by a system that
would lose a run without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import field, frozen

from checker.explore import Report, check
from checker.properties import Invariant, Monitor, MonitorMove
from checker.system import ActorId, Bounds, Deliver, Event, Local, LocalKind, Send, State, Step

CRASH = LocalKind("crash", "crashes", numbered=True)  # so that a crash of who is idle for good is not fused itself
ONE_CRASH = {"crashes": 1, "restarts": 1}


@frozen
class Scripted:
    """Does what `script` says of an actor's state and an event, by its name; other messages are no-ops, and other local
    events impossible.
    """

    script: Mapping[tuple[str, str, str], Step] = field(eq=False)
    begins: Mapping[str, str] = field(factory=dict, eq=False)
    local_kinds: tuple[LocalKind, ...] = (CRASH, LocalKind("restart", "restarts"))
    actors: tuple[str, ...] = ("a", "b")

    def initial(self, actor: ActorId) -> State:
        """Everybody is up."""
        return self.begins.get(str(actor), "up")

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """See the class."""
        otherwise = Step(state) if isinstance(event, Deliver) else None
        names = (str(event.message),) if isinstance(event, Deliver) else (event.kind, f"{event.kind} {event.number}")
        steps = (self.script.get((str(actor), str(state), name)) for name in names)
        return next((step for step in steps if step is not None), otherwise)


def looks(_actor: ActorId, state: State) -> str | None:
    """What is seen of a state: not whether it is up or down."""
    return None if state in ("up", "down", "half", "again") else str(state)


def nothing_shows(views: Mapping[ActorId, Any], _history: object) -> str | None:
    """Broken by every state but those that look alike."""
    return next((f"{actor} is {shown}" for actor, shown in views.items() if shown is not None), None)


UNSEEN = Invariant("nothing_shows", nothing_shows, view=looks)


def search(
    system: Scripted, budgets: Mapping[str, int], *more: Any, reduce: tuple[str, ...] | None = ("fused",)
) -> Report:
    """Explore with one property, or *more*."""
    return check(system, properties=[UNSEEN, *more], bounds=Bounds(budgets), reduce=reduce)


CRASHES = {("a", "up", "crash"): Step("down"), ("a", "down", "restart"): Step("again")}
REBORN = {("b", "up", "crash"): Step("down"), ("b", "down", "restart"): Step("reborn")}


def test_a_restart_that_nobody_sees_comes_at_once() -> None:
    """Of three worlds, that in between is left out."""
    full, fused = (search(Scripted(CRASHES), ONE_CRASH, reduce=reduce) for reduce in ((), ("fused",)))

    assert (full.verdict, full.states, full.reduced_by) == ("pass", 3, ())
    assert (fused.verdict, fused.states, fused.reduced_by, dict(fused.not_reduced)) == ("pass", 2, ("fused",), {})


def test_what_is_fused_may_send() -> None:
    """A restart that sends comes at once too; what it leads to is found."""
    script = {**CRASHES, ("a", "down", "restart"): Step("again", (Send("b", "hello"),))}
    report = search(Scripted({**script, ("b", "up", "hello"): Step("greeted")}), ONE_CRASH)

    assert (report.verdict, report.reduced_by) == ("fail", ("fused",))
    assert len(report.violations[0].events) == 3


def test_a_run_that_may_be_longer_than_need_be_is_told_as_such() -> None:
    """The restart is needless for what shows; by default the run is told without it."""
    script = {**CRASHES, ("a", "up", "crash"): Step("down", (Send("b", "bye"),)), ("b", "up", "bye"): Step("alone")}
    asked = search(Scripted(script), ONE_CRASH, reduce=("fused",))
    default = search(Scripted(script), ONE_CRASH, reduce=None)

    assert not asked.shortest
    assert (default.shortest, len(default.violations[0].events)) == (True, 2)


@pytest.mark.parametrize(
    ("script", "budgets"),
    [
        pytest.param({**CRASHES, ("a", "down", "restart"): Step("reborn")}, ONE_CRASH, id="seen"),
        pytest.param(
            {
                **CRASHES,
                ("a", "up", "crash"): Step("down", (Send("b", "bye"),)),
                ("b", "up", "bye"): Step("up", (Send("a", "wake"),)),
                ("a", "down", "wake"): Step("woken"),
            },
            ONE_CRASH,
            id="a message that comes late matters to who is down",
        ),
        pytest.param(
            {
                **CRASHES,
                ("a", "up", "crash"): Step("down", (Send("a", "wake"),)),
                ("a", "down", "wake"): Step("woken"),
            },
            ONE_CRASH,
            id="who is down acts",
        ),
        pytest.param(
            {
                ("b", "up", "crash"): Step("up", (Send("a", "die"),)),
                ("a", "up", "die"): Step("down", (Send("b", "dead"),)),
                ("a", "down", "restart"): Step("again"),
                ("b", "up", "dead"): Step("down"),
                ("b", "down", "restart"): Step("reborn"),
            },
            ONE_CRASH,
            id="a message takes one down",
        ),
        pytest.param({**CRASHES, **REBORN}, {"crashes": 2, "restarts": 1}, id="fewer restarts than crashes"),
    ],
)
def test_what_is_not_fused(script: Mapping[tuple[str, str, str], Step], budgets: Mapping[str, int]) -> None:
    """Something shows that would not if the restart came at once."""
    report = search(Scripted(script), budgets)

    assert (report.verdict, report.reduced_by) == ("fail", ())


def test_a_number_that_is_used_up_by_who_is_down() -> None:
    """A question to who is down does nothing, but the next one has another number; who is up isn't asked."""
    kinds = (*Scripted({}).local_kinds, LocalKind("ask", "questions", numbered=True))
    script = {**CRASHES, ("a", "down", "ask"): Step("down"), ("b", "up", "ask 1"): Step("knows")}
    report = search(Scripted(script, local_kinds=kinds), {**ONE_CRASH, "questions": 2})

    assert (report.verdict, report.reduced_by) == ("fail", ())


def test_a_budget_that_copies_spend_too() -> None:
    """The copy that would have been is missing if a restart has spent it."""
    script = {
        ("a", "up", "crash"): Step("down", (Send("b", "bye"),)),
        ("a", "down", "restart"): Step("again"),
        ("b", "up", "bye"): Step("again"),
        ("b", "again", "bye"): Step("twice"),
    }
    kinds = (CRASH, LocalKind("restart", "duplicates"))
    report = search(Scripted(script, local_kinds=kinds), {"crashes": 1, "duplicates": 1})

    assert (report.verdict, report.reduced_by) == ("fail", ())


def test_a_monitor_that_sees_it() -> None:
    """It tells a crash of b while a is down from one that comes later."""
    script = {**CRASHES, ("b", "up", "crash"): Step("again")}

    def observe(actor: ActorId, _before: State, event: Event, _step: Step) -> tuple[ActorId, str] | None:
        return (actor, event.kind) if isinstance(event, Local) else None

    def advance(state: int, seen: tuple[ActorId, str]) -> MonitorMove:
        down = state + {("a", "crash"): 1, ("a", "restart"): -1}.get(seen, 0)
        return MonitorMove(down, "both at once" if down and seen == ("b", "crash") else None)

    report = search(Scripted(script), {"crashes": 2, "restarts": 2}, Monitor("together", 0, observe, advance))

    assert (report.verdict, report.reduced_by) == ("fail", ())


def test_as_many_restarts_as_crashes_and_one_for_who_begins_down() -> None:
    """With one restart for two, it may be missing where it shows; the report says how many would do."""
    system = Scripted({**CRASHES, **REBORN}, begins={"a": "down"})
    few, enough = (search(system, {"crashes": 1, "restarts": restarts}) for restarts in (1, 2))

    assert (few.verdict, few.reduced_by) == ("fail", ())
    assert "allow 2 restarts" in few.not_reduced["fused"]
    assert (enough.verdict, enough.reduced_by, dict(enough.not_reduced)) == ("fail", ("fused",), {})


def test_a_restart_that_makes_another_possible() -> None:
    """If b, which is down at first, came up at once, one would be missing for a, which takes two to show something."""
    twice = {("a", "down", "restart"): Step("half"), ("a", "half", "restart"): Step("reborn")}
    system = Scripted({**CRASHES, **twice, ("b", "down", "restart"): Step("again")}, begins={"b": "down"})
    report = search(system, {"crashes": 1, "restarts": 2})

    assert (report.verdict, report.reduced_by) == ("fail", ())


def test_nothing_is_said_where_there_is_nothing_to_fuse() -> None:
    """Without crashes, it is neither used nor refused."""
    report = search(Scripted({}), {})

    assert (report.verdict, report.reduced_by, dict(report.not_reduced)) == ("pass", (), {})
