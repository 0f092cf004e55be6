"""Traces as JSON: how a trace outlives the process that found it.

The schema, version 1. A reader refuses any other version rather than guess; unknown keys are an error too, because
they mean that somebody knew more than this reader does.

    {"format": "raftframe trace", "version": 1,
     "title": TEXT,
     "actors": [TEXT, ...],
     "before": {ACTOR: {FIELD: TEXT}},
     "in_flight": [MESSAGE, ...],                                  optional, from here on
     "about": {TEXT: TEXT},
     "violation": {"property": TEXT, "reason": TEXT, "step": N} or null,
     "steps": [{"what": one of checker.runs.trace.What, "name": TEXT,
                "actor": TEXT or null, "message": N or null, "line": N or null,
                "sent": [MESSAGE, ...], "lost": [N, ...], "marks": [TEXT, ...], "outputs": [TEXT, ...],
                "after": {ACTOR: {FIELD: TEXT}}}, ...]}
    MESSAGE = {"number": N, "source": TEXT, "target": TEXT, "text": TEXT}

In a step all keys but `what` and `name` are optional, and left out when empty. The order of fields is kept, since it
says what is most important.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from checker.errors import UsageError
from checker.runs.trace import SentMessage, Trace, TraceStep, Violation, What

FORMAT = "raftframe trace"
VERSION = 1

_T = TypeVar("_T")
_Json = Any  # the boundary: what json.loads returns


class TraceFileError(UsageError):
    """A trace file that cannot be read. The message says where in the file, what is there, and what should be."""


def to_json(trace: Trace) -> str:
    """*trace* as indented JSON that ends with a newline; equal traces give equal bytes."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "title": trace.title,
        "about": dict(trace.about),
        "actors": list(trace.actors),
        "before": {actor: dict(fields) for actor, fields in trace.before.items()},
        "in_flight": [_message_out(message) for message in trace.in_flight],
        "steps": [_step_out(step) for step in trace.steps],
        "violation": None if trace.violation is None else _violation_out(trace.violation),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Trace:
    """The trace that `to_json` wrote. Raises `TraceFileError` if *text* is anything else."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise TraceFileError(f"not JSON: {error}") from None
    top = _object(document, "the file")
    _check_version(top)
    required = {"format", "version", "title", "actors", "before", "steps"}
    _check_keys(top, "the file", required, {"in_flight", "about", "violation"})
    trace = Trace(
        title=_text(top["title"], "title"),
        actors=_list(top["actors"], "actors", _text),
        before=_states(top["before"], "before"),
        steps=_list(top["steps"], "steps", _step_in),
        violation=_optional(top.get("violation"), "violation", _violation_in),
        about=_texts(top.get("about", {}), "about"),
        in_flight=_list(top.get("in_flight", []), "in_flight", _message_in),
    )
    _check_sense(trace)
    return trace


def _message_out(message: SentMessage) -> dict[str, object]:
    return {
        "number": message.number,
        "source": message.source,
        "target": message.target,
        "text": message.text,
    }


def _violation_out(violation: Violation) -> dict[str, object]:
    return {"property": violation.property, "reason": violation.reason, "step": violation.step}


def _step_out(step: TraceStep) -> dict[str, object]:
    optional: dict[str, object] = {
        "actor": step.actor,
        "message": step.message,
        "line": step.line,
        "sent": [_message_out(message) for message in step.sent],
        "lost": list(step.lost),
        "marks": list(step.marks),
        "outputs": list(step.outputs),
        "after": {actor: dict(fields) for actor, fields in step.after.items()},
    }
    kept = {key: value for key, value in optional.items() if value not in (None, [], {})}
    return {"what": step.what.value, "name": step.name, **kept}


def _check_version(top: Mapping[str, _Json]) -> None:
    if top.get("format") != FORMAT:
        raise TraceFileError(f'not a trace: "format" should be "{FORMAT}", not {_shown(top.get("format"))}')
    version = top.get("version")
    if version != VERSION or isinstance(version, bool):
        raise TraceFileError(f"version {_shown(version)} of the trace format is not known here; this reads {VERSION}")


def _check_sense(trace: Trace) -> None:
    """Numbers must point at something: the messages of steps, and the step of the violation."""
    known: set[int] = set()
    for message in trace.in_flight:
        _add_number(known, message, "in_flight")
    for number, step in enumerate(trace.steps):
        where = f"steps[{number}]"
        ended = [("message", step.message)] if step.message is not None else []
        for key, message_number in [*ended, *(("lost", each) for each in step.lost)]:
            if message_number not in known:
                raise TraceFileError(f"{where}.{key}: message {message_number} was not sent before this step")
        for message in step.sent:
            _add_number(known, message, f"{where}.sent")
    if trace.violation is not None and not 0 <= trace.violation.step <= len(trace.steps):
        raise TraceFileError(f"violation.step: there are {len(trace.steps)} steps, so not {trace.violation.step}")


def _add_number(known: set[int], message: SentMessage, where: str) -> None:
    if message.number in known:
        raise TraceFileError(f"{where}: message number {message.number} is used twice")
    known.add(message.number)


def _message_in(value: _Json, where: str) -> SentMessage:
    found = _object(value, where)
    _check_keys(found, where, {"number", "source", "target", "text"}, ())
    return SentMessage(
        number=_number(found["number"], f"{where}.number"),
        source=_text(found["source"], f"{where}.source"),
        target=_text(found["target"], f"{where}.target"),
        text=_text(found["text"], f"{where}.text"),
    )


def _violation_in(value: _Json, where: str) -> Violation:
    found = _object(value, where)
    _check_keys(found, where, {"property", "reason", "step"}, ())
    return Violation(
        property=_text(found["property"], f"{where}.property"),
        reason=_text(found["reason"], f"{where}.reason"),
        step=_number(found["step"], f"{where}.step"),
    )


def _step_in(value: _Json, where: str) -> TraceStep:
    found = _object(value, where)
    optional = {"actor", "message", "line", "sent", "lost", "marks", "outputs", "after"}
    _check_keys(found, where, {"what", "name"}, optional)
    return TraceStep(
        what=_what(found["what"], f"{where}.what"),
        name=_text(found["name"], f"{where}.name"),
        actor=_optional(found.get("actor"), f"{where}.actor", _text),
        message=_optional(found.get("message"), f"{where}.message", _number),
        sent=_list(found.get("sent", []), f"{where}.sent", _message_in),
        marks=_list(found.get("marks", []), f"{where}.marks", _text),
        outputs=_list(found.get("outputs", []), f"{where}.outputs", _text),
        after=_states(found.get("after", {}), f"{where}.after"),
        line=_optional(found.get("line"), f"{where}.line", _number),
        lost=_list(found.get("lost", []), f"{where}.lost", _number),
    )


def _what(value: _Json, where: str) -> What:
    try:
        return What(value)
    except ValueError:
        known = ", ".join(what.value for what in What)
        raise TraceFileError(f"{where} should be one of {known}, not {_shown(value)}") from None


def _check_keys(found: Mapping[str, _Json], where: str, required: Collection[str], optional: Collection[str]) -> None:
    for key in sorted(required):
        if key not in found:
            raise TraceFileError(f'{where}: "{key}" is missing')
    for key in found:
        if key not in required and key not in optional:
            known = ", ".join(sorted((*required, *optional)))
            raise TraceFileError(f"{where}: unknown key {_shown(key)}; known are {known}")


def _object(value: _Json, where: str) -> Mapping[str, _Json]:
    if not isinstance(value, dict):
        raise TraceFileError(f"{where} should be an object, not {_shown(value)}")
    return value


def _text(value: _Json, where: str) -> str:
    if not isinstance(value, str):
        raise TraceFileError(f"{where} should be a text, not {_shown(value)}")
    return value


def _number(value: _Json, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TraceFileError(f"{where} should be a whole number, not {_shown(value)}")
    return value


def _optional(value: _Json, where: str, read: Callable[[_Json, str], _T]) -> _T | None:
    return None if value is None else read(value, where)


def _list(value: _Json, where: str, read: Callable[[_Json, str], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list):
        raise TraceFileError(f"{where} should be a list, not {_shown(value)}")
    return tuple(read(item, f"{where}[{number}]") for number, item in enumerate(value))


def _texts(value: _Json, where: str) -> dict[str, str]:
    return {key: _text(item, f"{where}.{key}") for key, item in _object(value, where).items()}


def _states(value: _Json, where: str) -> dict[str, dict[str, str]]:
    return {actor: _texts(fields, f"{where}.{actor}") for actor, fields in _object(value, where).items()}


def _shown(value: _Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
