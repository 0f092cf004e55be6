"""Parse trees into nodes: one method for each rule of the grammar, named after it.

The methods for parts (`value`, `pattern`, conditions) return nodes. Those for whole lines return the keyword
arguments of the verb's tree class, so that verbs of one shape share a rule and the verb table decides what becomes of
it.

Here the closed lists are checked, too: an unknown word is reported and reading goes on, so that one line can give
several errors. What is returned after an error is never run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from attrs import frozen
from lark import Token, Tree

from scenarios.language import features
from scenarios.language.diagnostics import Diagnostic, Severity, Via, suggest
from scenarios.language.features import Vocabulary
from scenarios.language.layout import CodeLine
from scenarios.language.parsing import SyntaxProblem, parse_line
from scenarios.language.terms import (
    Amount,
    And,
    CommittedMatch,
    Compare,
    Condition,
    Configuration,
    Contains,
    Count,
    Duration,
    FieldRef,
    InvariantHolds,
    LeaderCount,
    Log,
    LogsMatch,
    MarkSeen,
    MessageCount,
    MessageIs,
    MessageTest,
    Node,
    Not,
    Number,
    Operator,
    Or,
    OutcomeIs,
    Pattern,
    ProgressIs,
    Quiet,
    RoleIs,
    Selector,
    SelectorKind,
    Selectors,
    Span,
    Stage,
    Starts,
    Text,
    Unchanged,
    Value,
    Word,
)
from scenarios.language.tree import (
    Change,
    LimitItem,
    LogLine,
    Outcome,
    PauseAtMessage,
    PauseOn,
    PausePoint,
    PauseWhen,
    StrategyStage,
    VaryItem,
)
from scenarios.language.words import UNITS, is_client, selector_kind

Parts = dict[str, Any]  # Any: keyword arguments of whichever class the verb makes
_LARGEST_NUMBER_DIGITS = 15


@frozen
class LineContext:
    """What errors of a line need to know besides the line: its chain of `call`s and `use`s, and where they go."""

    vocabulary: Vocabulary
    found: list[Diagnostic]
    chain: tuple[Via, ...] = ()


class LineReader:
    """Reads one line."""

    def __init__(self, line: CodeLine, context: LineContext) -> None:
        self.line = line
        self._context = context
        self._vocabulary = context.vocabulary
        self.clean = True

    def error(self, message: str, span: Span, label: str = "", notes: tuple[str, ...] = ()) -> None:
        self.clean = False
        self._report(Severity.ERROR, message, span, label, notes)

    def _report(self, severity: Severity, message: str, span: Span, label: str, notes: tuple[str, ...] = ()) -> None:
        source, chain = self.line.source.raw, self._context.chain
        self._context.found.append(
            Diagnostic(severity, message, span, source, None, label, notes, chain, self.line.used)
        )

    def warn(self, message: str, span: Span, label: str = "") -> None:
        self._report(Severity.WARNING, message, span, label)

    def read(self, rule: str, start: int, syntax: str) -> Any:
        """The line from *start* read by *rule*: keyword arguments or a node; None after an error of syntax."""
        try:
            return self._node(parse_line(rule, " " * start + self.line.text[start:]))
        except SyntaxProblem as problem:
            span = self.line.span(problem.start, problem.end)
            self.error(problem.message, span, problem.hint, (f"write: {syntax}",))
        except RecursionError:
            self.error("nested too deeply", self.line.span())
        return None

    def _node(self, parsed: Tree[Token]) -> Any:
        parts = [self._node(part) if isinstance(part, Tree) else part for part in parsed.children]
        span = self.line.span() if parsed.meta.empty else self.line.span(parsed.meta.start_pos, parsed.meta.end_pos)
        return getattr(self, f"_{parsed.data}")(span, *parts)

    def _at(self, token: Token) -> Span:
        return self.line.span(token.start_pos or 0, token.end_pos)

    def _choose(self, kind: str, token: Token, choices: Collection[str]) -> str:
        """The word, which must be one of *choices*."""
        if token not in choices:
            self.error(f"unknown {kind} `{token}`", self._at(token), suggest(token, choices))
        return str(token)

    def _integer(self, token: Token) -> int:
        if len(token) > _LARGEST_NUMBER_DIGITS:
            self.error("number too large", self._at(token))
            return 0
        return int(token)

    # --- values -------------------------------------------------------------------------------------------------------

    def _selector(self, span: Span, token: Token) -> Selector:
        if token.type == "VARIABLE":
            return Selector(str(token[1:]), "variable", span=span)
        kind = selector_kind(token)
        # Whether a word without a kind names an operation or an invariant only its place can tell: `_servers` checks.
        return Selector("all" if token == "*" else str(token), cast(SelectorKind, kind or "word"), span=span)

    def _servers_only(self, selectors: Collection[Selector | None]) -> Selectors:
        kept = tuple(selector for selector in selectors if selector is not None)
        for selector in kept:
            if selector.kind not in ("server", "client", "role", "group", "variable"):
                hint = suggest(selector.name, ("leader", "follower", "followers", "candidate", "others", "all"))
                self.error(f"`{selector.name}` is not a server", selector.span, hint)
        return kept

    def _one_server(self, selector: Selector) -> Selector:
        return self._servers_only((selector,))[0]

    def _field(self, span: Span, *parts: Any) -> FieldRef:
        name = self._choose("field", parts[-1], self._vocabulary.fields)
        return FieldRef(self._servers_only(parts[:-1]), name, span=span)

    def _value(self, span: Span, first: Any, name: Token | None = None) -> Value:
        if name is not None:
            return self._field(span, first, name)
        if isinstance(first, Selector) and cast(str, first.kind) == "word":
            return Word(first.name, span=span)
        if isinstance(first, Node):
            return cast(Value, first)
        return self._literal(span, first)

    def _literal(self, span: Span, token: Token) -> Value:
        if token.type == "NUMBER":
            return Number(self._integer(token), span=span)
        if token.type == "LENGTH":
            return self._duration(token)
        return Text(_unquoted(token), span=span)

    def _duration(self, token: Token) -> Duration:
        digits = token.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        unit = token[len(digits) :]
        try:
            number = float(digits) if len(digits) <= _LARGEST_NUMBER_DIGITS else 0.0
        except ValueError:
            number, unit = 0.0, token
        if unit not in UNITS:
            self.error(f"unknown unit `{unit}`", self._at(token), suggest(unit, tuple(UNITS)))
        return Duration(round(number * UNITS.get(unit, 1)), span=self._at(token))

    def _length(self, _span: Span, token: Token) -> Duration:
        return self._duration(token)

    def _count(self, span: Span, token: Token) -> Count:
        if token.type == "NUMBER":
            return Number(self._integer(token), span=span)
        return Selector(str(token[1:]), "variable", span=span)

    def _amount(self, span: Span, first: Any, unit: Token | None = None) -> Amount:
        if unit is None:
            duration = self._duration(first)
            return Amount(Number(duration.milliseconds, span=span), "ms", span=span)
        word = unit if unit.endswith("s") else f"{unit}s"
        if word not in ("steps", "ticks"):
            self.error(f"unknown unit `{unit}`", self._at(unit), suggest(unit, ("steps", "ticks")))
        return Amount(first, "ticks" if word == "ticks" else "steps", span=span)

    def _within(self, _span: Span, amount: Amount) -> Amount:
        return amount

    def _half(self, _span: Span, *tokens: Token) -> tuple[Token, ...]:
        return tokens

    def _list(self, span: Span, first: tuple[Token, ...], second: tuple[Token, ...] | None) -> Log | Configuration:
        tokens = first + (second or ())
        if second is None and all(token.type == "NUMBER" for token in tokens):
            return Log(tuple(self._integer(token) for token in tokens), span=span)
        for token in tokens:
            if selector_kind(token) != "server":
                message = f"`{token}` in a list of servers" if token.type == "NUMBER" else f"`{token}` is not a server"
                self.error(message, self._at(token), "a log is [1 1 4], a configuration [s1 s2] or [s1 s2 | s1]")
        outgoing = None if second is None else tuple(map(str, second))
        return Configuration(tuple(map(str, first)), outgoing, span=span)

    # --- patterns -----------------------------------------------------------------------------------------------------

    def _type(self, _span: Span, token: Token) -> str:
        return self._choose("message type", token, features.MESSAGE_TYPES)

    def _route(self, _span: Span, source: Selector, target: Selector) -> Parts:
        return {"source": self._one_server(source), "target": self._one_server(target)}

    def _from_server(self, _span: Span, server: Selector) -> Parts:
        return {"source": self._one_server(server)}

    def _to_server(self, _span: Span, server: Selector) -> Parts:
        return {"target": self._one_server(server)}

    def _nth(self, _span: Span, count: Count) -> Parts:
        if count == Number(0):
            self.error("`nth` counts from 1", count.span)
        return {"nth": count}

    def _answer(self, _span: Span, token: Token) -> Parts:
        return {"answer": str(token)}

    def _message_test(self, span: Span, name: Token, operator: Token, value: Value) -> MessageTest:
        return MessageTest(cast(Any, str(name)), _operator(operator), value, span=span)

    def _pattern(self, span: Span, kind: str, *qualifiers: Parts | MessageTest) -> Pattern:
        named: Parts = {}
        for qualifier in qualifiers:
            if isinstance(qualifier, MessageTest):
                continue
            for key in named.keys() & qualifier.keys():
                self.error(f"the pattern says its {key} twice", span, "leave one out")
            named |= qualifier
        tests = tuple(test for test in qualifiers if isinstance(test, MessageTest))
        return Pattern(kind, tests=tests, **named, span=span)

    # --- conditions ---------------------------------------------------------------------------------------------------

    def _disjunction(self, span: Span, *parts: Condition) -> Or:
        return Or(parts, span=span)

    def _conjunction(self, span: Span, *parts: Condition) -> And:
        return And(parts, span=span)

    def _negation(self, span: Span, part: Condition) -> Not:
        return Not(part, span=span)

    def _leader_count(self, span: Span, quantity: Token) -> LeaderCount:
        return LeaderCount(cast(Any, str(quantity)), span=span)

    def _quiet(self, span: Span) -> Quiet:
        return Quiet(span=span)

    def _logs_match(self, span: Span, *servers: Selector) -> LogsMatch:
        return LogsMatch(self._servers_only(servers), span=span)

    def _committed_match(self, span: Span, *servers: Selector) -> CommittedMatch:
        return CommittedMatch(self._servers_only(servers), span=span)

    def _stage(self, token: Token) -> Stage:
        return cast(Stage, self._choose("stage", token, features.STAGES))

    def _message_count(
        self, span: Span, pattern: Pattern, stage: Token | None, operator: Token, value: Value
    ) -> MessageCount:
        where = None if stage is None else self._stage(stage)
        return MessageCount(pattern, _operator(operator), value, where, span=span)

    def _message_is(self, span: Span, pattern: Pattern, negated: Token | None, stage: Token) -> MessageIs:
        return MessageIs(pattern, self._stage(stage), negated is not None, span=span)

    def _state_is(self, span: Span, *parts: Any) -> RoleIs | OutcomeIs:
        """`s1 is leader` or `op1 is ok`: told apart by whether the subject is a server."""
        subjects, negated, word = parts[:-2], parts[-2] is not None, parts[-1]
        if len(subjects) == 1 and subjects[0].kind == "word":
            outcome = self._choose("outcome", word, features.OUTCOMES)
            return OutcomeIs(subjects[0].name, outcome, negated, span=span)
        role = self._choose("role", word, features.ROLES)
        return RoleIs(self._servers_only(subjects), role, negated, span=span)

    def _compare(self, span: Span, left: FieldRef, operator: Token, right: Value) -> Compare:
        return Compare(left, _operator(operator), right, span=span)

    def _contains(self, span: Span, left: FieldRef, value: Value) -> Contains:
        return Contains(left, value, span=span)

    def _starts(self, span: Span, left: FieldRef, value: Value) -> Starts:
        return Starts(left, value, span=span)

    def _unchanged(self, span: Span, left: FieldRef) -> Unchanged:
        return Unchanged(left, span=span)

    def _progress_is(
        self, span: Span, measure: Token, source: Selector, target: Selector, operator: Token, value: Value
    ) -> ProgressIs:
        source, target = self._one_server(source), self._one_server(target)
        return ProgressIs(cast(Any, str(measure)), source, target, _operator(operator), value, span=span)

    def _mark_seen(self, span: Span, mark: Token, *servers: Selector | None) -> MarkSeen:
        return MarkSeen(self._choose("mark", mark, self._vocabulary.marks), self._servers_only(servers), span=span)

    def _invariant(self, span: Span, name: Token) -> InvariantHolds:
        self._choose("invariant", name, self._vocabulary.invariants)
        return InvariantHolds(str(name), span=span)

    # --- lines: elections, messages, flow -----------------------------------------------------------------------------

    def _servers(self, _span: Span, *servers: Selector) -> Parts:
        return {"servers": self._servers_only(servers)}

    _maybe_servers = _servers

    def _tick(self, _span: Span, *parts: Any) -> Parts:
        """Without a number, a variable behind the servers may hold it: `tick s1 $k heartbeats`."""
        *servers, number, unit = parts
        named: Parts = {}
        if number is not None:
            named["count"] = self._count(self._at(number), number)
            named |= self._tick_unit(unit, self._at(unit)) if unit is not None else {}
        elif len(servers) > 2 and servers[-1].kind == "word" and servers[-2].kind == "variable":
            named = {"count": servers[-2], **self._tick_unit(servers[-1].name, servers[-1].span)}
            del servers[-2:]
        elif len(servers) > 1 and servers[-1].kind == "variable":
            named["count"] = servers.pop()
        return {"servers": self._servers_only(servers), **named}

    def _tick_unit(self, unit: str, span: Span) -> Parts:
        word = unit if unit.endswith("s") else f"{unit}s"
        if word not in ("ticks", "heartbeats", "elections"):
            self.error(f"unknown unit `{unit}`", span, suggest(unit, ("ticks", "heartbeats", "elections")))
        return {"unit": str(word)}

    def _advance(self, _span: Span, duration: Duration) -> Parts:
        return {"duration": duration}

    def _step(self, _span: Span, count: Count | None) -> Parts:
        return {} if count is None else {"count": count}

    def _deliver(self, _span: Span, pattern: Pattern, every: Token | None) -> Parts:
        if every is not None and every != "all":
            hint = f"write `from {every}` or `{every} -> s1`" if selector_kind(every) else "did you mean `all`?"
            self.error(f"unexpected `{every}`", self._at(every), hint)
        return {"pattern": pattern, "every": every is not None}

    def _one_pattern(self, _span: Span, pattern: Pattern) -> Parts:
        return {"pattern": pattern}

    def _delay(self, _span: Span, pattern: Pattern, amount: Amount) -> Parts:
        return {"pattern": pattern, "amount": amount}

    def _reorder(self, span: Span, pattern: Pattern, *numbers: Token) -> Parts:
        order = tuple(self._integer(number) for number in numbers)
        if sorted(order) != list(range(1, len(order) + 1)):
            self.error("the order must name each of 1 to k once", span, f"k is {len(order)} here")
        return {"pattern": pattern, "order": order}

    def _hold(self, _span: Span, pattern: Pattern, name: Token | None) -> Parts:
        return {"pattern": pattern, "name": None if name is None else str(name)}

    def _release(self, _span: Span, name: Token) -> Parts:
        return {"name": None if name == "all" else str(name)}

    def _run(self, _span: Span, condition: Condition, within: Amount | None) -> Parts:
        return {"condition": condition, "within": within}

    def _pause(self, _span: Span, *parts: Any) -> Parts:
        point: PausePoint | None = parts[-1]
        return {"servers": self._servers_only(parts[:-1]), "point": point}

    def _at_message(self, span: Span, side: Token, moment: Token, pattern: Pattern) -> PauseAtMessage:
        self._choose("moment", moment, ("sending", "receiving", "handling"))
        return PauseAtMessage(cast(Any, str(side)), cast(Any, str(moment)), pattern, span=span)

    def _on_event(self, span: Span, kind: Token, value: Value) -> PauseOn:
        self._choose("pause point", kind, ("role", "substate", "timer", "commit", "apply"))
        closed: Mapping[str, Collection[str]] = {
            "role": features.ROLES,
            "substate": self._vocabulary.marks,
            "timer": features.TIMERS,
        }
        word = value.name if isinstance(value, Selector) else value.text if isinstance(value, Word) else ""
        if kind in closed and word not in closed[kind]:
            self.error(f"unknown {kind} `{word}`", value.span, suggest(word, closed[kind]))
        if kind in ("commit", "apply") and not isinstance(value, Number | Selector):
            self.error(f"`on {kind}` needs an index", value.span)
        return PauseOn(cast(Any, str(kind)), value, span=span)

    def _on_condition(self, span: Span, condition: Condition) -> PauseWhen:
        return PauseWhen(condition, span=span)

    # --- lines: faults, clients, members ------------------------------------------------------------------------------

    def _crash(self, _span: Span, *parts: Any) -> Parts:
        *servers, losing, what = parts
        if what is not None and what != "unsynced":
            self.error(f"unexpected `{what}`", self._at(what), "did you mean `unsynced`?")
        return {"servers": self._servers_only(servers), "losing_unsynced": losing is not None}

    def _start(self, _span: Span, *parts: Any) -> Parts:
        return {"servers": self._servers_only(parts[:-1]), "empty": parts[-1] is not None}

    def _group(self, _span: Span, *servers: Selector) -> Selectors:
        return self._servers_only(servers)

    def _groups(self, _span: Span, *parts: Any) -> Parts:
        groups = tuple(part for part in parts if isinstance(part, tuple))
        return {"groups": groups, "one_way": any(isinstance(part, Token) for part in parts)}

    _maybe_groups = _groups

    def _disk(self, _span: Span, *parts: Any) -> Parts:
        *servers, action, kind, count = parts
        if kind is not None:
            self._choose("kind of write", kind, features.DISK_KINDS)
        return {
            "servers": self._servers_only(servers),
            "action": str(action),
            "kind": None if kind is None else str(kind),
            "count": count,
        }

    def _outcome(self, span: Span, word: Token, *values: Value) -> Outcome:
        return Outcome(self._choose("outcome", word, features.OUTCOMES), values, span=span)

    def _heading(self, _span: Span, via: Token | None = None) -> bool:
        return via is not None

    def _client(self, _span: Span, client: Token, command: Token, *parts: Any) -> Parts:
        *arguments, heading, target, name, outcome = parts
        if not is_client(client):
            self.error(f"`{client}` is not a client", self._at(client), "clients are c1, c2, ...")
        return {
            "client": str(client),
            "command": str(command),
            "arguments": tuple(arguments),
            "target": None if target is None else self._one_server(target),
            "via": bool(heading),
            "name": None if name is None else str(name),
            "outcome": outcome,
        }

    def _await(self, _span: Span, operation: Token, outcome: Outcome | None) -> Parts:
        return {"operation": str(operation), "outcome": outcome}

    def _change(self, span: Span, action: Token, *servers: Selector) -> Change:
        return Change(cast(Any, str(action)), self._servers_only(servers), span=span)

    def _reconfigure(self, _span: Span, *parts: Any) -> Parts:
        *changes, style, leave, target, outcome = parts
        if leave is not None:
            self._choose("way to leave", leave, ("auto", "implicit", "explicit"))
            if style != "joint":
                self.error(f"`{leave}` belongs to `joint`", self._at(leave))
        return {
            "changes": tuple(changes),
            "style": None if style is None else str(style),
            "leave": None if leave is None else str(leave),
            "target": None if target is None else self._one_server(target),
            "outcome": outcome,
        }

    def _leave(self, _span: Span, target: Selector) -> Parts:
        return {"target": self._one_server(target)}

    def _link(self, _span: Span, source: Selector, target: Selector) -> Parts:
        return {"source": self._one_server(source), "target": self._one_server(target)}

    def _transfer(self, _span: Span, source: Selector, target: Selector | None) -> Parts:
        return {
            "source": self._one_server(source),
            "target": None if target is None else self._one_server(target),
        }

    def _snapshot(self, _span: Span, server: Selector, target: Selector | None) -> Parts:
        return {
            "server": self._one_server(server),
            "target": None if target is None else self._one_server(target),
        }

    def _compact(self, _span: Span, server: Selector, index: Count | None) -> Parts:
        return {"server": self._one_server(server), "index": index}

    def _forget(self, _span: Span, server: Selector) -> Parts:
        return {"server": self._one_server(server)}

    # --- lines: white box, checks -------------------------------------------------------------------------------------

    def _given(self, span: Span, *parts: Any) -> Parts:
        return {} if len(parts) == 1 else self._set(span, *parts)

    def _set(self, _span: Span, target: FieldRef, operator: Token, value: Value) -> Parts:
        if operator != "=":
            self.error(f"unexpected `{operator}`", self._at(operator), "did you mean `=`?")
        if target.name in features.FIELDS and target.name not in features.SETTABLE:
            self.error(f"`{target.name}` cannot be set", target.span, suggest(target.name, features.SETTABLE))
        return {"target": target, "value": value}

    def _log_line(self, span: Span, server: Token, *terms: Token) -> LogLine:
        selector = self._one_server(self._selector(self._at(server), server))
        log = Log(tuple(self._integer(term) for term in terms), span=span)
        if any(later < earlier for earlier, later in zip(log.terms, log.terms[1:], strict=False)):
            self.error("terms in a log never go down", span)
        return LogLine(selector, log, span=span)

    def _show(self, _span: Span, *tokens: Token) -> Parts:
        facets = [token for token in tokens if token in features.FACETS]
        others = [token for token in tokens if token not in features.FACETS]
        for token in others:
            if token.type == "NAME" and selector_kind(token) is None:
                self.error(f"unknown facet `{token}`", self._at(token), suggest(token, features.FACETS))
        selectors = tuple(self._selector(self._at(token), token) for token in others)
        return {"servers": selectors, "facets": tuple(map(str, facets))}

    def _because(self, _span: Span, text: Token) -> str:
        return _unquoted(text)

    def _expect(self, _span: Span, condition: Condition, because: str | None) -> Parts:
        return {"condition": condition, "because": because}

    def _eventually(self, _span: Span, condition: Condition, within: Amount | None, because: str | None) -> Parts:
        return {"condition": condition, "within": within, "because": because}

    def _watch(self, _span: Span, *parts: Condition | None) -> Parts:
        return {"conditions": parts[:-1], "until": parts[-1]}

    def _ignore(self, _span: Span, name: Token) -> Parts:
        return {"name": self._choose("invariant", name, self._vocabulary.invariants)}

    # --- lines: structure and search ----------------------------------------------------------------------------------

    def _quoted(self, _span: Span, text: Token) -> Parts:
        return {"text": _unquoted(text)}

    def _let(self, _span: Span, name: Token, value: Value) -> Parts:
        return {"name": str(name), "value": value}

    def _repeat(self, _span: Span, count: Count) -> Parts:
        return {"count": count}

    def _for(self, _span: Span, name: Token, *items: Value) -> Parts:
        return {"name": str(name), "items": items}

    def _when(self, _span: Span, condition: Condition) -> Parts:
        return {"condition": condition}

    def _define(self, _span: Span, name: Token, *parameters: Token) -> Parts:
        return {"name": str(name), "parameters": tuple(str(token[1:]) for token in parameters)}

    def _explore(self, _span: Span, name: Token | None = None) -> Parts:
        return {"name": "" if name is None else " ".join(name.split())}

    def _reach(self, _span: Span, condition: Condition, within: Amount | None) -> Parts:
        return {"condition": condition, "within": within}

    def _vary_item(self, span: Span, kind: Token, *parts: Any) -> VaryItem:
        self._choose("kind of event", kind, features.VARY_KINDS)
        if len(parts) == 1 and isinstance(parts[0], Pattern):
            return VaryItem(str(kind), pattern=parts[0], span=span)
        *words, target = parts
        if kind == "client":
            where = None if target is None else self._one_server(target)
            return VaryItem(str(kind), words=tuple(words), target=where, span=span)
        for word in words:
            if not isinstance(word, Selector):
                self.error("not a server", word.span, "separate kinds of events by commas")
        servers = tuple(word for word in words if isinstance(word, Selector))
        successor = self._one_server(target) if kind == "transfer" and target is not None else None
        return VaryItem(str(kind), servers, target=successor, span=span)

    def _vary(self, _span: Span, *items: VaryItem) -> Parts:
        return {"items": items}

    def _limit_item(self, span: Span, kind: Token, amount: Token) -> LimitItem:
        self._choose("limit", kind, features.LIMIT_KINDS)
        at = self._at(amount)
        value = self._count(at, amount) if amount.type == "VARIABLE" else self._literal(at, amount)
        if not isinstance(value, Selector) and isinstance(value, Duration) != (kind == "time"):
            self.error("a time limit is a duration" if kind == "time" else f"`{kind}` is a number", self._at(amount))
        return LimitItem(str(kind), cast(Any, value), span=span)

    def _limit(self, _span: Span, *items: LimitItem) -> Parts:
        return {"items": items}

    def _symmetry(self, _span: Span, *servers: Selector) -> Parts:
        return {"servers": self._servers_only(servers)}

    def _strategy_stage(self, span: Span, name: Token, *settings: Token) -> StrategyStage:
        self._choose("strategy", name, features.STRATEGIES)
        pairs = tuple(zip(settings[::2], settings[1::2], strict=True))
        for setting, _number in pairs:
            self._choose("setting", setting, features.STRATEGY_SETTINGS)
        return StrategyStage(str(name), tuple((str(key), self._integer(number)) for key, number in pairs), span=span)

    def _strategy(self, _span: Span, *stages: StrategyStage) -> Parts:
        return {"stages": stages}

    def _conditions(self, _span: Span, *conditions: Condition) -> Parts:
        return {"conditions": conditions}

    def _fair(self, _span: Span, *kinds: Token) -> Parts:
        return {"kinds": tuple(self._choose("kind of event", kind, features.VARY_KINDS) for kind in kinds)}

    def _whenever(self, _span: Span, condition: Condition, leads_to: Condition) -> Parts:
        return {"condition": condition, "leads_to": leads_to}

    def _on(self, _span: Span, *parts: Token | None) -> Parts:
        texts = [part for part in parts if part is not None and part.type == "STRING"]
        minimise = any(part is not None and part.type == "MINIMISE" for part in parts)
        return {"write": _unquoted(texts[0]) if texts else None, "minimise": minimise}


def _operator(token: Token) -> Operator:
    return cast(Operator, "==" if token == "=" else str(token))


def _unquoted(token: Token) -> str:
    r"""A string's text: `\"` and `\\` stand for a quote and a backslash."""
    body, text, position = str(token)[1:-1], "", 0
    while position < len(body):
        position += body[position] == "\\"
        text += body[position]
        position += 1
    return text
