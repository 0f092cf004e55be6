"""Finds and loads the scenario files that a command is given: files, folders, or single instances
`file.scenario[N=3]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen

from checker.errors import UsageError
from scenarios.commands.common import counted

if TYPE_CHECKING:
    from scenarios.language.loaded import Instance, LoadedFile


@frozen
class Wanted:
    """A loaded file, and which of its instances are meant: `binding` is what stood in brackets, None for all."""

    file: LoadedFile
    binding: str | None = None
    is_named: bool = False  # it was given itself, not a folder that it lies in

    def picks(self, instance: Instance) -> bool:
        """Whether *instance* is meant."""
        return self.binding is None or instance.id.endswith(f"[{self.binding}]")


def load_all(paths: Iterable[str], *, mode: str = "sim") -> list[Wanted]:
    """Load every scenario file that *paths* name, folders searched and sorted. Raises UsageError for what is not
    there.
    """
    from scenarios.language.loader import load, load_if_fit

    wanted: list[Wanted] = []
    for text in paths:
        name, bracket, binding = text.partition("[")
        place = Path(name)
        if not place.exists():
            raise UsageError(f"there is no file or folder {name}")
        files = sorted(place.rglob("*.scenario")) if place.is_dir() else [place]
        if not files:
            raise UsageError(f"there is no .scenario file below {name}")
        chosen = binding.removesuffix("]") if bracket else None
        read = load_if_fit if place.is_dir() else load  # a file that is named is meant to run
        wanted += [Wanted(read(file, mode=mode), chosen, is_named=not place.is_dir()) for file in files]
    return wanted


def one_instance(source: str) -> tuple[Wanted, Instance]:
    """The one instance that *source* names; of several, the first, and the others are told of. Raises UsageError."""
    (wanted,) = load_all([source])
    refuse_errors([wanted])
    refuse_what_names_no_instance([wanted])
    chosen = [instance for instance in wanted.file.instances if wanted.picks(instance)]
    if len(chosen) > 1:
        others = ", ".join(instance.id for instance in chosen[1:])
        click.echo(f"{chosen[0].id} (there are also: {others})", err=True)
    return wanted, chosen[0]


def refuse_setup_errors(instances: Iterable[Instance], state_map: str | None) -> None:
    """Raise UsageError if an application, a state map or an option of *instances* is not there; nothing is run then."""
    from scenarios.runner.setup import setup_of

    for instance in instances:
        if instance.skip_reason is None:
            setup_of(instance, state_map=state_map)


def refuse_what_names_no_instance(wanted: Iterable[Wanted]) -> None:
    """Raise UsageError for a file that was named and has nothing of what was asked of it."""
    for each in wanted:
        if each.is_named and not any(map(each.picks, each.file.instances)):
            known = ", ".join(instance.id for instance in each.file.instances)
            binding = "" if each.binding is None else f"[{each.binding}]"
            raise UsageError(f"{each.file.path}{binding} names no instance; there are: {known or 'none'}")


def refuse_files_without_steps(wanted: Iterable[Wanted]) -> None:
    """Raise UsageError for a file that was named, as one to run, and has nothing that could be run."""
    for each in wanted:
        if each.is_named and not each.file.instances:
            raise UsageError(f"{each.file.path} has no statement: there is nothing to run")


def refuse_errors(wanted: Iterable[Wanted]) -> None:
    """Print every error of every file; if there is one, nothing is run and the exit code is 2."""
    from scenarios.language.diagnostics import render

    errors = [found for each in wanted for found in each.file.errors]
    for error in errors:
        click.echo(render(error), err=True)
    if errors:
        click.echo(f"{counted(len(errors), 'error')}; nothing was run", err=True)
        raise click.exceptions.Exit(2)
