"""`raftframe replay`: run one scenario, and print every step of it."""

from __future__ import annotations

import json

import click

from scenarios.commands.common import EXIT_CODES, json_option
from scenarios.commands.loading import one_instance, refuse_setup_errors


@click.command("replay")
@click.argument("source")
@click.option("--to", "to_line", type=click.IntRange(1), help="Stop in front of the first line behind this one.")
@click.option("--state-map", metavar="NAME", help="In place of the file's own state map; `none` for correct rules.")
@click.option("--seed", type=int, help="In place of the scenario's own seed.")
@json_option
def command(source: str, to_line: int | None, state_map: str | None, seed: int | None, as_json: bool) -> None:
    """Run the scenario SOURCE, say a counterexample, and print what happened, step by step.

    The exit code is that of the run: 1 if a property fell, also where the file says that it must.
    """
    from checker.views import print_text
    from scenarios.runner.files import run_instance

    _, instance = one_instance(source)
    refuse_setup_errors([instance], state_map)
    result = run_instance(instance, to_line=to_line, state_map=state_map, seed=seed)
    if as_json:
        click.echo(json.dumps({"format": 1, **result.as_json()}, indent=2))
    else:
        if result.trace is not None:
            print_text(result.trace)
        for failure in result.failures:
            click.echo(str(failure))
        click.echo(f"{result.verdict}: {result.id}{f' ({result.reason})' if result.reason else ''}")
    raise click.exceptions.Exit(EXIT_CODES[result.verdict])
