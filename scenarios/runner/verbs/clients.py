"""Clients: client, await."""

from __future__ import annotations

from collections.abc import Hashable

from checker.stepping import describe_error
from scenarios.language import tree
from scenarios.language.terms import Selector, Word
from scenarios.runner import scheduler
from scenarios.runner.clients import AGAIN, Operation
from scenarios.runner.errors import ActionError, NothingToActOn, Unresolved
from scenarios.runner.run import Handlers, Run
from scenarios.runner.snapshot import shown
from scenarios.runner.verbs.acting import not_running


def client(run: Run, statement: tree.Client) -> None:
    """Hand a command over; with an outcome, wait for it."""
    resolver = run.resolver(statement)
    again = statement.command == AGAIN.strip()
    words = (
        each.text if again and isinstance(each, Word) else shown(resolver.value(each)) for each in statement.arguments
    )
    text = " ".join([statement.command, *words])
    target = _target(run, statement)
    clients, follows = run.cluster.clients, _follows(statement)
    if text.startswith(AGAIN):
        operation = clients.begin_again(statement.client, text.removeprefix(AGAIN), statement.name, follows)
    else:
        operation = clients.begin(statement.client, _parse(run, text), text, statement.name, follows)
    if target is not None:
        run.cluster.ask(operation, target)
    else:
        operation.retry_at = run.cluster.clock.now
    if statement.outcome is not None:
        wait(run, statement, operation, statement.outcome)


def _parse(run: Run, text: str) -> Hashable:
    try:
        return run.setup.parse(text)
    except ValueError as error:
        raise ActionError(f"the application does not understand `{text}`: {error}") from error
    except (Exception, SystemExit) as error:
        raise ActionError(f"the application raised {describe_error(error)} when it was given `{text}`") from error


def _follows(statement: tree.Client) -> bool:
    """Whether a redirect is followed: not if the server was chosen to see what it says."""
    if statement.target is None or statement.via:
        return True
    return statement.outcome is not None and statement.outcome.word != "redirected"


def _target(run: Run, statement: tree.Client) -> str | None:
    """The server asked. The client's own choice is the leader, else the first server that runs, else nobody yet."""
    if statement.target is not None:
        name = run.resolver(statement).server(statement.target)
        problem = not_running(run)(name)
        if problem is not None:
            raise NothingToActOn(problem)
        return name
    reachable = [
        name
        for name in run.cluster.names
        if run.cluster.is_running(name) and (statement.client, name) not in run.cluster.cut
    ]
    try:
        leader = run.resolver().server(_LEADER)
    except Unresolved:
        leader = ""
    return leader if leader in reachable else next(iter(reachable), None)


_LEADER = Selector("leader", "role")


def wait(run: Run, statement: tree.Statement, operation: Operation, wanted: tree.Outcome | None) -> None:
    """Run until *operation* is no longer pending; then it must have ended as *wanted*."""
    if wanted is None or wanted.word != "pending":
        run.cluster.run_until(lambda: operation.outcome != "pending", milliseconds=scheduler.FOREVER_MS)
    if operation.outcome == "pending" and (wanted is None or wanted.word != "pending"):
        raise ActionError(f"{operation.name} is still pending after {scheduler.FOREVER_MS / 1000:g} s")
    if wanted is None:
        return
    problem = _problem(run, operation, wanted)
    if problem is None:
        run.passed()
    else:
        run.fail("expect", problem, statement)


def _problem(run: Run, operation: Operation, wanted: tree.Outcome) -> str | None:
    actual = f"{operation.name} is {operation.outcome} {operation.told}".rstrip()
    same = operation.outcome == wanted.word or (wanted.word == "failed" and operation.outcome == "refused")
    if not same:
        return actual
    values = [shown(run.resolver().value(value)) for value in wanted.values]
    return actual if values and " ".join(values) != operation.told else None


def await_(run: Run, statement: tree.Await) -> None:
    """Run until the operation has an outcome."""
    operation = run.cluster.clients.operations.get(statement.operation)
    if operation is None:
        raise NothingToActOn(f"no operation is called {statement.operation}")
    wait(run, statement, operation, statement.outcome)


HANDLERS: Handlers = {tree.Client: client, tree.Await: await_}
