"""What the coordinator tells the owners of the tables: only what has changed since it last told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from checker.distributed.exchange import Changes, Field, Update
from checker.engine.judging import Judge
from checker.engine.layout import Cells, Lookup
from checker.engine.tables import Tables

FEW = 8  # an array of which less than one cell in so many has changed is told cell by cell
NARROW = 1 << 16


def _fields(look: Lookup) -> Iterator[tuple[Field, Any]]:
    """All that *look* is made of."""
    for name, value in zip(look._fields, look, strict=True):
        if isinstance(value, Cells):
            yield from (((name, part), array) for part, array in zip(value._fields, value, strict=True))
        else:
            yield (name, ""), value


def look_of(arrays: Mapping[Field, Any]) -> Lookup:
    """The tables that are made of *arrays*."""
    fields: dict[str, Any] = {}
    for name in Lookup._fields:
        if (name, "") in arrays:
            fields[name] = arrays[name, ""]
        else:
            fields[name] = Cells(*(arrays[name, part] for part in Cells._fields))
    return Lookup(**fields)


class Broadcast:
    """Remembers what was told. What an owner knows is copies of the coordinator's arrays."""

    def __init__(self, tables: Tables, judge: Judge) -> None:
        self._tables, self._judge = tables, judge
        self._told: dict[Field, Any] = {}
        self._empty = 0
        self._views: list[int] = []
        self._pruned: list[int] = []

    def update(self) -> Update | None:
        """What has changed; None if nothing has."""
        arrays = {
            name: changed
            for name, value in _fields(self._tables.lookup)
            if (changed := self._changed(name, value)) is not None
        }
        groups = range(len(self._judge.asked()))
        views = tuple(self._tables.view_column(group) for group in groups)
        pruned = self._judge.pruned_words()
        empty = tuple(self._tables.empty[self._empty :])
        sizes = [len(view) for view in views], [len(words) for words in pruned]
        if not arrays and not empty and sizes == (self._views, self._pruned):
            return None
        self._empty += len(empty)
        self._views, self._pruned = sizes
        return Update(arrays, views, empty, pruned, self._is_narrow())

    def _changed(self, name: Field, value: Any) -> Any:
        """*value*, or its elements that differ from what was told; None if none do."""
        told = self._told.get(name)
        if not isinstance(value, np.ndarray):
            self._told[name] = value
            return value if told is None else None
        if told is None or told.shape != value.shape:
            self._told[name] = value.copy()
            return self._told[name]
        place = np.flatnonzero(told != value)
        if not len(place):
            return None
        told[...] = value
        return Changes(place, value.reshape(-1)[place]) if len(place) * FEW < value.size else told.copy()

    def _is_narrow(self) -> bool:
        """Whether all numbers of rows fit into 16 bits."""
        tables = self._tables
        kinds = (tables.states, tables.contents, tables.budgets, tables.monitor_states)
        return all(len(kind) <= NARROW for kind in kinds)
