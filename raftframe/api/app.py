"""The application that a cluster replicates."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol, runtime_checkable

from attrs import frozen


@frozen
class Applied:
    """What became of one operation: the application's next state, and what its client is told."""

    state: Hashable
    answer: Hashable


@runtime_checkable
class AppAPI(Protocol):
    """A deterministic state machine. Its states are immutable, hashable values that can be pickled.

    The protocol calls every method on the server's thread, and never keeps the object's own attributes across servers:
    all that an application remembers is in its state. An exception from a method is reported as the application's
    failure.
    """

    def initial_state(self) -> Hashable:
        """The state before the first command."""

    def problem_with(self, operation: Hashable) -> str | None:
        """Why *operation* can never be carried out in any state (malformed), or None. Asked by the leader,
        before the log."""

    # The operation and the state are the application's own types: Any is the boundary.
    def apply(self, state: Any, operation: Any) -> Applied:
        """Carry *operation* out on *state*. Equal arguments give equal results, on every server."""


@runtime_checkable
class ReadsOnly(Protocol):
    """Optional: an application that says which operations only read. Such a one leaves every state as it is, so it
    needs no entry in the log (option `linearizable_reads`).
    """

    def only_reads(self, operation: Hashable) -> bool:
        """Whether *operation* changes nothing, in any state."""


@runtime_checkable
class ComesInParts(Protocol):
    """Optional: an application whose state is sent and stored in parts, each small enough for one message. The state of
    any other is one part.
    """

    # The state is the application's own type: Any is the boundary.
    def parts_of(self, state: Any) -> tuple[Hashable, ...]:
        """*state* in one part or more. Equal states have equal parts, on every server."""

    def joined(self, parts: tuple[Any, ...]) -> Hashable:
        """The state that *parts* are of: `parts_of` backwards."""


class RecordingApp:
    """The smallest application: it accepts anything, remembers all of it in order, and answers with the number of
    operations so far. Only `read` is not remembered."""

    def initial_state(self) -> tuple[Hashable, ...]:
        """Nothing yet."""
        return ()

    def problem_with(self, operation: Hashable) -> str | None:
        """Nothing is malformed."""
        return None

    def apply(self, state: tuple[Hashable, ...], operation: Hashable) -> Applied:
        """Append *operation*, or just count what there is."""
        if self.only_reads(operation):
            return Applied(state, len(state))
        return Applied((*state, operation), len(state) + 1)

    def only_reads(self, operation: Hashable) -> bool:
        """A `read` is the only one that does."""
        return operation == "read"


class RecordingInParts(RecordingApp):
    """The same, with a state that comes in parts: an operation each, the latest first."""

    def parts_of(self, state: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
        """The operations; None stands for none, for there is at least one part."""
        return state[::-1] or (None,)

    def joined(self, parts: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
        """The operations."""
        return tuple(part for part in reversed(parts) if part is not None)
