"""What `raftframe check` says of a search, to people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
from attrs import fields

from scenarios.commands.common import counted
from scenarios.commands.wish import Wish

if TYPE_CHECKING:
    from checker.explore import Report
    from raftframe import Options


def report_as_json(report: Report, files: Mapping[str, str]) -> dict[str, Any]:
    """The report as docs/json.md describes it."""
    return {
        "format": 1,
        "verdict": report.verdict,
        "complete": report.complete,
        "limits_hit": list(report.limits_hit),
        "states": report.states,
        "transitions": report.transitions,
        "depth": report.depth,
        "seconds": round(report.seconds, 3),
        "compile_seconds": round(report.compile_seconds, 3),
        "states_per_second": round(report.states_per_second),
        "distinct_steps": report.distinct_steps,
        "deadlocks": report.deadlocks,
        "visited_bytes": report.visited_bytes,
        "disk_bytes": report.disk_bytes,
        "collision_probability": report.collision_probability,
        "reduced_by": list(report.reduced_by),
        "not_reduced": dict(report.not_reduced),
        "stands_for": report.stands_for,
        "holdings": [holding._asdict() for holding in report.holdings],
        "shortest": report.shortest,
        "marks": dict(report.marks),
        "events": dict(report.events),
        "first_depth": dict(report.first_depth),
        "never_happened": list(report.never_happened),
        "violations": [
            {
                "property": failure.property,
                "reason": failure.reason,
                "steps": len(failure.events),
                "events": [step.name for step in failure.trace.steps],
            }
            for failure in report.violations
        ],
        "files": dict(files),
    }


def print_report(report: Report, wish: Wish) -> None:
    """The counterexamples, the verdict, what it stands on, and what to do next."""
    from checker.views import print_text

    for failure in report.violations:
        print_text(failure.trace)
        click.echo("")
    cut = f", cut by {', '.join(report.limits_hit)}" if report.limits_hit else ""
    space = f"the whole space within {wish.limits_text()}" if report.complete else f"part of the space{cut}"
    size = f"{counted(report.states, 'state')}, {counted(report.transitions, 'transition')}, depth {report.depth}"
    click.echo(f"{report.verdict}: {space}, {size}")
    pace = f"{report.seconds:.2f} s, {report.states_per_second:,.0f} states/s"
    click.echo(f"  {pace}; the implementation ran {counted(report.distinct_steps, 'distinct step')}")
    _print_holdings(report)
    _print_memory(report)
    _print_reductions(report)
    _print_goal(report, wish.goal)
    if report.never_happened and report.verdict != "fail":
        click.echo(f"  warning: allowed, and never happened: {', '.join(report.never_happened)}")
    if wish.reference is not None and not wish.invariants:
        click.echo("  no property was asked for, only that nothing raises: add --invariant FILE.py:NAME")
    if report.verdict != "fail":
        _print_what_the_bug_needs(wish.state_map)
    if report.verdict == "fail" and wish.scenario_file is None and wish.reference is None:
        click.echo("  keep it: add --write FILE.scenario, or --html FILE.html to look at it")


def _print_holdings(report: Report) -> None:
    """What the workers of a distributed search held, and what went from one to the other."""
    if not report.holdings:
        return
    workers, machines = len(report.holdings), len({holding.machine for holding in report.holdings})
    peak = max(holding.peak_bytes for holding in report.holdings) / (1 << 20)
    sent = sum(holding.sent_bytes for holding in report.holdings) / report.states
    click.echo(
        f"  {counted(workers, 'worker')} on {counted(machines, 'machine')}, "
        f"at most {peak:,.0f} MiB each; {sent:.1f} bytes a state went from one to another"
    )


def _print_memory(report: Report) -> None:
    """How far fingerprints are to be trusted, and what was on disk."""
    if report.collision_probability:
        odds = max(1, int(1 / report.collision_probability))
        click.echo(
            f"  states were told apart by 64-bit fingerprints: the odds that any two share one, and that one of them "
            f"went unseen, are less than 1 in {_rounded(odds):,}"
        )
    elif not report.reduced_by:
        click.echo("  whole states were compared, so none went unseen")
    if report.disk_bytes:
        click.echo(f"  at most {report.disk_bytes / (1 << 20):,.0f} MiB were on disk at one time")


def _rounded(number: int) -> int:
    """*number* with two digits that are not 0, rounded down."""
    scale: int = 10 ** max(0, len(str(number)) - 2)
    return number // scale * scale


def _print_goal(report: Report, goal: str | None) -> None:
    from checker.views import print_text

    if report.reached is not None:
        click.echo("")
        print_text(report.reached.trace)
    elif goal is not None:
        click.echo(f"  {goal} was not reached" + (": nothing leads to it" if report.complete else ""))


def coverage_text(report: Report) -> str:
    """Each kind of event and each mark: in how many distinct steps, and after how many events at the soonest."""
    depths = ", and the length of the shortest run to it" if report.first_depth else ""
    lines = ["", f"coverage: distinct steps with each event and mark{depths}"]
    for title, counts in (("event", report.events), ("mark", report.marks)):
        for name, count in counts.items():
            depth = report.first_depth.get(name)
            lines.append(f"  {title:5}  {name:40} {count:8,}  {'' if depth is None else depth:>5}".rstrip())
    return "\n".join(lines)


def _print_reductions(report: Report) -> None:
    if report.reduced_by:
        what = "confluent deliveries taken at once, " if "confluent" in report.reduced_by else ""
        what += "dead messages left out, " if "dead" in report.reduced_by else ""
        if report.stands_for is not None:
            what += f"one world for all that differ in who is who (for {report.stands_for / report.states:.2f}), "
        what += "worlds left out that another covers, " if "covered" in report.reduced_by else ""
        what += "events whose delay nobody sees taken at once, " if "fused" in report.reduced_by else ""
        click.echo(f"  reduced: {what}so the counts are those of the reduced space")
    for reason in dict.fromkeys(report.not_reduced.values()):
        names = [name for name, why in report.not_reduced.items() if why == reason]
        click.echo(f"  not reduced by {', '.join(names)}: {reason}")
    if not report.shortest and (report.violations or report.reached is not None):
        click.echo("  a shorter run to what was found may exist")


def print_files(files: Mapping[str, str]) -> None:
    """What was written where."""
    for what, path in files.items():
        click.echo(f"  {what}: {path}")
    if "scenario" in files:
        click.echo(f"  replay it: raftframe replay {files['scenario']}")


def _print_what_the_bug_needs(state_map: str | None) -> None:
    """Some planted bugs show only after a history, or with other options; whoever looks in vain should know."""
    from checker.mutants import MUTANTS

    for mutant in MUTANTS:
        if mutant.name == state_map:
            limits = " ".join(f"--limit {name}={n}" for name, n in mutant.bounds.items())
            begins = (
                ", from logs " + str(dict(mutant.given))
                if mutant.given
                else ", after a prelude"
                if mutant.prelude
                else ""
            )
            options = " ".join(f"--option {option}" for option in _said(mutant.options))
            click.echo(f"  {state_map} is known to show with {limits} --servers {mutant.servers} {options}{begins}")


def _said(options: Options) -> Iterator[str]:
    """What of *options* is not as it is by default, as `--option` takes it."""
    standard = type(options)()
    for field in fields(type(options)):
        value = getattr(options, field.name)
        if value != getattr(standard, field.name):
            yield f"{field.name}={('on' if value else 'off') if isinstance(value, bool) else value}"
