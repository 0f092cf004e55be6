"""What was tried beyond dead messages, confluent deliveries and symmetry, and what it buys (docs/reductions.md).

    python -m benchmarks.reductions              every trick, alone and on top of all reductions
    python -m benchmarks.reductions --each       the reductions that there are, each on top of those before it
    python -m benchmarks.reductions --local      the local pass: what it proves, and what that takes
    python -m benchmarks.reductions --five       five servers, by the reductions as they are

The tricks are searched in plain Python over the tables, which says how many worlds are left and nothing of speed:

* `lost`: a drop is a message that is never delivered, so drops need not happen;
* `covered`: a world is left out if another has the same states, as much of each budget, and all its messages (this one
  was built; see `checker/reductions/covering.py`, and so was `fused`, which was tried as `restart`);
* `merged`: actor states (and messages) of equal behaviour are one;
* `sleep`: sleep sets, which save transitions and no worlds.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

from attrs import Factory, define, field, frozen

from benchmarks.spaces import table
from checker.engine.layout import CODE_BITS, CODE_MASK, DELIVER, LOCAL
from checker.engine.tables import Tables
from checker.explore import check
from checker.local_pass import local_pass
from checker.properties import Property
from checker.properties.raft import RAFT_PROPERTIES
from checker.reductions.ample import Ample
from checker.reductions.choice import REDUCTIONS
from checker.reductions.claims import Claims
from checker.reductions.normal import NormalForms
from checker.reductions.steps import LocalStep, LocalSteps
from checker.reductions.symmetry import Point, Symmetry
from checker.runs.replay import Properties
from checker.spaces import Space
from checker.system import ActorId, Bounds, Local, State, System
from checker.world import DROPS, DUPLICATES, Rules, Vary
from examples.raft_core import Server, election_safety, raft_core
from raftframe import Options

ALL = ("dead", "confluent", "symmetry")
PLAIN = Options(noop=False, announce_commit=False)


@frozen(kw_only=True)
class Case:
    """A space, and what is seen of it."""

    name: str
    system: System
    properties: tuple[Property, ...]
    bounds: Mapping[str, int]
    views: tuple[Callable[[ActorId, State], Hashable], ...]
    network: str = "unordered"


def role_term_log_commit(_actor: ActorId, state: State) -> Hashable:
    """What Raft's safety speaks of."""
    assert isinstance(state, Server)
    return state.role, state.term, state.log, state.commit_index


def core(servers: int = 3, network: str = "unordered", **bounds: int) -> Case:
    """`examples/raft_core.py`."""
    return Case(
        name=_name("raft_core", servers, network, bounds),
        system=raft_core(servers),
        properties=(election_safety,),
        bounds=bounds,
        views=(role_term_log_commit,),
        network=network,
    )


def raft(options: Options = PLAIN, *, servers: int = 3, **bounds: int) -> Case:
    """raftframe's Raft with its default properties."""
    space = Space(bounds=bounds, options=options, servers=servers)
    name = "Raft" if options.noop else "Raft, no no-op"
    views = tuple(one.view for one in Properties.sort(RAFT_PROPERTIES).invariants)
    return Case(
        name=_name(name, servers, "unordered", bounds),
        system=space.cluster(),
        properties=RAFT_PROPERTIES,
        bounds=bounds,
        views=views,
    )


def _name(what: str, servers: int, network: str, bounds: Mapping[str, int]) -> str:
    words = [what, *(f"{count} {name}" for name, count in bounds.items())]
    words += [f"{servers} servers"] if servers != 3 else []
    words += [network] if network != "unordered" else []
    return ", ".join(words)


# --- classes of equal behaviour ---------------------------------------------------------------------------------------


@define
class Merged:
    """Which states and which messages behave alike: the coarsest partition of what a search has met."""

    tables: Tables
    steps: LocalSteps
    offered: Mapping[int, Iterable[int]]
    state: dict[int, int] = Factory(dict)  # the class of each state that was met: its least member
    message: dict[int, int] = Factory(dict)
    _events: dict[int, frozenset[int]] = Factory(dict)  # what is offered to members of a class

    def refine(self) -> None:
        """Part what looks or behaves differently until nothing does."""
        met = [state for state, columns in self.offered.items() if columns]
        self._part(self.state, met, self._look)
        messages = range(len(self.tables.messages))
        self._part(self.message, messages, lambda message: self.tables.messages[message][0])
        before = (0, 0)
        while before != (sizes := (len(set(self.state.values())), len(set(self.message.values())))):
            before = sizes
            self._events = self._offered_to_classes()
            self._part(self.state, met, lambda state: (self.state[state], self._behaviour(state)))
            self._part(self.message, messages, self._receptions())

    def _part(self, classes: dict[int, int], members: Iterable[int], key: Callable[[int], Hashable]) -> None:
        first: dict[Hashable, int] = {}
        classes.update({member: first.setdefault(found, member) for member, found in [(m, key(m)) for m in members]})

    def _look(self, state: int) -> Hashable:
        groups = range(len(self.tables.view_values))
        return self.tables.states[state][0], tuple(int(self.tables.view_column(group)[state]) for group in groups)

    def _offered_to_classes(self) -> dict[int, frozenset[int]]:
        together: dict[int, set[int]] = defaultdict(set)
        for state, kind in self.state.items():
            together[kind] |= set(self.offered[state])
        return {kind: frozenset(columns) for kind, columns in together.items()}

    def _behaviour(self, state: int) -> Hashable:
        return tuple(self._outcome(state, column) for column in sorted(self._events[self.state[state]]))

    def _outcome(self, state: int, column: int) -> Hashable:
        step = self.steps.of(state, column)
        if step is None:
            return None
        after = self.state.get(step.after, step.after)
        return after, tuple(sorted(self.message.get(one, one) for one in step.sends)), step.observed, step.broken

    def _receptions(self) -> Callable[[int], Hashable]:
        """The class of a message, and what it does at every state to which one of its class was offered."""
        tables = self.tables
        by_column = {
            (self._target(number), tables.message_column[number]): number for number in range(len(tables.messages))
        }
        met_by: dict[int, set[int]] = defaultdict(set)
        for state, columns in self.offered.items():
            for column in columns:
                number = by_column.get((tables.states[state][0], column))
                if number is not None:
                    met_by[self.message[number]].add(state)
        return lambda message: (
            self.message[message],
            *(self._outcome(state, tables.message_column[message]) for state in sorted(met_by[self.message[message]])),
        )

    def _target(self, message: int) -> int:
        return self.tables.channels[self.tables.messages[message][0] - self.tables.first_channel][1]

    def of(self, point: Point) -> Point:
        """*point* with the least member of each class."""
        return point._replace(
            states=tuple(self.state.get(state, state) for state in point.states),
            flight=tuple(sorted(self.message.get(message, message) for message in point.flight)),
        )


# --- the search -------------------------------------------------------------------------------------------------------


@define
class PlainSearch:
    """A breadth-first search of what stands for worlds, in plain Python."""

    case: Case
    kinds: frozenset[str]
    tricks: frozenset[str]
    transitions: int = 0
    views: set[Hashable] = Factory(set)
    forms: NormalForms = field(init=False)
    first: Point = field(init=False)
    merged: Merged | None = None
    _sleep: dict[Point, frozenset[int]] = Factory(dict)  # the worlds that are kept, and what sleeps there
    _covering: defaultdict[Hashable, list[Point]] = Factory(lambda: defaultdict(list))

    def __attrs_post_init__(self) -> None:
        case = self.case
        checked = Properties.sort(case.properties)
        rules = Rules(
            system=case.system,
            bounds=Bounds(case.bounds),
            network=case.network,
            vary=Vary(drop="lost" not in self.tricks),
            monitors=checked.monitors,
            step_rules=checked.step_rules,
        )
        tables = Tables(rules, case.views)
        world = rules.initial()
        self.first = Point(
            states=tuple(tables.state_id(number, state) for number, state in enumerate(world.states)),
            left=tuple(rules.left(world, name) for name in rules.budgets),
            monitors=tuple(tables.monitor_id(number, state) for number, (_, state) in enumerate(world.monitors)),
            flight=(),
        )
        symmetry = Symmetry(tables, self.first) if "symmetry" in self.kinds else None
        steps = LocalSteps(tables, symmetry)
        ample = Ample(tables, steps, self.first) if "fused" in self.kinds else None
        claims = Claims(steps, case.network == "ever-sent" or rules.bounds.of(DUPLICATES) > 0, ample)
        self.forms = NormalForms(tables, steps, claims, symmetry, self.kinds)

    @property
    def states(self) -> int:
        """How many worlds were kept."""
        return len(self._sleep)

    def run(self) -> PlainSearch:
        """Search until the claims hold; once more with merged states, if that is wanted."""
        self._until_claims_hold()
        if "merged" in self.tricks:
            self.merged = Merged(self.forms.tables, self.forms.steps, self.forms.claims.offered)
            self.merged.refine()
            self._until_claims_hold()
        return self

    def _until_claims_hold(self) -> None:
        while True:
            self.transitions = 0
            self.views.clear()
            self._sleep.clear()
            self._covering.clear()
            self.forms.claims.forget()
            self._search()
            if self.forms.claims.intact():
                return

    def _search(self) -> None:
        first = self._stand_in(self.first)
        self._keep(first, frozenset())
        level: dict[Point, frozenset[int] | None] = {first: None}  # worlds, and which events to follow; None for all
        while level:
            following: dict[Point, frozenset[int] | None] = {}
            for point, wanted in level.items():
                for after, sleep in self._follow(point, wanted):
                    if after not in self._sleep:
                        if self._keep(after, sleep):
                            following[after] = None
                    elif woken := self._sleep[after] - sleep:
                        self._sleep[after] &= sleep
                        before = following.get(after, frozenset())
                        following[after] = None if before is None else before | woken
            level = following

    def _keep(self, point: Point, sleep: frozenset[int]) -> bool:
        """Keep a new world, unless one that was kept stands for it."""
        if "covered" in self.tricks:
            alike = self._covering[point.states, point.monitors, self._numbers(point)]
            if any(_is_covered(point, other) for other in alike):
                return False
            alike.append(point)
        self._sleep[point] = sleep
        images = [point] if self.forms.symmetry is None else list(map(self._image(point), range(len(self._group))))
        tables = self.forms.tables
        for group in range(len(tables.view_values)):
            column = tables.view_column(group)
            self.views |= {(group, *(int(column[state]) for state in image.states)) for image in images}
        return True

    def _numbers(self, point: Point) -> tuple[int, ...]:
        """What is left of budgets that number their events: those must be equal."""
        rules = self.forms.tables.rules
        numbered = {kind.budget for kind in self.forms.tables.kinds if kind.numbered}
        return tuple(left for name, left in zip(rules.budgets, point.left, strict=True) if name in numbered)

    def _follow(self, point: Point, wanted: frozenset[int] | None) -> Iterator[tuple[Point, frozenset[int]]]:
        """What follows a world, and which events sleep there."""
        asleep = self._sleep[point]
        for code, after in self.forms.follow(point):
            if code in asleep if wanted is None else code not in wanted:
                continue
            self.transitions += 1
            sleep = frozenset(other for other in asleep if self._commute(point, code, other))
            yield self._stand_in(after), sleep
            if "sleep" in self.tricks:
                asleep |= {code}

    # --- tricks -------------------------------------------------------------------------------------------------------

    def _stand_in(self, point: Point) -> Point:
        """What stands for *point*."""
        point, _path = self.forms.normal(point)
        if self.forms.symmetry is None:
            return point if self.merged is None else self.merged.of(point)
        if self.merged is None:
            return self.forms.symmetry.least(point)[0]
        return min(map(self.merged.of, map(self._image(point), range(len(self._group)))))

    @property
    def _group(self) -> Sequence[object]:
        assert self.forms.symmetry is not None
        return self.forms.symmetry.group

    def _image(self, point: Point) -> Callable[[int], Point]:
        symmetry = self.forms.symmetry
        assert symmetry is not None
        return lambda turned: symmetry.image(turned, point)

    def _commute(self, point: Point, one: int, other: int) -> bool:
        """Whether two events of a world happen at different actors, and share no budget and no monitor."""
        (actor, budget, step), (its_actor, its_budget, its_step) = self._about(point, one), self._about(point, other)
        if step is None or its_step is None or actor == its_actor or (budget is not None and budget == its_budget):
            return False
        return not any(seen >= 0 <= also for seen, also in zip(step.observed, its_step.observed, strict=True))

    def _about(self, point: Point, code: int) -> tuple[int, str | None, LocalStep | None]:
        """The actor of an event, the budget that it spends, and its step; None for what the network does alone."""
        tables, number = self.forms.tables, code & CODE_MASK
        if code >> CODE_BITS == LOCAL:
            actor, column = divmod(number, tables.local_columns)
            kinds = {kind.name: kind.budget for kind in tables.kinds}
            event = tables.columns[actor][column]
            assert isinstance(event, Local)
            return actor, kinds[event.kind], self.forms.steps.of(point.states[actor], column)
        actor = tables.channels[tables.messages[number][0] - tables.first_channel][1]
        if code >> CODE_BITS != DELIVER:
            return actor, DROPS, None
        return actor, None, self.forms.steps.of(point.states[actor], tables.message_column[number])


def _is_covered(point: Point, other: Point) -> bool:
    """Whether *other*, of the same states, has as much left and every message of *point*."""
    if any(mine > theirs for mine, theirs in zip(point.left, other.left, strict=True)):
        return False
    rest = iter(other.flight)
    return all(message in rest for message in point.flight)  # both ascend


# --- tables -----------------------------------------------------------------------------------------------------------

ON_TOP = ((ALL, ()), (ALL, ("covered",)), (ALL, ("merged",)), (ALL, ("merged", "covered")))
SLEEPING = (((), ()), ((), ("sleep",)), (ALL[:2], ()), (ALL[:2], ("sleep",)))
LOSSY = (((), ()), ((), ("lost",)), (ALL, ()), (ALL, ("lost",)), (ALL, ("covered",)))
FUSED = (*ALL, "fused")
CRASHING = (((), ()), (("fused",), ()), (ALL, ()), (FUSED, ()), (FUSED, ("covered",)))
TRIED: Sequence[tuple[Callable[[], Case], Sequence[tuple[Sequence[str], Sequence[str]]]]] = (
    (lambda: core(timeouts=2, commands=1), ON_TOP),
    (lambda: core(network="ever-sent", timeouts=2, commands=1), ON_TOP),
    (lambda: raft(Options(), timeouts=2), ON_TOP),
    (lambda: core(5, timeouts=2), ON_TOP[:2]),
    (lambda: core(timeouts=2), SLEEPING),
    (lambda: core(timeouts=1, drops=2), LOSSY),
    (lambda: raft(timeouts=1, crashes=1, restarts=1), CRASHING),
    (lambda: raft(timeouts=2, crashes=1, restarts=1), (*CRASHING[2:], (ALL, ("covered",)))),
)
LOCALLY: Sequence[Callable[[], Case]] = (
    lambda: core(timeouts=1),
    lambda: core(timeouts=2),
    lambda: core(timeouts=2, commands=1),
    lambda: raft(Options(), timeouts=1),
    lambda: raft(Options(), timeouts=2),
    lambda: raft(timeouts=2, crashes=1, restarts=1),
    lambda: raft(servers=5, timeouts=3),
)
FIVE: Sequence[Callable[[], Case]] = (
    lambda: core(5, timeouts=2),
    lambda: core(5, timeouts=2, commands=1),
    lambda: core(5, timeouts=3),
)


def tried() -> Iterator[list[str]]:
    """Each trick: how many worlds and transitions are left, and tuples of views, which must be as many as before."""
    for make, lines in TRIED:
        for kinds, tricks in lines:
            case, begun = make(), time.process_time()
            search = PlainSearch(case, frozenset(kinds), frozenset(tricks)).run()
            counts = (search.states, search.transitions, len(search.views))
            seconds = time.process_time() - begun
            asked = [case.name, ", ".join(kinds) or "none", ", ".join(tricks) or "-"]
            yield [*asked, *(f"{count:,}" for count in counts), f"{seconds:.1f} s"]


def locally() -> Iterator[list[str]]:
    """What the local pass makes of some spaces."""
    for make in LOCALLY:
        case = make()
        told = local_pass(case.system, properties=case.properties, bounds=Bounds(case.bounds))
        counts = (told.states, told.messages, told.steps, told.combinations)
        whole = "everything" if not told.open else f"all but {', '.join(told.open)}"
        yield [case.name, *(f"{count:,}" for count in counts), f"{told.seconds:.1f} s", whole]


EACH: Sequence[tuple[Callable[[], Case], int]] = (  # and how many reductions it takes at least
    (lambda: core(timeouts=2, commands=1), 0),
    (lambda: core(timeouts=2), 0),
    (lambda: core(network="ever-sent", timeouts=2), 0),
    (lambda: raft(Options(), timeouts=2), 0),
    (lambda: raft(timeouts=1, crashes=1, restarts=1, drops=1), 0),
    (lambda: raft(timeouts=2, crashes=1, restarts=1), 3),
    (lambda: raft(Options(), timeouts=2, crashes=1, restarts=1), 3),
    (lambda: raft(Options(), timeouts=2, crashes=2, restarts=2), 3),
)


def each() -> Iterator[list[str]]:
    """How much each reduction leaves, as the compiled search counts and times it."""
    for make, least in EACH:
        for many in range(least, len(REDUCTIONS) + 1):
            case, kinds = make(), REDUCTIONS[:many]
            report = check(
                case.system,
                properties=case.properties,
                bounds=Bounds(case.bounds),
                network=case.network,
                reduce=kinds,
            )
            assert report.verdict == "pass" and not report.not_reduced
            if kinds and kinds[-1] not in report.reduced_by:  # nothing crashes there
                continue
            stand_for = "" if report.stands_for is None else f"{report.stands_for:,}"
            counts = [f"{report.states:,}", stand_for, f"{report.transitions:,}"]
            yield [case.name, ", ".join(kinds) or "none", *counts, f"{report.seconds:.2f} s"]


def five(seconds: float) -> Iterator[list[str]]:
    """Five servers, in no more than so many *seconds* each, and 6 GB."""
    for make in FIVE:
        case = make()
        report = check(
            case.system,
            properties=case.properties,
            bounds=Bounds(case.bounds),
            reduce=None,
            max_time_s=seconds,
            max_memory_bytes=6 << 30,
        )
        cut = f", cut by {', '.join(report.limits_hit)}" if report.limits_hit else ""
        counts = (report.states, report.transitions, report.stands_for or report.states, report.depth)
        yield [case.name, *(f"{count:,}" for count in counts), f"{report.seconds:.1f} s", report.verdict + cut]


def main() -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", action="store_true", help="each reduction on top of those before it")
    parser.add_argument("--local", action="store_true", help="what the local pass proves")
    parser.add_argument("--five", action="store_true", help="five servers, by the reductions that there are")
    parser.add_argument("--seconds", type=float, default=480, help="limit of each search of --five (default: 480)")
    asked = parser.parse_args()
    if asked.local:
        print(table(("space", "states", "messages", "steps", "combinations", "time", "proven"), locally()))
    elif asked.each:
        print(table(("space", "reductions", "states", "stand for", "transitions", "search"), each()))
    elif asked.five:
        print(table(("space", "states", "transitions", "stand for", "depth", "search", "verdict"), five(asked.seconds)))
    else:
        print(table(("space", "reductions", "trick", "states", "transitions", "views", "processor"), tried()))


if __name__ == "__main__":
    main()
