"""`raftframe show`: draw a trace, from a file of its own or by running a scenario."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checker.errors import UsageError
from scenarios.commands.common import write_file

if TYPE_CHECKING:
    from checker.runs.trace import Trace


@click.command("show")
@click.argument("source")
@click.option(
    "--format", "form", type=click.Choice(["text", "html", "mermaid", "json"]), default="text", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write here, not to the terminal.")
@click.option("--state-map", metavar="NAME", help="Plant a bug in Raft before running a scenario.")
@click.option("--seed", type=int, help="In place of the scenario's own seed.")
def command(
    source: str, form: str, as_json: bool, output: Path | None, state_map: str | None, seed: int | None
) -> None:
    """Draw SOURCE: a trace as JSON (from --trace), or a scenario, which is run first (file.scenario[N=3] for one
    instance).
    """
    trace = trace_of(source, state_map=state_map, seed=seed)
    form = "json" if as_json else form
    if output is None and form == "text":
        from checker.views import print_text

        print_text(trace)
        return
    text = _rendered(trace, form)
    if output is None:
        sys.stdout.write(text)
    else:
        write_file(output, text)
        click.echo(f"wrote {output}", err=True)


def trace_of(source: str, *, state_map: str | None = None, seed: int | None = None) -> Trace:
    """The trace in the file *source*, or that of the first instance of a scenario. Raises UsageError."""
    if not source.partition("[")[0].endswith(".scenario"):
        from checker.runs.trace_json import TraceFileError, from_json

        path = Path(source)
        if not path.is_file():
            raise UsageError(f"there is no file {source}")
        try:
            return from_json(path.read_text(encoding="utf-8"))
        except (TraceFileError, UnicodeDecodeError) as error:
            raise UsageError(f"{source}: {error}") from error
    from scenarios.commands.loading import one_instance, refuse_setup_errors
    from scenarios.runner.files import run_instance

    _, instance = one_instance(source)
    refuse_setup_errors([instance], state_map)
    result = run_instance(instance, state_map=state_map, seed=seed)
    if result.trace is None:
        raise UsageError(f"{result.id} did not run: {result.reason or result.verdict}")
    return result.trace


def _rendered(trace: Trace, form: str) -> str:
    from checker.runs.trace_json import to_json
    from checker.views import render_html, render_mermaid, render_text

    views: dict[str, Callable[[Trace], str]] = {
        "text": render_text,
        "html": render_html,
        "mermaid": render_mermaid,
        "json": to_json,
    }
    text = views[form](trace)
    return text if text.endswith("\n") else text + "\n"
