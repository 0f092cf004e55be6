"""What statements are made of: spans, selectors, values, message patterns, conditions. `tree.py` has the statements.

Selectors are not resolved here: `leader` means whatever server leads when the line runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import attrs
from attrs import field, frozen

Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
Stage: TypeAlias = Literal["sent", "in-flight", "arrived", "handled", "dropped", "held"]


@frozen
class Span:
    """Where something was written: *path*, then *line* and *column* counted from 1, and *length* in characters."""

    path: str
    line: int
    column: int
    length: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


NOWHERE = Span("<built>", 0, 0, 0)
"""The span of nodes that a program built rather than read."""


@frozen
class Node:
    """Anything in the tree."""

    span: Span = field(default=NOWHERE, eq=False, repr=False, kw_only=True)


# --- selectors and values ---------------------------------------------------------------------------------------------

SelectorKind: TypeAlias = Literal["server", "client", "role", "group", "variable"]


@frozen
class Selector(Node):
    """Servers by name (`s1`), role (`leader`, `followers`), group (`all`, `others`, `majority`) or variable (`$V`).

    *name* is the word without `$`; `*` is read as `all`.
    """

    name: str
    kind: SelectorKind


Selectors: TypeAlias = tuple[Selector, ...]


@frozen
class Number(Node):
    value: int


@frozen
class Duration(Node):
    """A length of time; `500ms` and `2s` both become milliseconds."""

    milliseconds: int


@frozen
class Text(Node):
    value: str


@frozen
class Word(Node):
    """A bare word that names no server: `none`, `probe`, `leave_joint`, the name of an operation."""

    text: str


@frozen
class Log(Node):
    """The terms of a log's entries, index 1 first: `[1 1 4]`."""

    terms: tuple[int, ...]


@frozen
class Configuration(Node):
    """A set of voters, `[s1 s2]`, or a joint one, `[s1 s2 | s1]` (incoming | outgoing; None: not joint)."""

    incoming: tuple[str, ...]
    outgoing: tuple[str, ...] | None = None


@frozen
class FieldRef(Node):
    """One field of some servers: `s1.term`, `all.balance`."""

    servers: Selectors
    name: str


Value: TypeAlias = Number | Duration | Text | Word | Log | Configuration | FieldRef | Selector
Count: TypeAlias = Number | Selector
"""A number, or a variable (a Selector of kind "variable") that holds one when the line runs."""

ONE = Number(1)


@frozen
class Amount(Node):
    """How long: a number of *unit* `steps`, `ticks` or `ms`."""

    value: Count
    unit: Literal["steps", "ticks", "ms"]


# --- message patterns -------------------------------------------------------------------------------------------------


@frozen
class MessageTest(Node):
    """One numeric restriction of a pattern: `term>=2`, `entries=1`."""

    name: Literal["term", "entries", "index", "commit"]
    operator: Operator
    value: Value


@frozen
class Pattern(Node):
    """Which messages are meant. *type* is a message type or `any`; None means unrestricted.

    *nth* (from 1) picks one among the matches, oldest first. *answer* restricts to responses that grant or reject.
    """

    type: str
    source: Selector | None = None
    target: Selector | None = None
    tests: tuple[MessageTest, ...] = ()
    nth: Count | None = None
    answer: Literal["grant", "reject"] | None = None


# --- conditions -------------------------------------------------------------------------------------------------------


@frozen
class Or(Node):
    parts: tuple[Condition, ...]


@frozen
class And(Node):
    parts: tuple[Condition, ...]


@frozen
class Not(Node):
    part: Condition


@frozen
class LeaderCount(Node):
    """`no leader`, `one leader`, `some leader`: of the running servers."""

    quantity: Literal["no", "one", "some"]


@frozen
class Quiet(Node):
    """`quiet`: no outbox, wire or inbox holds a message that may move."""


@frozen
class LogsMatch(Node):
    """`logs match [servers]`: their logs are equal. No servers: all that run."""

    servers: Selectors = ()


@frozen
class CommittedMatch(Node):
    """`committed match [servers]`: of any two, one committed prefix is a prefix of the other."""

    servers: Selectors = ()


@frozen
class MessageCount(Node):
    """`count(P [stage]) op value`. Without a stage: every message that was ever sent."""

    pattern: Pattern
    operator: Operator
    value: Value
    stage: Stage | None = None


@frozen
class MessageIs(Node):
    """`P is [not] stage`: some message that matches is there."""

    pattern: Pattern
    stage: Stage
    negated: bool = False


@frozen
class Compare(Node):
    """`servers.field op value`: for each of the servers."""

    left: FieldRef
    operator: Operator
    right: Value


@frozen
class Contains(Node):
    """`s1.log contains op2`."""

    left: FieldRef
    value: Value


@frozen
class Starts(Node):
    """`s1.log starts [1 1]`: the field begins with the value."""

    left: FieldRef
    value: Value


@frozen
class Unchanged(Node):
    """`s1.term unchanged`: since the last check that passed (in `always`: since the line)."""

    left: FieldRef


@frozen
class RoleIs(Node):
    """`servers is [not] role`, the role being one of `features.ROLES` (`paused` and `crashed` included)."""

    servers: Selectors
    role: str
    negated: bool = False


@frozen
class ProgressIs(Node):
    """`progress(s1 -> s2) == probe` or `inflight(s1 -> s2) == 3`: what a leader believes about a follower."""

    measure: Literal["progress", "inflight"]
    source: Selector
    target: Selector
    operator: Operator
    value: Value


@frozen
class OutcomeIs(Node):
    """`op1 is [not] ok`."""

    operation: str
    outcome: str
    negated: bool = False


@frozen
class MarkSeen(Node):
    """`mark X [at servers]`: the protocol rule X was exercised, so far in this run. No servers: by any."""

    mark: str
    servers: Selectors = ()


@frozen
class InvariantHolds(Node):
    """The name of an invariant, `linearizable` included."""

    name: str


Condition: TypeAlias = (
    Or
    | And
    | Not
    | LeaderCount
    | Quiet
    | LogsMatch
    | CommittedMatch
    | MessageCount
    | MessageIs
    | Compare
    | Contains
    | Starts
    | Unchanged
    | RoleIs
    | ProgressIs
    | OutcomeIs
    | MarkSeen
    | InvariantHolds
)


# --- walking ----------------------------------------------------------------------------------------------------------


def children(node: Node) -> Iterator[Node]:
    """The nodes directly inside *node*, in the order of its attributes."""
    for name in _PARTS.get(type(node)) or _parts_of(type(node)):
        yield from _nodes_in(getattr(node, name))


_PARTS: dict[type[Node], tuple[str, ...]] = {}


def _parts_of(kind: type[Node]) -> tuple[str, ...]:
    """The attributes of *kind*; remembered, since every node of a tree asks."""
    names = tuple(attribute.name for attribute in attrs.fields(kind) if attribute.name != "span")
    return _PARTS.setdefault(kind, names)


def walk(node: Node) -> Iterator[Node]:
    """*node* and everything inside it, outermost first."""
    yield node
    for child in children(node):
        yield from walk(child)


def _nodes_in(value: Any) -> Iterator[Node]:  # Any: an attribute of whatever type
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes_in(item)
