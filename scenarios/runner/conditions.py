"""Whether a condition holds, and if not, which part of it is false and what is there instead.

A condition over several servers (`all.term == 1`) means every one of them. A part that means nothing at the moment
(`leader.term` while nobody leads) raises Unresolved; what that comes to is for the caller to say: an `expect` fails, a
`run until` goes on, an `always` and a `never` pass it over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations, pairwise
from typing import Protocol

from attrs import frozen

from raftframe import NOOP, Command, Configuration, Log, Role
from raftframe.server_state import LeaderData
from scenarios.language import terms
from scenarios.runner.errors import ActionError, Unresolved
from scenarios.runner.post import LIVE, OPERATORS, Matcher
from scenarios.runner.resolving import Resolver, pattern_text
from scenarios.runner.snapshot import Plain, Snapshot, read, shown


@frozen
class Falsehood:
    """The part of a condition that is false, and what is true instead: `s1.commit is 2`."""

    part: terms.Condition
    label: str


class Surroundings(Protocol):
    """What conditions read beside the servers themselves."""

    def count(self, matcher: Matcher, stage: terms.Stage | None) -> int:
        """How many messages match, at *stage* or ever sent."""

    def is_quiet(self) -> bool:
        """Whether no message may move."""

    def outcome(self, operation: str) -> str:
        """pending, ok, refused, failed, redirected or unknown."""

    def marked(self, mark: str, server: str) -> bool:
        """Whether *server* has left *mark* in this run."""

    def broken(self, invariant: str) -> str | None:
        """How *invariant* was broken in this run, or None."""

    def earlier(self) -> Snapshot:
        """The servers at the last check that passed."""


class Nowhere:
    """No surroundings: in an exploration only the servers can be read."""

    def _no(self, what: str) -> ActionError:
        return ActionError(f"{what} cannot be read inside explore and reach; only the servers can")

    def count(self, matcher: Matcher, stage: terms.Stage | None) -> int:
        raise self._no("messages")

    def is_quiet(self) -> bool:
        raise self._no("quiet")

    def outcome(self, operation: str) -> str:
        raise self._no("outcomes of operations")

    def marked(self, mark: str, server: str) -> bool:
        raise self._no("marks")

    def broken(self, invariant: str) -> str | None:
        raise self._no(f"{invariant} as a part of a condition")

    def earlier(self) -> Snapshot:
        raise self._no("unchanged")


@frozen
class Conditions:
    """Judges conditions on one snapshot."""

    resolver: Resolver
    around: Surroundings

    @property
    def snapshot(self) -> Snapshot:
        """The servers that are judged."""
        return self.resolver.snapshot

    def holds(self, condition: terms.Condition) -> bool:
        """Whether *condition* holds. Raises Unresolved."""
        return self.falsehood(condition) is None

    def holds_surely(self, condition: terms.Condition) -> bool:
        """Whether *condition* holds, and means something."""
        try:
            return self.holds(condition)
        except Unresolved:
            return False

    def falsehood(self, condition: terms.Condition) -> Falsehood | None:
        """The first false part of *condition*, or None if it holds. Raises Unresolved."""
        match condition:
            case terms.And(parts=parts):
                return next((found for part in parts if (found := self.falsehood(part)) is not None), None)
            case terms.Or(parts=parts):
                return self._either(condition, parts)
            case terms.Not(part=part):
                return Falsehood(condition, "it holds") if self.holds(part) else None
        label = self._atom(condition)
        return None if label is None else Falsehood(condition, label)

    def _either(self, condition: terms.Or, parts: Iterable[terms.Condition]) -> Falsehood | None:
        labels, unresolved = [], None
        for part in parts:
            try:
                found = self.falsehood(part)
            except Unresolved as error:
                unresolved = error
                continue
            if found is None:
                return None
            labels.append(found.label)
        if not labels and unresolved is not None:
            raise unresolved
        return Falsehood(condition, ", and ".join(labels))

    def _atom(self, atom: terms.Condition) -> str | None:
        """What is true instead of *atom*, or None if it holds."""
        judge: Callable[[terms.Condition], str | None] = getattr(self, f"_on_{type(atom).__name__}")
        return judge(atom)

    # Atoms over servers

    def _on_LeaderCount(self, atom: terms.LeaderCount) -> str | None:
        leaders = [
            n for n in self.snapshot.names if self.snapshot.is_running(n) and self.snapshot.role(n) is Role.LEADER
        ]
        right = {"no": not leaders, "one": len(leaders) == 1, "some": bool(leaders)}[atom.quantity]
        if right:
            return None
        return f"{' and '.join(leaders)} lead{'s' if len(leaders) == 1 else ''}" if leaders else "nobody leads"

    def _on_RoleIs(self, atom: terms.RoleIs) -> str | None:
        for name in self.resolver.servers(atom.servers):
            if self._is(name, atom.role) == atom.negated:
                return f"{name} is {self._condition(name)}"
        return None

    def _is(self, name: str, role: str) -> bool:
        match role:
            case "paused":
                return name in self.snapshot.paused
            case "running":
                return self.snapshot.is_running(name)
            case "crashed" | "stopped":
                return self.snapshot.down.get(name) == role
            case "learner":
                return self.snapshot.is_learner(name)
        return self.snapshot.role(name) == role

    def _condition(self, name: str) -> str:
        paused = " and paused" if name in self.snapshot.paused else ""
        return f"{read(self.snapshot, name, 'role')}{paused}"

    def _on_Compare(self, atom: terms.Compare) -> str | None:
        expected = self._expected(atom)
        for name in self.resolver.servers(atom.left.servers):
            actual = read(self.snapshot, name, atom.left.name)
            if not _compares(actual, atom.operator, expected):
                there = f"{name}.{atom.left.name} is {shown(actual)}"
                return f"{there}, not {shown(expected)}" if isinstance(atom.right, terms.FieldRef) else there
        return None

    def _expected(self, atom: terms.Compare) -> Plain:
        if atom.left.name == "role" and isinstance(atom.right, terms.Selector) and atom.right.kind == "role":
            return atom.right.name
        return self.resolver.value(atom.right)

    def _on_Contains(self, atom: terms.Contains) -> str | None:
        value = self.resolver.value(atom.value)
        for name in self.resolver.servers(atom.left.servers):
            actual = read(self.snapshot, name, atom.left.name)
            if not _contains(actual, value):
                return f"{name}.{atom.left.name} is {shown(actual)}"
        return None

    def _on_Starts(self, atom: terms.Starts) -> str | None:
        value = self.resolver.value(atom.value)
        for name in self.resolver.servers(atom.left.servers):
            actual = read(self.snapshot, name, atom.left.name)
            if not _starts(actual, value):
                return f"{name}.{atom.left.name} is {shown(actual)}"
        return None

    def _on_Unchanged(self, atom: terms.Unchanged) -> str | None:
        earlier = self.around.earlier()
        for name in self.resolver.servers(atom.left.servers):
            then, now = (read(each, name, atom.left.name) for each in (earlier, self.snapshot))
            if then != now:
                return f"{name}.{atom.left.name} was {shown(then)} and is {shown(now)}"
        return None

    def _on_LogsMatch(self, atom: terms.LogsMatch) -> str | None:
        for one, other in combinations(self._meant(atom.servers), 2):
            mine, theirs = (read(self.snapshot, name, "log") for name in (one, other))
            assert isinstance(mine, Log) and isinstance(theirs, Log), "a log is read as one"
            if not mine.starts_with(theirs) or not theirs.starts_with(mine):
                return f"{one}.log is {shown(mine)}, {other}.log is {shown(theirs)}"
        return None

    def _on_CommittedMatch(self, atom: terms.CommittedMatch) -> str | None:
        for one, other in combinations(self._meant(atom.servers), 2):
            mine, theirs = self._committed(one), self._committed(other)
            if not (mine.starts_with(theirs) or theirs.starts_with(mine)):
                return f"{one} committed {shown(mine)}, {other} committed {shown(theirs)}"
        return None

    def _committed(self, name: str) -> Log:
        state = self.snapshot.servers[name].state
        return Log() if state is None else state.log.up_to(state.commit_index)

    def _meant(self, selectors: terms.Selectors) -> tuple[str, ...]:
        """The servers that are named; without a name, all that are up."""
        if selectors:
            return self.resolver.servers(selectors)
        return tuple(name for name in self.snapshot.names if name not in self.snapshot.down)

    def _on_ProgressIs(self, atom: terms.ProgressIs) -> str | None:
        source, target = self.resolver.server(atom.source), self.resolver.server(atom.target)
        state = self.snapshot.servers[source].state
        known = state.data.progress if state is not None and isinstance(state.data, LeaderData) else ()
        progress = next((one for one in known if one.server == target), None)
        if progress is None:
            raise Unresolved(f"{source} does not send entries to {target}: it is {self._condition(source)}")
        actual = len(progress.in_flight) if atom.measure == "inflight" else str(progress.state)
        expected = self.resolver.value(atom.value)
        if _compares(actual, atom.operator, expected):
            return None
        return f"{atom.measure}({source} -> {target}) is {shown(actual)}, not {shown(expected)}"

    # Atoms over what surrounds them

    def _on_Quiet(self, atom: terms.Quiet) -> str | None:
        return None if self.around.is_quiet() else "messages are still on their way"

    def _on_MessageCount(self, atom: terms.MessageCount) -> str | None:
        actual = self.around.count(self.resolver.matcher(atom.pattern), atom.stage)
        expected = self.resolver.value(atom.value)
        return None if _compares(actual, atom.operator, expected) else f"the count is {actual}, not {shown(expected)}"

    def _on_MessageIs(self, atom: terms.MessageIs) -> str | None:
        matcher = self.resolver.matcher(atom.pattern)
        if (self.around.count(matcher, atom.stage) > 0) != atom.negated:
            return None
        found = {stage: self.around.count(matcher, stage) for stage in (*LIVE, "handled", "dropped", "held")}
        where = ", ".join(f"{number} {stage}" for stage, number in found.items() if number)
        return f"{pattern_text(atom.pattern)}: {where or 'never sent'}"

    def _on_OutcomeIs(self, atom: terms.OutcomeIs) -> str | None:
        actual = self.around.outcome(atom.operation)
        same = actual == atom.outcome or (atom.outcome == "failed" and actual == "refused")
        return None if same != atom.negated else f"{atom.operation} is {actual}"

    def _on_MarkSeen(self, atom: terms.MarkSeen) -> str | None:
        if not atom.servers:
            seen = any(self.around.marked(atom.mark, name) for name in self.snapshot.names)
            return None if seen else f"no server has left the mark {atom.mark}"
        for name in self.resolver.servers(atom.servers):
            if not self.around.marked(atom.mark, name):
                return f"{name} has not left the mark {atom.mark}"
        return None

    def _on_InvariantHolds(self, atom: terms.InvariantHolds) -> str | None:
        return self.around.broken(atom.name)


def _compares(actual: Plain, operator: terms.Operator, expected: Plain) -> bool:
    if isinstance(actual, Log) and isinstance(expected, tuple):
        actual = actual.terms
    elif isinstance(expected, Log) and isinstance(actual, tuple):
        expected = expected.terms
    if operator in ("==", "!="):
        return (actual == expected) == (operator == "==")
    return type(actual) is type(expected) is int and OPERATORS[operator](actual, expected)


def _contains(actual: Plain, value: Plain) -> bool:
    match actual, value:
        case Log(), Command():
            return any(entry.command == value for entry in actual)
        case Log(), "noop":
            return any(entry.command is NOOP for entry in actual)
        case Log(), "leave_joint":
            found = [entry.command for entry in actual if isinstance(entry.command, Configuration)]
            return any(one.is_joint and not other.is_joint for one, other in pairwise(found))
        case Log(), int():
            return value in actual.terms
        case tuple(), _:
            return value in actual
        case str(), str():
            return value in actual
    return False


def _starts(actual: Plain, value: Plain) -> bool:
    match actual, value:
        case Log(), Log():
            return actual.starts_with(value)
        case Log(), tuple():
            return actual.terms[: len(value)] == value
        case tuple(), tuple():
            return actual[: len(value)] == value
    return isinstance(actual, str) and isinstance(value, str) and actual.startswith(value)
