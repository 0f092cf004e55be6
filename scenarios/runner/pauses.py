"""Who stands still, and where servers are to stop.

A pause point bites once, the first time that its server gets there, and stays on the books until the end of the run:
one that nobody reached is a failure, because a scenario that believes it crashed a server at some point, and did not,
tests nothing. A crash ends a pause and forgets the server's points, which is only worth a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from attrs import define, field

from checker.raft_system import RaftServer
from raftframe.effects import Timer
from scenarios.runner.post import Envelope, Matcher

Moment: TypeAlias = tuple[Literal["before", "after"], Literal["sending", "receiving", "handling"]]


@define(eq=False)
class PausePoint:
    """Where *server* is to stop: at a message (*moment* and *matcher*), on an event (*kind*, *value*), or *when*."""

    server: str
    text: str
    line: int
    moment: Moment | None = None
    matcher: Matcher | None = None
    kind: Literal["role", "substate", "timer", "commit", "apply"] | None = None
    value: object = None
    when: Callable[[], bool] | None = None


@define(eq=False)
class Pauses:
    """Every pause of a run."""

    paused: dict[str, str] = field(factory=dict)  # server: why
    points: list[PausePoint] = field(factory=list)
    forgotten: list[PausePoint] = field(factory=list)

    def at_message(self, server: str, moment: Moment, envelope: Envelope) -> PausePoint | None:
        """The point that *server* has reached with *envelope*; it is used up."""
        for point in self._of(server):
            if point.moment == moment and point.matcher is not None and point.matcher.matches(envelope.message):
                return self._use(point)
        return None

    def at_timer(self, server: str, timer: Timer) -> PausePoint | None:
        """The point that *server* has reached because *timer* is about to fire; it is used up."""
        for point in self._of(server):
            if point.kind == "timer" and point.value == timer.value:
                return self._use(point)
        return None

    def after_step(
        self, server: str, before: RaftServer, after: RaftServer, marks: tuple[str, ...]
    ) -> PausePoint | None:
        """The point that *server* has reached by a step; it is used up."""
        for point in self._of(server):
            if point.kind is not None and _reached(point, before, after, marks):
                return self._use(point)
        return None

    def conditional(self, running: Callable[[str], bool]) -> Iterator[PausePoint]:
        """The points whose condition holds, of running servers; each is used up."""
        for point in list(self.points):
            if point.when is not None and running(point.server) and point.when():
                yield self._use(point)

    def crashed(self, server: str) -> None:
        """*server* went down: it is not paused any more, and its points are forgotten."""
        self.paused.pop(server, None)
        self.forgotten += self._of(server)
        self.points = [point for point in self.points if point.server != server]

    def _of(self, server: str) -> list[PausePoint]:
        return [point for point in self.points if point.server == server]

    def _use(self, point: PausePoint) -> PausePoint:
        self.points.remove(point)
        return point


def _reached(point: PausePoint, before: RaftServer, after: RaftServer, marks: tuple[str, ...]) -> bool:
    then, now = before.state, after.state
    if then is None or now is None:
        return False
    match point.kind:
        case "role":
            return then.role != now.role and str(now.role) == point.value
        case "substate":
            return point.value in marks
        case "commit":
            return isinstance(point.value, int) and then.commit_index < point.value <= now.commit_index
        case "apply":
            return isinstance(point.value, int) and then.applied_index < point.value <= now.applied_index
    return False
