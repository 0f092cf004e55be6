"""Raft with one rule broken, many times: bugs that shipped somewhere, planted to measure whether they are
found.

A mutant that no exploration and no scenario kills marks a blind spot of this tool.
"""

from __future__ import annotations

from checker.errors import UsageError, did_you_mean
from checker.mutants.base import Mutant
from checker.mutants.commit import COMMIT_MUTANTS
from checker.mutants.deferring import DEFERRING_MUTANTS
from checker.mutants.elections import ELECTION_MUTANTS
from checker.mutants.flow import FLOW_MUTANTS
from checker.mutants.liveness import LIVENESS_MUTANTS
from checker.mutants.membership import MEMBERSHIP_MUTANTS
from checker.mutants.reads import READ_MUTANTS
from checker.mutants.replication import REPLICATION_MUTANTS
from checker.mutants.sessions import SESSION_MUTANTS
from checker.mutants.snapshots import SNAPSHOT_MUTANTS

__all__ = ["MUTANTS", "Mutant", "find_mutant"]

MUTANTS: tuple[Mutant, ...] = (
    *ELECTION_MUTANTS,
    *LIVENESS_MUTANTS,
    *REPLICATION_MUTANTS,
    *COMMIT_MUTANTS,
    *FLOW_MUTANTS,
    *READ_MUTANTS,
    *SESSION_MUTANTS,
    *MEMBERSHIP_MUTANTS,
    *DEFERRING_MUTANTS,
    *SNAPSHOT_MUTANTS,
)
"""Every planted bug, by topic."""


def find_mutant(name: str) -> Mutant:
    """The mutant called *name*, as in `--state-map`. Raises UsageError that names the nearest."""
    for mutant in MUTANTS:
        if mutant.name == name:
            return mutant
    raise UsageError(f"there is no state map {name!r}; {did_you_mean(name, (mutant.name for mutant in MUTANTS))}")
