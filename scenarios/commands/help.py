"""`raftframe help`: the verbs of the scenario language, from the table that the parser uses."""

from __future__ import annotations

import json

import click

from checker.errors import UsageError, did_you_mean
from scenarios.commands.common import json_option


@click.command("help")
@click.argument("verb", required=False)
@json_option
def command(verb: str | None, as_json: bool) -> None:
    """Explain one VERB of the scenario language, or list all of them."""
    from scenarios.language.verbs import VERBS, help_text

    if verb is not None and verb not in VERBS:
        raise UsageError(f"there is no verb {verb!r}; {did_you_mean(verb, VERBS)}")
    if as_json:
        chosen = [VERBS[verb]] if verb is not None else list(VERBS.values())
        rows = [{"verb": one.name, "syntax": one.syntax, "help": one.help, "modes": list(one.modes)} for one in chosen]
        click.echo(json.dumps({"format": 1, "verbs": rows}, indent=2))
    else:
        click.echo(help_text(verb), nl=False)
