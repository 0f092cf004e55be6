"""One run of one instance: carries out statements, watches, and collects what fails.

A failed check is written down, and the run goes on: one run shows all of them. An action that cannot be carried out
ends the run, since what follows would test something else. Each verb has one handler, in `verbs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from attrs import define, field

from scenarios.language import tree
from scenarios.language.diagnostics import Diagnostic, Via
from scenarios.language.loaded import Instance
from scenarios.language.terms import Condition, InvariantHolds, Selector, Stage, walk
from scenarios.runner.cluster_api import Cluster
from scenarios.runner.conditions import Conditions, Falsehood
from scenarios.runner.errors import ActionError, Unresolved
from scenarios.runner.post import Matcher
from scenarios.runner.reporting import Reporter
from scenarios.runner.resolving import Resolver
from scenarios.runner.results import Exploration, Failure
from scenarios.runner.setup import Setup
from scenarios.runner.snapshot import Plain, Snapshot, snapshot_of

Handlers: TypeAlias = "Mapping[type[tree.Statement], Callable[[Run, Any], None]]"
"""What carries out each kind of statement. Any: each handler takes the statement of its own kind."""


MOST_STATEMENTS = 100_000
MOST_FAILURES = 100


class StopRun(Exception):
    """The run is over: an action failed, or the line to stop at is reached."""


@define(eq=False)
class Watcher:
    """An `always` or `never` from its line on. `looks` counts how often it was judged, and meant something."""

    statement: tree.Always | tree.Never
    baseline: Snapshot
    looks: int = 0
    over: bool = False


@define(eq=False)
class Recording:
    """What one `show` printed: where its golden lines are to go."""

    statement: tree.Show
    lines: tuple[str, ...]


@define(eq=False)
class Run:
    """The state of a run beside the cluster's."""

    instance: Instance
    setup: Setup
    cluster: Cluster
    reporter: Reporter
    to_line: int | None = None
    variables: dict[str, Plain] = field(factory=dict)
    failures: list[Failure] = field(factory=list)
    warnings: list[Diagnostic] = field(factory=list)
    explorations: list[Exploration] = field(factory=list)
    watchers: list[Watcher] = field(factory=list)
    recordings: list[Recording] = field(factory=list)
    transcript: list[str] = field(factory=list)
    chain: list[Via] = field(factory=list)
    injected: bool = False
    current: tree.Statement | None = None
    baseline: Snapshot = field(init=False)
    baseline_step: int = 0
    _reported: int = 0
    _statements: int = 0

    def __attrs_post_init__(self) -> None:
        self.baseline = snapshot_of(self.cluster)
        self.cluster.observers.append(self._watch)

    # Statements

    def carry_out(self, statements: Iterable[tree.Statement]) -> None:
        """Each of *statements*, in order. Raises StopRun when one cannot be carried out."""
        for statement in statements:
            self.one(statement)

    def one(self, statement: tree.Statement) -> None:
        """One statement. Raises StopRun when it cannot be carried out, or when enough has failed."""
        from scenarios.runner.verbs import HANDLERS  # the handlers import this module

        if self.to_line is not None and not self.chain and statement.span.line > self.to_line:
            raise StopRun
        self._begin(statement)
        try:
            self._count()
            HANDLERS[type(statement)](self, statement)
        except ActionError as error:
            self._report_found()
            self.fail("action", str(error), statement)
            raise StopRun from error
        self.current = statement
        self._report_found()

    def _count(self) -> None:
        """Repetitions within repetitions must come to an end."""
        self._statements += 1
        if self._statements > MOST_STATEMENTS:
            raise ActionError(f"more than {MOST_STATEMENTS:,} statements in one run: repeat less")
        if len(self.failures) >= MOST_FAILURES:
            raise ActionError(f"{MOST_FAILURES} checks have failed; the rest of the run is left out")

    def _begin(self, statement: tree.Statement) -> None:
        self.current = statement
        self.cluster.journal.line = self.chain[0].span.line if self.chain else statement.span.line
        bound = sorted({name for each in walk(statement) if isinstance(each, Selector) for name in self._bound(each)})
        note = f"   # {', '.join(bound)}" if bound and not getattr(statement, "body", ()) else ""
        self.transcript.append(f"{statement.span}: {self.reporter.sources.text(statement.span)}{note}")

    def _bound(self, selector: Selector) -> list[str]:
        """What a word that is no name means now: `leader (= s2)`."""
        if selector.kind not in ("role", "variable"):
            return []
        try:
            return [f"{selector.name} (= {' '.join(self.resolver().select(selector))})"]
        except ActionError:
            return []

    # What words mean

    def resolver(self, statement: tree.Statement | None = None) -> Resolver:
        """Resolves the words of a line, now."""
        snapshot = snapshot_of(self.cluster)
        operations = {name: one.command for name, one in self.cluster.clients.operations.items()}
        plain = Resolver(snapshot, self.variables, operations)
        if statement is None:
            return plain
        selectors = [each for each in walk(statement) if isinstance(each, Selector)]
        if not any(selector.name == "others" for selector in selectors):
            return plain
        named = frozenset(plain.servers(each for each in selectors if each.name != "others"))
        return Resolver(snapshot, self.variables, operations, named)

    def conditions(self, since: Snapshot | None = None) -> Conditions:
        """Judges conditions, now; `unchanged` means *since* then (None: the last check that passed)."""
        return Conditions(self.resolver(), _Around(self, since or self.baseline))

    def test(self, condition: Condition) -> Callable[[], bool]:
        """*condition* as a question that can be asked again and again."""
        return lambda: self.conditions().holds_surely(condition)

    def falsehood(self, condition: Condition) -> Falsehood | None:
        """Why *condition* does not hold now; None if it does."""
        try:
            return self.conditions().falsehood(condition)
        except Unresolved as error:
            return Falsehood(condition, str(error))

    def passed(self) -> None:
        """A check passed: `unchanged` and the reports of later failures begin here."""
        self.baseline, self.baseline_step = snapshot_of(self.cluster), self.cluster.step_count

    # Failures

    def fail(
        self,
        check: str,
        label: str,
        statement: tree.Statement,
        *,
        part: Condition | None = None,
        because: str | None = None,
        headline: str | None = None,
        extra: Iterable[str] = (),
    ) -> None:
        """Write down that *statement* failed; *part* is the false part of its condition."""
        diagnostic = self.reporter.failed(
            headline or self._clipped(statement),
            statement.span,
            mark=part.span if part is not None and part.span.line else None,
            label=label,
            because=because,
            since=self.baseline_step,
            chain=tuple(reversed(self.chain)),
            extra=extra,
        )
        outermost = self.chain[0].span.line if self.chain else statement.span.line
        self.failures.append(Failure(check, outermost, self.cluster.step_count, diagnostic))

    def warn(self, message: str, statement: tree.Statement) -> None:
        """Write down a warning about *statement*."""
        self.warnings.append(self.reporter.warning(message, statement.span))

    def _clipped(self, statement: tree.Statement) -> str:
        text = self.reporter.sources.text(statement.span) or type(statement).__name__.lower()
        return text.partition(" because ")[0]

    def _report_found(self) -> None:
        """The properties that broke since the last report, as failures of the current statement."""
        news, self._reported = self.cluster.found[self._reported :], len(self.cluster.found)
        for found in news:
            assert self.current is not None
            text = self._clipped(self.current)
            where = f"invariant {found.property} after step {found.step}, in: {text}"
            self.fail(found.property, found.reason, self.current, headline=where)

    # Watching

    def _watch(self) -> None:
        for watcher in self.watchers:
            if not watcher.over:
                self._look(watcher)

    def _look(self, watcher: Watcher) -> None:
        conditions = self.conditions(watcher.baseline)
        statement = watcher.statement
        if statement.until is not None and conditions.holds_surely(statement.until):
            watcher.over = True
            return
        for condition in statement.conditions:
            try:
                found = conditions.falsehood(condition)
            except Unresolved:
                continue
            watcher.looks += 1
            if isinstance(statement, tree.Always) and found is not None:
                watcher.over = True
                if not isinstance(found.part, InvariantHolds):  # those are reported under their own names
                    self.fail("always", found.label, statement, part=found.part)
            elif isinstance(statement, tree.Never) and found is None:
                watcher.over = True
                self.fail("never", f"it holds after step {self.cluster.step_count}", statement, part=condition)

    # The end

    def finish(self) -> None:
        """What can only be said when the run is over: what never bit, and whether the clients saw one order."""
        for point in self.cluster.pauses.points:
            self._never("pause", f"never reached: {point.server} {point.text}", point.line)
        for point in self.cluster.pauses.forgotten:
            self._remark(f"{point.server} went down before it came to this pause point ({point.text})", point.line)
        for hold in [*self.cluster.post.holds.values(), *self.cluster.post.holds_ended]:
            if not hold.caught:
                self._never("hold", f"held nothing: no message was {hold.matcher.text}", hold.line)
        for watcher in self.watchers:
            if not watcher.looks:
                why = "its `until` held at once" if watcher.over else "no step came after it, or none that it fits"
                self.warn(f"this was never judged: {why}", watcher.statement)
        for name, line in self.cluster.ignored.items():
            ignored = name in self.cluster.ignored_found or name == "linearizable" or self.explorations
            if not ignored:
                self._remark(f"there was nothing to ignore: {name} held throughout", line)
        problem = self.linearizability_problem()
        last = self.instance.statements[-1] if self.instance.statements else None
        reported = any(failure.check == "linearizable" for failure in self.failures)
        if problem is not None and last is not None and not reported and "linearizable" not in self.cluster.ignored:
            self.fail("linearizable", problem, last, headline="linearizable, at the end of the run")

    def linearizability_problem(self) -> str | None:
        """What no order of the clients' operations explains, or None."""
        return self.cluster.clients.problem(self.setup.states)

    def _never(self, check: str, label: str, line: int) -> None:
        statement = self._statement_at(line)
        if statement is not None:
            self.fail(check, label, statement)

    def _remark(self, message: str, line: int) -> None:
        statement = self._statement_at(line)
        if statement is not None:
            self.warn(message, statement)

    def _statement_at(self, line: int) -> tree.Statement | None:
        found = [
            node
            for node in tree.walk_all(self.instance.statements)
            if isinstance(node, tree.Statement) and node.span.line == line
        ]
        return found[0] if found else None


@define
class _Around:
    """What conditions read of a run beside the servers."""

    run: Run
    since: Snapshot

    def count(self, matcher: Matcher, stage: Stage | None) -> int:
        return self.run.cluster.post.count(matcher, stage)

    def is_quiet(self) -> bool:
        cluster = self.run.cluster
        return not any(cluster.may_move(envelope) for envelope in cluster.post.live)

    def outcome(self, operation: str) -> str:
        found = self.run.cluster.clients.operations.get(operation)
        if found is None:
            raise ActionError(f"no operation is called {operation} (yet)")
        return found.outcome

    def marked(self, mark: str, server: str) -> bool:
        return mark in self.run.cluster.marks.get(server, ())

    def broken(self, invariant: str) -> str | None:
        if invariant == "linearizable":
            return self.run.linearizability_problem()
        for found in self.run.cluster.found:
            if found.property == invariant:
                return f"violated after step {found.step}: {found.reason}"
        return None

    def earlier(self) -> Snapshot:
        return self.since


def check_name(condition: Condition, default: str) -> str:
    """What a failure of *condition* is called: the invariant's name if it is nothing but that."""
    return condition.name if isinstance(condition, InvariantHolds) else default
