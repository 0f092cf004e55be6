"""What a run is made of, as the header says: the application, the rules, the options, the timing.

Applications and state maps are named by dotted path, `package.module:Class`, so that scenarios depend on none of
them. An application's module may have a function `parse_operation(text)`, which reads the commands of its clients.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from attrs import field, fields, frozen

from checker.errors import UsageError, did_you_mean
from checker.mutants import find_mutant
from checker.raft_system import Order, RaftSystem, Request
from checker.stepping import describe_error
from raftframe import Options, StandardStateMap
from raftframe.api import AppAPI
from raftframe.comms.wire import Codec
from scenarios.language.loaded import Header, Instance
from scenarios.language.terms import Node, Selector
from scenarios.language.tree import Client, Reconfigure, Start, Statement, VaryItem, walk_all
from scenarios.runner.clock import Timing
from scenarios.runner.errors import SetupError

STANDARD_RULES = "none"
BANK = "bank_app.app:BankingApp"
RECORDING = "raftframe.api.app:RecordingApp"
_BANK_COMMANDS = frozenset({"credit", "debit", "query"})
_SWITCH = {"on": True, "off": False}


@frozen
class Setup:
    """Everything that a cluster is built from. `headers` is what a scenario file must say to get the same one."""

    servers: tuple[str, ...]
    states: StandardStateMap
    parse: Callable[[str], Hashable]
    timing: Timing
    seed: int
    random_network: bool
    headers: Mapping[str, str] = field(factory=dict)
    make_states: Callable[[], StandardStateMap] | None = None  # makes `states` anew, in another process if need be
    codec: Codec = field(factory=Codec)
    joining: tuple[str, ...] = ()
    learners: tuple[str, ...] = ()
    orders: tuple[Order, ...] = ()  # what a search may order beside what the options allow
    requests: tuple[Request, ...] = ()  # what the clients of a search may ask for
    own_states: Mapping[str, StandardStateMap] = field(factory=dict)  # of the servers whose options differ

    def system(self, requests: Iterable[Request] = ()) -> RaftSystem:
        """The cluster as a checkable system, whose clients may ask for *requests* too."""
        return RaftSystem(
            self.states,
            servers=len(self.servers),
            requests=(*self.requests, *requests),
            orders=self.orders,
            joining=self.joining,
            learners=self.learners,
            own_states=self.own_states,
        )

    def problem_in(self, mode: str) -> str | None:
        """What of this the mode *mode* cannot do, or None: clusters of real servers begin whole, and all alike."""
        if mode == "sim":
            return None
        lacks = {
            "servers that join later": self.joining,
            "servers without a vote": self.learners,
            "servers with options of their own": self.own_states,
            "servers that store later": ["async_storage"] if self.states.options.async_storage else (),
        }
        return next((f"the mode {mode} has no {what} ({', '.join(who)})" for what, who in lacks.items() if who), None)


def setup_of(instance: Instance, *, seed: int | None = None, state_map: str | None = None) -> Setup:
    """What *instance* asks for; *seed* and *state_map* outweigh its header. Raises SetupError."""
    header = instance.header
    chosen = seed if seed is not None else header.seed
    app, parse = find_application(header.app, instance.statements)
    options = dict(header.options)
    timing = _timing(options)
    rules = state_map or header.state_map
    common = parse_options(options, instance.needs)
    make_states = _states_maker(rules, app, common)
    joining = _joining(header, instance.statements)
    if joining and not common.membership:
        names = ", ".join(joining)
        raise SetupError(
            f"{names}: not in `servers:`, so it can only join later, and that takes `requires: membership`"
        )
    each = {server: parse_options(options, instance.needs, server) for server in header.servers}
    return Setup(
        servers=header.servers,
        states=make_states(),
        parse=parse,
        timing=timing,
        seed=chosen if chosen is not None else 0,
        random_network=timing.latency_ms[0] != timing.latency_ms[1],
        headers=_headers(header, state_map, chosen),
        make_states=make_states,
        codec=codec_of(app),
        joining=joining,
        learners=tuple(options.get("learners", "").split()),
        own_states={server: _states_maker(rules, app, own)() for server, own in each.items() if own != common},
    )


def _joining(header: Header, statements: tuple[Statement, ...]) -> tuple[str, ...]:
    """The servers that are not there at the beginning: those that are started or added, and not in `servers:`."""
    named = {
        selector.name
        for statement in walk_all(statements)
        for selector in _brought_in(statement)
        if selector.kind == "server"
    }
    return tuple(sorted(named - set(header.servers)))


def _brought_in(statement: Node) -> tuple[Selector, ...]:
    match statement:
        case Start(servers=servers):
            return servers
        case Reconfigure(changes=changes):
            return tuple(selector for change in changes for selector in change.servers)
    return ()


def _headers(header: Header, state_map: str | None, seed: int | None) -> dict[str, str]:
    said = {
        "app": header.app,
        "options": ", ".join(f"{name}={value}" for name, value in header.options),
        "state_map": state_map or header.state_map,
        "seed": None if seed is None else str(seed),
    }
    return {name: text for name, text in said.items() if text}


def plain_setup(
    servers: int,
    states: StandardStateMap | None = None,
    parse: Callable[[str], Hashable] = str,
    headers: Mapping[str, str] | None = None,
    learners: Collection[str] = (),
) -> Setup:
    """A setup built by a program, with default timing. *headers* should say what *states* and *parse* are."""
    from raftframe.api.app import RecordingApp

    names = tuple(f"s{number}" for number in range(1, servers + 1))
    said = dict(headers or {})
    if learners:
        said["options"] = ", ".join(filter(None, (said.get("options"), f"learners={' '.join(learners)}")))
    states = states or StandardStateMap(RecordingApp())
    return Setup(names, states, parse, Timing(), 0, False, said, learners=tuple(learners))


Application: TypeAlias = tuple[AppAPI, Callable[[str], Hashable]]


# --- the application -------------------------------------------------------------------------------------------------


def find_application(name: str | None, statements: tuple[Statement, ...] = ()) -> Application:
    """The application called *name* (`bank`, or `package.module:Class`), and how its commands are read.

    Without a name it is the bank if *statements* use it, else one that records whatever it is given.
    """
    path = {None: BANK if _uses_the_bank(statements) else RECORDING, "bank": BANK}.get(name, name)
    assert path is not None
    factory = load_named(path, "app")
    module = importlib.import_module(path.partition(":")[0])
    try:
        app = factory()
        if isinstance(app, AppAPI):
            app.initial_state()
    except (Exception, SystemExit) as error:
        raise SetupError(f"app: {path} cannot be made: it raised {describe_error(error)}") from error
    if not isinstance(app, AppAPI):
        raise SetupError(f"app: {path} makes {app!r:.100}, which lacks initial_state, problem_with or apply")
    return app, getattr(module, "parse_operation", str)


def _uses_the_bank(statements: tuple[Statement, ...]) -> bool:
    for each in walk_all(statements):
        if isinstance(each, Client) and each.command in _BANK_COMMANDS:
            return True
        if isinstance(each, VaryItem) and _BANK_COMMANDS & {getattr(word, "text", "") for word in each.words}:
            return True
    return False


def load_named(path: str, what: str) -> Any:  # Any: whatever the path leads to
    """The object that `package.module:Name` names. Raises SetupError that says which half is wrong."""
    module_name, colon, attribute = path.partition(":")
    if not colon:
        or_bank = "bank, or " if what == "app" else ""
        raise SetupError(f"{what}: {path!r} is no dotted path; write {or_bank}package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise SetupError(f"{what}: cannot import {module_name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise SetupError(f"{what}: cannot import {module_name}: it raised {describe_error(error)}") from error
    if not hasattr(module, attribute):
        names = [name for name in vars(module) if not name.startswith("_")]
        raise SetupError(f"{what}: {module_name} has no {attribute}; {did_you_mean(attribute, names)}")
    return getattr(module, attribute)


def codec_of(app: AppAPI) -> Codec:
    """What turns the operations of *app* into bytes: `CODEC` of its module, or plain values and the frozen classes that
    its module has.
    """
    module = importlib.import_module(type(app).__module__)
    given = getattr(module, "CODEC", None)
    if given is None:
        own = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
        return Codec(one for one in own if _has_bytes(one))
    if not isinstance(given, Codec):
        raise SetupError(f"app: CODEC of {module.__name__} is no raftframe.comms.wire.Codec, but {given!r}")
    return given


def _has_bytes(kind: type) -> bool:
    try:
        Codec([kind])
    except ValueError:
        return False
    return True


# --- the rules -------------------------------------------------------------------------------------------------------


def _states_maker(name: str | None, app: AppAPI, options: Options) -> Callable[[], StandardStateMap]:
    """`find_states`, to be called later. The standard rules are made without this module, which other processes need
    not load then.
    """
    if name in (None, STANDARD_RULES):
        return partial(StandardStateMap, app, options)
    return partial(find_states, name, app, options)


def find_states(name: str | None, app: AppAPI, options: Options) -> StandardStateMap:
    """The standard rules (*name* None, or `none`), a mutant's, or those of a class `package.module:Class`."""
    if name in (None, STANDARD_RULES):
        return StandardStateMap(app, options)
    assert name is not None
    factory = load_named(name, "state_map") if ":" in name else mutant(name)
    made = factory(app, options)
    if not isinstance(made, StandardStateMap):
        raise SetupError(f"state_map: {name} makes {made!r}, not a StandardStateMap")
    return made


def mutant(name: str) -> Callable[[AppAPI, Options], StandardStateMap]:
    """The rules with the planted bug called *name*."""
    try:
        return find_mutant(name).states
    except UsageError as error:
        raise SetupError(f"state_map: {error}") from error


# --- the options -----------------------------------------------------------------------------------------------------


def parse_options(options: Mapping[str, str], needs: Collection[str] = (), server: str | None = None) -> Options:
    """The protocol's options from their texts; those of the runner, which stand beside them, are left alone. What is on
    at some servers only is on, unless *server* is none of them.

    An option that has the name of a feature in *needs* is on, unless its text says otherwise: a file that requires
    pre-votes gets them.
    """
    needs = {*needs, *(("linearizable_reads",) if "lease_reads" in needs else ())}
    if {"joint", "learners"} & set(needs):
        needs = {*needs, "membership"}
    chosen: dict[str, Any] = {}  # Any: a switch or a number, as the field wants it
    for option in fields(Options):
        given = options.get(option.name)
        if isinstance(option.default, bool):
            chosen[option.name] = _switch(options, option.name, option.default or option.name in needs, server)
        elif given is not None:
            chosen[option.name] = _number(option.name, given)
    try:
        return Options(**chosen)
    except ValueError as error:
        raise SetupError(f"options: {error}") from error


def _timing(options: Mapping[str, str]) -> Timing:
    standard = Timing()
    network = options.get("network", "steady")
    if network not in ("steady", "jitter"):
        raise SetupError(f"options: network={network} is neither steady (5 ms) nor jitter (1 to 10 ms)")
    election = options.get("election_timeout")
    heartbeat = options.get("heartbeat_interval")
    low = standard.election_ms[0] if election is None else _milliseconds("election_timeout", election)
    return Timing(
        election_ms=(low, 2 * low),
        heartbeat_ms=standard.heartbeat_ms if heartbeat is None else _milliseconds("heartbeat_interval", heartbeat),
        latency_ms=(1, 10) if network == "jitter" else standard.latency_ms,
    )


def _switch(options: Mapping[str, str], name: str, default: bool, server: str | None) -> bool:
    given = options.get(name)
    if given is None:
        return default
    if given.startswith("s"):
        return server is None or server in given.split()
    if given not in _SWITCH:
        raise SetupError(f"options: {name}={given} is neither on nor off")
    return _SWITCH[given]


def _number(name: str, given: str) -> int:
    if not given.isdigit() or int(given) < 1:
        raise SetupError(f"options: {name}={given} is not a number of 1 or more")
    return int(given)


def _milliseconds(name: str, given: str) -> int:
    if given.endswith("ms"):
        return _number(name, given[:-2])
    return 1000 * _number(name, given[:-1]) if given.endswith("s") else _number(name, given)


def title_of(header: Header, path: str) -> str:
    """The scenario's title, or its file's name."""
    return header.title or Path(path).stem
