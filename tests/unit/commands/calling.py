"""What calls a command in these tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Call: TypeAlias = Callable[..., tuple[int, str, str]]
"""Takes the words of a command line; returns exit code, output, errors."""
