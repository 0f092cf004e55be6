"""Faults: crash, restart, stop, start, wipe; partition, cut, isolate, heal.

A partition replaces every cut there is: two servers hear each other if some group has both. Servers that no group
names are a group of their own. A one-way partition, `cut` and `isolate` add to what is cut.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios.language import tree
from scenarios.language.terms import Selectors
from scenarios.runner.cluster_api import Link
from scenarios.runner.errors import NothingToActOn
from scenarios.runner.run import Handlers, Run
from scenarios.runner.verbs.acting import acting, not_down, not_up


def crash(run: Run, statement: tree.Crash) -> None:
    """Processes die."""
    for name in acting(run, statement, statement.servers, not_up(run)):
        run.cluster.crash(name, losing_unsynced=statement.losing_unsynced)


def restart(run: Run, statement: tree.Restart) -> None:
    """Servers that are down begin again."""
    for name in acting(run, statement, statement.servers, not_down(run)):
        run.cluster.start(name, verb="restart", empty=statement.empty)


def stop(run: Run, statement: tree.Stop) -> None:
    """Servers stop in good order."""
    for name in acting(run, statement, statement.servers, not_up(run)):
        run.cluster.stop(name)


def start(run: Run, statement: tree.Start) -> None:
    """Servers that are down begin again."""
    for name in acting(run, statement, statement.servers, not_down(run)):
        run.cluster.start(name, verb="start", empty=statement.empty)


def wipe(run: Run, statement: tree.Wipe) -> None:
    """Disks are emptied."""
    for name in acting(run, statement, statement.servers, not_down(run)):
        run.cluster.wipe(name)


# --- links -----------------------------------------------------------------------------------------------------------


def partition(run: Run, statement: tree.Partition) -> None:
    """Only members of one group hear each other."""
    groups = _groups(run, statement, statement.groups)
    if statement.one_way:
        _cut(run, statement, _between(groups[0], groups[1]))
        return
    everyone = dict.fromkeys([*run.cluster.names, *(name for group in groups for name in group)])
    named = {name for group in groups for name in group}
    sides = [*groups, [name for name in everyone if name not in named]]
    heard = {link for side in sides for link in _between(side, side)}
    run.cluster.change_links(_between(everyone, everyone) - heard, _text(run, statement))


def cut(run: Run, statement: tree.Cut) -> None:
    """The links between groups are cut."""
    groups = _groups(run, statement, statement.groups)
    _cut(run, statement, _across(groups, statement.one_way))


def isolate(run: Run, statement: tree.Isolate) -> None:
    """Every link of a server is cut."""
    names = run.resolver(statement).servers(statement.servers)
    clients = {one.client for one in run.cluster.clients.operations.values()}
    others = [*run.cluster.names, *sorted(clients)]
    links = {link for name in names for link in _between([name], others) | _between(others, [name])}
    _cut(run, statement, links)


def heal(run: Run, statement: tree.Heal) -> None:
    """Links work again."""
    groups = _groups(run, statement, statement.groups)
    mended = _across(groups, statement.one_way) if groups else run.cluster.cut
    if not mended & run.cluster.cut:
        raise NothingToActOn("no link is cut there")
    run.cluster.change_links(run.cluster.cut - mended, _text(run, statement))


def _cut(run: Run, statement: tree.Statement, links: set[Link]) -> None:
    if links <= run.cluster.cut:
        raise NothingToActOn("every link there is cut already")
    run.cluster.change_links(run.cluster.cut | links, _text(run, statement))


def _groups(run: Run, statement: tree.Statement, groups: Iterable[Selectors]) -> list[tuple[str, ...]]:
    resolver = run.resolver(statement)
    return [resolver.servers(group) for group in groups]


def _between(sources: Iterable[str], targets: Iterable[str]) -> set[Link]:
    return {(source, target) for source in sources for target in targets if source != target}


def _across(groups: list[tuple[str, ...]], one_way: bool) -> set[Link]:
    if one_way:
        return _between(groups[0], groups[1])
    return {link for one in groups for other in groups if one is not other for link in _between(one, other)}


def _text(run: Run, statement: tree.Statement) -> str:
    """The line with its selectors resolved, for pictures: `partition s1 s2 | s3`."""
    resolver, verb = run.resolver(statement), type(statement).__name__.lower()
    match statement:
        case tree.Partition(groups, one_way) | tree.Cut(groups, one_way) | tree.Heal(groups, one_way):
            sides = [" ".join(resolver.servers(group)) for group in groups]
            return f"{verb} {(' -> ' if one_way else ' | ').join(sides)}".strip()
        case tree.Isolate(servers):
            return f"{verb} {' '.join(resolver.servers(servers))}"
    return verb


HANDLERS: Handlers = {
    tree.Crash: crash,
    tree.Restart: restart,
    tree.Stop: stop,
    tree.Start: start,
    tree.Wipe: wipe,
    tree.Partition: partition,
    tree.Cut: cut,
    tree.Isolate: isolate,
    tree.Heal: heal,
}
