"""`raftframe check`: explore a system within bounds, and hand back the shortest run that breaks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from scenarios.commands.check_report import coverage_text, print_files, print_report, report_as_json
from scenarios.commands.common import EXIT_CODES, ended_by_ctrl_c, json_option, search_progress
from scenarios.commands.proof import print_proof, proof_as_json
from scenarios.commands.wish import Wish

LIMITS_HELP = """How far to look. timeouts, heartbeats, commands, crashes, restarts, drops, duplicates: how often
each may happen (default 0; restarts: as many as crashes). terms, log: how large a term or a log may grow. depth,
states, time (in seconds), memory (in MiB): where to give up, which makes the verdict `unknown`."""


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
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many share the work; of a reduced search, at most 40 % of it can be shared.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Workers are threads, or processes of a Ray cluster (docs/scaling_out.md).",
)
@click.option(
    "--ray-address", metavar="HOST:PORT", help="The cluster to join; else RAY_ADDRESS, else one on this machine."
)
@click.option("--exact", is_flag=True, help="Keep whole states, not their 64-bit fingerprints.")
@click.option(
    "--reduce",
    metavar="NAMES",
    help="Leave out what cannot matter: all that is sound (default; with --coverage none), none, or some of dead,"
    "confluent,symmetry,covered,fused. Counts are of the rest.",
)
@click.option(
    "--local", is_flag=True, help="First prove what needs no search (docs/reductions.md), and search for the rest only."
)
@click.option("--goal", metavar="FILE.py:NAME", help="A predicate: look for the shortest run to where it holds.")
@click.option("--keep-going", is_flag=True, help="Go on after a violation: the shortest run for each broken property.")
@click.option("--coverage", is_flag=True, help="Print each kind of event and each mark: how often, and how soon.")
@click.option("--order", type=click.Choice(["breadth", "depth"]), default="breadth", help="Which worlds come first.")
@click.option("--rise", is_flag=True, help="Raise the limits by one in turn, until --limit time=S is up.")
@click.option("--walks", type=click.IntRange(1), help="Take so many random walks, in place of a search.")
@click.option("--length", type=click.IntRange(1), help="The most events of a walk; 100.")
@click.option("--seed", type=click.IntRange(0), help="Of the walks; 0.")
@click.option("--swarm", is_flag=True, help="Let every walk prefer events of its own.")
@click.option(
    "--checkpoint", "checkpoint_folder", type=click.Path(path_type=Path), help="A folder in which to keep checkpoints."
)
@click.option("--every", "every_s", type=click.FloatRange(0), help="Seconds between checkpoints; 300.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint, as after kill -9; the rest as it was.")
@click.option(
    "--spill",
    "spill_folder",
    type=click.Path(path_type=Path),
    help="A folder for what memory does not hold; nothing stays there.",
)
@click.option(
    "--spill-at",
    "spill_at_mib",
    type=click.IntRange(1),
    help="MiB of memory to fill first; half of the machine's.",
)
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
    raftframe check --limit timeouts=2 --local
    raftframe check --system examples/raft_core.py:raft_core --limit timeouts=2 --json
    """
    if given["reduce"] is None:
        given["reduce"] = "none" if coverage else "all"
    wish = Wish(**given)
    wish.refuse_what_says_nothing()
    wish.refuse_what_cannot_be_written()
    if wish.local:
        wish = _without_what_is_proven(wish, as_json)
    with search_progress(not as_json) as tell, ended_by_ctrl_c() as stop:
        wish, report = wish.explore(tell, stop)
    if not as_json:
        print_report(report, wish)
        if coverage:
            click.echo(coverage_text(report))
    files = wish.write(report)  # last: a file that cannot be written must not cost the finding
    if as_json:
        proof = None if wish.proof is None else proof_as_json(wish.proof)
        click.echo(json.dumps(report_as_json(report, files) | {"local": proof}, indent=2))
    else:
        print_files(files)
    raise click.exceptions.Exit(EXIT_CODES[report.verdict])


def _without_what_is_proven(wish: Wish, as_json: bool) -> Wish:
    """What is left to search for. Ends the command if nothing is."""
    wish = wish.proven_locally()
    assert wish.proof is not None
    if not as_json:
        print_proof(wish.proof)
    if wish.proof.open:
        return wish
    if as_json:
        click.echo(json.dumps({"format": 1, "verdict": "pass", "local": proof_as_json(wish.proof)}, indent=2))
    raise click.exceptions.Exit(EXIT_CODES["pass"])
