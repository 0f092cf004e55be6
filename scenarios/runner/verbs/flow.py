"""Flow: run until, pause, resume."""

from __future__ import annotations

from scenarios.language import tree
from scenarios.language.terms import Selector
from scenarios.runner import scheduler
from scenarios.runner.errors import ActionError
from scenarios.runner.pauses import PausePoint
from scenarios.runner.resolving import Resolver
from scenarios.runner.run import Handlers, Run
from scenarios.runner.snapshot import Plain, shown
from scenarios.runner.verbs.acting import acting, limits_of, not_running


def run_until(run: Run, statement: tree.RunUntil) -> None:
    """The fair scheduler, until the condition holds."""
    limits = limits_of(run, statement.within, scheduler.FOREVER_MS)
    if not run.cluster.run_until(run.test(statement.condition), **limits):
        found = run.falsehood(statement.condition)
        raise ActionError(f"it did not come to that: {found.label if found is not None else ''}")


def pause(run: Run, statement: tree.Pause) -> None:
    """Stop now, or where the point is reached."""
    if statement.point is None:
        for name in acting(run, statement, statement.servers, not_running(run)):
            run.cluster.pause(name)
        return
    for name in run.resolver(statement).servers(statement.servers):
        run.cluster.pauses.points.append(_point(run, statement, name))


def _point(run: Run, statement: tree.Pause, name: str) -> PausePoint:
    resolver, line = run.resolver(statement), statement.span.line
    match statement.point:
        case tree.PauseAtMessage(side, moment, pattern):
            matcher = resolver.matcher(pattern)
            return PausePoint(name, f"{side} {moment} {matcher.text}", line, moment=(side, moment), matcher=matcher)
        case tree.PauseOn(kind, value):
            wanted = _wanted(resolver, value)
            return PausePoint(name, f"on {kind} {shown(wanted)}", line, kind=kind, value=wanted)
        case tree.PauseWhen(condition):
            return PausePoint(name, "when the condition holds", line, when=run.test(condition))
    raise ActionError("a pause point is missing")


def _wanted(resolver: Resolver, value: object) -> Plain:
    """`leader` is the name of a role here, not a server."""
    if isinstance(value, Selector) and value.kind == "role":
        return value.name
    return resolver.value(value)  # type: ignore[arg-type]  # the tree says Value


def resume(run: Run, statement: tree.Resume) -> None:
    """The paused go on. `resume all` is content with nobody: a crash ends a pause, too."""
    paused = run.cluster.pauses.paused
    if [selector.name for selector in statement.servers] == ["all"] and not paused:
        return
    names = acting(run, statement, statement.servers, lambda name: None if name in paused else f"{name} is not paused")
    for name in names:
        run.cluster.resume(name)


HANDLERS: Handlers = {tree.RunUntil: run_until, tree.Pause: pause, tree.Resume: resume}
