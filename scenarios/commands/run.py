"""`raftframe run`: run scenario files, and say what failed."""

from __future__ import annotations

import gc
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from checker.errors import UsageError
from scenarios.commands.common import counted, json_option, write_file
from scenarios.commands.loading import (
    Wanted,
    load_all,
    refuse_errors,
    refuse_files_without_steps,
    refuse_setup_errors,
    refuse_what_names_no_instance,
)

if TYPE_CHECKING:
    from scenarios.language.loaded import Instance
    from scenarios.runner import FileResult, InstanceResult

MOST_DRAWN_STEPS = 5_000


@click.command("run")
@click.argument("paths", nargs=-1, required=True)
@click.option("--mode", type=click.Choice(["sim", "threads", "udp"]), default="sim", show_default=True)
@click.option("-m", "tags", metavar="TAGS", help="Only scenarios with these tags, as in -m 'crash and not slow'.")
@click.option("--seed", type=int, help="In place of the files' own seeds.")
@click.option("--state-map", metavar="NAME", help="Plant a bug in Raft: a mutant's name, or package.module:Class.")
@click.option("--to", "to_line", type=click.IntRange(1), help="Stop in front of the first line behind this one.")
@click.option("--update", is_flag=True, help="Rewrite the recorded output below `show`.")
@click.option("--twice", is_flag=True, help="Run everything twice, and compare the step logs byte by byte.")
@click.option(
    "--write", "write_folder", type=click.Path(path_type=Path), help="Write what breaks an invariant here, minimised."
)
@click.option(
    "--reports", type=click.Path(path_type=Path), default=Path("reports"), help="Where pictures of failures go."
)
@click.option("-v", "--verbose", is_flag=True, help="A line for each instance, also for those that pass.")
@json_option
def command(
    paths: tuple[str, ...],
    mode: str,
    tags: str | None,
    seed: int | None,
    state_map: str | None,
    to_line: int | None,
    update: bool,
    twice: bool,
    write_folder: Path | None,
    reports: Path,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run scenario files: PATH is a file, a folder, or one instance such as file.scenario[N=3]."""
    if twice and mode != "sim":
        raise click.UsageError(f"--twice compares byte by byte, and only sim is deterministic, not {mode}")
    wanted = load_all(paths, mode=mode)
    refuse_errors(wanted)
    refuse_files_without_steps(wanted)
    refuse_what_names_no_instance(wanted)
    refuse_setup_errors((one for each in wanted for one in each.file.instances if each.picks(one)), state_map)
    gc.freeze()  # what was loaded stays: looking through it again and again costs a tenth of the time
    choice = _Choice(tags, seed, state_map, to_line, update, twice)
    choice.refuse_tags_of_nothing(wanted)
    begun = time.perf_counter()
    results: list[FileResult] = []
    for result in choice.run(wanted):
        results.append(result)
        if not as_json:
            _tell(result, verbose, reports)
        if write_folder is not None:
            _write_counterexamples(result, choice, wanted, write_folder, quiet=as_json)
    summary = summary_of(results, time.perf_counter() - begun)
    if as_json:
        click.echo(json.dumps({**summary, "results": [result.as_json() for result in results]}, indent=2))
    else:
        click.echo(_sentence(summary))
    raise click.exceptions.Exit(1 if summary["failed"] else 3 if summary["unknown"] else 0)


@frozen
class _Choice:
    """What to run, and how."""

    tags: str | None
    seed: int | None
    state_map: str | None
    to_line: int | None
    update: bool
    twice: bool

    def refuse_tags_of_nothing(self, wanted: Iterable[Wanted]) -> None:
        """Raise UsageError if no instance has the tags: a typo must not pass for a success."""
        if self.tags is None:
            return
        there = [one.header.tags for each in wanted for one in each.file.instances if each.picks(one)]
        if there and not any(map(tag_filter(self.tags), there)):
            known = sorted({tag for tags in there for tag in tags})
            hint = f"the tags here are {', '.join(known)}" if known else "no scenario here has a tag"
            raise UsageError(f"-m {self.tags!r} leaves nothing to run: {hint}")

    def run(self, wanted: Iterable[Wanted]) -> Iterator[FileResult]:
        """The result of each file that has an instance to run."""
        from scenarios.runner.files import run_loaded

        tagged = tag_filter(self.tags) if self.tags else None
        for each in wanted:
            chosen = [
                one for one in each.file.instances if each.picks(one) and (tagged is None or tagged(one.header.tags))
            ]
            if not chosen:
                continue
            if self.twice:
                self._compare(chosen)
            yield run_loaded(
                each.file,
                select=lambda instance, chosen=chosen: instance in chosen,  # type: ignore[misc]  # bound at once
                seed=self.seed,
                state_map=self.state_map,
                to_line=self.to_line,
                update=self.update,
            )

    def _compare(self, instances: Iterable[Instance]) -> None:
        from scenarios.runner.files import differs_when_repeated

        for instance in instances:
            difference = differs_when_repeated(instance, seed=self.seed, state_map=self.state_map)
            if difference is not None:
                raise click.ClickException(f"{instance.id} runs differently the second time:\n{difference}")


def tag_filter(expression: str) -> Any:  # a function of tags
    """The predicate that *expression*, words joined by and, or, not and brackets, stands for. Raises UsageError."""
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    python = " ".join(t if t in ("and", "or", "not", "(", ")") else f"({t!r} in tags)" for t in tokens)
    try:
        code = compile(python, "<tags>", "eval")
    except SyntaxError:
        raise click.UsageError(f"-m {expression!r} is no tag expression; write it as in 'crash and not slow'") from None
    return lambda tags: bool(eval(code, {"__builtins__": {}}, {"tags": tags}))


def summary_of(results: Iterable[FileResult], seconds: float) -> dict[str, Any]:
    """The counts, as docs/json.md describes them."""
    files = list(results)
    verdicts = Counter(str(instance.verdict) for result in files for instance in result.instances)
    return {
        "format": 1,
        "files": len(files),
        "instances": sum(verdicts.values()),
        "passed": verdicts["pass"],
        "failed": verdicts["fail"],
        "skipped": verdicts["skip"],
        "known_bug": verdicts["known-bug"],
        "unknown": verdicts["unknown"],
        "seconds": round(seconds, 3),
    }


def _sentence(summary: dict[str, Any]) -> str:
    told = {kind: f"{summary[kind]} {kind}" for kind in ("passed", "failed", "skipped")}
    told |= {"known_bug": counted(summary["known_bug"], "known bug"), "unknown": f"{summary['unknown']} unknown"}
    counts = ", ".join(words for kind, words in told.items() if summary[kind])
    total = f"{counted(summary['files'], 'file')}, {counted(summary['instances'], 'instance')}"
    return f"{total}: {counts or 'nothing to run'} in {summary['seconds']:.1f} s"


def _tell(result: FileResult, verbose: bool, reports: Path) -> None:
    from scenarios.language.diagnostics import render

    for instance in result.instances:
        if verbose or not instance.ok:
            reason = f"  ({instance.reason})" if instance.reason else ""
            click.echo(f"{instance.verdict.upper():9} {instance.id}{reason}")
        if instance.ok and not verbose:
            continue
        for line in instance.shown:
            click.echo(f"  | {line}")
        for warning in instance.warnings:
            click.echo(render(warning))
        if instance.ok:
            continue
        for failure in instance.failures:
            click.echo(str(failure))
        _draw(instance, reports)


def _draw(instance: InstanceResult, reports: Path) -> None:
    """Leave a picture of a failing run, and say where."""
    from checker.views import render_html

    if instance.trace is None:
        return
    if len(instance.trace.steps) > MOST_DRAWN_STEPS:
        click.echo(
            f"  = no picture: {len(instance.trace.steps):,} steps are too many to look at; stop earlier with --to"
        )
        return
    path = reports / f"{_file_name(instance.id)}.html"
    write_file(path, render_html(instance.trace))
    click.echo(f"  = picture: {path}")


def _write_counterexamples(
    result: FileResult, choice: _Choice, wanted: Iterable[Wanted], folder: Path, *, quiet: bool
) -> None:
    """A minimised scenario for each instance that broke an invariant."""
    from checker.properties.raft import RAFT_PROPERTIES
    from scenarios.counterexample import counterexample_of
    from scenarios.runner.setup import setup_of

    names = {one.name for one in RAFT_PROPERTIES}
    instances = {one.id: one for each in wanted for one in each.file.instances}
    for failed in result.instances:
        broken = next((failure for failure in failed.failures if failure.check in names), None)
        if broken is None:
            continue
        setup = setup_of(instances[failed.id], seed=choice.seed, state_map=choice.state_map)
        origin = {"from": f"{failed.id}:{broken.line}"}
        try:
            example = counterexample_of(setup, failed.elementary, broken.check, headers=origin)
        except ValueError as error:
            click.echo(f"  = not written: {error}", err=True)
            continue
        path = folder / f"{_file_name(failed.id)}_{broken.check}.scenario"
        write_file(path, str(example))
        if not quiet:
            click.echo(f"  = written: {path} ({example.headers['minimised']})")


def _file_name(instance_id: str) -> str:
    """The instance's id as part of a file's name."""
    return re.sub(r"\W+", "_", Path(instance_id).name.replace(".scenario", "")).strip("_")
