"""One owner: the worlds whose fingerprints fall into its share, and what it does in a turn. See the package."""

from __future__ import annotations

import os
import resource
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from checker.distributed.arrivals import Arrivals
from checker.distributed.broadcast import look_of
from checker.distributed.building import Builder, parcels
from checker.distributed.exchange import (
    OWNER_BITS,
    SHARDS,
    Changes,
    Field,
    Holding,
    Mail,
    Offers,
    Order,
    Outbox,
    Shape,
    Told,
    Update,
    current,
    joined_misses,
    no_sighting,
    owners_of_shards,
    shards_of,
    turns_of,
)
from checker.distributed.expanding import Expander, batch_of
from checker.engine import kernel
from checker.engine.judging import tuple_words
from checker.engine.layout import FRESH, REGIONS, Candidates, Int32s, Int64s, Sorted, UInt8s, UInt64s
from checker.engine.stores import LINK, Links
from checker.engine.visited import Fingerprints
from checker.errors import LimitError

KIB = 1024
_ALL_SHARDS = np.arange(SHARDS, dtype=np.uint8)


class Owner:
    """Owner *number* of *owners*, of worlds of this *shape*. `begin` comes first, then turns."""

    def __init__(self, number: int, owners: int, shape: Shape) -> None:
        self._number, self._owners, self._shape = number, owners, shape
        self._shards = np.flatnonzero(owners_of_shards(owners) == number).tolist()
        self._tables: dict[Field, Any] = {}
        self._own = Mail()  # what it wrote to itself in the last turn
        self._outboxes: deque[Outbox] = deque()
        self._arrivals = Arrivals(owners)
        self._todo: Int64s = np.empty(0, np.int64)  # of the pass
        self._total = self._sent = self._peak = 0
        self._is_full = False

    def where(self) -> tuple[str, int]:
        """The machine that it runs on, and its process there."""
        return socket.gethostname(), os.getpid()

    def begin(self, update: Update, root: tuple[Int32s, int] | None, width: int, sharers: int) -> None:
        """Be ready for turns on worlds of *width* slots. The owner of the initial world is given it as *root*: its row
        and its fingerprint. *sharers* owners are on this machine.
        """
        self._visited = Fingerprints(large=True, sharers=sharers)
        self._links = Links(roots=0 if root is None else 1)
        nothing = np.empty((0, width), np.int32), np.empty(0, np.uint64), np.zeros(SHARDS + 1, np.int64)
        self._level = current(*nothing, 0)
        self._expander = Expander(width, self._shape.head, self._owners)
        self._builder = Builder(self._shape, self._owners)
        self._update(update._replace(empty=()))
        self._compile()
        if root is not None:
            self._visited.add_first(root[1])
            self._arrivals = Arrivals(self._owners)
            self._total = 1
            fingerprint = np.array([root[1]], np.uint64)
            start = np.concatenate([[0], np.bincount(shards_of(fingerprint), minlength=SHARDS).cumsum()])
            self._level = current(root[0].reshape(1, -1).copy(), fingerprint, start, 0)
            self._expander.begin_pass(np.zeros(1, np.int64))

    def _compile(self) -> None:
        """Have every loop compiled, or loaded, by calling it with nothing to do."""
        self._claim(np.empty(0, np.uint64))
        self._arrivals = Arrivals(self._owners)
        self._expander.compile(self._look, self._level)
        self._builder.compile(self._look, self._level)
        Fingerprints(8).reserve(16)

    # --- a turn -------------------------------------------------------------------------------------------------------

    def turn(self, order: Order, update: Update | None, *mail: Mail | None) -> tuple[Told | Mail | None, ...]:
        """Do as *order* says, and see to the *mail* of all owners, its own left out.

        Returns what there is to tell, and its mail to each owner, itself left out.
        """
        try:
            told, outgoing = self._turn(order, update, [self._own if one is None else one for one in mail])
        except (LimitError, MemoryError):
            self._is_full = True
            told, outgoing = self._nothing_more()
        self._own = outgoing[self._number]
        self._sent += sum(one.bytes for owner, one in enumerate(outgoing) if owner != self._number)
        return (told, *(None if owner == self._number else one for owner, one in enumerate(outgoing)))

    def _turn(self, order: Order, update: Update | None, mail: Sequence[Mail]) -> tuple[Told, list[Mail]]:
        if self._is_full or any(one.full for one in mail):
            raise LimitError("an owner is full")
        self._take(mail)
        self._expander.begin_turn()
        self._builder.begin_turn()
        if update is not None:
            self._update(update)
        pruned = self._advance() if order.advance else 0
        outgoing = [Mail() for _ in range(self._owners)]
        fresh = self._answer(mail, outgoing)
        self._build(mail, outgoing)
        if update is not None:
            self._mend(outgoing)
        if order.batch is not None:
            self._expand(order.batch, order.size, outgoing)
        return self._told(pruned, fresh), outgoing

    def _told(self, pruned: int, fresh: Int64s) -> Told:
        memory = self._memory
        self._peak = max(self._peak, memory)
        return Told(
            transitions=self._expander.transitions,
            deadlocks=self._expander.deadlocks,
            taken=self._expander.taken,
            pruned=pruned,
            misses=joined_misses([self._expander.misses, self._builder.misses]),
            alarms=self._expander.alarms(self._level.first),
            views=self._builder.views,
            fresh=fresh,
            put_aside=int(self._expander.aside_by_shard.max()),
            unbuilt=len(self._builder.unbuilt.owner),
            memory=memory,
            full=False,
        )

    def _nothing_more(self) -> tuple[Told, list[Mail]]:
        nothing, none = no_sighting(self._shape.head), np.empty((0, 3), np.int64)
        told = Told(0, 0, 0, 0, none, nothing, nothing, np.zeros(SHARDS, np.int64), 0, 0, self._memory, True)
        return told, [Mail(full=True) for _ in range(self._owners)]

    @property
    def _memory(self) -> int:
        level = self._level.rows.nbytes + self._level.fingerprints.nbytes
        return self._visited.bytes + level + self._arrivals.bytes

    # --- mail ---------------------------------------------------------------------------------------------------------

    def _take(self, mail: Sequence[Mail]) -> None:
        """Put the worlds that came into the next level."""
        for owner, one in enumerate(mail):
            if one.worlds is not None:
                self._arrivals.put(owner, one.worlds)
            if one.mended is not None:
                self._arrivals.mend(owner, one.mended)

    def _answer(self, mail: Sequence[Mail], outgoing: list[Mail]) -> Int64s:
        """Claim what was offered, and say what was new; how much was, of each shard."""
        offers = [one.offers for one in mail if one.offers is not None]
        if not offers:
            return np.zeros(SHARDS, np.int64)
        marks, begin, by_shard = self._claim_in_turn(offers), 0, np.zeros(SHARDS, np.int64)
        for owner, offer in enumerate(offers):
            answer = marks[begin : begin + len(offer.fingerprints)]
            begin += len(answer)
            outgoing[owner] = outgoing[owner]._replace(answers=np.packbits(answer))
            fresh = offer.fingerprints[answer == FRESH]
            self._arrivals.claim(fresh)
            by_shard += np.bincount(shards_of(fresh), minlength=SHARDS)
        return by_shard

    def _claim_in_turn(self, offers: Sequence[Offers]) -> UInt8s:
        """Claim *offers*, each fingerprint first for the shard whose turn is first: a mark for each, FRESH or 0.

        Whoever finds a new world first builds it, so that all have their share of that, whatever the number of owners.
        """
        words = np.concatenate([offer.fingerprints for offer in offers])
        found_in = np.concatenate([np.repeat(_ALL_SHARDS, offer.by_shard) for offer in offers])
        order = np.argsort(turns_of(words, found_in), kind="stable")
        marks = np.empty(len(words), np.uint8)
        marks[order] = self._claim(words[order])
        return marks

    def _claim(self, words: UInt64s) -> UInt8s:
        """Put fingerprints that are not in the visited set there: a mark for each, FRESH or 0."""
        count, nothing = len(words), np.empty(0, np.int32)
        by_region = Sorted(np.empty(count, np.uint64), np.empty(count, np.int32), np.zeros(REGIONS + 1, np.int64))
        marks = np.empty(count, np.uint8)
        self._visited.reserve(count)
        kernel.sort(Candidates(words, nothing, nothing), count, by_region)
        for region in range(REGIONS):
            self._visited.count += kernel.claim(self._visited.slots, region, by_region, marks)
        return marks

    def _build(self, mail: Sequence[Mail], outgoing: list[Mail]) -> None:
        """Build the worlds that turned out to be new, for their owners."""
        answers = [one.answers for one in mail if one.answers is not None]
        if not answers:
            return
        new, owner = self._builder.build(self._look, self._level, self._views, self._outboxes.popleft(), answers)
        for to, worlds in enumerate(parcels(new, owner, self._owners, self._level.first, self._narrow)):
            outgoing[to] = outgoing[to]._replace(worlds=worlds)

    def _mend(self, outgoing: list[Mail]) -> None:
        """Build what was waiting for misses."""
        for owner, mended in self._builder.mend(self._look, self._level, self._views, self._narrow):
            outgoing[owner] = outgoing[owner]._replace(mended=mended)

    # --- worlds -------------------------------------------------------------------------------------------------------

    def _advance(self) -> int:
        """Make what has come the level that is expanded; how many of its worlds are not to be."""
        first = self._total
        self._level = self._level._replace(rows=self._level.rows[:0].copy())  # its memory is wanted now
        arrived = self._arrivals.level(self._level.rows.shape[1])
        self._arrivals = Arrivals(self._owners)
        self._links.append(arrived.parents, arrived.codes)
        self._total += len(arrived.codes)
        self._level = current(arrived.rows, arrived.fingerprints, arrived.start, first)
        self._builder.begin_level()
        pruned = self._pruned_here()
        self._expander.begin_pass(np.flatnonzero(~pruned))
        return int(pruned.sum())

    def _pruned_here(self) -> Any:
        """Which worlds of the level are not to be expanded."""
        mask = np.zeros(len(self._level.rows), np.bool_)
        for group, view, words in zip(self._shape.groups, self._views, self._pruned, strict=True):
            if len(words):
                mask |= np.isin(tuple_words(view, self._shape.actors, group.history, self._level.rows), words)
        return mask

    def _expand(self, batch: int, size: int, outgoing: list[Mail]) -> None:
        """Expand a batch, and offer what it leads to."""
        if batch == 0:
            self._todo = self._expander.aside
            self._expander.begin_pass()
        todo = batch_of(self._todo, self._level.start, self._shards, batch, size)
        outbox = self._expander.expand(self._look, self._level, todo)
        self._outboxes.append(outbox)
        start = outbox.start.tolist()
        for owner in range(self._owners):
            offers = Offers(outbox.offers[start[owner] : start[owner + 1]], outbox.by_shard[owner])
            outgoing[owner] = outgoing[owner]._replace(offers=offers)

    # --- what the coordinator knows -----------------------------------------------------------------------------------

    def _update(self, update: Update) -> None:
        """Know what the coordinator knows now. What came is copied: it may be memory that others read."""
        for name, value in update.arrays.items():
            if isinstance(value, Changes):
                self._tables[name].reshape(-1)[value.place] = value.value
            else:
                self._tables[name] = value.copy() if isinstance(value, np.ndarray) else value
        self._look = look_of(self._tables)
        self._views = tuple(view.copy() for view in update.views)
        self._pruned = update.pruned
        self._narrow = np.uint16 if update.narrow else np.int32
        if update.empty:
            self._arrivals.widen(update.empty)
            added = np.broadcast_to(np.array(update.empty, np.int32), (len(self._level.rows), len(update.empty)))
            self._level = self._level._replace(rows=np.concatenate([self._level.rows, added], axis=1))
            self._expander.widen(self._level.rows.shape[1])

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def walk(self, ordinal: int) -> tuple[list[int], int | None]:
        """The event codes of the way back from a world, latest first, as long as its worlds are here; then the number
        of the world that it goes on from, None if this is the initial one.
        """
        codes: list[int] = []
        while not self._links.is_root(ordinal):
            parent, code = self._links.of(ordinal)
            codes.append(code)
            ordinal, owner = parent >> OWNER_BITS, parent & (1 << OWNER_BITS) - 1
            if owner != self._number:
                return codes, parent
        return codes, None

    def close(self) -> None:
        """Give disk space back."""
        self._links.close()

    def holding(self) -> Holding:
        """What it holds."""
        machine, process = self.where()
        return Holding(
            machine=machine,
            process=process,
            states=self._visited.count,
            visited_bytes=self._visited.bytes,
            peak_bytes=self._peak,
            resident_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB,
            link_bytes=self._total * LINK.itemsize,
            sent_bytes=self._sent,
        )
