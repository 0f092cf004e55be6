"""Errors of the checker. A finding in the checked system is never an exception: it is part of the report."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CheckerError(Exception):
    """Root of every error that the checker raises."""


class UsageError(CheckerError, ValueError):
    """The caller's mistake. The message names the argument, what was given, and what to write instead."""


class LimitError(CheckerError):
    """Something is too large for the checker; the message names the limit and the way out."""


class DiskError(LimitError):
    """The disk is full, or fails; the message names the folder."""


def expect(name: str, given: object, kind: type) -> None:
    """Raise UsageError unless *given*, the argument *name*, is a *kind*."""
    if not isinstance(given, kind):
        place = f"from {kind.__module__} import {kind.__name__}"
        raise UsageError(f"{name} is {given!r}; write {name}={kind.__name__}(...), {place}")


def did_you_mean(given: object, known: Iterable[object]) -> str:
    """A hint to append to an error about the unknown name *given*: the nearest known name, or all of them."""
    names = [str(name) for name in known]
    near = difflib.get_close_matches(str(given), names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(names)}" if names else "there are none"
