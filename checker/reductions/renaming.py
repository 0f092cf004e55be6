"""Renames actors inside values: the usual `rename` of a system whose actors have names that nothing else has."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

import attrs

T = TypeVar("T")
Given = tuple[tuple[str, str], ...]

_KNOWN: dict[type, Given] = {}


def renamed(thing: T, names: Mapping[Hashable, Hashable]) -> T:
    """*thing* with every name of an actor replaced by what *names* has for it, at any depth.

    It looks into tuples, frozen sets and attrs classes. A tuple that ascends, and has names in it, ascends afterwards:
    so does one of attrs values that ascends by their field `server` (or `target`, for messages that are kept). What is
    kept in another order must not depend on names, or the system is not symmetric; `Symmetry` finds that out.
    """
    result: Any = _renamed(thing, names)
    return result  # type: ignore[no-any-return]  # of the same type: only names within it changed


def _renamed(thing: Any, names: Mapping[Hashable, Hashable]) -> Any:
    if thing is None or isinstance(thing, int | Enum):
        return thing
    if isinstance(thing, str):
        return names.get(thing, thing)
    if isinstance(thing, frozenset):
        return frozenset([_renamed(one, names) for one in thing])
    if isinstance(thing, Sequence):
        return _sequence(thing, names)
    return _fields(thing, names)


def _sequence(thing: Any, names: Mapping[Hashable, Hashable]) -> Any:
    was = tuple(thing)
    now = tuple([_renamed(one, names) for one in was])
    if now == was:
        return thing
    if hasattr(thing, "_fields"):
        return type(thing)(*now)
    return tuple(sorted(now, key=_key)) if _ascends(was) else now


def _fields(thing: Any, names: Mapping[Hashable, Hashable]) -> Any:
    changed = {}
    for name, alias in _given(type(thing)):
        was = getattr(thing, name)
        now = _renamed(was, names)
        if now is not was and now != was:
            changed[alias] = now
    return attrs.evolve(thing, **changed) if changed else thing


def _given(kind: type) -> Given:
    """The fields that an attrs class is made of, and what they are called then; none of another class."""
    if kind not in _KNOWN:
        fields = attrs.fields(kind) if attrs.has(kind) else ()
        _KNOWN[kind] = tuple((field.name, field.alias) for field in fields if field.init)
    return _KNOWN[kind]


def _key(one: Any) -> Any:
    return getattr(one, "server", getattr(one, "target", one))


def _ascends(things: tuple[Any, ...]) -> bool:
    keys = [_key(one) for one in things]
    try:
        return keys == sorted(keys)
    except TypeError:  # there is no order among them
        return False


__all__ = ["renamed"]
