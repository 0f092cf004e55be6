"""The owners of one search, as the coordinator speaks to them: in this process; `ray_crew.py` has them elsewhere."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

from checker.distributed.exchange import Holding, Mail, Order, Shape, Told, Update, home_of
from checker.distributed.owner import Owner
from checker.engine.layout import Int32s

Turn: TypeAlias = Any  # one turn of all owners: what a crew needs to go on from it


class Crew(Protocol):
    """Owners that take turns together. `begin` comes first; `close` comes last, and may come at any time."""

    size: int

    def begin(self, update: Update, root: tuple[Int32s, int], width: int) -> None:
        """Make the owners ready. Returns when they are."""
        ...

    def turn(self, before: Turn | None, order: Order, update: Update | None) -> Turn:
        """Let every owner take a turn, after the turn *before*, whose mail it is given. May return at once."""
        ...

    def told(self, turn: Turn) -> list[Told]:
        """What the owners told in *turn*, by owner. Waits for it."""
        ...

    def walk(self, owner: int, ordinal: int) -> tuple[list[int], int | None]:
        """As `Owner.walk`."""
        ...

    def holdings(self) -> list[Holding]:
        """What each owner holds."""
        ...

    def close(self) -> None:
        """End the owners."""
        ...


class LocalCrew:
    """All owners in this process, one after the other: for tests, and to see what the division alone costs."""

    def __init__(self, size: int, shape: Shape) -> None:
        self.size = size
        self._owners = [Owner(number, size, shape) for number in range(size)]

    def begin(self, update: Update, root: tuple[Int32s, int], width: int) -> None:
        """As `Crew.begin`."""
        home = home_of(root[1], self.size)
        for number, owner in enumerate(self._owners):
            owner.begin(update, root if number == home else None, width, self.size)

    def turn(self, before: Turn | None, order: Order, update: Update | None) -> Turn:
        """As `Crew.turn`."""
        results = []
        for number, owner in enumerate(self._owners):
            mail = first_mail(self.size, number) if before is None else [result[1 + number] for result in before]
            results.append([_sealed(part) for part in owner.turn(order, _sealed(update), *mail)])
        return results

    def told(self, turn: Turn) -> list[Told]:
        """As `Crew.told`."""
        return [result[0] for result in turn]

    def walk(self, owner: int, ordinal: int) -> tuple[list[int], int | None]:
        """As `Crew.walk`."""
        return self._owners[owner].walk(ordinal)

    def holdings(self) -> list[Holding]:
        """As `Crew.holdings`."""
        return [owner.holding() for owner in self._owners]

    def close(self) -> None:
        """As `Crew.close`."""
        for owner in self._owners:
            owner.close()


def _sealed(value: Any) -> Any:
    """*value* as it is when it came from elsewhere: nobody can write into its arrays."""
    if isinstance(value, np.ndarray):
        seen = value.view()
        seen.setflags(write=False)
        return seen
    if isinstance(value, tuple):
        parts = [_sealed(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return {name: _sealed(part) for name, part in value.items()} if isinstance(value, dict) else value


def first_mail(size: int, number: int) -> list[Mail | None]:
    """What owner *number* of *size* is given in its first turn: nothing, and of its own mail not even that."""
    return [None if sender == number else Mail() for sender in range(size)]
