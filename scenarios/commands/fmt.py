"""`raftframe fmt`: one layout for all scenario files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from checker.errors import UsageError
from scenarios.commands.common import json_option, write_file


@click.command("fmt")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit 1 if a file is not in the layout.")
@json_option
def command(paths: tuple[Path, ...], only_check: bool, as_json: bool) -> None:
    """Bring scenario files into the one layout. Comments and meaning stay as they are."""
    from scenarios.language.diagnostics import render
    from scenarios.language.formatter import format_text

    changed: list[str] = []
    errors: list[str] = []
    for path in _files(paths):
        before = path.read_text(encoding="utf-8")
        formatted = format_text(before, str(path))
        errors += [render(found) for found in formatted.diagnostics]
        if formatted.text != before:
            changed.append(str(path))
            if not only_check:
                write_file(path, formatted.text)
    if as_json:
        click.echo(json.dumps({"format": 1, "changed": changed, "errors": errors}, indent=2))
    else:
        _tell(changed, errors, only_check)
    raise click.exceptions.Exit(2 if errors else 1 if changed and only_check else 0)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no file or folder {path}")
        found += sorted(path.rglob("*.scenario")) if path.is_dir() else [path]
    return found


def _tell(changed: list[str], errors: list[str], only_check: bool) -> None:
    for error in errors:
        click.echo(error, err=True)
    for name in changed:
        click.echo(f"{'would change' if only_check else 'changed'} {name}")
