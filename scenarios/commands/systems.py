"""Finds what the command line names: a system in a user's file, an application, a state map, an invariant."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import attrs

from checker.errors import CheckerError, UsageError, did_you_mean
from checker.properties.base import show
from checker.raft_system import RaftSystem
from checker.runs.tracing import describe_state
from checker.stepping import describe_error
from checker.system import ActorId, System
from checker.world import initial_state, validate_system
from raftframe import Options
from scenarios.runner.setup import find_application, find_states, parse_options

T = TypeVar("T")


def load_name(reference: str, what: str) -> Any:  # a user's object of any kind
    """The object that *reference*, `FILE.py:NAME` or `package.module:NAME`, names. *what* it should be goes into
    errors.
    """
    place, colon, name = reference.rpartition(":")
    if not colon or not place or not name:
        raise UsageError(f"{reference!r} does not name {what}: write FILE.py:NAME or package.module:NAME")
    module = _load_file(Path(place).resolve()) if place.endswith(".py") else _load_module(place, what)
    if not hasattr(module, name):
        known = [key for key in vars(module) if not key.startswith("_")]
        raise UsageError(f"{place} has no {name!r}; {did_you_mean(name, known)}")
    return getattr(module, name)


@cache
def _load_file(path: Path) -> Any:  # a module
    """The module in the file at *path*, executed once: two names from one file must share its classes."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # pickling looks classes up by their module's name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{path} cannot be loaded: {describe_error(error)}") from error
    return module


def _load_module(name: str, what: str) -> Any:  # a module
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"{name} does not lead to {what}: {error}") from error
    except (Exception, SystemExit) as error:  # the module's own code
        raise UsageError(f"{name} cannot be loaded: {describe_error(error)}") from error


def load_system(reference: str, servers: int | None) -> System:
    """The system that *reference* names: a System, or a function that makes one, given `servers` if it takes that."""
    found = load_name(reference, "a system")
    try:
        return _system(reference, found, servers)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{reference} makes no system: it raised {describe_error(error)}") from error


def _system(reference: str, found: Any, servers: int | None) -> System:
    if inspect.isclass(found) or not isinstance(found, System):
        if not callable(found):
            raise UsageError(f"{reference} is neither a system nor a function that makes one: {show(found)}")
        if servers is not None and "servers" not in inspect.signature(found).parameters:
            raise UsageError(f"{reference} takes no `servers`: leave --servers out")
        found = found(**({"servers": servers} if servers is not None else {}))
    system: System = found
    try:
        validate_system(system)
    except UsageError as error:
        raise UsageError(f"{reference}: {error}") from error
    for actor in system.actors:
        _try_out(reference, system, actor)
    return system


def _try_out(reference: str, system: System, actor: ActorId) -> None:
    """Refuse initial states that cannot be compared or shown: no search gets past them."""
    one, other = initial_state(system, actor), initial_state(system, actor)
    for what, attempt in (
        ("compared", lambda: bool(one == other)),
        ("shown", lambda: describe_state(system, actor, one)),
    ):
        try:
            attempt()
        except (Exception, SystemExit) as error:
            reason = f"the initial state of {actor} cannot be {what}: it raised {describe_error(error)}"
            raise UsageError(f"{reference}: {reason}") from error


def raft_system(
    *, servers: int, app: str, operations: tuple[str, ...], state_map: str | None, options: dict[str, str]
) -> RaftSystem:
    """A Raft cluster as the command line describes it; its clients credit 10, then 20, unless *operations* say else."""
    application, parse = _made(f"--app {app}", lambda: find_application(app))
    asked = operations or (("credit 10", "credit 20") if app == "bank" else ("x", "y"))
    known = {field.name for field in attrs.fields(Options)}
    for name in options:
        if name not in known:
            raise UsageError(f"there is no option {name!r}; {did_you_mean(name, known)}")
    chosen = parse_options(options)
    states = _made(f"--state-map {state_map}", lambda: find_states(state_map, application, chosen))
    return RaftSystem(states, servers=servers, operations=[_parsed(parse, text) for text in asked])


def _made(flag: str, make: Callable[[], T]) -> T:
    """What *make* makes; whatever the user's code raises meanwhile is a mistake in *flag*."""
    try:
        return make()
    except CheckerError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{flag}: making it raised {describe_error(error)}") from error


def _parsed(parse: Callable[[str], Hashable], text: str) -> Hashable:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"--command: {error}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"--command: reading {text!r} raised {describe_error(error)}") from error
