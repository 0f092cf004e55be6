"""What goes wrong with a disk, and what a server does about it.

A server whose write fails ends at once, as `raftframe.server` does: the step is not taken, and nothing of it leaves.
What is on the disk is what was there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from attrs import frozen

from raftframe import effects as fx

FAULTS: Final[Mapping[str, tuple[type, ...]]] = {
    "append": (fx.AppendToLog, fx.TruncateLog),
    "snapshot": (fx.StoreSnapshot, fx.CompactLog),
    "vote": (fx.WriteTermAndVote,),
    "sync": (fx.Sync,),
}
"""The writes that `disk n fail KIND` means."""

LaterKind: TypeAlias = Literal["append", "sync", "apply"]
LATER_KINDS: Final[tuple[LaterKind, ...]] = ("append", "sync", "apply")
"""What `disk n hold KIND` can mean: with `async_storage`, all that is stored, word of it, and what is applied."""

SLOW_MS: Final = 100
"""How long a slow disk needs for a step that writes."""


@frozen
class Fault:
    """What is wrong: `fail` (every write, or those of one *kind*), `full` (what needs room), `slow`."""

    action: str
    kind: str | None = None

    def problem_with(self, effects: Iterable[fx.Effect]) -> str | None:
        """Which of *effects* cannot be carried out, or None."""
        wanted: tuple[type, ...] = tuple(one for kind in FAULTS.values() for one in kind)
        if self.action == "slow":
            return None
        if self.action == "full":
            wanted = (fx.AppendToLog,)
        elif self.kind is not None:
            wanted = FAULTS[self.kind]
        failed = next((type(one).__name__ for one in effects if isinstance(one, wanted)), None)
        return None if failed is None else f"{failed}: the disk {'is full' if self.action == 'full' else 'fails'}"

    def delay_ms(self, effects: Iterable[fx.Effect]) -> int:
        """How much later than usual what *effects* send leaves."""
        return SLOW_MS if self.action == "slow" and any(isinstance(one, fx.Sync) for one in effects) else 0
