"""`raftframe coverage`: which scenarios of other sources ours stand for, and which rules of the protocol they
exercise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from scenarios.commands.common import json_option
from scenarios.commands.loading import load_all, refuse_errors

if TYPE_CHECKING:
    from scenarios.runner import FileResult


@click.command("coverage")
@click.argument("paths", nargs=-1, required=True)
@json_option
def command(paths: tuple[str, ...], as_json: bool) -> None:
    """Run scenario files, and say what they cover: a row a source, then a row a mark of the protocol.

    Exits 1 if a scenario fails, names an id that is in no list, or leaves a mark unhit.
    """
    from scenarios.language.catalogue import coverage
    from scenarios.runner.files import run_loaded

    wanted = load_all(paths)
    refuse_errors(wanted)
    covers = {one.id: one.header.covers for each in wanted for one in each.file.instances}
    results = [run_loaded(each.file) for each in wanted if each.file.instances]
    ran = [one for result in results for one in result.instances if one.verdict != "skip"]
    rows = coverage(
        {identity for ids in covers.values() for identity in ids},
        {identity for one in ran for identity in covers[one.id]},
        {identity for one in ran if one.ok for identity in covers[one.id]},
    )
    marks = mark_hits(results)
    failed = [one.id for one in ran if not one.ok]
    if as_json:
        sources = [
            {"source": r.source, "total": r.total, "written": r.written, "run": r.run, "passed": r.passed} for r in rows
        ]
        click.echo(json.dumps({"format": 1, "sources": sources, "marks": marks, "failed": failed}, indent=2))
    else:
        _print(rows, marks, failed)
    unknown = [identity for row in rows for identity in row.unknown]
    raise click.exceptions.Exit(1 if failed or unknown or not all(marks.values()) else 0)


def mark_hits(results: Iterable[FileResult]) -> dict[str, list[str]]:
    """The scenario files that hit each mark of the protocol; an empty list is a rule that nothing exercises."""
    from raftframe.marks import Mark

    hits: dict[str, list[str]] = {mark.value: [] for mark in Mark}
    for result in results:
        seen = {mark for one in result.instances for marks in one.marks.values() for mark in marks}
        for mark in seen & hits.keys():
            hits[mark].append(result.path)
    return hits


def _print(rows: Iterable[Any], marks: dict[str, list[str]], failed: list[str]) -> None:
    from scenarios.language.catalogue import exceptions

    for row in rows:
        click.echo(str(row))
        for identity in row.unknown:
            click.echo(f"  unknown id {identity}")
    click.echo("")
    for identity, reason in exceptions().items():
        click.echo(f"no scenario can stand for {identity}: {reason}")
    click.echo("")
    for mark, files in marks.items():
        where = (
            f"{len(files):3} scenarios, such as {files[0]}" if files else "  0 scenarios: nothing exercises this rule"
        )
        click.echo(f"{mark:28} {where}")
    for name in failed:
        click.echo(f"FAILED {name}")
