"""Python's search for garbage, which finds next to none while a search runs: what that learns stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 100_000  # that are made between two searches for garbage


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage seldom, but do, since the code that is checked may leave some."""
    before, *older = gc.get_threshold()
    gc.set_threshold(max(before, OBJECTS) if before else 0, *older)
    try:
        yield
    finally:
        gc.set_threshold(before, *older)


__all__ = ["seldom_collected"]
