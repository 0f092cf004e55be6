"""Log entries and the commands in them."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import Final, TypeAlias

from attrs import frozen

ServerId: TypeAlias = str
ClientId: TypeAlias = str
Term: TypeAlias = int  # 0 before the first election; grows for ever
Index: TypeAlias = int  # of a log entry, from 1; 0 stands for "before the first entry"


class Noop(Enum):
    """The type of `NOOP`, an enum so that the one value survives pickling as itself."""

    NOOP = "no-op"


NOOP: Final = Noop.NOOP
"""What a new leader may append to commit, at once, all that earlier leaders left behind (dissertation §6.4)."""


@frozen
class Command:
    """What a client asks of the application. (*client*, *serial*) names the request: a client counts its own from 1."""

    client: ClientId
    serial: int
    operation: Hashable


@frozen
class Entry:
    """One log entry: a command, and the term of the leader that created it. The term never changes (Raft §5.3)."""

    term: Term
    command: Command | Noop
