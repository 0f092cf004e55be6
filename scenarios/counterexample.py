"""Writes a run that breaks a property as a scenario file: the loop's last arc.

The run is minimised first, as elementary events, each of which is one line of a scenario; see `runner/journal.py`.
The file ends by expecting the property that fell. So it fails today, in the same way, and guards against the bug
once that is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from attrs import evolve, field, frozen

from checker.properties.base import Property
from checker.properties.raft import RAFT_PROPERTIES
from checker.runs.minimise import Attempt, minimise
from checker.runs.trace import Trace, Violation
from checker.world import Delivery, Duplicate, WorldEvent
from scenarios.runner.cluster import SimCluster
from scenarios.runner.journal import Elementary
from scenarios.runner.replaying import Retelling, attempt_at, happens, replay
from scenarios.runner.setup import Setup

COMMENT_COLUMN = 56


@frozen(kw_only=True)
class Counterexample:
    """A minimised run on a fresh cluster made from `setup`, and what it breaks.

    `headers` are written as they are, after the title: `app`, `options`, `state_map`, `generated`, `from` ...
    """

    setup: Setup
    events: tuple[Elementary, ...]
    violation: Violation
    properties: tuple[Property, ...] = RAFT_PROPERTIES
    headers: Mapping[str, str] = field(factory=dict)

    def __str__(self) -> str:
        """The text of the scenario file."""
        return "\n".join([*self._header(), "", *self._steps(), self._expectation()]) + "\n"

    def trace(self) -> Trace:
        """The run, for the views."""
        again = replay(self.setup, self.events, looking_for=self.violation.property, properties=self.properties)
        journal = again.cluster.journal
        title = f"{self.violation.property}: {self.violation.reason}"
        return evolve(journal.trace(self.violation, self.headers), title=title)

    def _header(self) -> Iterator[str]:
        yield f"scenario: counterexample - {self.violation.property} - {self.violation.reason}"
        yield "format: 1"
        written = {"tags": "counterexample", **self.headers, "servers": str(len(self.setup.servers))}
        for key, text in written.items():
            yield f"{key}: {' '.join(text.split())}"

    def _steps(self) -> Iterator[str]:
        """One line an event, with the number of its step in the trace, and what it did."""
        cluster = SimCluster(self.setup, title="counterexample", properties=self.properties)
        for event in self.events:
            before, known = _fields(cluster), cluster.step_count
            happens(cluster, event)
            number = f"{cluster.step_count:>2}" if cluster.step_count > known else ""  # a flush takes no step
            yield f"{event!s:<{COMMENT_COLUMN - 1}} # {number:2}  {_remark(before, _fields(cluster))}".rstrip(" #")

    def _expectation(self) -> str:
        statement, broken = f"expect {self.violation.property}", self.violation
        return f"{statement:<{COMMENT_COLUMN - 1}} #     violated after step {broken.step}: {broken.reason}"


def counterexample_of(
    setup: Setup,
    events: Sequence[Elementary],
    property_name: str,
    *,
    properties: Iterable[Property] = RAFT_PROPERTIES,
    headers: Mapping[str, str] | None = None,
) -> Counterexample:
    """The shortest part of *events* that still breaks the property, ready to be written.

    Raises ValueError if *events* do not break it on a fresh cluster, or if the scenario, run as a file, does not.
    """
    judged = tuple(properties)
    attempt = attempt_at(setup, property_name, judged)
    minimised = minimise([evolve(event, serial=0) for event in events], attempt)  # a file's clients number their own
    shortest = _with_plain_crashes(minimised.events, attempt)
    again = replay(setup, shortest, looking_for=property_name, properties=judged)
    assert again.found is not None
    example = Counterexample(
        setup=setup,
        events=again.events,
        violation=Violation(property_name, again.found.reason, again.found.step),
        properties=judged,
        headers={**(headers or {}), **setup.headers, "minimised": str(minimised)},
    )
    _verify(example)
    return example


def _verify(example: Counterexample) -> None:
    """Load and run what would be written. Raises ValueError unless it breaks the same property.

    A condition of an `explore` has no name that the file could expect: its last line is for the reader to write.
    """
    from scenarios.language.loader import load  # slow to import: lark
    from scenarios.runner.files import run_loaded

    name = example.violation.property
    if name.startswith(("always (", "never (")):
        return
    loaded = load(text=str(example))
    if loaded.errors:
        raise ValueError(f"no scenario can tell how {name} breaks: {loaded.errors[0].message}")
    (result,) = run_loaded(loaded).instances
    checks = [failure.check for failure in result.failures]
    if name not in checks:
        instead = f"breaks {', '.join(checks)}" if checks else f"ends with {result.verdict}"
        raise ValueError(f"the scenario that was to break {name} {instead} instead")


def _with_plain_crashes(events: tuple[Elementary, ...], attempt: Attempt[Elementary]) -> tuple[Elementary, ...]:
    """*events* with each `crash X losing unsynced` made a mere `crash X` where that fails too."""
    for place, event in enumerate(events):
        if event.verb == "crash" and event.detail:
            plainer = (*events[:place], evolve(event, detail=""), *events[place + 1 :])
            if attempt(plainer) == plainer:
                events = plainer
    return events


def as_elementary(
    setup: Setup,
    events: Iterable[WorldEvent],
    operation: Callable[[int], str],
    *,
    given: Iterable[Elementary] = (),
) -> tuple[Elementary, ...]:
    """What an exploration found from a fresh cluster on, or from what is *given*, in the words of scenarios.

    operation(k) has the words of the k-th command, from 0. What only the ever-sent network can do, delivering a
    message again that was sent once, becomes a duplicate.
    """
    cluster = SimCluster(setup, title="exploration", properties=())
    for joining in setup.joining:
        cluster.start(joining, verb="start")  # in an exploration they run from the beginning
    for written in given:
        happens(cluster, written)
    retelling = Retelling(cluster, operation)
    left = list(events)
    while left:
        event = left.pop(0)
        if isinstance(event, Delivery) and event in left and not _is_twice_there(cluster, event):
            retelling.happen(Duplicate(event.source, event.target, event.message))
        retelling.happen(event)
    return tuple(cluster.journal.elementary)


def _is_twice_there(cluster: SimCluster, event: Delivery) -> bool:
    return sum(envelope.message == event.message for envelope in cluster.post.live) > 1


def _fields(cluster: SimCluster) -> dict[str, Mapping[str, str]]:
    return {name: cluster.system.describe_state(name, state) for name, state in cluster.servers.items()}


def _remark(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> str:
    """What changed, in a few words: the server, and its fields."""
    words = {"role": "{}", "term": "term {}", "voted_for": "votes for {}", "log": "log {}", "commit": "commit {}"}
    for name, now in after.items():
        changed = [word.format(now[key]) for key, word in words.items() if now[key] not in (before[name][key], "-")]
        if changed:
            return f"{name} {', '.join(changed)}"
    return ""
