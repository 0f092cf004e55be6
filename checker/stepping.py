"""Runs one local step of the checked system, and says what is wrong with it.

The system is foreign code: it may raise, return nonsense, change what it was given, or answer differently the next
time. Everything here turns that into `Finding`s, so that exploration goes on and the user gets a trace.

`perform` runs the step once: replay and `world.py` use it. A `Performer` runs it on two equal copies and compares: the
tables use it, once for each distinct step, which costs next to nothing because distinct steps are so few.
"""

from __future__ import annotations

import copy
import pickle
import random
import sysconfig
import time
import traceback
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve, frozen

from checker.properties.base import Monitor, MonitorMove, StepRule, as_reason, show
from checker.system import ActorId, Deliver, Event, Send, State, Step, System

NO_HANDLER_ERROR = "no_handler_error"
DETERMINISTIC_STEP = "deterministic_step"
UNCHANGED_INPUT = "unchanged_input"

MOST_COPIES = 20_000

Within = Callable[[ActorId, State], bool]
Given = tuple[State, Event]
Keys = tuple[int, int]  # of a state and an event, which their copies go by
T = TypeVar("T")

_ROOT = Path(__file__).resolve().parents[1]
_NOT_THE_USERS = (
    *(f"{_ROOT / package}/" for package in ("raftframe", "checker", "scenarios")),
    *(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<",  # what attrs and dataclasses generate, and what is frozen into the interpreter
)


@frozen
class Finding:
    """One thing that is wrong: the property's name, and a sentence."""

    property: str
    reason: str


@frozen
class Outcome:
    """What a local step came to.

    `step` is None if the event cannot happen there. A step that raised has become one that changes nothing, with a
    finding. `observations` has one entry a monitor, None where the step does not concern it.
    """

    step: Step | None
    findings: tuple[Finding, ...] = ()
    observations: tuple[Hashable | None, ...] = ()


@frozen
class Watch:
    """What looks at every local step: step rules, monitors, and the limit on states."""

    step_rules: tuple[StepRule, ...] = ()
    monitors: tuple[Monitor, ...] = ()
    within: Within | None = None


def perform(system: System, actor: ActorId, state: State, event: Event, watch: Watch) -> Outcome:
    """The outcome of *event* at *actor* in *state*, judged by *watch*. The system gets copies, lest it change them."""
    step, trouble = _run(system, actor, *copy_of((state, event)))
    trouble = trouble or _compared(actor, event, step, copy_of(step))[1]
    return _judge(actor, state, event, step, trouble, watch)


class Performer:
    """Runs the steps of *system* on copies, judged by *watch*: differences and changed input become findings."""

    def __init__(self, system: System, watch: Watch) -> None:
        self._system, self._watch = system, watch
        self._copies = Copies()

    def twice(self, keys: Keys, actor: ActorId, given: Given) -> Outcome:
        """The outcome of an event at *actor* in a state, which were *given*, run on two copies and compared.

        One has served before, the other is fresh: so what a step leaves in its input where `==` does not look shows as
        a difference.
        """
        system, event, used = self._system, given[1], self._copies.used(keys, given)
        fresh = self._copies.fresh(keys, given)
        step, trouble = _run(system, actor, *fresh)
        again, trouble_again = _run(system, actor, *used)
        same, unlike = _compared(actor, event, step, again)
        outcome = _judge(actor, *given, step, trouble or unlike, self._watch)
        findings = _changes(actor, given, fresh) or _changes(actor, given, used)
        if unlike is None and (not same or bool(trouble) != bool(trouble_again)):
            reason = _difference(system, actor, *given, step or trouble, again or trouble_again)
            findings = [Finding(DETERMINISTIC_STEP, reason), *findings]
        return self._with(outcome, findings, keys, given) if findings else outcome

    def again(self, keys: Keys, actor: ActorId, given: Given) -> Outcome:
        """As `twice`, but once: for an image of what was performed twice, with which it is compared."""
        used = self._copies.used(keys, given)
        outcome = _judge(actor, *given, *_run(self._system, actor, *used), self._watch)
        changes = _changes(actor, given, used)
        return self._with(outcome, changes, keys, given) if changes else outcome

    def _with(self, outcome: Outcome, findings: Sequence[Finding], keys: Keys, given: Given) -> Outcome:
        """*outcome* with more *findings*: on a step, in any case, so that they are reported with a trace."""
        self._copies.forget(keys)
        return Outcome(outcome.step or Step(given[0]), (*outcome.findings, *findings), outcome.observations)


class Copies:
    """Copies of states and events, by key. Only the latest are kept."""

    def __init__(self) -> None:
        self._copiers: dict[int, Callable[[], Any]] = {}
        self._used: dict[int, Any] = {}

    def fresh(self, keys: Keys, given: Given) -> Given:
        """New copies of what is *given*, each of which goes by its key."""
        return self._copier(keys[0], given[0])(), self._copier(keys[1], given[1])()

    def used(self, keys: Keys, given: Given) -> Given:
        """The same copies as the last time, if there was one."""
        used, (state, event) = self._used, keys
        if state not in used or event not in used:
            self._make(keys, given)
        return used[state], used[event]

    def _make(self, keys: Keys, given: Given) -> None:
        if len(self._used) >= MOST_COPIES:
            self._used.clear()
        for key, thing in zip(keys, given, strict=True):
            if key not in self._used:
                self._used[key] = self._copier(key, thing)()

    def _copier(self, key: int, thing: T) -> Callable[[], T]:
        copier = self._copiers.get(key)
        if copier is None:
            if len(self._copiers) >= MOST_COPIES:
                self._copiers.clear()
            copier = self._copiers[key] = copier_of(thing)
        return copier

    def forget(self, keys: Keys) -> None:
        """A step has changed the copies that were used: make them again."""
        for key in keys:
            self._used.pop(key, None)


def _changes(actor: ActorId, given: Given, now: Given) -> Sequence[Finding]:
    """What a step changed in its input."""
    (state, event), (state_now, event_now) = given, now
    if _same(state_now, state) and _same(event_now, event):
        return ()
    return [
        Finding(
            UNCHANGED_INPUT,
            f"the step of {actor} on {describe_event(event)} changed the {what} that it was given: {show(before)} "
            f"became {show(after)}",
        )
        for what, before, after in zip(("state", "event"), given, now, strict=True)
        if not _same(after, before)
    ]


def move(monitor: Monitor, state: Hashable, observation: Hashable) -> MonitorMove:
    """Where *monitor* goes; an exception in it breaks it."""
    try:
        went: object = monitor.advance(state, observation)
        if not isinstance(went, MonitorMove):
            return MonitorMove(state, f"the monitor returned {show(went)}, not a MonitorMove")
        hash(went.state)
    except (Exception, SystemExit) as error:
        return MonitorMove(state, f"the monitor raised {describe_error(error)} on {show(observation)}")
    return evolve(went, broken=as_reason(went.broken))


def describe_event(event: Event) -> str:
    """One phrase: `timeout`, `command 2`, `m from s1`."""
    if isinstance(event, Deliver):
        return f"{show(event.message)} from {event.source}"
    return event.kind if event.number == 0 else f"{event.kind} {event.number}"


def describe_error(error: BaseException) -> str:
    """The exception's type and text on one line, and where the user's code raised it, if that is known."""
    try:
        text = " ".join(str(error).split())
    except (Exception, SystemExit):
        text = ""
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{named}{_place(error)}"


def _place(error: BaseException) -> str:
    """` (own.py:12 in step)`: the deepest frame that is neither ours nor a library's."""
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if not code.co_filename.startswith(_NOT_THE_USERS):
            place = f" ({Path(code.co_filename).name}:{line} in {code.co_name})"
    return place


def _run(system: System, actor: ActorId, state: State, event: Event) -> tuple[Step | None, str | None]:
    """The step, or what went wrong. A step that raised counts as one that changes nothing."""
    try:
        step = system.step(actor, state, event)
    except (Exception, SystemExit) as error:
        return Step(state), f"{actor} raised {describe_error(error)} on {describe_event(event)}"
    try:
        trouble = _malformed(system, step)
    except (Exception, SystemExit) as error:  # what it returned may raise whatever is done with it
        trouble = f"what step returned cannot be used: {describe_error(error)}"
    if trouble is None:
        return step, None
    return Step(state), f"{actor} on {describe_event(event)}: {trouble}"


def _malformed(system: System, step: object) -> str | None:
    if step is None:
        return None
    if not isinstance(step, Step):
        return f"step returned {show(step)}, not a Step or None"
    actors = system.actors
    for send in step.sends:
        if not isinstance(send, Send):
            return f"step sends {show(send)}, which is no Send(target, message)"
        if send.target not in actors:
            return f"step sends {show(send)}; the target must be one of {', '.join(map(str, actors))}"
    if step.marks != () and (isinstance(step.marks, str) or not all(isinstance(mark, str) for mark in step.marks)):
        return f"step has the marks {show(step.marks)}; write a tuple of strings"
    try:
        hash((step.state, step.sends))
    except (Exception, SystemExit) as error:
        return f"states and messages must be hashable: {describe_error(error)}"
    if not hasattr(system, "describe_state"):  # then repr is what traces show
        try:
            repr((step.state, step.sends))
        except (Exception, SystemExit) as error:
            return f"states and messages must have a repr: it raised {describe_error(error)}"
    return None


def _compared(actor: ActorId, event: Event, step: Step | None, again: Step | None) -> tuple[bool, str | None]:
    """Whether two results of one step are the same, and what comparing them raised, if it did."""
    try:
        return bool(step == again), None
    except (Exception, SystemExit) as error:
        what = f"{actor} on {describe_event(event)}: comparing what step returned raised {describe_error(error)}"
        return False, what


def _judge(actor: ActorId, state: State, event: Event, step: Step | None, trouble: str | None, watch: Watch) -> Outcome:
    nothing = (None,) * len(watch.monitors)
    if trouble is not None:
        return Outcome(Step(state), (Finding(NO_HANDLER_ERROR, trouble),), nothing)
    if step is None or (watch.within is not None and not watch.within(actor, step.state)):
        return Outcome(None, (), nothing)
    if not watch.step_rules and not watch.monitors:
        return Outcome(step)
    findings: list[Finding] = []
    for rule in watch.step_rules:
        reason = as_reason(_guarded(findings, rule.name, partial(rule.check, actor, state, event, step)))
        if reason is not None:
            findings.append(Finding(rule.name, reason))
    observations = [
        _guarded(findings, monitor.name, partial(_observed, monitor, actor, state, event, step))
        for monitor in watch.monitors
    ]
    return Outcome(step, tuple(findings), tuple(observations))


def _observed(monitor: Monitor, actor: ActorId, state: State, event: Event, step: Step) -> Hashable | None:
    seen = monitor.observe(actor, state, event, step)
    hash(seen)
    return seen


def _guarded(findings: list[Finding], name: str, look: Callable[[], T]) -> T | None:
    try:
        return look()
    except (Exception, SystemExit) as error:
        findings.append(Finding(name, f"the property raised {describe_error(error)}"))
        return None


def copy_of(thing: T) -> T:
    """An equal copy that shares nothing that can change; *thing* itself if it cannot be copied."""
    return copier_of(thing)()


def copier_of(thing: T) -> Callable[[], T]:
    """Makes what `copy_of` gives, again and again."""
    try:
        packed = pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
    except (Exception, SystemExit):
        return partial(_deep_copy, thing)
    return partial(_unpacked, packed, thing)


def _unpacked(packed: bytes, thing: T) -> T:
    try:
        copied: T = pickle.loads(packed)
        return copied
    except (Exception, SystemExit):
        return _deep_copy(thing)


def _deep_copy(thing: T) -> T:
    try:
        return copy.deepcopy(thing)
    except (Exception, SystemExit):
        return thing


def _same(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except (Exception, SystemExit):
        return False


def _difference(system: System, actor: ActorId, state: State, event: Event, one: object, other: object) -> str:
    cause = _likely_cause(system, actor, state, event)
    what = f"{actor} answers {describe_event(event)} differently the second time"
    return f"{what}: {show(one)}, then {show(other)}; likely cause: {cause}"


def _likely_cause(system: System, actor: ActorId, state: State, event: Event) -> str:
    """A guess at why two runs differed, from a third run that is watched."""
    if not _same(copy_of(state), state):
        return "the state does not compare by value (it needs __eq__ and __hash__; attrs.frozen gives both)"
    before = random.getstate()
    clock_reads = _count_clock_reads(lambda: _run(system, actor, copy_of(state), copy_of(event)))
    if random.getstate() != before:
        return "the step uses the random module"
    if clock_reads:
        return "the step reads the clock"
    return (
        "something is kept between calls (a shared object, a class attribute, a global, a part of a state or message "
        "that == leaves out), an unseeded source of randomness, or iteration over a set"
    )


def _count_clock_reads(run: Callable[[], object]) -> int:
    """How often *run* reads the clock through the time module."""
    names = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
    originals: dict[str, Callable[[], Any]] = {name: getattr(time, name) for name in names}
    reads = 0

    def counted(original: Callable[[], Any]) -> Callable[[], Any]:
        def read() -> Any:
            nonlocal reads
            reads += 1
            return original()

        return read

    try:
        for name, original in originals.items():
            setattr(time, name, counted(original))
        run()
    finally:
        for name, original in originals.items():
            setattr(time, name, original)
    return reads
