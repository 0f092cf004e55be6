"""Where visited worlds and the two levels at work are kept.

`HashStore` keeps fingerprints of all worlds and rows of two levels. `ExactStore` keeps every row. Both offer the search
the same: `now`, the level that is expanded; `absorb`, which takes the kernel's candidates; `advance`, to the next
level. Worlds have *ordinals*, from 0, in order of discovery; `links` has the parent and the event of each, on disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from checker.engine import kernel, rounds
from checker.engine.chunks import Chunk, Chunks
from checker.engine.compiled import call
from checker.engine.layout import (
    BUILDING,
    CLAIMING,
    LACKING,
    LISTED,
    MARKED,
    N_MISSES,
    REGIONS,
    TOUCHING,
    Int32s,
    Int64s,
    Lookup,
    UInt64s,
)
from checker.engine.levels import LevelMemory
from checker.engine.visited import Fingerprints, Ordinals, enlarged, new_level, widened
from checker.engine.workers import ALONE, Job, Workers

Look: TypeAlias = Callable[[], Lookup]
Fill: TypeAlias = Callable[[Sequence[Chunk]], None]

FEW = 1 << 12  # candidates: to look so many up takes no longer than to wake a helper
LINK = np.dtype([("parent", "<i8"), ("code", "<i4")])  # 12 bytes a world


class Links:
    """Parent and event code of every world, by ordinal, in *file*, else in one without a name."""

    def __init__(self, file: IO[bytes] | None = None, roots: int = 1) -> None:
        self._roots = roots  # the first worlds, which have no parent
        self._file = tempfile.TemporaryFile() if file is None else file  # noqa: SIM115  # closed by close()
        self._late: list[NDArray[Any]] = []  # what is not in the file yet

    def append(self, parents: Int64s, codes: Int32s) -> None:
        """Add worlds in order of discovery."""
        self.append_later(parents, codes)
        self.write()

    def append_later(self, parents: Int64s, codes: Int32s) -> None:
        """The same, but they go to the file with the next `write`, which may happen while others search on."""
        links = np.empty(len(codes), LINK)
        links["parent"], links["code"] = parents, codes
        self._late.append(links)

    def write(self) -> None:
        """Have all in the file."""
        while self._late:
            self._file.write(self._late.pop(0).data)

    def path(self, ordinal: int) -> list[int]:
        """The event codes that lead from a world without a parent to the world with *ordinal*."""
        codes: list[int] = []
        while not self.is_root(ordinal):
            ordinal, code = self.of(ordinal)
            codes.append(code)
        return codes[::-1]

    def is_root(self, ordinal: int) -> bool:
        """Whether the world with *ordinal* has no parent."""
        return ordinal < self._roots

    def of(self, ordinal: int) -> tuple[int, int]:
        """Parent and event code of the world with *ordinal*, which is not a root."""
        self.write()
        self._file.seek((ordinal - self._roots) * LINK.itemsize)
        parent, code = np.frombuffer(self._file.read(LINK.itemsize), LINK)[0].tolist()
        self._file.seek(0, 2)
        return parent, code

    def flush(self) -> None:
        """Hand all to the operating system."""
        self.write()
        self._file.flush()

    def cut(self, worlds: int) -> None:
        """Forget all but the first *worlds*. Raises ValueError if there are fewer."""
        self.write()
        if self._file.seek(0, 2) < (worlds - 1) * LINK.itemsize:
            raise ValueError(f"the links of {worlds} worlds are not all there")
        self._file.truncate((worlds - 1) * LINK.itemsize)
        self._file.seek(0, 2)

    def close(self) -> None:
        """Give the space back."""
        self._file.close()


class HashStore:
    """Visited worlds as fingerprints."""

    ARRAYS: ClassVar = ("visited", "rows", "fingerprints", "counts")  # what a checkpoint has

    def __init__(self, row: Int32s, fingerprint: int, links: Links | None = None) -> None:
        self.links = links or Links()
        self.visited = Fingerprints(large=True)
        self.total = 1
        self.first = 0  # ordinal of the first world of `now`
        self.depth = 1  # of the worlds of `now`; the initial one is at 1
        self._now = LevelMemory(1, len(row))
        self._now.level.rows[0], self._now.level.fingerprint[0] = row, fingerprint
        self._now_fill = 1
        self._new = LevelMemory(1 << 12, len(row))
        self._new_fill = 0
        self._taken = 0  # of the new ones
        self._came = 0  # with the last round; about as many will come with the next
        self.visited.add_first(fingerprint)

    def compile(self, look: Lookup, chunks: Chunks) -> None:
        """Compile what `absorb` needs, by calling it with nothing to do: *chunks* are none."""
        self._claim(chunks, ALONE)
        self._build(chunks, [], lambda: look, lambda _chunks: None, ALONE)
        for known in (Fingerprints(8), Fingerprints(REGIONS << 10, large=True)):
            known.reserve(len(known.slots), ALONE)

    def close(self) -> None:
        """Give disk space back."""
        self.links.close()

    @property
    def states(self) -> int:
        """How many distinct worlds were found."""
        return self.total

    @property
    def now(self) -> tuple[Int32s, UInt64s, int]:
        """Rows and fingerprints of the level that is expanded, and how many of them count."""
        return self._now.level.rows, self._now.level.fingerprint, self._now_fill

    def take_new(self) -> tuple[Int32s, Int32s, Int32s]:
        """Those worlds of the next level that were not taken yet: rows, rows of parents, and which parent each has.

        There may be no rows of parents, and then it is not told which.
        """
        new = slice(self._taken, self._new_fill)
        self._taken = self._new_fill
        return self._new.level.rows[new], self._now.level.rows, self._new.level.source[new]

    def settle(self, workers: Workers) -> None:
        """Be sure which worlds are new."""

    def let_go(self, worlds: int) -> None:
        """Nobody looks at the first *worlds* of `now` any more."""
        self._now.let_go(worlds)

    def absorb(self, chunks: Chunks, look: Look, fill: Fill, room: int, workers: Workers) -> bool:
        """Take the candidates in; at most *room* new worlds. Whether *room* was too small.

        *look* gives the tables as they are, and *fill* answers the misses of chunks; they still have those of `expand`.
        """

        def learn() -> None:
            fill(chunks.having(N_MISSES))
            chunks.packed(look())  # what `_build` needs next

        fresh = self._claim(chunks, workers, learn)
        ends = self._new_fill + fresh.cumsum()
        self._new.reserve(self._new_fill, int(fresh.sum()))
        self._build(chunks, (ends - fresh).tolist(), look, fill, workers)
        self._keep(min(room, int(fresh.sum())))
        return bool(fresh.sum() > room)

    def _claim(self, chunks: Chunks, workers: Workers, first: Job | None = None) -> Int64s:
        """Put the candidates into the visited set, and remember those that were not there: how many, of each chunk.

        That needs no tables. So the caller's thread may do *first* what runs the system's code, which it alone can.
        """
        self.visited.reserve(chunks.candidates, workers)
        pages = self._new.pages(self._new_fill, self._came)
        slots, count, whole = self.visited.slots, len(chunks), chunks.begin(TOUCHING, CLAIMING)
        shares = REGIONS if chunks.candidates > FEW else 1
        workers.all(call(rounds.claim_regions, slots, count, whole, pages), shares, first)
        many: Int64s = chunks.round.made[:, :count].sum(axis=0)
        self._came = int(many.sum())
        return many

    def _build(
        self, chunks: Chunks, begins: list[int], look: Look, fill: Fill, workers: Workers, *, marked: bool = False
    ) -> None:
        """Build the rows of what was new; those of each chunk from a place of its own on. If candidates are *marked*
        already, those are built."""
        fills = np.array(begins, np.int64)
        which = MARKED if marked else LISTED
        while True:
            tables, rows, new = chunks.packed(look()), self._now.level.rows, self._new.level
            job = call(rounds.build_chunks, tables, rows, new, fills, len(chunks), which, chunks.begin(BUILDING))
            workers.all(job, len(chunks))
            lacking = chunks.having(N_MISSES)
            if not lacking:
                return
            fill(lacking)
            which = LACKING

    def _keep(self, added: int) -> None:
        """Count *added* more worlds of the next level in."""
        fresh = slice(self._new_fill, self._new_fill + added)
        level = self._new.level
        self.links.append_later(level.source[fresh].astype(np.int64) + self.first, level.code[fresh])
        self._new_fill += added
        self.visited.count += added
        self.total += added

    def widen(self, empty: list[int]) -> None:
        """Give every world slots for new channels, which hold *empty*."""
        self._now.widen(self._now_fill, empty)
        self._new.widen(self._new_fill, empty)

    @property
    def waiting(self) -> int:
        """How many worlds of this level are behind those of `now`."""
        return 0

    def next_portion(self, begin: int, workers: Workers) -> None:
        """Let `now` go on behind its end, and begin where *begin* is in it."""
        raise AssertionError("all of the level is in `now`")

    def advance(self, workers: Workers) -> None:
        """Go to the next level."""
        self.first += self._now_fill
        self.depth += 1
        self._now, self._new = self._new, self._now
        self._now_fill, self._new_fill, self._taken = self._new_fill, 0, 0
        self._new.begin_anew()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that there is to keep, between two levels."""
        rows, fingerprints, count = self.now
        counts = np.array([self.visited.count, self.total, self.first, self.depth], np.int64)
        known: NDArray[Any] = self.visited.slots
        return {"visited": known, "rows": rows[:count], "fingerprints": fingerprints[:count], "counts": counts}

    def restore(self, kept: Mapping[str, NDArray[Any]]) -> None:
        """Be as the store was whose `arrays` are *kept*. Raises LimitError if they don't fit into memory."""
        known, self.total, self.first, self.depth = kept["counts"].tolist()
        self.visited.restore(kept["visited"], known)
        self._now_fill, width = kept["rows"].shape
        self._now, self._new = LevelMemory(max(1, self._now_fill), width), LevelMemory(1 << 12, width)
        self._now.level.rows[: self._now_fill] = kept["rows"]
        self._now.level.fingerprint[: self._now_fill] = kept["fingerprints"]
        self._new_fill = self._taken = 0
        self.links.cut(self.total)

    @property
    def bytes(self) -> int:
        """Memory of the visited set."""
        return self.visited.bytes

    @property
    def disk_bytes(self) -> int:
        """The most that was on disk at one time, but for links."""
        return 0

    @property
    def memory(self) -> int:
        """Bytes of the visited set and of both levels."""
        return self.visited.bytes + self._now.bytes(self._now_fill) + self._new.bytes(self._new_fill)


class ExactStore:
    """Visited worlds as they are. With *edges*, every transition is kept too."""

    def __init__(self, row: Int32s, fingerprint: int, edges: bool) -> None:
        self.links = Links()
        self.total = 1
        self.first = 0
        self.depth = 1
        self._size = 1
        self._taken = 1
        self._ordinals = Ordinals()
        self._worlds = new_level(1 << 12, len(row))
        self._worlds.rows[0], self._worlds.fingerprint[0] = row, fingerprint
        self._targets: Int64s = np.empty(0, np.int64)
        self._edges: list[tuple[Int64s, Int64s, Int32s]] | None = [] if edges else None
        kernel.place_all(self._ordinals.slots, self._worlds.fingerprint, 1)

    def compile(self, look: Lookup, chunks: Chunks) -> None:
        """As `HashStore.compile`."""
        self._insert(look, Chunk.of(chunks.round, 0), 0, 0)

    def close(self) -> None:
        """As `HashStore.close`."""
        self.links.close()

    @property
    def states(self) -> int:
        """As `HashStore.states`."""
        return self.total

    @property
    def now(self) -> tuple[Int32s, UInt64s, int]:
        """As `HashStore.now`."""
        return self._worlds.rows[self.first :], self._worlds.fingerprint[self.first :], self._size

    def take_new(self) -> tuple[Int32s, Int32s, Int32s]:
        """As `HashStore.take_new`."""
        new = slice(self._taken, self.total)
        self._taken = self.total
        return self._worlds.rows[new], self._worlds.rows[self.first :], self._worlds.source[new]

    def settle(self, workers: Workers) -> None:
        """They are at once."""

    @property
    def waiting(self) -> int:
        """As `HashStore.waiting`."""
        return 0

    def next_portion(self, begin: int, workers: Workers) -> None:
        """As `HashStore.next_portion`."""
        raise AssertionError("all of the level is in `now`")

    def let_go(self, worlds: int) -> None:
        """Worlds are kept."""

    def absorb(self, chunks: Chunks, look: Look, fill: Fill, room: int, _workers: Workers) -> bool:
        """As `HashStore.absorb`, one candidate after the other."""
        fill(chunks.having(N_MISSES))
        allowed = self.total + room
        for chunk in chunks:
            count = chunk.candidates
            self._ordinals.reserve(self._worlds, self.total, count)
            self._worlds = enlarged(self._worlds, self.total, self.total + count)
            if len(self._targets) < count:
                self._targets = np.empty(len(chunk.found.code), np.int64)
            done, before = 0, self.total
            while done < count:
                done = self._insert(look(), chunk, done, allowed - self.total)
                if done < count and self.total == allowed and not chunk.misses:
                    break
                fill([chunk])
            self._keep(chunk, done, before)
            if done < count:
                return True
        return False

    def _insert(self, look: Lookup, chunk: Chunk, start: int, room: int) -> int:
        """Insert candidates from *start* on; where it stopped."""
        self.total, done = kernel.insert_exact(
            look,
            self._ordinals.slots,
            chunk.found,
            self.first,
            self._worlds,
            self.total,
            room,
            self._targets,
            start,
            chunk.notes,
        )
        return int(done)

    def _keep(self, chunk: Chunk, done: int, before: int) -> None:
        """Write down how the worlds from *before* on came about, and the first *done* transitions."""
        fresh = slice(before, self.total)
        self.links.append(self._worlds.source[fresh].astype(np.int64) + self.first, self._worlds.code[fresh])
        if self._edges is not None:
            sources = chunk.found.source[:done].astype(np.int64) + self.first
            self._edges.append((sources, self._targets[:done].copy(), chunk.found.code[:done].copy()))

    def widen(self, empty: list[int]) -> None:
        """As `HashStore.widen`."""
        self._worlds = widened(self._worlds, self.total, empty)

    def advance(self, workers: Workers) -> None:
        """As `HashStore.advance`."""
        self.first += self._size
        self.depth += 1
        self._size = self.total - self.first

    @property
    def bytes(self) -> int:
        """Memory of the visited set: the rows and the table of ordinals."""
        return self._ordinals.slots.nbytes + self._worlds.rows[: self.total].nbytes

    @property
    def disk_bytes(self) -> int:
        """As `HashStore.disk_bytes`."""
        return 0

    @property
    def memory(self) -> int:
        """As `HashStore.memory`."""
        return self._ordinals.slots.nbytes + sum(column.nbytes for column in self._worlds)

    @property
    def rows(self) -> Int32s:
        """Every world, by ordinal."""
        return self._worlds.rows[: self.total]

    @property
    def keeps_edges(self) -> bool:
        """Whether transitions are kept."""
        return self._edges is not None

    def edges(self) -> tuple[Int64s, Int64s, Int32s]:
        """Source, target and event code of every transition, in order of sources."""
        kept = self._edges or []
        source = np.concatenate([np.empty(0, np.int64), *(part[0] for part in kept)])
        target = np.concatenate([np.empty(0, np.int64), *(part[1] for part in kept)])
        code = np.concatenate([np.empty(0, np.int32), *(part[2] for part in kept)])
        order = np.argsort(source, kind="stable")
        return source[order], target[order], code[order]


Store = HashStore | ExactStore
