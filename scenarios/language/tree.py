"""What a scenario means: one immutable class for every kind of statement. Their parts are in `terms.py`.

How to read a tree
------------------
* A node is a value. Nodes are equal when they say the same; the *span* (where it was written) takes no part.
* Parameters (`$N`) and the arguments of `define`s are gone: replaced as tokens before parsing. What is left of
  `$name` is a variable of `let` or `for`, which only the run can resolve.
* Selectors (`leader`, `followers`, `s1`) are *not* resolved here: they mean what holds when their line runs.
* A block is a tuple of statements. `Call` carries the body of its define with the arguments filled in.
* Lists that may be left out are empty tuples, other things that may be left out are None. Defaults are the runner's.

The runner dispatches on these classes; the verb that makes each of them is in `verbs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from attrs import frozen

from scenarios.language.terms import (
    ONE,
    Amount,
    Condition,
    Count,
    Duration,
    FieldRef,
    Log,
    Node,
    Pattern,
    Selector,
    Selectors,
    Value,
    walk,
)

# --- statements: elections and time -----------------------------------------------------------------------------------


@frozen
class Statement(Node):
    """One line of a scenario, with its block. The span runs from the verb to the end of the line, comment excluded."""


@frozen
class Try(Statement):
    """`try STATEMENT`: having nothing to act on is not an error."""

    statement: Statement


@frozen
class ServersStatement(Statement):
    """A verb and the servers it acts on, in the order written."""

    servers: Selectors


@frozen
class Elect(ServersStatement):
    """Fire the timer and deliver vote traffic only, term after term (at most 10), until the server leads."""


@frozen
class Timeout(ServersStatement):
    """Fire the election timer."""


@frozen
class Heartbeat(ServersStatement):
    """Fire the heartbeat timer."""


@frozen
class Expire(ServersStatement):
    """Fire the lease timer of a follower that knows a leader."""


@frozen
class Tick(Statement):
    """Let logical time pass for these servers only: *count* ticks, heartbeat intervals or election timeouts.

    A *count* that is a variable holds a number, or (`tick s1 $other`) one more server.
    """

    servers: Selectors
    count: Count = ONE
    unit: Literal["ticks", "heartbeats", "elections"] = "ticks"


@frozen
class Advance(Statement):
    """Let time pass for everyone."""

    duration: Duration


@frozen
class Step(Statement):
    """Let the scheduler choose and take *count* steps."""

    count: Count = ONE


# --- statements: messages ---------------------------------------------------------------------------------------------


@frozen
class Deliver(Statement):
    """Move the oldest match (*every*: all of them) from wherever it is through its handler, up to a pause point."""

    pattern: Pattern
    every: bool = False


@frozen
class Drop(Statement):
    """Lose all matches."""

    pattern: Pattern


@frozen
class Duplicate(Statement):
    """Put a second copy of the oldest match on the wire."""

    pattern: Pattern


@frozen
class Delay(Statement):
    """Keep the matches from moving for so long."""

    pattern: Pattern
    amount: Amount


@frozen
class Reorder(Statement):
    """Rearrange the matches: *order* lists their present positions, from 1."""

    pattern: Pattern
    order: tuple[int, ...]


@frozen
class Hold(Statement):
    """Keep every match, present and future, on the wire until the hold's *name* is released."""

    pattern: Pattern
    name: str | None = None


@frozen
class Release(Statement):
    """End one hold, or (*name* None, written `all`) every hold."""

    name: str | None = None


@frozen
class Settle(Statement):
    """Flush, deliver and handle what is addressed to the servers (none: all) until nothing changes. No timer fires."""

    servers: Selectors = ()


@frozen
class Flush(ServersStatement):
    """Hand the outbox of the servers to the wire."""


# --- statements: flow and faults --------------------------------------------------------------------------------------


@frozen
class RunUntil(Statement):
    """Run the fair scheduler until the condition holds."""

    condition: Condition
    within: Amount | None = None


@frozen
class PauseAtMessage(Node):
    """`before|after sending|receiving|handling P`."""

    side: Literal["before", "after"]
    moment: Literal["sending", "receiving", "handling"]
    pattern: Pattern


@frozen
class PauseOn(Node):
    """`on role leader`, `on substate X`, `on timer election`, `on commit 3`, `on apply 3`."""

    kind: Literal["role", "substate", "timer", "commit", "apply"]
    value: Value


@frozen
class PauseWhen(Node):
    """`when C`."""

    condition: Condition


PausePoint: TypeAlias = PauseAtMessage | PauseOn | PauseWhen


@frozen
class Pause(Statement):
    """Stop the servers now, or (with a *point*) the first time that each of them gets there."""

    servers: Selectors
    point: PausePoint | None = None


@frozen
class Resume(ServersStatement):
    """Let paused servers go on; no timeout is caused by it."""


@frozen
class Crash(Statement):
    """Outbox and inbox are lost, the wire is kept; *losing_unsynced*: so are writes not yet synced."""

    servers: Selectors
    losing_unsynced: bool = False


@frozen
class Restart(Statement):
    """Start crashed servers again; *empty*: with an empty disk."""

    servers: Selectors
    empty: bool = False


@frozen
class Stop(ServersStatement):
    """Stop in good order."""


@frozen
class Start(Statement):
    """Start stopped or new servers; *empty*: with an empty disk."""

    servers: Selectors
    empty: bool = False


@frozen
class Wipe(ServersStatement):
    """Empty the disk of servers that are down."""


@frozen
class Partition(Statement):
    """Only servers of one group hear each other; *one_way*: nothing of the first group reaches the second."""

    groups: tuple[Selectors, ...]
    one_way: bool = False


@frozen
class Cut(Statement):
    """Cut the links between the groups and leave all others; *one_way*: from the first to the second only."""

    groups: tuple[Selectors, ...]
    one_way: bool = False


@frozen
class Isolate(ServersStatement):
    """Cut every link of these servers."""


@frozen
class Heal(Statement):
    """Mend every link, or those between the groups."""

    groups: tuple[Selectors, ...] = ()
    one_way: bool = False


@frozen
class Disk(Statement):
    """Make disks fail, slow down, fill up or work; hold and release writes of one *kind* (`append`, `apply`), or
    word of them (`sync`)."""

    servers: Selectors
    action: Literal["fail", "slow", "full", "ok", "hold", "release"]
    kind: str | None = None
    count: Count | None = None


# --- statements: clients, members, snapshots --------------------------------------------------------------------------


@frozen
class Outcome(Node):
    """`=> ok 37`: what the client must be told."""

    word: str
    values: tuple[Value, ...] = ()


@frozen
class Client(Statement):
    """Hand a command over. With an *outcome* the run waits for it; without, it goes on at once.

    *target* is the server asked (*via*: asked first, redirects followed); None is the client's own choice.
    """

    client: str
    command: str
    arguments: tuple[Value, ...] = ()
    target: Selector | None = None
    via: bool = False
    name: str | None = None
    outcome: Outcome | None = None


@frozen
class Await(Statement):
    """Run the fair scheduler until the operation is no longer pending; then its outcome must be the one given."""

    operation: str
    outcome: Outcome | None = None


@frozen
class Change(Node):
    """One clause of a reconfiguration."""

    action: Literal["add", "remove", "learner"]
    servers: Selectors


@frozen
class Reconfigure(Statement):
    """Propose a change of members. *leave* (how a joint configuration is left) is None unless *style* is `joint`."""

    changes: tuple[Change, ...]
    style: Literal["direct", "joint"] | None = None
    leave: Literal["auto", "implicit", "explicit"] | None = None
    target: Selector | None = None
    outcome: Outcome | None = None


@frozen
class LeaveJoint(Statement):
    target: Selector


@frozen
class Transfer(Statement):
    """Ask the leader *source* to hand over to *target*, or without one to whom it finds best."""

    source: Selector
    target: Selector | None = None


@frozen
class Snapshot(Statement):
    """Take a snapshot; with a *target*: send it there, by hand."""

    server: Selector
    target: Selector | None = None


@frozen
class Compact(Statement):
    """Take a snapshot, and discard the log up to and including *index*; None: all that the snapshot covers."""

    server: Selector
    index: Count | None = None


@frozen
class ForgetLeader(Statement):
    server: Selector


@frozen
class Unreachable(Statement):
    """Tell *source* that *target* could not be reached."""

    source: Selector
    target: Selector


# --- statements: white box --------------------------------------------------------------------------------------------


@frozen
class LogLine(Node):
    """`s1: 1 1 4` below `given logs`."""

    server: Selector
    log: Log


@frozen
class GivenLogs(Statement):
    """What is on the servers' disks before they start."""

    lines: tuple[LogLine, ...]


@frozen
class GivenField(Statement):
    """`given all.term = 7`: before the servers start."""

    target: FieldRef
    value: Value


@frozen
class SetField(Statement):
    """`set s2.term = 7`: now. The run is marked *injected*."""

    target: FieldRef
    value: Value


@frozen
class Show(Statement):
    """Print facets (`features.FACETS`; none: all of them) of servers (none: all).

    *golden* are the recorded lines without their `| `; None when nothing was recorded.
    """

    servers: Selectors = ()
    facets: tuple[str, ...] = ()
    golden: tuple[str, ...] | None = None


# --- statements: checks -----------------------------------------------------------------------------------------------


@frozen
class Expect(Statement):
    """The condition holds now."""

    condition: Condition
    because: str | None = None


@frozen
class Eventually(Statement):
    """The fair scheduler gets to the condition. In `explore` every fair path does, and *within* is None."""

    condition: Condition
    within: Amount | None = None
    because: str | None = None


@frozen
class Always(Statement):
    """From here on, after every step, all of the conditions hold."""

    conditions: tuple[Condition, ...]
    until: Condition | None = None


@frozen
class Never(Statement):
    """From here on, after every step, none of the conditions holds."""

    conditions: tuple[Condition, ...]
    until: Condition | None = None


@frozen
class IgnoreInvariant(Statement):
    name: str


# --- statements: structure --------------------------------------------------------------------------------------------


@frozen
class Section(Statement):
    title: str


@frozen
class Note(Statement):
    text: str


@frozen
class Let(Statement):
    """Bind *name* to the value, now: a role word becomes one concrete server."""

    name: str
    value: Value


@frozen
class Repeat(Statement):
    count: Count
    body: tuple[Statement, ...]


@frozen
class For(Statement):
    """Run *body* for each item with `$name` bound to it; a selector of many servers gives each of them in turn."""

    name: str
    items: tuple[Value, ...]
    body: tuple[Statement, ...]


@frozen
class When(Statement):
    """Run *body* if the condition holds now."""

    condition: Condition
    body: tuple[Statement, ...]


@frozen
class Case(Statement):
    """One of several continuations. The loader makes one instance for each, so a tree has at most one `Case`."""

    title: str
    body: tuple[Statement, ...]


@frozen
class Call(Statement):
    """`call name arguments`: *body* is the define's body, arguments filled in."""

    name: str
    arguments: tuple[str, ...]
    body: tuple[Statement, ...]


# --- statements: search -----------------------------------------------------------------------------------------------


@frozen
class VaryItem(Node):
    """A kind of event to choose from, restricted to servers or a pattern; *words*: `client c1 credit 10`."""

    kind: str
    servers: Selectors = ()
    pattern: Pattern | None = None
    words: tuple[Value, ...] = ()
    target: Selector | None = None


@frozen
class Vary(Statement):
    items: tuple[VaryItem, ...]


@frozen
class LimitItem(Node):
    kind: str
    value: Count | Duration


@frozen
class Limit(Statement):
    items: tuple[LimitItem, ...]


@frozen
class Symmetry(Statement):
    servers: Selectors


@frozen
class StrategyStage(Node):
    """`random seed 7`: a search order with its settings."""

    name: str
    settings: tuple[tuple[str, int], ...] = ()


@frozen
class Strategy(Statement):
    stages: tuple[StrategyStage, ...]


@frozen
class Sometimes(Statement):
    """Each of the conditions must be met somewhere in the space, else the block is vacuous and fails."""

    conditions: tuple[Condition, ...]


@frozen
class Prune(Statement):
    """States with one of the conditions are not expanded."""

    conditions: tuple[Condition, ...]


@frozen
class Fair(Statement):
    """Kinds of event that may not be put off for ever: the fairness that `eventually` and `whenever` rest on."""

    kinds: tuple[str, ...]


@frozen
class Whenever(Statement):
    """`whenever A eventually B`: A leads to B on every fair path."""

    condition: Condition
    leads_to: Condition


@frozen
class OnViolation(Statement):
    """What to do with a counterexample."""

    write: str | None = None
    minimise: bool = False


SearchOption: TypeAlias = (
    Vary | Limit | Symmetry | Strategy | Sometimes | Prune | Fair | Whenever | OnViolation | Always | Never | Eventually
)


@frozen
class Explore(Statement):
    """Search from here; afterwards the scenario goes on from the state before this line."""

    name: str = ""
    options: tuple[SearchOption, ...] = ()


@frozen
class Reach(Statement):
    """Search for a state with the condition and go on from it."""

    condition: Condition
    within: Amount | None = None
    options: tuple[SearchOption, ...] = ()


def walk_all(statements: Iterable[Statement]) -> Iterator[Node]:
    """Every node of a block, outermost first."""
    for statement in statements:
        yield from walk(statement)
