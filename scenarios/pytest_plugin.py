"""Collects `*.scenario` files as tests, one item for each instance of their parameters.

Installing raftframe installs this plugin, so it costs nothing where there are no scenarios: what is slow to import
is imported when a scenario file is collected. A scenario that fails shows our diagnostics, not the traceback of our
machinery; one whose bug is known and still there is an expected failure (x); one that needs what is not built is
skipped; an exploration that was cut fails the test, for `unknown` is not `pass`. Tags can be selected with `-k`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from scenarios.language.loaded import Instance, LoadedFile
    from scenarios.runner import InstanceResult


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for scenarios."""
    group = parser.getgroup("raftframe", "scenario files")
    group.addoption("--scenario-seed", type=int, help="Run every scenario with this seed, not its own.")
    group.addoption("--scenario-mode", choices=("sim", "threads", "udp"), default="sim", help="What scenarios run on.")
    group.addoption("--scenario-state-map", metavar="NAME", help="Run every scenario with a bug planted in Raft.")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A scenario file is a collector of its instances."""
    if file_path.suffix != ".scenario":
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class BadScenario(pytest.Collector.CollectError):
    """The file has errors; its text is the diagnostics."""


class ScenarioFailure(Exception):
    """A scenario failed; its text is the diagnostics."""


class ScenarioFile(pytest.File):
    """One `*.scenario` file. A library, which has only defines, has no items."""

    def collect(self) -> Iterator[ScenarioItem]:
        """One item for each instance, or the errors of the file."""
        from scenarios.language.diagnostics import render_all
        from scenarios.language.loader import load_if_fit

        path = _shown(self.path, self.config.invocation_params.dir)
        loaded = load_if_fit(path, mode=self.config.getoption("--scenario-mode"))
        if loaded.errors:
            raise BadScenario(render_all(loaded.errors))
        for instance in loaded.instances:
            yield ScenarioItem.from_parent(self, name=_item_name(instance), loaded=loaded, instance=instance)


class ScenarioItem(pytest.Item):
    """One instance of a scenario."""

    # What pytest passes through from_parent is its own business: Any is the boundary.
    def __init__(self, *, loaded: LoadedFile, instance: Instance, **pytest_own: Any) -> None:
        super().__init__(**pytest_own)
        self.loaded = loaded
        self.instance = instance
        self.extra_keyword_matches.update(instance.header.tags)

    def runtest(self) -> None:
        """Run the instance; raise what makes the verdict one of pytest's."""
        from scenarios.runner.files import run_instance

        result = run_instance(
            self.instance,
            seed=self.config.getoption("--scenario-seed"),
            state_map=self.config.getoption("--scenario-state-map"),
            text=self.loaded.text,
        )
        _conclude(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Our diagnostics for a scenario that failed; the traceback for anything else, which is our bug."""
        if isinstance(excinfo.value, ScenarioFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the scenario is, and what it says."""
        return self.path, 0, f"{self.name}: {self.instance.header.title}"


def _conclude(result: InstanceResult) -> None:
    """Turn a verdict into pytest's own."""
    if result.verdict == "skip":
        pytest.skip(result.reason)
    if result.verdict == "known-bug":
        pytest.xfail(result.reason)
    if result.verdict == "unknown":
        raise ScenarioFailure(f"unknown: {result.reason}; raise the limit, or make the space smaller")
    if not result.ok:
        raise ScenarioFailure("\n".join(str(failure) for failure in result.failures))


def _shown(path: Path, base: Path) -> Path:
    """*path* as a person would write it, so that messages can be clicked and repeated."""
    return path.relative_to(base) if path.is_relative_to(base) else path


def _item_name(instance: Instance) -> str:
    """`N=3,point=after`, or the file's name where there are no parameters."""
    _file, bracket, binding = instance.id.partition("[")
    return binding.removesuffix("]") if bracket else Path(instance.path).stem
