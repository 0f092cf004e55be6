"""Log entries and the commands in them."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import Final, TypeAlias, TypeGuard

from attrs import frozen

from raftframe.configuration import Configuration

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
    """One log entry: a command, and the term of the leader that created it. The term never changes (Raft §5.3).

    A configuration takes the place of a command where the servers of the cluster change (dissertation §4.1).
    """

    term: Term
    command: Command | Noop | Configuration


def is_whole_number(value: object) -> TypeGuard[int]:
    """Whether *value* is an int; True and False are not numbers."""
    return type(value) is int or (isinstance(value, int) and not isinstance(value, bool))


def problem_with_command(command: object) -> str | None:
    """What makes *command* none that a log can hold, or None. What its operation means, only the application knows."""
    if not isinstance(command, Command):
        return f"a {type(command).__name__} is not a command"
    if not isinstance(command.client, str):
        return f"a client's name is text, not {command.client!r}"
    if not is_whole_number(command.serial) or command.serial < 1:
        return f"a client counts its requests from 1, so none is {command.serial!r}"
    try:
        frozenset([command.operation])  # takes exactly what can be hashed, to the bottom
    except TypeError:
        return f"an operation is an immutable value that can be hashed, not {command.operation!r}"
    return None


def problem_with_entry(entry: object) -> str | None:
    """What makes *entry* none that a log can hold, or None."""
    if not isinstance(entry, Entry):
        return f"a {type(entry).__name__} is not an entry"
    if not is_whole_number(entry.term) or entry.term < 1:
        return f"an entry's term is that of an election, so none is {entry.term!r}"
    command = entry.command
    if type(command) is not Command and (command is NOOP or isinstance(command, Configuration)):
        return None
    return problem_with_command(command)
