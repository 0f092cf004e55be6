"""`raftframe lint`: every error and warning of scenario files, without running them."""

from __future__ import annotations

import json

import click

from scenarios.commands.common import counted, json_option
from scenarios.commands.loading import load_all


@click.command("lint")
@click.argument("paths", nargs=-1, required=True)
@click.option("--mode", type=click.Choice(["sim", "threads", "udp"]), default="sim", show_default=True)
@json_option
def command(paths: tuple[str, ...], mode: str, as_json: bool) -> None:
    """Find mistakes and bad habits in scenario files, without running them. Exits 2 if there are errors, 1 for
    warnings.
    """
    from scenarios.language.diagnostics import render

    loaded = [each.file for each in load_all(paths, mode=mode)]
    errors = [found for file in loaded for found in file.errors]
    warnings = [found for file in loaded for found in file.warnings]
    if as_json:
        texts = {"errors": [render(found) for found in errors], "warnings": [render(found) for found in warnings]}
        click.echo(json.dumps({"format": 1, "files": len(loaded), **texts}, indent=2))
    else:
        for found in (*errors, *warnings):
            click.echo(render(found))
        sizes = {"file": len(loaded), "error": len(errors), "warning": len(warnings)}
        click.echo(", ".join(counted(number, what) for what, number in sizes.items()))
    raise click.exceptions.Exit(2 if errors else 1 if warnings else 0)
