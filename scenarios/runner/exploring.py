"""`explore` and `reach`: a scenario's block as a search of the checker, and what it found brought back.

The search begins with the servers as they are, every message that may move on the wire, and the memory of the
monitors. What cannot move (held, or at a paused server) stays out of it; cut links are blocked; paused servers have
no events.

Conditions are judged on thinned servers: all that no condition of the block reads is blanked out, so that the checker,
which judges each distinct tuple of views once, judges few.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path

from attrs import define, evolve, field, frozen

from checker.explore import Failure as Violated
from checker.explore import Report, check
from checker.properties.base import Invariant, Predicate, Property
from checker.properties.clients import linearizable
from checker.properties.raft import RAFT_PROPERTIES
from checker.raft_system import Disk, RaftServer, Request, no_larger_than
from checker.system import ActorId, Bounds, State
from checker.views.story import event_line
from checker.world import Vary, World, WorldEvent, make_world
from raftframe import DurableState, Log
from raftframe.server_state import CandidateData, FollowerData, LeaderData, PreCandidateData, RoleData
from scenarios.language import terms, tree
from scenarios.language.features import FIELDS
from scenarios.language.terms import Word
from scenarios.language.words import is_client
from scenarios.runner.clients import AGAIN
from scenarios.runner.cluster_api import Link
from scenarios.runner.conditions import Conditions, Nowhere
from scenarios.runner.errors import ActionError, Unresolved
from scenarios.runner.journal import Elementary
from scenarios.runner.replaying import Retelling, replay
from scenarios.runner.resolving import Resolver
from scenarios.runner.results import Exploration
from scenarios.runner.run import Run, StopRun
from scenarios.runner.snapshot import Snapshot, shown

BUDGETS: Mapping[str, str] = {
    "timeout": "timeouts",
    "heartbeat": "heartbeats",
    "expire": "leases",
    "transfer": "transfers",
    "forget": "forgets",
    "compact": "snapshots",
    "store": "stores",
    "receipt": "receipts",
    "apply": "applies",
    "client": "commands",
    "crash": "crashes",
    "restart": "restarts",
    "drop": "drops",
    "duplicate": "duplicates",
}
DEFAULT_BUDGET: Mapping[str, int] = {"timeouts": 2, "stores": 4, "receipts": 4, "applies": 2}
DEFAULT_STATES = 2_000_000
DEFAULT_TIME_MS = 60_000


@define
class Plan:
    """A block, worked out: what `checker.explore.check` is told."""

    local: set[tuple[str, str]] = field(factory=set)
    kinds: set[str] = field(factory=set)
    blocked: set[Link] = field(factory=set)
    requests: list[Request] = field(factory=list)
    limits: dict[str, int] = field(factory=dict)
    properties: list[Property] = field(factory=list)
    sometimes: list[Predicate] = field(factory=list)
    prune: list[Predicate] = field(factory=list)
    on_violation: tree.OnViolation | None = None
    notes: list[str] = field(factory=list)
    unchecked: list[str] = field(factory=list)

    def bounds(self) -> Bounds:
        """The budget of each kind that may happen; what the block does not limit has a default, which is noted."""
        budgets: dict[str, int] = {}
        for kind, budget in BUDGETS.items():
            if kind not in self.kinds:
                continue
            default = len(self.requests) if kind == "client" else DEFAULT_BUDGET.get(budget, 1)
            if kind == "restart":
                default = self.limits.get("crashes", 1)
            budgets[budget] = self.limits.get(budget, default)
            if budget not in self.limits:
                self.notes.append(f"{budget} {default} (by default)")
        return Bounds(budgets)


# --- the statements --------------------------------------------------------------------------------------------------


def explore(run: Run, statement: tree.Explore) -> None:
    """Search; the run goes on from where it is."""
    plan = _plan(run, statement.options, [])
    report = _search(run, plan, None)
    name = statement.name or "explore"
    _note(run, statement, name, plan, report, complete=report.complete and not plan.unchecked)
    for violated in report.violations:
        _violated(run, statement, plan, violated)
    if plan.prune and not report.pruned:
        run.warn("`prune` cut nothing: no state was like that", statement)
    for never in report.never:
        run.fail("vacuous", f"this never happens in {report.states:,} states: {never}", statement)


def reach(run: Run, statement: tree.Reach) -> None:
    """Search, and go on from what was found. Raises ActionError if it cannot be reached."""
    plan = _plan(run, statement.options, [statement.condition])
    if statement.within is not None:
        amount = run.resolver().number(statement.within.value)
        plan.limits.setdefault("depth" if statement.within.unit == "steps" else "time", amount)
    goal = _predicate(run, plan, statement.condition, "the goal", [statement.condition])
    report = _search(run, plan, goal)
    name = run.reporter.sources.text(statement.span) or "reach"
    for violated in report.violations:
        _violated(run, statement, plan, violated)
    if report.reached is None:
        _note(run, statement, name, plan, report, complete=report.complete)
        if report.complete or report.violations:
            raise ActionError(f"not reachable: all {report.states:,} states within the bounds were looked at")
        raise StopRun
    _note(run, statement, name, plan, report, complete=True)
    _follow(run, report.reached.events)


def _follow(run: Run, events: Iterable[WorldEvent]) -> None:
    """Do what was found; pause points keep still meanwhile."""
    points, run.cluster.pauses.points = run.cluster.pauses.points, []
    Retelling(run.cluster).happen_all(events)
    run.cluster.pauses.points = points


def _note(run: Run, statement: tree.Statement, name: str, plan: Plan, report: Report, *, complete: bool) -> None:
    cut = ", ".join((*report.limits_hit, *plan.unchecked)) or None
    run.explorations.append(
        Exploration(
            name=name,
            line=statement.span.line,
            states=report.states,
            transitions=report.transitions,
            depth=report.depth,
            complete=complete,
            cut_by=None if complete else cut,
            sometimes={one: met.count > 0 for one, met in report.sometimes.items()},
            notes=tuple(plan.notes),
        )
    )


def _violated(run: Run, statement: tree.Statement, plan: Plan, violated: Violated) -> None:
    """Fail by the property's name, with the run that breaks it, and offer that run to be written down."""
    messages = {each.number: each for step in violated.trace.steps for each in step.sent}
    messages |= {each.number: each for each in violated.trace.in_flight}
    lines = [f"  {number}: {event_line(step, messages)}" for number, step in enumerate(violated.trace.steps, 1)]
    extra = ["after these steps from here:", *lines]
    if plan.on_violation is not None and plan.on_violation.write is not None:
        extra.append(f"written: {_written(run, plan, plan.on_violation.write, violated, statement)}")
    run.fail(violated.property, violated.reason, statement, extra=extra)


def _written(run: Run, plan: Plan, folder: str, violated: Violated, statement: tree.Statement) -> str:
    """Write the whole run, from the cluster's beginning, as a scenario of its own, minimised: where, or why not."""
    from scenarios.counterexample import counterexample_of  # it needs this package

    prefix = tuple(run.cluster.journal.elementary)
    events = prefix + _as_elementary(run, prefix, violated.events)
    headers = {"from": f"{run.instance.id}:{statement.span.line}"}
    try:
        example = counterexample_of(run.setup, events, violated.property, properties=plan.properties, headers=headers)
    except ValueError as error:
        return f"nothing ({error})"
    path = Path(folder) / f"{Path(run.instance.path).stem}_{violated.property}.scenario"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(example), encoding="utf-8")
    return str(path)


def _as_elementary(run: Run, prefix: tuple[Elementary, ...], events: Iterable[WorldEvent]) -> tuple[Elementary, ...]:
    """What an exploration found after *prefix*, in the words of scenarios."""
    again = replay(run.setup, prefix).cluster
    done = len(again.journal.elementary)
    again.journal.line = None
    Retelling(again).happen_all(events)
    return tuple(again.journal.elementary[done:])


# --- the plan --------------------------------------------------------------------------------------------------------


def _plan(run: Run, options: Iterable[tree.SearchOption], more: Iterable[terms.Condition]) -> Plan:
    plan = Plan()
    if getattr(run.cluster, "disks", None):
        raise ActionError("explore and reach know no disks that misbehave: write `disk ... ok` first")
    options = tuple(options)
    conditions = [*more, *_conditions_in(options)]
    ignored = set(run.cluster.ignored)
    plan.properties += [each for each in RAFT_PROPERTIES if each.name not in ignored]
    for source, target in run.cluster.cut:
        if source in run.cluster.servers and target in run.cluster.servers:
            plan.blocked.add((source, target))
    for option in options:
        _OPTIONS[type(option)](run, plan, option, conditions)
    if run.setup.states.options.async_storage and "store" not in plan.kinds:
        plan.notes.append("nothing is stored: `vary store, receipt, apply` lets what was left for later happen")
    names = run.cluster.names
    plan.blocked |= {(source, name) for name in run.cluster.pauses.paused for source in names if source != name}
    return plan


def _conditions_in(options: Iterable[tree.SearchOption]) -> list[terms.Condition]:
    found: list[terms.Condition] = []
    for option in options:
        if isinstance(option, tree.Always | tree.Never | tree.Sometimes | tree.Prune):
            found += option.conditions
    return found


def _vary(run: Run, plan: Plan, option: tree.Vary, _conditions: object) -> None:
    resolver = run.resolver()
    paused = run.cluster.pauses.paused
    for item in option.items:
        if item.kind in ("partition", "heal", "tick"):
            raise ActionError(f"explore cannot vary {item.kind} (it can: deliver, {', '.join(BUDGETS)})")
        plan.kinds.add(item.kind)
        if item.kind in ("deliver", "drop", "duplicate"):
            _restrict(run, plan, item)
            continue
        asked = item.kind == "client" and item.target is not None
        chosen = (item.target,) if asked and item.target is not None else item.servers
        names = resolver.servers(chosen) if chosen else run.cluster.names
        plan.local |= {(kind, name) for kind in _kinds(run, plan, item) for name in names if name not in paused}


def _kinds(run: Run, plan: Plan, item: tree.VaryItem) -> list[str]:
    """The local events of the system that *item* means."""
    match item.kind:
        case "client":
            return [_request(run, plan, item)]
        case "transfer":
            targets = run.cluster.names if item.target is None else (run.resolver().server(item.target),)
            kinds = [f"transfer to {target}" for target in targets]
        case "forget":
            kinds = ["forget leader"]
        case _:
            kinds = [item.kind]
    known = {kind.name for kind in run.cluster.system.local_kinds}
    if not known.issuperset(kinds):
        raise ActionError(f"vary {item.kind}: these servers know no such event; the file lacks a `requires:`")
    return kinds


def _request(run: Run, plan: Plan, item: tree.VaryItem) -> str:
    """`client c2 debit 5` becomes a kind of event of its own; its name."""
    again = any(isinstance(word, Word) and word.text == AGAIN.strip() for word in item.words)
    words = [
        word.text if again and isinstance(word, Word) else shown(run.resolver().value(word)) for word in item.words
    ]
    client = words.pop(0) if words and is_client(words[0]) else "c1"
    if not words:
        raise ActionError("vary client: say what it asks for, as in `client c1 credit 10`")
    text = " ".join(words)
    try:
        request = _request_for(run, client, text)
    except ValueError as error:
        raise ActionError(f"the application does not understand `{text}`: {error}") from error
    plan.requests.append(request)
    return request.kind


def _request_for(run: Run, client: str, text: str) -> Request:
    """What *client* may ask for: a new command, or `again` one that it has sent, under the same serial."""
    if not text.startswith(AGAIN):
        return Request(client, run.setup.parse(text), text)
    sent = run.cluster.clients.sent(client, text.removeprefix(AGAIN))
    return Request(client, sent.operation, run.cluster.clients.again_of(client, sent.serial) or text, sent.serial)


def _restrict(run: Run, plan: Plan, item: tree.VaryItem) -> None:
    """A pattern restricts by its two ends: other channels are blocked."""
    if item.pattern is None and not item.servers:
        return
    if item.kind != "deliver" or (item.pattern is not None and (item.pattern.type != "any" or item.pattern.tests)):
        raise ActionError("explore chooses messages by their ends only: `deliver any s1 -> s2`, or `deliver s2`")
    matcher = run.resolver().matcher(item.pattern) if item.pattern is not None else None
    targets = matcher.targets if matcher is not None else frozenset(run.resolver().servers(item.servers))
    sources = matcher.sources if matcher is not None else None
    for source in run.cluster.names:
        for target in run.cluster.names:
            outside = (sources and source not in sources) or (targets and target not in targets)
            if source != target and outside:
                plan.blocked.add((source, target))


def _limit(run: Run, plan: Plan, option: tree.Limit, _conditions: object) -> None:
    for item in option.items:
        if item.kind in ("memory", "messages", "partitions"):
            plan.notes.append(f"limit {item.kind} is not used")
            continue
        value = run.resolver().value(item.value)
        if not isinstance(value, int):
            raise ActionError(f"limit {item.kind}: {shown(value)} is no number")
        plan.limits[item.kind] = value


def _always(run: Run, plan: Plan, option: tree.Always | tree.Never, conditions: list[terms.Condition]) -> None:
    never = isinstance(option, tree.Never)
    for number, condition in enumerate(option.conditions):
        rest = [part for part in _parts(condition) if not isinstance(part, terms.InvariantHolds)] if not never else None
        if rest == []:
            continue  # nothing but invariants, which hold by default
        whole = condition if rest is None else terms.And(tuple(rest))
        plan.properties.append(_invariant(run, whole, never, f"line {option.span.line}.{number + 1}", conditions))


def _parts(condition: terms.Condition) -> tuple[terms.Condition, ...]:
    return condition.parts if isinstance(condition, terms.And) else (condition,)


def _sometimes(run: Run, plan: Plan, option: tree.Sometimes, conditions: list[terms.Condition]) -> None:
    for condition in option.conditions:
        name = run.reporter.sources.text(condition.span) or f"condition {len(plan.sometimes) + 1}"
        plan.sometimes.append(_predicate(run, plan, condition, name, conditions))


def _prune(run: Run, plan: Plan, option: tree.Prune, conditions: list[terms.Condition]) -> None:
    for condition in option.conditions:
        plan.prune.append(_predicate(run, plan, condition, f"prune {len(plan.prune) + 1}", conditions))


def _strategy(run: Run, plan: Plan, option: tree.Strategy, _conditions: object) -> None:
    others = [stage.name for stage in option.stages if stage.name != "bfs"]
    if others:
        plan.notes.append(f"strategy {', '.join(others)} is not used: the search is breadth first")


def _symmetry(run: Run, plan: Plan, option: tree.Symmetry, _conditions: object) -> None:
    plan.notes.append("symmetry is not used: equal servers are told apart")


def _write(run: Run, plan: Plan, option: tree.OnViolation, _conditions: object) -> None:
    plan.on_violation = option


def _liveness(run: Run, plan: Plan, option: tree.Statement, _conditions: object) -> None:
    plan.unchecked.append(f"`{type(option).__name__.lower()}` is not checked in explore")


def _fair(run: Run, plan: Plan, option: tree.Fair, _conditions: object) -> None:
    plan.notes.append("fair is not used")


_OPTIONS: Mapping[type[tree.Statement], Callable[[Run, Plan, object, list[terms.Condition]], None]] = {
    tree.Vary: _vary,  # type: ignore[dict-item]  # each takes the option of its own kind
    tree.Limit: _limit,  # type: ignore[dict-item]
    tree.Always: _always,  # type: ignore[dict-item]
    tree.Never: _always,  # type: ignore[dict-item]
    tree.Sometimes: _sometimes,  # type: ignore[dict-item]
    tree.Prune: _prune,  # type: ignore[dict-item]
    tree.Strategy: _strategy,  # type: ignore[dict-item]
    tree.Symmetry: _symmetry,  # type: ignore[dict-item]
    tree.OnViolation: _write,  # type: ignore[dict-item]
    tree.Eventually: _liveness,  # type: ignore[dict-item]
    tree.Whenever: _liveness,  # type: ignore[dict-item]
    tree.Fair: _fair,  # type: ignore[dict-item]
}


# --- the search ------------------------------------------------------------------------------------------------------


def _search(run: Run, plan: Plan, goal: Predicate | None) -> Report:
    bounds = plan.bounds()
    limits = plan.limits
    depth = limits.get("depth", limits.get("steps"))
    system = run.setup.system(plan.requests)
    world = _world(run)
    if plan.requests and run.setup.states.options.linearizable_reads:
        clients = linearizable(system)
        plan.properties.append(clients)
        world = evolve(
            world, monitors=(*world.monitors, (clients.name, run.cluster.clients.explained(system.states.app)))
        )
    return check(
        system,
        properties=plan.properties,
        bounds=bounds,
        initial=world,
        blocked=sorted(plan.blocked),
        vary=Vary(
            local=sorted(plan.local),
            deliver="deliver" in plan.kinds,
            drop="drop" in plan.kinds,
            duplicate="duplicate" in plan.kinds,
        ),
        within=no_larger_than(terms=limits.get("terms"), log=limits.get("log")),
        goal=goal,
        sometimes=plan.sometimes,
        prune=plan.prune,
        max_depth=None if depth is None else depth + 1,
        max_states=limits.get("states", DEFAULT_STATES),
        max_time_s=limits.get("time", DEFAULT_TIME_MS) / 1000,
    )


def _world(run: Run) -> World:
    """The cluster as a world: outboxes and inboxes are on the wire; what cannot move is left out."""
    cluster = run.cluster
    moving = [e for e in cluster.post.live if cluster.may_move(e) and not e.held_by]
    return make_world(
        cluster.system,
        states=dict(cluster.servers.items()),
        in_flight=[(e.source, e.target, e.message) for e in moving],
        used={"commands": cluster.clients.last_serial},
        monitors=cluster.watch.memory,
    )


# --- conditions ------------------------------------------------------------------------------------------------------


def _predicate(
    run: Run, plan: Plan, condition: terms.Condition, name: str, conditions: Iterable[terms.Condition]
) -> Predicate:
    judge = _Judge.of(run)
    return Predicate(name, lambda views, _history: judge.on(views).holds_surely(condition), Thinner.of(conditions))


def _invariant(
    run: Run, condition: terms.Condition, never: bool, name: str, conditions: Iterable[terms.Condition]
) -> Invariant:
    judge = _Judge.of(run)

    def opinion(views: Mapping[ActorId, RaftServer], _history: object) -> str | None:
        try:
            found = judge.on(views).falsehood(condition)
        except Unresolved:
            return None
        if never:
            return "what must never hold, holds" if found is None else None
        return None if found is None else found.label

    return Invariant(f"{'never' if never else 'always'} ({name})", opinion, Thinner.of(conditions))


@frozen
class _Judge:
    """Judges conditions on the views of an exploration; variables and paused servers are those of the run."""

    variables: Mapping[str, object]
    paused: tuple[str, ...]

    @classmethod
    def of(cls, run: Run) -> _Judge:
        return cls(dict(run.variables), tuple(run.cluster.pauses.paused))

    def on(self, views: Mapping[ActorId, RaftServer]) -> Conditions:
        servers = {str(actor): view for actor, view in views.items()}
        down = {name: "crashed" for name, view in servers.items() if view.state is None}
        snapshot = Snapshot(servers, down, self.paused, {})
        return Conditions(Resolver(snapshot, self.variables, {}), Nowhere())  # type: ignore[arg-type]  # plain values


_ROLE_FIELDS = frozenset({"role", "term"})


@frozen
class Thinner:
    """The view of a server in which all that *fields* does not name is blank. Equal ones are one view to the
    checker.
    """

    fields: frozenset[str]

    @classmethod
    def of(cls, conditions: Iterable[terms.Condition]) -> Thinner:
        """The view that *conditions* need."""
        return cls(frozenset(name for condition in conditions for name in _fields_in(condition)))

    def __call__(self, _actor: ActorId, state: State) -> Hashable:
        assert isinstance(state, RaftServer)
        durable = self._durable(state.durable)
        server = state.state
        if server is None:
            return RaftServer(None, Disk(durable, durable))
        wanted = self.fields
        app = server.app_state if wanted - _KNOWN or wanted & {"balance", "state"} else None
        thin = evolve(
            server,
            durable=durable,
            data=self._data(server.data),
            app_state=app,
            commit_index=server.commit_index if "commit" in wanted else 0,
            applied_index=server.applied_index if "applied" in wanted else 0,
            reads=(),
            stable=server.stable if "stable" in wanted else None,
        )
        return RaftServer(thin, Disk())

    def _durable(self, durable: DurableState) -> DurableState:
        return DurableState(
            durable.term if "term" in self.fields else 0,
            durable.voted_for if "voted_for" in self.fields else None,
            durable.log if self.fields & {"log", "last", "last_term", "first"} else Log(),
            durable.snapshot if "snapshot" in self.fields else None,
        )

    def _data(self, data: RoleData) -> RoleData:
        match data:
            case FollowerData():
                return data if "leader" in self.fields else FollowerData()
            case PreCandidateData() | CandidateData():
                return data if "votes" in self.fields else evolve(data, votes=())
        return LeaderData(data.progress if self.fields & {"match_index", "next_index"} else ())


_KNOWN = frozenset(FIELDS)


def _fields_in(condition: terms.Condition) -> Iterator[str]:
    for part in terms.walk(condition):
        match part:
            case terms.FieldRef(name=name):
                yield name
            case terms.LeaderCount() | terms.Selector(kind="role" | "group"):
                yield from _ROLE_FIELDS
            case terms.LogsMatch():
                yield "log"
            case terms.CommittedMatch():
                yield from ("log", "commit")
