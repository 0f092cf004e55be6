"""Changes of members: reconfigure, and leave a joint configuration.

Whoever is asked and does not lead says who does, and the leader is asked in its place, if it runs. What the leader
refuses is an error, unless the line expects it: `=> refused`. With `=> ok` the line waits until the change is
committed; otherwise the request is only handed over.
"""

from __future__ import annotations

from raftframe.events import LeaveJoint, Reconfigure
from raftframe.marks import Mark
from raftframe.membership import Change, Transition
from scenarios.language import tree
from scenarios.language.terms import Selector
from scenarios.runner import scheduler
from scenarios.runner.errors import ActionError, NothingToActOn
from scenarios.runner.run import Handlers, Run
from scenarios.runner.verbs.acting import acting, not_running

OPERATOR = "operator"
_LEADER = Selector("leader", "role")
_MOST_REDIRECTS = 5


def reconfigure(run: Run, statement: tree.Reconfigure) -> None:
    """The leader is asked for a change of members."""
    try:
        change = _change(run, statement)
    except ValueError as error:
        raise ActionError(str(error)) from error
    transition = _transition(statement)
    style = "" if statement.style is None else f" {statement.style}"
    style += "" if statement.leave is None else f" {statement.leave}"
    order = Reconfigure(OPERATOR, _serial(run), change, transition)
    _ask(run, statement, order, f"reconfigure {change}{style}", statement.target or _LEADER, statement.outcome)


def leave_joint(run: Run, statement: tree.LeaveJoint) -> None:
    """The leader is asked to leave the joint configuration."""
    _ask(run, statement, LeaveJoint(OPERATOR, _serial(run)), "leave joint", statement.target, None)


def _change(run: Run, statement: tree.Reconfigure) -> Change:
    wanted: dict[str, list[str]] = {"add": [], "learner": [], "remove": []}
    for clause in statement.changes:
        wanted[clause.action] += run.resolver(statement).servers(clause.servers)
    return Change(tuple(wanted["add"]), tuple(wanted["learner"]), tuple(wanted["remove"]))


def _transition(statement: tree.Reconfigure) -> Transition:
    if statement.style is None:
        return Transition.AUTO
    if statement.style == "direct":
        return Transition.DIRECT
    return Transition.EXPLICIT if statement.leave == "explicit" else Transition.IMPLICIT


def _serial(run: Run) -> int:
    return 1 + sum(event.verb == "order" for event in run.cluster.journal.elementary)


def _ask(
    run: Run,
    statement: tree.Statement,
    order: Reconfigure | LeaveJoint,
    text: str,
    target: Selector,
    wanted: tree.Outcome | None,
) -> None:
    (name,) = acting(run, statement, (target,), not_running(run))
    outcome = _handed_over(run, name, order, f"{text} to {name}")
    for _ in range(_MOST_REDIRECTS):
        leader = run.cluster.servers[name].state
        known = None if leader is None else leader.leader
        if outcome != "redirected" or wanted is not None or known is None or not run.cluster.is_running(known):
            break
        name, outcome = known, _handed_over(run, known, order, f"{text} to {known}")
    if wanted is None:
        if outcome != "ok":
            raise NothingToActOn(f"{name} has {outcome} it")
        return
    if outcome == "ok" == wanted.word:
        outcome = _committed(run, name)
    if outcome == wanted.word:
        run.passed()
    else:
        run.fail("expect", f"the change is {outcome}", statement)


def _handed_over(run: Run, name: str, order: Reconfigure | LeaveJoint, text: str) -> str:
    """ok if *name* has begun the change, refused or redirected if not."""
    known = run.cluster.step_count
    run.cluster.order(name, order, text)
    marks = {mark for step in run.cluster.journal.steps[known:] for mark in step.marks}
    if Mark.ACCEPTED_CHANGE in marks:
        return "ok"
    return "redirected" if Mark.REDIRECTED_CLIENT in marks else "refused"


def _committed(run: Run, name: str) -> str:
    """Run until the latest configuration of *name* is committed: ok, or pending if it never is."""

    def is_committed() -> bool:
        state = run.cluster.servers[name].state
        return state is not None and state.configuration_index <= state.commit_index

    done = run.cluster.run_until(is_committed, milliseconds=scheduler.FOREVER_MS)
    return "ok" if done else "pending"


HANDLERS: Handlers = {tree.Reconfigure: reconfigure, tree.LeaveJoint: leave_joint}
