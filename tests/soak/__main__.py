"""The command: `python -m tests.soak --kills 1000 --minutes 60`. Exit code 0: nothing is wrong; 1: something is."""

from __future__ import annotations

import secrets
import sys
import time
from typing import Final

import click

from .plants import PLANTS
from .run import Tally, soak

MOST_TOLD: Final = 10


@click.command()
@click.option("--kills", type=click.IntRange(min=1), default=1000, show_default=True, help="End after so many.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=60, show_default=True, help="Or then.")
@click.option("--seed", default=None, help="Of the choices; by default a new one, which is printed.")
@click.option("--plant", type=click.Choice(list(PLANTS)), default="nothing", help="A fault to be caught.")
@click.option("--verbose", is_flag=True, help="Print each disturbance.")
def main(kills: int, minutes: float, seed: str | None, plant: str, verbose: bool) -> None:
    """Kill, cut off, slow down and starve a bank's servers while clients use it, and judge what came of it."""
    seed = seed if seed is not None else secrets.token_hex(4)
    click.echo(f"seed {seed}: at most {kills} kills, {minutes:g} minutes")
    begin_s = time.monotonic()

    def report(tally: Tally) -> None:
        click.echo(f"{time.monotonic() - begin_s:6.0f} s  {tally.clusters:3} clusters  {tally.kills:5} kills")

    tally = soak(
        seed,
        kills=kills,
        seconds=minutes * 60,
        plant=plant,
        say=click.echo if verbose else lambda line: None,
        report=report,
    )
    click.echo(worded(tally, time.monotonic() - begin_s))
    sys.exit(1 if tally.problems else 0)


def worded(tally: Tally, took_s: float) -> str:
    """The result, for a person."""
    outcomes = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.outcomes.items()))
    troubles = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.troubles.items()) if count)
    lines = [
        f"{tally.kills} kills by SIGKILL in {tally.disturbances} disturbances of {tally.clusters} clusters,"
        f" {took_s:.0f} s",
        f"beside them: {troubles or 'nothing'}",
        f"{tally.elections} elections; longest way back to agreement {tally.longest_rest_s:.1f} s",
        f"operations: {outcomes}; {tally.entries} entries committed",
        *(f"WRONG: {problem}" for problem in tally.problems[:MOST_TOLD]),
    ]
    if len(tally.problems) > MOST_TOLD:
        lines.append(f"WRONG: and {len(tally.problems) - MOST_TOLD} more")
    if not tally.problems:
        lines.append("histories linearizable, logs equal, nothing acknowledged lost, one leader a term")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
