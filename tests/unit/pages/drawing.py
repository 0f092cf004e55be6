"""The parts of the pages that are drawn from the code, between `<!-- begin: NAME -->` and `<!-- end: NAME -->`.

    python -m tests.unit.pages.drawing      writes them into the pages

`test_pages.py` says when a page and the code differ.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from checker.mutants import MUTANTS
from raftframe.marks import Mark
from raftframe.states import rules as RULES
from raftframe.states.base_state import BaseState
from raftframe.states.candidate import CandidateState
from raftframe.states.follower import FollowerState
from raftframe.states.leader import LeaderState
from raftframe.states.pre_candidate import PreCandidateState
from raftframe.states.rules.base import Rules
from raftframe.states.state_map import TRANSITIONS, StandardStateMap
from scenarios.language import features
from scenarios.language.header import KEYS
from scenarios.language.loaded import LoadedFile
from scenarios.language.loader import load
from scenarios.language.verbs import GROUPS, VERBS, Verb
from tests.tidy.repository import ROOT, modules, shown, tree

EXAMPLES: Mapping[str, str] = {
    "elect": "elect s1",
    "timeout": "timeout s1",
    "heartbeat": "heartbeat leader",
    "expire": "expire s2",
    "tick": "tick s2 3 heartbeats",
    "advance": "advance 500ms",
    "step": "step 10",
    "deliver": "deliver RequestVote s1 -> s2",
    "drop": "drop AppendEntries s1 -> s2 entries>0",
    "duplicate": "duplicate RequestVoteResponse s2 -> s1 grant",
    "delay": "delay AppendEntries s1 -> s2 by 3 steps",
    "reorder": "reorder AppendEntries s1 -> s2 as 2, 1",
    "hold": "hold AppendEntries to s2 as late",
    "release": "release late",
    "settle": "settle s1 s2",
    "flush": "flush s1",
    "run": "run until one leader within 2s",
    "pause": "pause s2 before handling AppendEntries",
    "resume": "resume s2",
    "crash": "crash leader losing unsynced",
    "restart": "restart s2",
    "stop": "stop s2",
    "start": "start s2 empty",
    "wipe": "wipe s2",
    "partition": "partition s1 s2 | s3 s4 s5",
    "isolate": "isolate leader",
    "cut": "cut s1 -> s2",
    "heal": "heal s1 | s2",
    "disk": "disk s2 fail append",
    "client": "client c1 credit 10 to s1 as op1 => ok 10",
    "await": "await op1 => ok 10",
    "reconfigure": "reconfigure add s4 joint auto to s1",
    "leave": "leave joint to s1",
    "transfer": "transfer s1 -> s4",
    "snapshot": "snapshot s1 -> s3",
    "compact": "compact s1 to 10",
    "forget": "forget leader s2",
    "unreachable": "unreachable s1 -> s2",
    "given": "given logs\n  s1: 1 1 4\n  s2: 1 1",
    "set": "set s2.term = 7",
    "show": "show s1 state log",
    "expect": 'expect s1.commit == 2 because "two of three have it"',
    "eventually": "eventually one leader within 2s",
    "always": "always committed match until s3 is leader",
    "never": "never s1 is leader and s2 is leader",
    "ignore": "ignore invariant log_matching",
    "section": 'section "the leader dies"',
    "note": 'note "s2 has not heard of it"',
    "let": "let old = leader",
    "repeat": "repeat 3\n  heartbeat s1",
    "for": "for x in s1, s2\n  crash $x",
    "when": "when s1 is leader\n  crash s1",
    "case": 'case "the leader crashes"\n  crash s1',
    "define": "define elected $who\n  elect $who\n  settle",
    "call": "call elected s1",
    "use": 'use "lib/common.scenario"',
    "explore": "explore the race\n  vary deliver, timeout\n  sometimes s1 is leader",
    "reach": "reach s1 is leader and s2 is candidate within 100 steps\n  vary deliver, timeout",
    "vary": "vary deliver, timeout s1 s2, client credit 5 to s1",
    "limit": "limit timeouts 2, crashes 1, depth 24, time 10s",
    "symmetry": "symmetry s2 s3",
    "strategy": "strategy bfs",
    "sometimes": "sometimes s1 is leader, s2 is leader",
    "prune": "prune s3 is leader",
    "fair": "fair deliver, timeout",
    "whenever": "whenever s1 is candidate eventually one leader",
    "on": 'on violation write "counterexamples/" minimise',
}
"""One example of every verb; the table shows its first line."""

BEFORE: Mapping[str, str] = {
    "release": "hold any as late",
    "await": "client c1 credit 10 as op1",
    "call": "define elected $who\n  elect $who",
}
"""What an example needs in front of it."""

NOT_YET: Mapping[str, str] = {
    "symmetry": "read, without effect yet",
    "fair": "read, without effect yet",
    "whenever": "not checked yet: the verdict is unknown",
}
"""Options that the parser takes and the search does not use; see `scenarios/runner/exploring.py`."""

SECTION = re.compile(r"§[\d.]+|figure \d+(?:, rules? \d+(?: and \d+)?)?")


# --- docs/language.md -------------------------------------------------------------------------------------------------


def verbs() -> Iterator[str]:
    """A table a group."""
    for group, rows in GROUPS.items():
        yield f"**{group}**"
        yield ""
        yield from table(("form", "what it does", "example", "where"), map(_verb_row, rows))


def _verb_row(verb: Verb) -> tuple[str, ...]:
    where = "" if len(verb.modes) == len(features.MODES) else f"only {', '.join(verb.modes)}"
    missing = {feature for instance in example_of(verb.name).instances for feature in instance.missing}
    if missing:
        where = f"needs {', '.join(sorted(missing))}: not built"
    example = EXAMPLES[verb.name].splitlines()[0]
    return f"`{verb.syntax}`", verb.help, f"`{example}`", NOT_YET.get(verb.name, where)


def example_of(verb: str) -> LoadedFile:
    """A scenario that holds the example of *verb*, loaded."""
    before, example = BEFORE.get(verb, ""), EXAMPLES[verb]
    if VERBS[verb].place == "option":
        before, example = "explore", "  " + example
    text = f"scenario: an example\nservers: 5\n\n{before}\n{example}\n"
    return load("example.scenario", text=text, read=_library)


def _library(path: Path) -> str:
    return f"scenario: a library called {path.name}\n\ndefine settled\n  settle\n"


def headers() -> Iterator[str]:
    """What may stand in a header."""
    return table(("key", "what it says"), ((f"`{key}:`", text) for key, text in KEYS.items()))


def lists() -> Iterator[str]:
    """Every closed list."""
    yield from table(("invariant", "holds when"), ((f"`{k}`", text) for k, text in features.INVARIANTS.items()))
    built = "built", "not built"
    rows = ((f"`{k}`", text, built[k not in features.BUILT]) for k, text in features.FEATURES.items())
    yield from table(("feature (`requires:`)", "what it is", ""), rows)
    settings = (
        (f"`{name}`", features.OPTION_VALUES.get(name, ("", "anything"))[1], _needs(feature))
        for name, feature in features.OPTIONS.items()
    )
    yield from table(("option (`options:`)", "is", ""), settings)
    words: tuple[tuple[str, Iterable[str]], ...] = (
        ("message types", _marked(features.MESSAGE_TYPES)),
        ("roles", _marked(features.ROLES)),
        ("fields", _marked(features.FIELDS)),
        ("fields that `given` and `set` write", sorted(features.SETTABLE)),
        ("stages", features.STAGES),
        ("outcomes", features.OUTCOMES),
        ("facets of `show`", features.FACETS),
        ("marks", (mark.value for mark in Mark)),
        ("kinds of `vary`", features.VARY_KINDS),
        ("kinds of `limit`", features.LIMIT_KINDS),
        ("commands of the bank", features.COMMANDS),
    )
    yield from table(("list", "words"), ((name, _code(each)) for name, each in words))
    yield "A word with a star needs a feature that is not built. `state` is the application's, a number or a text."
    yield ""


def _needs(feature: str | None) -> str:
    return "" if feature is None or feature in features.BUILT else f"needs {feature}"


def _marked(words: Mapping[str, str | None]) -> Iterator[str]:
    return (f"{word}*" if _needs(feature) else word for word, feature in words.items())


def _code(words: Iterable[str]) -> str:
    return " ".join(f"`{word.removesuffix('*')}`{'*' if word.endswith('*') else ''}" for word in words)


# --- docs/raft.md -----------------------------------------------------------------------------------------------------


def transitions() -> Iterator[str]:
    """The state diagram of `TRANSITIONS`."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "  [*] --> follower"
    for (before, cause), after in TRANSITIONS.items():
        yield f"  {before} --> {after}: {cause.value}"
    yield "```"
    yield ""


def topics(roles: Iterable[type]) -> set[type]:
    """The classes of `raftframe.states.rules` that *roles* are made of, but for the root of them all."""
    return {owner for role in roles for owner in role.__mro__ if owner.__module__.startswith(RULES.__name__)} - {Rules}


STATE_CLASSES = (FollowerState, PreCandidateState, CandidateState, LeaderState)
OWNERS: Mapping[str, type] = {
    "Every role": BaseState,
    "Follower": FollowerState,
    "Pre-candidate": PreCandidateState,
    "Candidate": CandidateState,
    "Leader": LeaderState,
    **dict(sorted((topic.__name__, topic) for topic in topics(STATE_CLASSES))),
    "Changes of role": StandardStateMap,
}
"""Who has rules: the state classes, the topics that they are made of, and the map."""


def rules() -> Iterator[str]:
    """A table a class, with the planted bugs that break each rule."""
    for title, owner in OWNERS.items():
        yield f"**{title}** ([{Path(inspect.getfile(owner)).name}](../{source_of(owner)}))"
        yield ""
        rows = (_rule_row(owner, name) for name in rule_names(owner))
        yield from table(("method", "what it decides or does", "source", "planted bug that breaks it"), rows)


def source_of(owner: type) -> str:
    """The file of a class, from the root of the repository."""
    return Path(inspect.getfile(owner)).relative_to(ROOT).as_posix()


def rule_names(owner: type) -> list[str]:
    """The public methods that *owner* itself defines, in the order of the file."""
    return [
        name for name, value in vars(owner).items() if callable(getattr(owner, name)) and name[0] != "_" and _is(value)
    ]


def _is(value: object) -> bool:
    return inspect.isfunction(value) or isinstance(value, staticmethod)


def killers(owner: type, name: str) -> list[str]:
    """The mutants that replace method *name* of *owner*, or of the class that *owner* has it from."""
    return [mutant.name for mutant in MUTANTS if _replaces(mutant.rules, owner, name)]


def _replaces(mixin: type, owner: type, name: str) -> bool:
    """Whether *mixin* comes before the method that *owner* defines. One that extends no role is mixed into all."""
    if name not in vars(mixin):
        return False
    meant = [role for role in STATE_CLASSES if issubclass(mixin, role)] or STATE_CLASSES
    return any(_definer(role, name) is owner for role in meant)


def _definer(role: type, name: str) -> type | None:
    return next((owner for owner in role.__mro__ if name in vars(owner)), None)


def _rule_row(owner: type, name: str) -> tuple[str, ...]:
    text = " ".join((inspect.getdoc(getattr(owner, name)) or "").split())
    sections = ", ".join(dict.fromkeys(match.rstrip(".") for match in SECTION.findall(text)))
    bugs = " ".join(f"`{bug}`" for bug in killers(owner, name))
    return f"`{name}`", re.sub(r" \([^()]*(?:§|figure|dissertation)[^()]*\)", "", text), sections, bugs


GLUE = re.compile(r"on_|handle$|rules$")
"""Methods that only lead to other rules: they handle an event, or pick the role."""


def unbroken() -> Iterator[str]:
    """The rules that decide something, and that no planted bug replaces."""
    yield "No planted bug replaces these, so nothing shows that a mistake in one of them would be found:"
    yield ""
    for title, owner in OWNERS.items():
        names = [name for name in rule_names(owner) if not GLUE.match(name) and not killers(owner, name)]
        if names:
            yield f"* {title}: {_code(names)}"
    yield ""


def mutants() -> Iterator[str]:
    """Every planted bug."""
    rows = ((f"`{m.name}`", m.summary, f"`{m.breaks}`", _rule_names_of(m.rules)) for m in MUTANTS)
    return table(("state map", "what goes wrong", "what breaks first", "rules replaced"), rows)


def _rule_names_of(mixin: type) -> str:
    return " ".join(f"`{name}`" for name, value in vars(mixin).items() if inspect.isfunction(value))


# --- ARCHITECTURE.md --------------------------------------------------------------------------------------------------


def code_map() -> Iterator[str]:
    """A table a package and folder: each module, and the first sentence of its docstring."""
    rooms: dict[str, list[tuple[str, ...]]] = {}
    for path in committed_modules():
        doc = ast.get_docstring(tree(path))
        if doc is not None:
            rooms.setdefault(path.parent.relative_to(ROOT).as_posix(), []).append((f"`{shown(path)}`", _first(doc)))
    for room, rows in rooms.items():
        yield f"**{room}**"
        yield ""
        yield from table(("module", "what it is for"), rows)


def committed_modules() -> list[Path]:
    """The modules of the four packages, without those that nobody has committed yet."""
    listing = subprocess.run(["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    committed = {ROOT / name for name in listing.stdout.split("\0")}
    return sorted(path for path in modules().values() if path in committed or listing.returncode)


def _first(doc: str) -> str:
    """The first sentence of a docstring, or its first paragraph if no sentence ends there."""
    paragraph = " ".join(doc.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s", paragraph)[0].rstrip(":")


# --- writing ----------------------------------------------------------------------------------------------------------


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table of Markdown, and an empty line."""
    yield _row(head)
    yield _row(("---",) * len(head))
    for row in rows:
        yield _row(row)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


PARTS: Mapping[str, Mapping[str, Callable[[], Iterator[str]]]] = {
    "ARCHITECTURE.md": {"map": code_map},
    "docs/language.md": {"verbs": verbs, "headers": headers, "lists": lists},
    "docs/raft.md": {"transitions": transitions, "rules": rules, "mutants": mutants, "unbroken": unbroken},
}


def drawn(page: str) -> str:
    """The text of a page with its parts drawn anew."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, draw in PARTS[page].items():
        begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = text.partition(begin)
        _old, closed, after = rest.partition(end)
        assert found and closed, f"{page} lacks the part {name}"
        text = before + begin + "\n" + "\n".join(draw()) + "\n" + end + after
    return text


if __name__ == "__main__":
    for page in PARTS:
        (ROOT / page).write_text(drawn(page), encoding="utf-8")
