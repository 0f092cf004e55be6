"""How an owner expands its worlds: batch by batch, into offers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from checker.distributed.exchange import (
    SHARDS,
    Current,
    Outbox,
    Sighting,
    compact,
    deal,
    each_once,
    joined_misses,
    no_sighting,
    owners_of_shards,
    shards_of,
    sift,
)
from checker.engine import kernel
from checker.engine.chunks import CANDIDATES, WORLDS, new_candidates
from checker.engine.layout import (
    CODE_BITS,
    CODE_MASK,
    LOCAL,
    N_ALARMS,
    N_CANDIDATES,
    N_DEADLOCKS,
    N_MISSES,
    N_RETRY,
    N_TAKEN,
    N_TRANSITIONS,
    Candidates,
    Int32s,
    Int64s,
    Lookup,
    new_notes,
)

RECENT = 1 << 17  # fingerprints that are not offered again; 1 MiB stays in the cache
ALARMS = 1 << 16  # of one call of the kernel: as many as it may have transitions, nearly

_NONE: Int64s = np.empty(0, np.int64)


class Expander:
    """Expands worlds for one of *owners*. What is counted is of the turn since `begin_turn`; the worlds put aside are
    of the pass since `begin_pass`. *head* is how many slots a row has before its channels.
    """

    def __init__(self, width: int, head: int, owners: int) -> None:
        self._head = head
        self._owners = owners_of_shards(owners)
        self._start_length = owners + 1
        self._found = new_candidates(CANDIDATES)
        self._kept = new_candidates(2 * CANDIDATES)
        self._recent, self._latest = np.zeros(RECENT, np.uint64), np.zeros(RECENT, np.int64)
        self._batch = 0
        self._notes = new_notes(width)._replace(alarms=np.empty((ALARMS, 2), np.int64))
        self._alarmed: set[tuple[int, ...]] = set()
        self.begin_pass()
        self.begin_turn()

    def begin_turn(self) -> None:
        """Count anew."""
        self._notes.counts[:] = 0
        self.taken = 0
        self._misses: list[Int64s] = []
        self._alarms: list[Sighting] = []

    def begin_pass(self, todo: Int64s = _NONE) -> None:
        """No world is put aside, but *todo*, which are in order."""
        self._aside: list[Int64s] = [todo] if len(todo) else []
        self.aside_by_shard: Int64s = np.zeros(SHARDS, np.int64)

    def widen(self, width: int) -> None:
        """Expand worlds of *width* slots from now on."""
        self._notes = self._notes._replace(world=np.empty(width, np.int32))

    @property
    def aside(self) -> Int64s:
        """The worlds put aside, in order."""
        return self._aside[0] if len(self._aside) == 1 else np.sort(np.concatenate([_NONE, *self._aside]))

    @property
    def transitions(self) -> int:
        """How many ways on there were."""
        return int(self._notes.counts[N_TRANSITIONS])

    @property
    def deadlocks(self) -> int:
        """How many worlds had none."""
        return int(self._notes.counts[N_DEADLOCKS])

    @property
    def misses(self) -> Int64s:
        """The entries that were unknown."""
        return joined_misses(self._misses)

    def alarms(self, first: int) -> Sighting:
        """Transitions to look at; worlds are numbered from *first*."""
        parts = [no_sighting(self._head), *self._alarms]
        heads, sources, codes = (np.concatenate([part[column] for part in parts]) for column in range(3))
        return Sighting(heads, sources + first, codes)

    def compile(self, look: Lookup, level: Current) -> None:
        """Have the loops compiled, or loaded, by calling them with nothing to do."""
        kernel.expand(look, level.rows, level.fingerprints, _NONE, False, self._found, self._notes)
        sift(self._found, 0, level.shards, self._recent, self._latest, self._batch, self._kept, 0)
        self._dealt(level, 0)

    def expand(self, look: Lookup, level: Current, todo: Int64s) -> Outbox:
        """What the worlds *todo* of *level* lead to."""
        fill = 0
        self._batch += 1
        while len(todo):
            part = todo[:WORLDS]
            kernel.expand(look, level.rows, level.fingerprints, part, False, self._found, self._notes)
            counts = self._notes.counts
            taken = int(counts[N_TAKEN])
            if taken == 0:
                self._found = new_candidates(2 * len(self._found.code))
            again = self._put_aside(level)
            todo = np.concatenate([again, todo[taken:]])
            self._see_alarms(look, level)
            candidates = int(counts[N_CANDIDATES])
            self._make_room(fill, candidates)
            fill = self._sift(level, candidates, fill)
            self.taken += taken - len(again)
        return self._dealt(level, fill)

    def _put_aside(self, level: Current) -> Int64s:
        """Put the worlds that had misses aside. The last goes back if its misses may not all have had a place: what is
        missed must not depend on what else was expanded with it.
        """
        notes = self._notes
        retry = notes.retry[: notes.counts[N_RETRY]].copy()
        misses = notes.misses[: notes.counts[N_MISSES]]
        if not len(misses):
            return _NONE
        self._misses.append(each_once(misses))
        back = 1 if len(misses) == len(notes.misses) and len(retry) > 1 else 0
        aside = retry[: len(retry) - back]
        if len(aside):
            self._aside.append(aside)
            self.aside_by_shard += np.bincount(shards_of(level.fingerprints[aside]), minlength=SHARDS)
        return retry[len(retry) - back :]

    def _see_alarms(self, look: Lookup, level: Current) -> None:
        """Keep what was not seen before of the alarms: each transition once, with each state of the monitors."""
        alarms = self._notes.alarms[: self._notes.counts[N_ALARMS]]
        if not len(alarms):
            return
        sources, codes = alarms[:, 0].copy(), alarms[:, 1].astype(np.int32)
        heads = level.rows[sources, : self._head]
        actors = _acting(look, codes)
        states = heads[np.arange(len(heads)), actors]
        keys = np.column_stack([codes, states, heads[:, look.allowed.shape[1] + 1 :]])
        new = []
        for index in np.sort(np.unique(keys, axis=0, return_index=True)[1]).tolist():
            key = tuple(keys[index].tolist())
            if key not in self._alarmed:
                self._alarmed.add(key)
                new.append(index)
        self._alarms.append(Sighting(heads[new], sources[new], codes[new]))

    def _make_room(self, fill: int, more: int) -> None:
        if fill + more > len(self._kept.code):
            grown = new_candidates(2 * (fill + more))
            grown.fingerprint[:fill] = self._kept.fingerprint[:fill]
            grown.source[:fill] = self._kept.source[:fill]
            grown.code[:fill] = self._kept.code[:fill]
            self._kept = grown

    def _sift(self, level: Current, candidates: int, fill: int) -> int:
        """Keep those of the first *candidates* found that are worth an offer."""
        return int(
            sift(self._found, candidates, level.shards, self._recent, self._latest, self._batch, self._kept, fill)
        )

    def _dealt(self, level: Current, fill: int) -> Outbox:
        """The first *fill* candidates kept, sorted by owner."""
        fill = int(compact(self._kept, fill))
        kept = self._kept
        found = Candidates(kept.fingerprint[:fill].copy(), kept.source[:fill].copy(), kept.code[:fill].copy())
        offers, place = np.empty(fill, np.uint64), np.empty(fill, np.int32)
        start = np.zeros(self._start_length, np.int64)
        by_shard = np.zeros((self._start_length - 1, SHARDS), np.int32)
        deal(found, level.shards, self._owners, start, offers, place, by_shard)
        return Outbox(found, offers, start, place, by_shard)


def batch_of(todo: Int64s, start: Int64s, shards: Sequence[int], number: int, size: int) -> Int64s:
    """The worlds of batch *number*, of *size* worlds a shard at most. *todo* is in order; *start* says where each shard
    begins in the level, and *shards* are ours.
    """
    bounds = np.searchsorted(todo, start).tolist()
    parts = [
        todo[bounds[shard] + number * size : min(bounds[shard] + (number + 1) * size, bounds[shard + 1])]
        for shard in shards
    ]
    return np.concatenate(parts)


def _acting(look: Lookup, codes: Int32s) -> Int32s:
    """The actor that takes part in each event; codes are of local events and deliveries."""
    local = codes >> CODE_BITS == LOCAL
    number = codes & CODE_MASK
    option = np.where(local, 0, number)
    target = look.slot_target[look.option_slot[option]] if len(look.option_slot) else np.zeros_like(codes)
    return np.where(local, number // max(1, look.local_columns), target).astype(np.int32)
