"""Small closed sets of words that the reader and the checks share."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scenarios.language.terms import SelectorKind

ROLE_SELECTORS = frozenset({"leader", "follower", "followers", "candidate", "candidates", "learner", "learners"})
GROUP_SELECTORS = frozenset({"all", "*", "others", "majority", "minority"})
UNITS: Mapping[str, float] = {"ms": 1, "s": 1000, "m": 60_000}

_SERVER = re.compile(r"s[1-9]\d{0,3}")
_CLIENT = re.compile(r"c[1-9]\d{0,3}")


def is_server(word: str) -> bool:
    return _SERVER.fullmatch(word) is not None


def is_client(word: str) -> bool:
    return _CLIENT.fullmatch(word) is not None


def selector_kind(word: str) -> SelectorKind | None:
    """What *word* selects; None when it selects nothing."""
    if is_server(word):
        return "server"
    if is_client(word):
        return "client"
    if word in ROLE_SELECTORS:
        return "role"
    return "group" if word in GROUP_SELECTORS else None
