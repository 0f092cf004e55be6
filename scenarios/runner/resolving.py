"""Selectors, values and patterns of a line, resolved when the line runs.

* `leader`: the server that is up (paused or not) and believes it leads, with the highest term; an error when there is
  none, or two of one term.
* `follower`, `candidate`: the lowest-numbered one that is up; `followers`, `candidates`: all of them.
* `majority`: the smallest majority, lowest numbers first; `minority`: the rest.
* `others`: the servers that the line does not name otherwise; if it names none, all but the leader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from attrs import frozen

from raftframe import Command, Role
from raftframe.quorum import majority
from scenarios.language import terms
from scenarios.runner.errors import ActionError, Unresolved
from scenarios.runner.post import Matcher
from scenarios.runner.snapshot import Plain, Snapshot, read, shown

Variables: TypeAlias = Mapping[str, Plain]


@frozen
class Resolver:
    """What words mean in *snapshot*. `named` are the servers that the line names beside `others`."""

    snapshot: Snapshot
    variables: Variables
    operations: Mapping[str, Command]
    named: frozenset[str] = frozenset()

    # Servers

    def servers(self, selectors: Iterable[terms.Selector]) -> tuple[str, ...]:
        """The servers that *selectors* mean, each once, in the order written."""
        return tuple(dict.fromkeys(name for selector in selectors for name in self.select(selector)))

    def server(self, selector: terms.Selector) -> str:
        """The one server that *selector* means."""
        found = self.select(selector)
        if len(found) != 1:
            raise ActionError(f"`{selector.name}` means {' '.join(found) or 'no server'}, and one is needed")
        return found[0]

    def select(self, selector: terms.Selector) -> tuple[str, ...]:
        """The servers that *selector* means. Raises Unresolved when it means none."""
        match selector.kind:
            case "server" | "client":
                return (selector.name,)
            case "variable":
                return self._variable(selector.name)
            case "group":
                return self._group(selector.name)
        return self._role(selector.name)

    def _variable(self, name: str) -> tuple[str, ...]:
        value = self.value_of(name)
        names = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(each, str) and each in self.snapshot.servers for each in names):
            raise ActionError(f"`${name}` is {shown(value)}, which is no server")
        return tuple(str(each) for each in names)

    def _group(self, name: str) -> tuple[str, ...]:
        names = tuple(name for name in self.snapshot.names if self.snapshot.down.get(name) != "not started")
        match name:
            case "majority":
                return names[: majority(names)]
            case "minority":
                return names[majority(names) :]
            case "others":
                named = self.named or {self._leader()}
                return tuple(each for each in names if each not in named)
        return names

    def _role(self, name: str) -> tuple[str, ...]:
        if name == "leader":
            return (self._leader(),)
        if name in ("learner", "learners"):
            found = tuple(each for each in self.snapshot.names if self.snapshot.is_learner(each))
            if not found:
                raise Unresolved("there is no learner")
            return found if name.endswith("s") else found[:1]
        role = Role(name.removesuffix("s"))
        found = tuple(each for each in self.snapshot.names if self.snapshot.role(each) is role)
        if not found:
            raise Unresolved(f"there is no {role}")
        return found if name.endswith("s") else found[:1]

    def _leader(self) -> str:
        leaders = [name for name in self.snapshot.names if self.snapshot.role(name) is Role.LEADER]
        if not leaders:
            raise Unresolved("there is no leader")
        highest = max(self.snapshot.servers[name].durable.term for name in leaders)
        found = [name for name in leaders if self.snapshot.servers[name].durable.term == highest]
        if len(found) > 1:
            raise Unresolved(f"{' and '.join(found)} both lead term {highest}")
        return found[0]

    # Values

    def value_of(self, variable: str) -> Plain:
        """What `$variable` is bound to."""
        if variable not in self.variables:
            raise ActionError(f"`${variable}` is not bound yet")
        return self.variables[variable]

    def value(self, node: terms.Value) -> Plain:
        """The plain value that *node* stands for."""
        match node:
            case terms.Number(value=number):
                return number
            case terms.Duration(milliseconds=number):
                return number
            case terms.Text(value=text):
                return text
            case terms.Word(text=text):
                return None if text == "none" else self.operations.get(text, text)
            case terms.Log(terms=numbers):
                return tuple(numbers)
            case terms.Configuration(incoming=incoming, outgoing=None):
                return tuple(sorted(incoming))
            case terms.Configuration(incoming=incoming, outgoing=outgoing):
                return (tuple(sorted(incoming)), tuple(sorted(outgoing or ())))
            case terms.FieldRef():
                return self.field(node)
        return self._selector_value(node)

    def _selector_value(self, selector: terms.Selector) -> Plain:
        if selector.kind == "variable":
            return self.value_of(selector.name)
        found = self.select(selector)
        return found[0] if len(found) == 1 else found

    def field(self, ref: terms.FieldRef) -> Plain:
        """The field of the one server that *ref* means."""
        servers = self.servers(ref.servers)
        if len(servers) != 1:
            raise ActionError(f"a value is the field of one server, not of {' '.join(servers)}")
        return read(self.snapshot, servers[0], ref.name)

    def number(self, count: terms.Count) -> int:
        """A number, or the variable that holds one."""
        value = self.value(count)
        if not isinstance(value, int):
            raise ActionError(f"{shown(value)} is no number")
        return value

    # Patterns

    def matcher(self, pattern: terms.Pattern) -> Matcher:
        """*pattern*, its selectors bound to servers."""
        return Matcher(
            type=pattern.type,
            sources=self._end(pattern.source),
            targets=self._end(pattern.target),
            tests=tuple((test.name, test.operator, self.value(test.value)) for test in pattern.tests),
            answer=pattern.answer,
            nth=None if pattern.nth is None else self._position(pattern.nth),
            text=pattern_text(pattern),
        )

    def _position(self, nth: terms.Count) -> int:
        number = self.number(nth)
        if number < 1:
            raise ActionError(f"`nth` counts from 1, not from {number}")
        return number

    def _end(self, selector: terms.Selector | None) -> frozenset[str] | None:
        return None if selector is None or selector.name == "all" else frozenset(self.select(selector))


def pattern_text(pattern: terms.Pattern) -> str:
    """*pattern* as it is written."""
    words = [pattern.type]
    if pattern.source is not None and pattern.target is not None:
        words += [selector_text(pattern.source), "->", selector_text(pattern.target)]
    elif pattern.source is not None:
        words += ["from", selector_text(pattern.source)]
    elif pattern.target is not None:
        words += ["to", selector_text(pattern.target)]
    for test in pattern.tests:
        words.append(f"{test.name}{test.operator if test.operator != '==' else '='}{_value_text(test.value)}")
    words += [pattern.answer] if pattern.answer else []
    words += [f"nth {_value_text(pattern.nth)}"] if pattern.nth is not None else []
    return " ".join(words)


def selector_text(selector: terms.Selector) -> str:
    """*selector* as it is written."""
    if selector.kind == "variable":
        return f"${selector.name}"
    return "*" if selector.name == "all" else selector.name


def _value_text(value: terms.Value) -> str:
    match value:
        case terms.Number(value=number):
            return str(number)
        case terms.Selector():
            return selector_text(value)
    return "..."
