"""`raftframe doctor`: is everything here that raftframe needs, and does it work?"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

import click
from attrs import asdict, frozen

from scenarios.commands.common import json_option

NEEDED = ("attrs", "click", "lark", "llvmlite", "networkx", "numba", "numpy", "rich", "scipy")


@frozen
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


Examination: TypeAlias = Callable[[], Iterator[Finding]]


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Check that everything raftframe needs is here and works. Exits 1 if something does not."""
    findings = [finding for examine in (_python, _packages, _engine, _language) for finding in examine()]
    ok = all(finding.ok for finding in findings)
    if as_json:
        click.echo(json.dumps({"format": 1, "ok": ok, "findings": [asdict(one) for one in findings]}, indent=2))
    else:
        for one in findings:
            click.echo(f"{'ok  ' if one.ok else 'FAIL'} {one.name:12} {one.detail}")
    raise click.exceptions.Exit(0 if ok else 1)


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("python", sys.version_info >= (3, 11), f"{version} (3.11 or later is needed)")


def _packages() -> Iterator[Finding]:
    for name in NEEDED:
        try:
            yield Finding(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, f"not installed: pip install {name}")


def _engine() -> Iterator[Finding]:
    """A space whose size is known, explored; its count must be exact."""
    from checker.explore import check
    from checker.properties.raft import RAFT_PROPERTIES
    from checker.system import Bounds
    from scenarios.commands.systems import raft_system

    system = raft_system(servers=2, app="bank", operations=(), state_map=None, options={})
    report, exact = (
        check(system, properties=RAFT_PROPERTIES, bounds=Bounds({"timeouts": 2}), exact=exact, reduce=())
        for exact in (False, True)
    )
    same = (report.states, report.transitions) == (exact.states, exact.transitions)
    counts = f"{report.states:,} states by fingerprints, {exact.states:,} by whole states"
    detail = f"{counts}; compiled in {report.compile_seconds:.1f} s"
    yield Finding("engine", same and report.verdict == "pass", detail)


def _language() -> Iterator[Finding]:
    from scenarios.language.loader import load
    from scenarios.runner.files import run_instance

    text = "scenario: a server elects itself\nservers: 1\n\ntimeout s1\nexpect s1 is leader\n"
    (instance,) = load(text=text).instances
    result = run_instance(instance, text=text)
    yield Finding("language", result.ok, f"a scenario was loaded and run: {result.verdict}")
