"""What one call of `raftframe check` asks for: its options as given, and what they make of a search."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from checker.errors import UsageError, did_you_mean
from scenarios.commands.common import pairs, write_file

if TYPE_CHECKING:
    from checker.distributed.ray_crew import Ray
    from checker.engine.checkpoints import Checkpoint
    from checker.engine.walks import Walks
    from checker.engine.watch import Progress
    from checker.explore import Failure, Report
    from checker.local_pass import LocalReport
    from checker.properties import Property
    from checker.spilling import Spill
    from checker.system import Bounds, System

BUDGETS = ("timeouts", "heartbeats", "commands", "crashes", "restarts", "drops", "duplicates")
CUTS = {"depth": ("max_depth", 1), "states": ("max_states", 1), "time": ("max_time_s", 1)}
CUTS |= {"memory": ("max_memory_bytes", 1 << 20)}  # given in MiB
SIZES = ("terms", "log")


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
                raise UsageError(f"the limit {name} is {text!r}; write a whole number, 0 or more, as in {name}=2")
        numbers = {name: int(text) for name, text in given.items()}
        budgets = {name: n for name, n in numbers.items() if name not in CUTS and name not in SIZES}
        if "crashes" in budgets and "restarts" not in budgets:
            budgets["restarts"] = budgets["crashes"]
        return cls(
            budgets=budgets,
            cuts={CUTS[name][0]: n * CUTS[name][1] for name, n in numbers.items() if name in CUTS},
            sizes={name: n for name, n in numbers.items() if name in SIZES},
        )


@frozen(kw_only=True)
class Wish:
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
    length: int | None
    seed: int | None
    swarm: bool
    checkpoint_folder: Path | None
    every_s: float | None
    resume: bool
    spill_folder: Path | None
    spill_at_mib: int | None
    workers: int
    engine: str
    ray_address: str | None
    exact: bool
    reduce: str
    graph_file: Path | None
    scenario_file: Path | None
    html_file: Path | None
    trace_file: Path | None
    local: bool
    proof: LocalReport | None = None  # what was proven is not searched for

    def refuse_what_says_nothing(self) -> None:
        """An option that is about another one does nothing without it; whoever gave it expects something."""
        checkpoint = "--checkpoint FOLDER, the folder of the checkpoints"
        spill = "--spill FOLDER, the folder for what memory does not hold"
        walks = "--walks N, how many walks to take"
        for flag, given, needed, present in (
            ("--resume", self.resume, checkpoint, self.checkpoint_folder is not None),
            ("--every", self.every_s is not None, checkpoint, self.checkpoint_folder is not None),
            ("--spill-at", self.spill_at_mib is not None, spill, self.spill_folder is not None),
            ("--length", self.length is not None, walks, self.walks is not None),
            ("--seed", self.seed is not None, walks, self.walks is not None),
            ("--swarm", self.swarm, walks, self.walks is not None),
        ):
            if given and not present:
                raise UsageError(f"{flag} needs {needed}")

    def refuse_what_cannot_be_written(self) -> None:
        """Mistakes in the names of files are told before the search, not after it."""
        from checker.graph import FORMATS

        if self.graph_file is not None and self.graph_file.suffix[1:] not in FORMATS:
            raise UsageError(f"--graph {self.graph_file}: the name must end in one of .{', .'.join(FORMATS)}")
        if self.scenario_file is not None and self.reference is not None:
            raise UsageError("--write is for Raft: no scenario can steer a --system of your own; use --html or --trace")
        if self.local and (self.goal is not None or self.graph_file is not None or self.rise):
            raise UsageError(
                "--local asks whether a search is needed; --goal, --graph and --rise need one: leave them out"
            )

    def proven_locally(self) -> Wish:
        """This wish, with what the local pass can tell."""
        from checker.local_pass import local_pass

        system, bounds, options = self.question()
        asked = {name: options[name] for name in ("properties", "network", "within")}
        return evolve(self, proof=local_pass(system, bounds=bounds, **asked))

    def explore(self, tell: Callable[[Progress], None] | None, stop: Callable[[], bool]) -> tuple[Wish, Report]:
        """Search the system until *stop* says to end: the report, and the wish that it answers."""
        from checker.explore import check

        system, bounds, options = self.question()
        options |= {"progress": tell, "stop": stop}
        if self.rise:
            return self.explore_rising(system, bounds, options)
        return self, check(system, bounds=bounds, **options)

    def question(self) -> tuple[System, Bounds, dict[str, Any]]:
        """What is asked of `check`: the system, its bounds, and the other arguments."""
        from checker.raft_system import no_larger_than
        from checker.system import Bounds

        system = self.system()
        own = tuple(kind.budget for kind in system.local_kinds)
        limits = Limits.parse(pairs(self.limits, "--limit", "timeouts=2"), own)
        if self.reference is not None and limits.sizes:
            raise UsageError(f"--limit {', '.join(limits.sizes)} is for Raft; bound your own system in its steps")
        budgets = {name: n for name, n in limits.budgets.items() if n or name in own}
        if not any(budgets.values()):
            raise UsageError(f"nothing may happen: allow something, as in --limit {own[0] if own else 'drops'}=2")
        options: dict[str, Any] = {
            "properties": self.left_to_search((*self.properties(), *self.seen_by_clients(system))),
            "network": self.network,
            "within": no_larger_than(**limits.sizes),
            "exact": self.exact,
            "graph": self.graph_file is not None,
            "reduce": self.reductions(),
            "workers": self.workers,
            "engine": self.where(),
            "goal": self.aim(),
            "stop_at_first": not self.keep_going,
            "checkpoint": self.checkpoint(),
            "spill": self.spill(),
            "walks": self.random_walks(),
            "order": self.order,
            **limits.cuts,
        }
        return system, Bounds(budgets), options

    def left_to_search(self, properties: tuple[Property, ...]) -> tuple[Property, ...]:
        """Those of *properties* that are not proven."""
        proven = () if self.proof is None else self.proof.proven
        return tuple(one for one in properties if one.name not in proven)

    def explore_rising(self, system: System, bounds: Bounds, options: dict[str, Any]) -> tuple[Wish, Report]:
        """Explore ever larger spaces, and say what comes of each: the last report that says something, and its wish."""
        from checker.rising import check_rising, outcome

        if "max_time_s" not in options:
            raise UsageError("--rise goes on until the time is up: add --limit time=SECONDS")
        if self.walks is not None:
            raise UsageError("--rise goes from one whole space to the next, and walks see none: leave one of them out")
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
            options=pairs(self.options, "--option", "noop=off"),
        )

    def aim(self) -> Callable[..., bool] | None:
        """The goal, if there is one."""
        from scenarios.commands.systems import load_name

        return None if self.goal is None else load_name(self.goal, "a predicate")

    def where(self) -> str | Ray:
        """What makes the search."""
        from checker.distributed.ray_crew import Ray

        if self.engine == "local" and self.ray_address is not None:
            raise UsageError("--ray-address is for --engine ray")
        return Ray(self.ray_address) if self.engine == "ray" else self.engine

    def checkpoint(self) -> Checkpoint | None:
        """Where checkpoints are kept, if anywhere."""
        from checker.engine.checkpoints import Checkpoint

        if self.checkpoint_folder is None:
            return None
        times = {} if self.every_s is None else {"every_s": self.every_s}
        return Checkpoint(folder=self.checkpoint_folder, resume=self.resume, **times)

    def spill(self) -> Spill | None:
        """What is kept on disk when memory is full, if anything."""
        from checker.spilling import Spill

        if self.spill_folder is None:
            return None
        limits = {} if self.spill_at_mib is None else {"memory_bytes": self.spill_at_mib << 20}
        return Spill(folder=self.spill_folder, **limits)

    def random_walks(self) -> Walks | None:
        """The walks to take, if any."""
        from checker.engine.walks import Walks

        if self.walks is None:
            return None
        given = {"length": self.length, "seed": self.seed}
        said = {name: number for name, number in given.items() if number is not None}
        return Walks(count=self.walks, swarm=self.swarm, **said)

    def reductions(self) -> tuple[str, ...] | None:
        """The reductions asked for, None meaning all."""
        if self.reduce in ("none", "all"):
            return () if self.reduce == "none" else None
        names = tuple(name.strip() for name in self.reduce.split(","))
        if alone := {"none", "all"} & {*names}:
            raise UsageError(f"--reduce {self.reduce}: {alone.pop()} stands alone; leave the rest out")
        return names

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
        from checker.runs.trace_json import to_json
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
        """The limits that say what the space is, as given."""
        return " ".join(limit for limit in self.limits if limit.partition("=")[0] not in CUTS)

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
        if (walks := self.random_walks()) is not None:
            words += [f"--walks {walks.count} --length {walks.length} --seed {walks.seed}", *["--swarm"] * walks.swarm]
        words += [f"--goal {self.goal}"] if self.goal else []
        words += ["--local"] if self.local else []
        words += ["--keep-going"] if self.keep_going else []
        words += [f"--reduce {self.reduce}"] if self.reduce != "all" else []
        words += [f"--state-map {self.state_map}"] if self.state_map else []
        return " ".join(words)
