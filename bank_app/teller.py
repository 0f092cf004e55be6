"""The teller of `bank cluster`: reads a line, does it, says what came of it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Final, TextIO

import click

from bank_app.app import parse_operation
from bank_app.client import worded
from raftframe.api.comms import CommsError
from raftframe.api.storage import StorageError
from raftframe.client import Client
from raftframe.clusters.processes import ProcessCluster
from raftframe.entries import ServerId
from raftframe.server import ServerError

HELP: Final = """\
  query | credit N | debit N      ask the bank
  status                          how every server stands
  kill sN ... | restart sN ...    kill -9; start again from the disk
  pause sN ... | resume sN ...    let a server stand still; go on
  partition s1 s2 | s3            cut every link between the sides
  isolate sN                      cut every link of one server
  heal                            cut nothing any more
  help | quit"""


class Mistake(Exception):
    """What was typed cannot be done. The message says why, and what can."""


class Teller:
    """Carries out what is typed, on *cluster*, as a client and as its operator."""

    def __init__(self, cluster: ProcessCluster, client: Client) -> None:
        self.cluster, self.client = cluster, client
        self._verbs: Mapping[str, Callable[[str], str]] = {
            "query": self._ask,
            "credit": self._ask,
            "debit": self._ask,
            "status": self._status,
            "kill": lambda rest: self._each(rest, self.cluster.crash, "is dead"),
            "restart": lambda rest: self._each(rest, self.cluster.restart, "runs again"),
            "pause": lambda rest: self._each(rest, self.cluster.pause, "stands still"),
            "resume": lambda rest: self._each(rest, self.cluster.resume, "goes on"),
            "partition": self._partition,
            "isolate": self._isolate,
            "heal": self._heal,
            "help": lambda _: HELP,
        }

    def run(self, lines: TextIO) -> None:
        """Read *lines* to their end, or `quit`."""
        asks = lines.isatty()
        if asks:
            click.echo("`help` says what can be typed")
        while True:
            if asks:
                click.echo("bank> ", nl=False)
            line = lines.readline()
            if not line or line.strip() in ("quit", "exit"):
                return
            if line.strip():
                click.echo(self.do(line.strip()))

    def do(self, line: str) -> str:
        """Do what *line* says; what came of it, mistakes included."""
        verb, _, rest = line.partition(" ")
        try:
            if verb not in self._verbs:
                near = difflib.get_close_matches(verb, self._verbs, 1)
                raise Mistake(
                    f"there is no {verb!r}" + (f"; did you mean {near[0]}?" if near else "; `help` lists all")
                )
            return self._verbs[verb](line if self._verbs[verb] == self._ask else rest)
        except (Mistake, ServerError, StorageError, CommsError, TimeoutError) as error:
            return f"cannot: {error}"

    def _ask(self, line: str) -> str:
        try:
            operation = parse_operation(line)
        except ValueError as error:
            raise Mistake(str(error)) from error
        return worded(self.client.ask(operation))

    def _status(self, rest: str) -> str:
        cut = sorted(f"{source} -> {target}" for source, target in self.cluster.cut_links)
        return self.cluster.describe() + (f"\ncut: {', '.join(cut)}" if cut else "")

    def _each(self, rest: str, act: Callable[[ServerId], None], what: str) -> str:
        done = []
        for name in self._servers(rest):
            act(name)
            done.append(f"{name} {what}")
        return ", ".join(done)

    def _partition(self, rest: str) -> str:
        sides = [self._servers(side) for side in rest.split("|")]
        named = [name for side in sides for name in side]
        others = [name for name in self.cluster.names if name not in named]
        if len(set(named)) != len(named) or (len(sides) < 2 and not others):
            raise Mistake("a partition has at least two sides, and a server is on one: `partition s1 s2 | s3`")
        self.cluster.heal()
        self.cluster.partition(*sides, others)
        return "cut: " + " | ".join(" ".join(side) for side in (*sides, others) if side)

    def _isolate(self, rest: str) -> str:
        for name in self._servers(rest):
            self.cluster.partition([name], [other for other in self.cluster.names if other != name])
        return f"{rest.strip()} hears nobody, and nobody hears it"

    def _heal(self, rest: str) -> str:
        self.cluster.heal()
        return "every link works"

    def _servers(self, text: str) -> list[ServerId]:
        names = text.split()
        for name in names:
            if name not in self.cluster.names:
                raise Mistake(f"there is no server {name!r}: they are {', '.join(self.cluster.names)}")
        if not names:
            raise Mistake(f"name a server: {', '.join(self.cluster.names)}")
        return names
