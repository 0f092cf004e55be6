"""Header lines: which there are, and what each says for one binding of the parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from scenarios.language import catalogue, features
from scenarios.language.diagnostics import Diagnostic, Severity, did_you_mean, suggest
from scenarios.language.features import FEATURES, MODES, OPTION_VALUES, OPTIONS, Vocabulary
from scenarios.language.layout import HEADER_LINE, SourceLine, expand
from scenarios.language.loaded import Binding, Header, KnownBug
from scenarios.language.parameters import BadExpression, HeaderText, evaluate
from scenarios.language.reader import LineContext, LineReader

NEWEST_FORMAT = 1
MOST_SERVERS = 15

KEYS: Mapping[str, str] = {
    "scenario": "what it shows, in one sentence",
    "summary": "more about it",
    "format": "the version of the language",
    "tags": "words to select it by",
    "covers": "ids of the scenarios elsewhere that it stands for",
    "servers": "how many",
    "app": "the application, by name or dotted path",
    "options": "settings of the cluster",
    "modes": "sim, threads, udp",
    "param": "a parameter with its values, or a table",
    "assume": "which combinations of parameters to keep",
    "pairwise": "on: a subset of the combinations that meets every pair",
    "requires": "features it cannot do without",
    "seed": "of the scheduler",
    "state_map": "the variant of the protocol to run",
    "known-bug": "the check that must fail",
    "generated": "the command that wrote the file",
    "from": "where a counterexample comes from",
    "minimised": "how it was made smaller",
}
REPEATABLE = frozenset({"param", "assume", "known-bug"})

_ITEM = re.compile(r"[^,\s](?:[^,]*[^,\s])?")
_KNOWN_BUG = re.compile(r"(?P<check>line +\d{1,9}|[\w.]+)(?: +when +(?P<when>[^;]+))?(?: *; *(?P<text>.*))?")
_DOTTED = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?")


@frozen
class _Context:
    """What reading one header needs besides its text."""

    vocabulary: Vocabulary
    binding: Binding


def header_text(line: SourceLine, values: Mapping[str, str], context: LineContext) -> HeaderText:
    """One header line with its parameters filled in."""
    code = expand(line, dict(values))
    match = HEADER_LINE.match(code.text)
    key, start = (match["key"], match.start("text")) if match else ("", 0)
    return HeaderText(key, LineReader(code, context), start)


def check_keys(headers: Iterable[HeaderText]) -> None:
    """Unknown keys, keys that are given twice, keys without a value."""
    seen: dict[str, HeaderText] = {}
    for header in headers:
        span = header.reader.line.span(0, len(header.key))
        if header.key not in KEYS:
            hint = did_you_mean(header.key, KEYS) or f"headers are: {', '.join(KEYS)}"
            header.reader.error(f"unknown header `{header.key}`", span, hint)
        elif header.key in seen and header.key not in REPEATABLE:
            first = seen[header.key].reader.line.source.number
            header.reader.error(f"header `{header.key}` is given twice", span, f"first on line {first}")
        elif not header.text.strip():
            header.reader.error(f"header `{header.key}` lacks a value", span, KEYS[header.key])
        seen.setdefault(header.key, header)


def read_header(headers: Iterable[HeaderText], vocabulary: Vocabulary, binding: Binding) -> Header:
    """What the lines say; wrong ones are reported and count as left out."""
    context = _Context(vocabulary, binding)
    result = Header()
    for header in headers:
        read = _READERS.get(header.key)
        if read is not None and header.text.strip():
            result = evolve(result, **read(header, context))
    return result


Read = Callable[[HeaderText, _Context], dict[str, Any]]


def _text(attribute: str) -> Read:
    return lambda header, _context: {attribute: header.text.strip()}


def _items(header: HeaderText) -> list[tuple[str, int, int]]:
    """The comma separated items with their places; empty ones are reported."""
    items = [(match[0], match.start(), match.end()) for match in _ITEM.finditer(header.text)]
    if len(items) != header.text.count(",") + 1:
        header.error("an empty item between commas")
    return items


def _closed(kind: str, attribute: str, choices: Iterable[str]) -> Read:
    allowed = frozenset(choices)

    def read(header: HeaderText, _context: _Context) -> dict[str, Any]:
        for item, start, end in _items(header):
            if item not in allowed:
                header.error(f"unknown {kind} `{item}`", suggest(item, allowed), start, end)
        return {attribute: tuple(dict.fromkeys(item for item, _start, _end in _items(header)))}

    return read


def newer_format(headers: Iterable[HeaderText]) -> Diagnostic | None:
    """The error about a file whose format is newer than any that can be read here."""
    for header in headers:
        word = header.text.strip()
        if header.key == "format" and re.fullmatch("[0-9]{1,15}", word) and int(word) > NEWEST_FORMAT:
            line = header.reader.line
            message = f"format {word} is newer than this version reads"
            span = line.span(header.start, header.start + len(word))
            hint = f"it reads up to {NEWEST_FORMAT}: upgrade"
            return Diagnostic(Severity.ERROR, message, span, line.source.raw, label=hint)
    return None


def _read_format(header: HeaderText, _context: _Context) -> dict[str, Any]:
    number = _number(header)
    return {} if number is None else {"format": number}


def _read_servers(header: HeaderText, _context: _Context) -> dict[str, Any]:
    number = _number(header)
    if number is None:
        return {}
    if not 1 <= number <= MOST_SERVERS:
        header.error(f"a cluster has 1 to {MOST_SERVERS} servers, not {number}")
        return {}
    return {"servers": tuple(f"s{place}" for place in range(1, number + 1))}


def _read_seed(header: HeaderText, _context: _Context) -> dict[str, Any]:
    number = _number(header)
    return {} if number is None else {"seed": number}


def _number(header: HeaderText) -> int | None:
    word = header.text.strip()
    if "$" in word:  # an unknown parameter, which is reported for all headers alike
        return None
    if not re.fullmatch("[0-9]{1,15}", word):
        header.error(f"`{header.key}` must be a number, not `{word}`", "", 0, len(word))
        return None
    return int(word)


def _read_pairwise(header: HeaderText, _context: _Context) -> dict[str, Any]:
    word = header.text.strip()
    if word not in ("on", "off"):
        header.error("`pairwise` is on or off", "", 0, len(word))
    return {"pairwise": word == "on"}


def _read_covers(header: HeaderText, _context: _Context) -> dict[str, Any]:
    known = catalogue.entries()
    for item, start, end in _items(header):
        if item not in known:
            source = item.partition("/")[0] + "/"
            near = [entry for entry in known if entry.startswith(source)]
            hint = did_you_mean(item, near) if near else suggest(source, {f"{name}/" for name in catalogue.sources()})
            header.error(f"unknown id `{item}`", hint or "no list has it: see `raftframe coverage`", start, end)
    return {"covers": tuple(dict.fromkeys(item for item, _start, _end in _items(header)))}


def _read_options(header: HeaderText, context: _Context) -> dict[str, Any]:
    options: dict[str, str] = {}
    for item, start, end in _items(header):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not value:
            header.error(f"option `{item}` lacks a value", "write: name=value", start, end)
        elif name not in context.vocabulary.options:
            header.error(
                f"unknown option `{name}`", suggest(name, context.vocabulary.options), start, start + len(name)
            )
        elif name in options:
            header.error(f"option `{name}` is given twice", "", start, end)
        elif name in OPTION_VALUES and "$" not in value and not re.fullmatch(OPTION_VALUES[name][0], value):
            header.error(f"option `{name}` cannot be `{value}`", f"it is {OPTION_VALUES[name][1]}", start, end)
        options[name] = value
    return {"options": tuple(options.items())}


def _dotted(attribute: str) -> Read:
    def read(header: HeaderText, _context: _Context) -> dict[str, Any]:
        word = header.text.strip()
        if not _DOTTED.fullmatch(word):
            header.error(f"`{word}` is neither a name nor a dotted path", "write: package.module:Class", 0, len(word))
        return {attribute: word}

    return read


def _read_known_bug(header: HeaderText, context: _Context) -> dict[str, Any]:
    match = _KNOWN_BUG.fullmatch(header.text.strip())
    if match is None:
        header.error("cannot read this known-bug", "write: INVARIANT|line N [when N == 3]; text")
        return {}
    check = match["check"]
    line = int(check.split()[1]) if check.startswith("line ") else None
    if line is None and check not in context.vocabulary.invariants:
        header.error(f"unknown invariant `{check}`", suggest(check, context.vocabulary.invariants), 0, len(check))
    try:
        if match["when"] and not evaluate(match["when"], context.binding):
            return {}
    except BadExpression as error:
        header.error(str(error), "compare parameters: when N == 3", match.start("when"), match.end("when"))
    invariant = None if line is not None else check
    return {"known_bug": KnownBug(invariant, line, match["text"] or "", header.reader.line.span())}


_READERS: Mapping[str, Read] = {
    "scenario": _text("title"),
    "summary": _text("summary"),
    "format": _read_format,
    "tags": lambda header, _context: {"tags": tuple(item for item, _start, _end in _items(header))},
    "covers": _read_covers,
    "servers": _read_servers,
    "app": _dotted("app"),
    "options": _read_options,
    "modes": _closed("mode", "modes", MODES),
    "pairwise": _read_pairwise,
    "requires": _closed("feature", "requires", FEATURES),
    "seed": _read_seed,
    "state_map": _dotted("state_map"),
    "known-bug": _read_known_bug,
    "generated": _text("generated"),
    "from": _text("origin"),
    "minimised": _text("minimised"),
}


def option_features(header: Header) -> set[str]:
    """The features that the header's options need."""
    needed = {OPTIONS.get(name) for name, _value in header.options}
    if header.option("reads") == "lease":
        needed.add("lease_reads")
    return {feature for feature in needed if feature is not None}


def builtin_parameters(header: Header) -> dict[str, str]:
    """`$servers`, `$peers` and `$quorum`; of a file without servers, as if it had one."""
    count = max(1, len(header.servers))
    return dict(zip(features.BUILTIN_PARAMETERS, (str(count), str(count - 1), str(count // 2 + 1)), strict=True))
