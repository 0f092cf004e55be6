"""What `raftframe check --local` says of what needs no search, to people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from checker.local_pass import LocalReport


def print_proof(proof: LocalReport) -> None:
    """What is proven, what is not and why, and what was looked at."""
    looked = f"{proof.states:,} local states, {proof.steps:,} local steps, {proof.combinations:,} combinations of views"
    if not proof.open:
        click.echo(f"pass: all of it holds for every schedule, no search is needed ({looked}, {proof.seconds:.2f} s)")
    elif not proof.closed:
        click.echo(f"nothing is proven without a search: there are {next(iter(proof.open.values()))}")
    else:
        click.echo(f"proven for every schedule, and left out of the search ({looked}, {proof.seconds:.2f} s):")
        click.echo(f"  {', '.join(proof.proven)}")
        click.echo("left to the search, since these may happen as far as each server can tell alone:")
        for name, reason in proof.open.items():
            click.echo(f"  {name}: {reason}")


def proof_as_json(proof: LocalReport) -> dict[str, Any]:
    """The proof as docs/json.md describes it."""
    return {
        "proven": list(proof.proven),
        "open": dict(proof.open),
        "closed": proof.closed,
        "states": proof.states,
        "messages": proof.messages,
        "steps": proof.steps,
        "combinations": proof.combinations,
        "seconds": round(proof.seconds, 3),
    }
