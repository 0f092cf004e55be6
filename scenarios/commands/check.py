"""`raftframe check`: explore a system within bounds, and hand back the shortest run that breaks it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from checker.errors import UsageError, did_you_mean
from scenarios.commands.common import EXIT_CODES, ended_by_ctrl_c, json_option, pairs, search_progress, write_file

if TYPE_CHECKING:
    from checker.checkpoints import Checkpoint
    from checker.explore import Failure, Report
    from checker.properties import Property
    from checker.system import Bounds, System
    from checker.walks import Walks
    from checker.watch import Progress

BUDGETS = ("timeouts", "heartbeats", "commands", "crashes", "restarts", "drops", "duplicates")
CUTS = {"depth": ("max_depth", 1), "states": ("max_states", 1), "time": ("max_time_s", 1)}
CUTS |= {"memory": ("max_memory_bytes", 1 << 20)}  # given in MiB
SIZES = ("terms", "log")
LIMITS_HELP = """How far to look. timeouts, heartbeats, commands, crashes, restarts, drops, duplicates: how often
each may happen (default 0; restarts: as many as crashes). terms, log: how large a term or a log may grow. depth,
states, time (in seconds), memory (in MiB): where to give up, which makes the verdict `unknown`."""


@frozen(kw_only=True)
class Limits:
    """`--limit`, sorted by what each does. Budgets and sizes say what the space is; cuts end the search early."""

    budgets: dict[str, int]
    cuts: dict[str, int]
    sizes: dict[str, int]

    @classmethod
    def parse(cls, given: Mapping[str, str], own_budgets: tuple[str, ...]) -> Limits:
        """Sort *given*; *own_budgets* are those of a user's system."""
        known = dict.fromkeys((*BUDGETS, *own_budgets, *SIZES, *CUTS))
        for name, text in given.items():
            if name not in known:
                raise UsageError(f"there is no limit {name!r}; {did_you_mean(name, known)}")
            if not text.isdecimal():
                raise UsageError(f"the limit {name} is {text!r}; write a whole number, as in --limit {name}=2")
        numbers = {name: int(text) for name, text in given.items()}
        budgets = {name: n for name, n in numbers.items() if name not in CUTS and name not in SIZES}
        if "crashes" in budgets and "restarts" not in budgets:
            budgets["restarts"] = budgets["crashes"]
        return cls(
            budgets=budgets,
            cuts={CUTS[name][0]: n * CUTS[name][1] for name, n in numbers.items() if name in CUTS},
            sizes={name: n for name, n in numbers.items() if name in SIZES},
        )


@click.command("check")
@click.option(
    "--system", "reference", metavar="FILE.py:NAME", help="A system of your own. Without it, Raft is explored."
)
@click.option("--servers", type=click.IntRange(1), help="How many servers; 3 unless the system says else.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=N", help=LIMITS_HELP)
@click.option(
    "--network", type=click.Choice(["unordered", "fifo", "ever-sent"]), default="unordered", show_default=True
)
@click.option("--state-map", metavar="NAME", help="Plant a bug in Raft: a mutant's name, or package.module:Class.")
@click.option(
    "--app", default="bank", show_default=True, help="The application on Raft: bank, or package.module:Class."
)
@click.option(
    "--command", "operations", multiple=True, help="What clients ask for, in turn, as in --command 'debit 5'."
)
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Raft's options, as in noop=off, batch=1."
)
@click.option("--invariant", "invariants", multiple=True, metavar="FILE.py:NAME", help="A property of your own.")
@click.option("--ignore", multiple=True, metavar="NAME", help="A default invariant to leave out.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Threads that share the work.")
@click.option("--exact", is_flag=True, help="Keep whole states, not their 64-bit fingerprints.")
@click.option(
    "--reduce",
    default="none",
    show_default=True,
    help="Leave out what cannot matter: none, all, or a list of dead, confluent, symmetry. Counts are of what is left.",
)
@click.option("--goal", metavar="FILE.py:NAME", help="A predicate: look for the shortest run to where it holds.")
@click.option("--keep-going", is_flag=True, help="Go on after a violation: the shortest run for each broken property.")
@click.option("--coverage", is_flag=True, help="Print each kind of event and each mark: how often, and how soon.")
@click.option("--order", type=click.Choice(["breadth", "depth"]), default="breadth", help="Which worlds come first.")
@click.option("--rise", is_flag=True, help="Raise the limits by one in turn, until --limit time=S is up.")
@click.option("--walks", type=click.IntRange(1), help="Take so many random walks, in place of a search.")
@click.option("--length", type=click.IntRange(1), default=100, help="The most events of a walk; 100.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the walks; 0.")
@click.option("--swarm", is_flag=True, help="Let every walk prefer events of its own.")
@click.option(
    "--checkpoint", "checkpoint_folder", type=click.Path(path_type=Path), help="A folder in which to keep checkpoints."
)
@click.option("--every", "every_s", type=click.FloatRange(0), default=300, help="Seconds between checkpoints; 300.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint, as after kill -9; the rest as it was.")
@click.option("--graph", "graph_file", type=click.Path(path_type=Path), help="Write the states: .graphml, .dot, .json.")
@click.option(
    "--write", "scenario_file", type=click.Path(path_type=Path), help="Write the counterexample as a scenario."
)
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Draw the counterexample.")
@click.option("--trace", "trace_file", type=click.Path(path_type=Path), help="Write the counterexample as JSON.")
@json_option
def command(as_json: bool, coverage: bool, **given: Any) -> None:
    """Explore every interleaving of messages, timeouts, crashes and losses, within limits. Ctrl-C ends it with what was
    found so far.

    \b
    raftframe check --limit timeouts=2 --limit commands=1
    raftframe check --limit timeouts=2 --limit crashes=1 --state-map forgets_vote_on_restart
    raftframe check --system examples/raft_core.py:raft_core --limit timeouts=2 --json
    """
    wish = _Wish(**given)
    wish.refuse_what_cannot_be_written()
    with search_progress(not as_json) as tell, ended_by_ctrl_c() as stop:
        wish, report = wish.explore(tell, stop)
    if not as_json:
        _print(report, wish)
        if coverage:
            click.echo(coverage_text(report))
    files = wish.write(report)  # last: a file that cannot be written must not cost the finding
    if as_json:
        click.echo(json.dumps(report_as_json(report, files), indent=2))
    else:
        _print_files(files)
    raise click.exceptions.Exit(EXIT_CODES[report.verdict])


@frozen(kw_only=True)
class _Wish:
    """One call of the command: its options as given."""

    reference: str | None
    servers: int | None
    limits: tuple[str, ...]
    network: str
    state_map: str | None
    app: str
    operations: tuple[str, ...]
    options: tuple[str, ...]
    invariants: tuple[str, ...]
    ignore: tuple[str, ...]
    goal: str | None
    keep_going: bool
    order: str
    rise: bool
    walks: int | None
    length: int
    seed: int
    swarm: bool
    checkpoint_folder: Path | None
    every_s: float
    resume: bool
    workers: int
    exact: bool
    reduce: str
    graph_file: Path | None
    scenario_file: Path | None
    html_file: Path | None
    trace_file: Path | None

    def refuse_what_cannot_be_written(self) -> None:
        """Mistakes in the names of files are told before the search, not after it."""
        from checker.graph import FORMATS

        if self.resume and self.checkpoint_folder is None:
            raise UsageError("--resume needs --checkpoint FOLDER, the folder that has the checkpoint")

        if self.graph_file is not None and self.graph_file.suffix[1:] not in FORMATS:
            raise UsageError(f"--graph {self.graph_file}: the name must end in one of .{', .'.join(FORMATS)}")
        if self.scenario_file is not None and self.reference is not None:
            raise UsageError("--write is for Raft: no scenario can steer a --system of your own; use --html or --trace")

    def explore(self, tell: Callable[[Progress], None] | None, stop: Callable[[], bool]) -> tuple[_Wish, Report]:
        """Build the system, and search it until *stop* says to end: the report, and the wish that it answers."""
        from checker.explore import check
        from checker.raft_system import no_larger_than
        from checker.system import Bounds

        system = self.system()
        own = tuple(kind.budget for kind in system.local_kinds)
        limits = Limits.parse(pairs(self.limits, "--limit"), own)
        if self.reference is not None and limits.sizes:
            raise UsageError(f"--limit {', '.join(limits.sizes)} is for Raft; bound your own system in its steps")
        budgets = {name: n for name, n in limits.budgets.items() if n or name in own}
        if not any(budgets.values()):
            raise UsageError(f"nothing may happen: allow something, as in --limit {own[0] if own else 'drops'}=2")
        options: dict[str, Any] = {
            "properties": (*self.properties(), *self.seen_by_clients(system)),
            "network": self.network,
            "within": no_larger_than(**limits.sizes),
            "exact": self.exact,
            "graph": self.graph_file is not None,
            "reduce": self.reductions(),
            "workers": self.workers,
            "goal": self.aim(),
            "stop_at_first": not self.keep_going,
            "progress": tell,
            "stop": stop,
            "checkpoint": self.checkpoint(),
            "walks": self.random_walks(),
            "order": self.order,
            **limits.cuts,
        }
        if self.rise:
            return self.explore_rising(system, Bounds(budgets), options)
        return self, check(system, bounds=Bounds(budgets), **options)

    def explore_rising(self, system: System, bounds: Bounds, options: dict[str, Any]) -> tuple[_Wish, Report]:
        """Explore ever larger spaces, and say what comes of each: the last report that says something, and its wish."""
        from checker.rising import check_rising, outcome

        if "max_time_s" not in options:
            raise UsageError("--rise goes on until the time is up: add --limit time=SECONDS")
        if self.checkpoint_folder is not None:
            raise UsageError("--rise begins anew with each limit, so it keeps no checkpoint: leave one of them out")
        rounds = []
        for one in check_rising(system, bounds=bounds, **options):
            rounds.append(one)
            within = " ".join(f"{name}={n}" for name, n in one.bounds.budgets.items())
            click.echo(f"{one.report.verdict} within {within}: {one.report.states:,} states", err=True)
        told = outcome(rounds)
        sizes = [limit for limit in self.limits if limit.partition("=")[0] in SIZES]
        budgets = (f"{name}={n}" for name, n in told.bounds.budgets.items())
        return evolve(self, limits=(*budgets, *sizes), rise=False), told.report

    def system(self) -> System:
        """The system to explore."""
        from scenarios.commands.systems import load_system, raft_system

        if self.reference is not None:
            for flag, value in (
                ("--state-map", self.state_map),
                ("--option", self.options),
                ("--command", self.operations),
            ):
                if value:
                    raise UsageError(f"{flag} is for Raft; it says nothing to a --system of your own")
            return load_system(self.reference, self.servers)
        return raft_system(
            servers=self.servers or 3,
            app=self.app,
            operations=self.operations,
            state_map=self.state_map,
            options=pairs(self.options, "--option"),
        )

    def aim(self) -> Callable[..., bool] | None:
        """The goal, if there is one."""
        from scenarios.commands.systems import load_name

        return None if self.goal is None else load_name(self.goal, "a predicate")

    def checkpoint(self) -> Checkpoint | None:
        """Where checkpoints are kept, if anywhere."""
        from checker.checkpoints import Checkpoint

        if self.checkpoint_folder is None:
            return None
        return Checkpoint(folder=self.checkpoint_folder, every_s=self.every_s, resume=self.resume)

    def random_walks(self) -> Walks | None:
        """The walks to take, if any."""
        from checker.walks import Walks

        if self.walks is None:
            return None
        return Walks(count=self.walks, length=self.length, seed=self.seed, swarm=self.swarm)

    def reductions(self) -> tuple[str, ...] | None:
        """The reductions asked for, None meaning all."""
        if self.reduce in ("none", "all"):
            return () if self.reduce == "none" else None
        return tuple(name.strip() for name in self.reduce.split(","))

    def properties(self) -> tuple[Property, ...]:
        """What must hold: for Raft the defaults, and what `--invariant` names."""
        from checker.properties import as_property
        from checker.properties.raft import RAFT_PROPERTIES
        from scenarios.commands.systems import load_name

        standard = RAFT_PROPERTIES if self.reference is None else ()
        names = [one.name for one in standard]
        for name in self.ignore:
            if name not in names:
                raise UsageError(f"--ignore {name}: no default invariant has this name; {did_you_mean(name, names)}")
        kept = (one for one in standard if one.name not in self.ignore)
        own = (as_property(load_name(reference, "an invariant")) for reference in self.invariants)
        return (*kept, *own)

    def seen_by_clients(self, system: System) -> tuple[Property, ...]:
        """If reads need no entry, what clients see must be linearizable; with entries for all it is, by the others."""
        from checker.properties.clients import linearizable
        from checker.raft_system import RaftSystem

        if not isinstance(system, RaftSystem) or not system.states.options.linearizable_reads:
            return ()
        return (linearizable(system),)

    def write(self, report: Report) -> dict[str, str]:
        """Write the files asked for, as far as there is something to write: what was written where."""
        from checker.trace_json import to_json
        from checker.views import render_html

        written: dict[str, str] = {}
        if self.graph_file is not None and report.graph is not None:
            self.graph_file.parent.mkdir(parents=True, exist_ok=True)
            report.graph.write(self.graph_file)
            written["graph"] = str(self.graph_file)
        if not report.violations:
            return written
        failure = report.violations[0]
        self.say_if_no_scenario_can_tell(failure)
        texts: dict[str, tuple[Path | None, Callable[[], str]]] = {
            "scenario": (self.scenario_file, lambda: self.scenario(failure)),
            "html": (self.html_file, lambda: render_html(failure.trace)),
            "trace": (self.trace_file, lambda: to_json(failure.trace)),
        }
        for what, (path, text) in texts.items():
            if path is not None and (what != "scenario" or self.can_be_told(failure)):
                write_file(path, text())
                written[what] = str(path)
        return written

    def can_be_told(self, failure: Failure) -> bool:
        """Whether a scenario file can tell *failure*: it needs a step, and a property that the language knows."""
        from scenarios.language.features import INVARIANTS

        return bool(failure.events) and failure.property in INVARIANTS

    def say_if_no_scenario_can_tell(self, failure: Failure) -> None:
        """A property of the user's own has no name in the language, and an initial state needs no scenario."""
        if self.scenario_file is not None and not self.can_be_told(failure):
            why = "is your own, which scenarios cannot name" if failure.events else "does not hold in the initial state"
            click.echo(f"  no scenario was written: {failure.property} {why}; use --html or --trace", err=True)

    def scenario(self, failure: Failure) -> str:
        """The counterexample as the text of a scenario file."""
        from checker.raft_system import RaftSystem
        from scenarios.counterexample import as_elementary, counterexample_of
        from scenarios.runner.setup import find_application, plain_setup

        system = self.system()
        assert isinstance(system, RaftSystem), "refused before the search"
        said = {"app": self.app, "options": ", ".join(self.options), "state_map": self.state_map or ""}
        headers = {name: text for name, text in said.items() if text}
        setup = plain_setup(len(system.actors), system.states, find_application(self.app)[1], headers)
        events = as_elementary(setup, failure.events, lambda number: str(system.command(number).operation))
        found_by = {"generated": self.command_line()}
        try:
            told = counterexample_of(setup, events, failure.property, properties=self.properties(), headers=found_by)
            return str(told)
        except ValueError as error:
            raise UsageError(f"--write: {error}; --html and --trace can tell it") from error

    def limits_text(self) -> str:
        """The limits as given."""
        return " ".join(self.limits)

    def command_line(self) -> str:
        """What to type to find the counterexample again."""
        words = ["raftframe check", *(f"--limit {limit}" for limit in self.limits)]
        words += [f"--servers {self.servers}"] if self.servers else []
        words += [f"--network {self.network}"] if self.network != "unordered" else []
        words += [f"--app {self.app}"] if self.app != "bank" else []
        words += [f"--command {shlex.quote(operation)}" for operation in self.operations]
        words += [f"--option {option}" for option in self.options]
        words += [f"--invariant {invariant}" for invariant in self.invariants]
        words += [f"--ignore {name}" for name in self.ignore]
        words += [f"--order {self.order}"] if self.order != "breadth" else []
        if self.walks is not None:
            words += [f"--walks {self.walks} --length {self.length} --seed {self.seed}", *["--swarm"] * self.swarm]
        words += [f"--goal {self.goal}"] if self.goal else []
        words += ["--keep-going"] if self.keep_going else []
        words += [f"--reduce {self.reduce}"] if self.reduce != "none" else []
        words += [f"--state-map {self.state_map}"] if self.state_map else []
        return " ".join(words)


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
            options = f"noop={mutant.options.noop}, batch={mutant.options.batch}"
            click.echo(f"  {state_map} is known to show with {limits} --servers {mutant.servers} ({options}){begins}")


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
        "collision_probability": report.collision_probability,
        "reduced_by": list(report.reduced_by),
        "not_reduced": dict(report.not_reduced),
        "stands_for": report.stands_for,
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


def _print(report: Report, wish: _Wish) -> None:
    from checker.views import print_text

    for failure in report.violations:
        print_text(failure.trace)
        click.echo("")
    cut = f", cut by {', '.join(report.limits_hit)}" if report.limits_hit else ""
    space = f"the whole space within {wish.limits_text()}" if report.complete else f"part of the space{cut}"
    click.echo(
        f"{report.verdict}: {space}, {report.states:,} states, {report.transitions:,} transitions, depth {report.depth}"
    )
    pace = f"{report.seconds:.2f} s, {report.states_per_second:,.0f} states/s"
    click.echo(f"  {pace}; the implementation ran {report.distinct_steps:,} distinct steps")
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


def _print_goal(report: Report, goal: str | None) -> None:
    from checker.views import print_text

    if report.reached is not None:
        click.echo("")
        print_text(report.reached.trace)
    elif goal is not None:
        click.echo(f"  {goal} was not reached" + (": nothing leads to it" if report.complete else ""))


def coverage_text(report: Report) -> str:
    """Each kind of event and each mark: in how many distinct steps, and after how many events at the soonest."""
    lines = ["", "coverage: distinct steps with each event and mark, and the length of the shortest run to it"]
    for title, counts in (("event", report.events), ("mark", report.marks)):
        for name, count in counts.items():
            depth = report.first_depth.get(name)
            lines.append(f"  {title:5}  {name:40} {count:8,}  {'' if depth is None else depth:>5}")
    return "\n".join(lines)


def _print_reductions(report: Report) -> None:
    if report.reduced_by:
        what = "confluent deliveries taken at once, " if "confluent" in report.reduced_by else ""
        what += "dead messages left out, " if "dead" in report.reduced_by else ""
        if report.stands_for is not None:
            what += f"one world for all that differ in who is who (for {report.stands_for / report.states:.2f}), "
        click.echo(f"  reduced: {what}so the counts are those of the reduced space")
    for name, reason in report.not_reduced.items():
        click.echo(f"  not reduced by {name}: {reason}")


def _print_files(files: Mapping[str, str]) -> None:
    for what, path in files.items():
        click.echo(f"  {what}: {path}")
    if "scenario" in files:
        click.echo(f"  replay it: raftframe replay {files['scenario']}")
