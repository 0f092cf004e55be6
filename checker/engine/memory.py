"""How much memory tables take, as far as that can be known.

Arrays are counted to the byte. What Python keeps of a distinct step (the values of its state and messages, tuples,
entries of dictionaries) is estimated: between what `tracemalloc` finds for small states and for those of a whole Raft.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from checker.engine.arrays import Column, Grid
from checker.engine.sparse import Sparse
from checker.engine.tables import Tables
from checker.engine.transitions import TransitionArrays

# For each distinct step: 1,000 were measured for raft_core, and up to 1,900 for raftframe's Raft.
STEP_BYTES: Final = 1536


def bytes_of_tables(tables: Tables) -> int:
    """Of the arrays of *tables*, and about what Python keeps beside them."""
    return bytes_of(tables) + STEP_BYTES * tables.distinct_steps


def bytes_of(owner: object) -> int:
    """Of the arrays that are attributes of *owner*."""
    return sum(map(_bytes, vars(owner).values()))


def _bytes(part: object) -> int:
    if isinstance(part, Column | Grid | Sparse):
        return part.bytes
    if isinstance(part, np.ndarray):
        return part.nbytes
    return bytes_of(part) if isinstance(part, TransitionArrays) else 0


__all__ = ["STEP_BYTES", "bytes_of", "bytes_of_tables"]
