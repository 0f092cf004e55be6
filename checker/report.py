"""What an exploration found, as it is told to whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from checker.graph import Graph
from checker.runs.trace import Trace
from checker.world import WorldEvent

if TYPE_CHECKING:
    from checker.distributed.exchange import Holding

Verdict = Literal["pass", "fail", "unknown"]


@frozen
class Failure:
    """A property that does not hold, by the shortest run that breaks it."""

    property: str
    reason: str
    events: tuple[WorldEvent, ...]  # what to replay, and to minimise
    trace: Trace


@frozen
class Witness:
    """A run that reaches a goal, as short as there is one."""

    name: str
    events: tuple[WorldEvent, ...]
    trace: Trace


@frozen
class Met:
    """How a `sometimes` predicate fared: on how many distinct tuples of its views it held, and at which depth first.

    `depth` is None if it never held.
    """

    count: int
    depth: int | None


@frozen(kw_only=True)
class Report:
    """What an exploration found.

    The verdict is `fail` if a property broke, else `pass` if the space was complete (with a goal: if it was reached; a
    complete space without it is `fail`), else `unknown`: `limits_hit` says what was cut.
    """

    verdict: Verdict
    complete: bool  # every world within the bounds was expanded
    limits_hit: tuple[str, ...]  # of max_depth, max_states, max_time_s, max_memory_bytes, memory, disk, interrupted
    states: int  # distinct worlds
    transitions: int  # ways on from expanded worlds, those that lead back included
    depth: int  # levels of the search: the initial world is at depth 1, a run of n events reaches depth n + 1
    seconds: float  # of the search
    compile_seconds: float  # of compiling the kernel before it, or of loading it
    distinct_steps: int  # distinct pairs of actor state and event on which the system's code was run
    deadlocks: int  # expanded worlds that nothing leads on from
    pruned: int  # worlds that were not expanded, as `prune` asked
    violations: tuple[Failure, ...]  # shortest first; one for each property that broke
    reached: Witness | None  # the goal
    sometimes: Mapping[str, Met]
    marks: Mapping[str, int]  # in how many distinct steps each mark was made
    events: Mapping[str, int]  # on how many distinct pairs each kind of event was tried
    never_happened: tuple[str, ...]  # the kinds of local events that the bounds allow, and that no actor ever took
    first_depth: Mapping[str, int]  # of marks and events: how many events the shortest run with it has
    visited_bytes: int  # memory of the visited set at the end
    disk_bytes: int  # the most that was on disk at one time, of a search that spills
    collision_probability: float  # an upper bound for having taken two worlds for one; 0 if `exact`
    graph: Graph | None = field(default=None, repr=False)
    reduced_by: tuple[str, ...] = ()  # the reductions used; with any, all counts are of the reduced space
    stands_for: int | None = None  # with symmetry: how many worlds the `states` stand for
    not_reduced: Mapping[str, str] = field(factory=dict)  # the reductions asked for and not used, and why
    holdings: tuple[Holding, ...] = ()  # with the engine "ray": what each worker held
    shortest: bool = True  # no run to what was found is shorter than the one that is told

    @property
    def states_per_second(self) -> float:
        """Distinct worlds by second of search."""
        return self.states / self.seconds if self.seconds else 0.0

    @property
    def never(self) -> tuple[str, ...]:
        """The `sometimes` predicates that never held."""
        return tuple(name for name, met in self.sometimes.items() if not met.count)


__all__ = ["Failure", "Met", "Report", "Verdict", "Witness"]
