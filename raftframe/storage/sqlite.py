"""A server's term, vote, log and snapshot in an SQLite file, safe against the death of the process and of the machine.

    store     one row    cluster, identity, whether a server has it open
    head      one row    term, voted_for, last_index, tail, base_index, base_term, base, snapshot, seal
    entries   a row each idx, body, digest
    snapshot  what is known of it, then a row each part

**Group commit.** The first write after a sync opens a transaction, `sync` commits it: one fsync for whatever one or
more steps wrote, and a crash leaves all of it or none. The journal is a write-ahead log, `synchronous` is FULL.

**Damage is noticed.** SQLite does not check what it reads, so each entry has a digest, over its index, its bytes and
the digest of the entry before: no row can change, swap places or be missing unnoticed. The digest of the last entry,
its index, term and vote are sealed with a digest of their own, so entries missing from the end are noticed, and so is a
file that belongs to another server. Sealed with them are the digest of the snapshot, and that of the last entry that
was removed because the snapshot covers it, from which the digests of those that are left go on. What SQLite does not
notice in its write-ahead log, `wal` does. A file marked as open without its write-ahead log has lost that log. A new
file is made under another name and gets its own when it is complete, so that an empty one is always damage.

**Nothing is repaired.** A server that goes on after losing a vote or an entry can break the promises it made. Every
problem is a `StorageError` that names the file and what is lost; what is stored stays as it is. Such a server can be
removed from the cluster and come back under another name. After an error nothing more is written: what a failed sync
left on the disk is unknown until the file is opened anew.

Not noticed, because nothing in the file can tell: the whole file, with its write-ahead log, replaced by an older copy
of itself, and a last transaction that was damaged after it was synced, while no later one was begun.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import evolve

from raftframe.api.storage import StorageError
from raftframe.comms.wire import Codec, WireError
from raftframe.effects import AppendToLog, CompactLog, StoreSnapshot, TruncateLog, Write, WriteTermAndVote
from raftframe.entries import Entry, ServerId
from raftframe.log import Log
from raftframe.server_state import DurableState, Snapshot
from raftframe.storage import sqlite_file
from raftframe.storage.sqlite_file import Head, Owner, SqliteProblem

_BATCH: Final = 500  # rows read at once

NOTHING_CHANGED: Final = "Nothing was changed. A server must not go on without what it has promised to keep."


class SqliteLogStore:
    """Implements `raftframe.api.storage.LogStoreAPI` with the file *path* of the server *identity* of *cluster*.

    codec: knows the application's classes.
    create: make the file if there is none. With False, a missing file is an error: after the first start a server
    that finds nothing has lost everything.

    While it is open, no other process can open it. Raises StorageError if the file cannot be opened, is not this
    server's, or is damaged as far as can be seen before `load`.
    """

    def __init__(
        self, path: Path | str, *, cluster: str, identity: ServerId, codec: Codec | None = None, create: bool = True
    ) -> None:
        self.path = Path(path)
        self._owner = Owner(cluster, identity)
        self._codec = codec or Codec()
        self._writing = False
        self._broken: str | None = None
        self._connection = sqlite_file.opened(self.path, self._owner, create=create)
        self._head: Head | None = None
        self._let_go = weakref.finalize(self, sqlite_file.let_go, self._connection, self.path)

    def __repr__(self) -> str:
        return f"SqliteLogStore({str(self.path)!r} of {self._owner.identity} in {self._owner.cluster})"

    def load(self) -> DurableState:
        """What was synced before. Raises StorageError for damage, saying which entries are lost."""
        with self._guarded("reading"):
            head = sqlite_file.read_head(self._connection, self._owner)
            log = Log(tuple(self._entries(head)), head.base_index, head.base_term)
            snapshot = self._snapshot(head)
        self._head = head
        return DurableState(head.term, head.voted_for, log, snapshot)

    def write(self, write: Write) -> None:
        """Take *write* into the open transaction. Raises ValueError for entries that don't follow the last ones."""
        head = self._known_head()
        if isinstance(write, AppendToLog) and write.first_index != head.last_index + 1:
            raise ValueError(f"entries at {write.first_index} do not follow the stored {head.last_index}")
        with self._guarded("writing"):
            if isinstance(write, CompactLog) and write.index > (covered := self._covered(head)):
                raise ValueError(f"no stored snapshot covers the entries up to {write.index}, only those to {covered}")
            if not self._writing:
                self._connection.execute("BEGIN IMMEDIATE")
                self._writing = True
            self._head = self._taken(head, write)

    def sync(self) -> None:
        """Commit what was written, in one transaction. Returns when it is on the disk."""
        head = self._known_head()
        if not self._writing:
            return
        with self._guarded("syncing"):
            sqlite_file.write_head(self._connection, self._owner, head)
            self._connection.execute("COMMIT")
        self._writing = False

    def close(self) -> None:
        """Roll back what was not synced, and close the file. A store that is thrown away does so too."""
        self._broken = "this store was closed"
        self._let_go()

    def _known_head(self) -> Head:
        """Term, vote and end of the log, as last written."""
        if self._broken is not None:
            raise StorageError(f"{self.path}: {self._broken}")
        if self._head is None:
            self.load()
        assert self._head is not None
        return self._head

    def _taken(self, head: Head, write: Write) -> Head:
        """*head* after *write*, which is carried out on the entries."""
        match write:
            case WriteTermAndVote():
                return evolve(head, term=write.term, voted_for=write.voted_for)
            case TruncateLog():
                if write.last_index >= head.last_index:
                    return head
                self._connection.execute("DELETE FROM entries WHERE idx > ?", (write.last_index,))
                return evolve(head, last_index=write.last_index, tail=self._digest_at(head, write.last_index))
            case AppendToLog():
                return self._appended(head, write)
            case StoreSnapshot(snapshot):
                return self._stored(head, snapshot)
            case CompactLog():
                return self._compacted(head, write.index)

    def _appended(self, head: Head, write: AppendToLog) -> Head:
        tail, rows = head.tail, []
        for index, entry in enumerate(write.entries, start=write.first_index):
            body = self._codec.encode_entry(entry)
            tail = _digest(tail, index, body)
            rows.append((index, body, tail))
        self._connection.executemany("INSERT INTO entries (idx, body, digest) VALUES (?, ?, ?)", rows)
        return evolve(head, last_index=head.last_index + len(rows), tail=tail)

    def _stored(self, head: Head, snapshot: Snapshot) -> Head:
        """With *snapshot* in the place of the one before, and, if the log lacks its last entry, of the log."""
        bodies = self._codec.encode_snapshot(snapshot)
        self._connection.execute("DELETE FROM snapshot")
        self._connection.executemany("INSERT INTO snapshot (number, body) VALUES (?, ?)", enumerate(bodies))
        digest = sqlite_file.digest_of_snapshot(self._owner, bodies)
        if self._has(head, snapshot.last_index, snapshot.last_term):
            return evolve(head, snapshot=digest)
        self._connection.execute("DELETE FROM entries")
        index, seed = snapshot.last_index, self._owner.seed
        return Head(head.term, head.voted_for, index, seed, index, snapshot.last_term, seed, digest)

    def _compacted(self, head: Head, index: int) -> Head:
        """Without the entries up to *index*."""
        if index <= head.base_index:
            return head
        base, term = self._digest_at(head, index), self._term_at(head, index)
        self._connection.execute("DELETE FROM entries WHERE idx <= ?", (index,))
        return evolve(head, base_index=index, base_term=term, base=base)

    def _has(self, head: Head, index: int, term: int) -> bool:
        return head.base_index <= index <= head.last_index and self._term_at(head, index) == term

    def _term_at(self, head: Head, index: int) -> int:
        if index == head.base_index:
            return head.base_term
        row = self._connection.execute("SELECT body FROM entries WHERE idx = ?", (index,)).fetchone()
        return self._decoded(index, bytes(row[0])).term

    def _covered(self, head: Head) -> int:
        """How far the snapshot that is written reaches."""
        snapshot = self._snapshot(head)
        return 0 if snapshot is None else snapshot.last_index

    def _snapshot(self, head: Head) -> Snapshot | None:
        """The snapshot, checked against its digest. Raises StorageError."""
        rows = self._connection.execute("SELECT body FROM snapshot ORDER BY number").fetchall()
        bodies = [body for (body,) in rows]
        sound = all(isinstance(body, bytes) for body in bodies)
        digest = sqlite_file.digest_of_snapshot(self._owner, bodies) if sound and bodies else b""
        if not sound or digest != head.snapshot:
            raise self._error(
                f"the snapshot fails its checksum: it is lost, and with it all that the entries 1 to {head.base_index} "
                f"have done; the entries behind, term and vote are sound"
            )
        try:
            return self._codec.decode_snapshot(bodies) if bodies else None
        except WireError as error:
            raise self._error(
                f"the snapshot is undamaged but means nothing to this codec: {error}. Nothing is lost; open it with "
                f"the classes that it was written with"
            ) from error

    def _digest_at(self, head: Head, index: int) -> bytes:
        if index == head.base_index:
            return head.base
        row = self._connection.execute("SELECT digest FROM entries WHERE idx = ?", (index,)).fetchone()
        return bytes(row[0])

    def _entries(self, head: Head) -> Iterator[Entry]:
        """The entries behind `head.base_index`, to `head.last_index`, checked by their digests. Raises StorageError."""
        rows = self._connection.execute("SELECT idx, body, digest FROM entries ORDER BY idx")
        tail, index = head.base, head.base_index
        while batch := rows.fetchmany(_BATCH):
            for found, body, digest in batch:
                index += 1
                if index > head.last_index:
                    raise self._error(f"it holds entries behind {head.last_index}, which was synced as the last one")
                if found != index:
                    raise self._lost(index, head, "is missing")
                if not isinstance(body, bytes) or digest != (tail := _digest(tail, index, body)):
                    raise self._lost(index, head, "fails its checksum")
                yield self._decoded(index, body)
        if index < head.last_index:
            raise self._lost(index + 1, head, "is missing")
        if tail != head.tail:
            raise self._lost(index, head, "is not the one that was synced as the last")

    def _decoded(self, index: int, body: bytes) -> Entry:
        try:
            return self._codec.decode_entry(body)
        except WireError as error:
            raise self._error(
                f"entry {index} is undamaged but means nothing to this codec: {error}. Nothing is lost; open it with "
                f"the classes that it was written with"
            ) from error

    def _lost(self, index: int, head: Head, what: str) -> StorageError:
        sound = f"term {head.term}, the vote for {head.voted_for or 'nobody'}"
        first = head.base_index + 1
        before = f" and the entries {first} to {index - 1}" if index > first else ""
        return self._error(
            f"entry {index} {what}: the entries {index} to {head.last_index} are lost; {sound}{before} are sound"
        )

    def _error(self, problem: str) -> StorageError:
        return StorageError(f"{self.path}: {problem}. {NOTHING_CHANGED}")

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        """Turn every failure into a StorageError, and let none of them be the second."""
        if self._broken is not None:
            raise StorageError(f"{self.path}: {self._broken}")
        try:
            yield
        except (*SqliteProblem, WireError, OverflowError, StorageError) as error:
            problem = sqlite_file.in_words(error) if isinstance(error, SqliteProblem) else str(error)
            self._broken = f"{doing} failed before ({problem}), so nothing more is written: open it anew"
            if isinstance(error, StorageError):
                raise
            raise self._failed(doing, problem) from error

    def _failed(self, doing: str, problem: str) -> StorageError:
        if doing == "reading":
            return self._error(
                f"it cannot be read ({problem}): term, vote and entries are lost as far as it is damaged"
            )
        return StorageError(
            f"{self.path}: {doing} failed ({problem}). What was written since the last sync may be lost, all before it "
            f"is safe. This store writes nothing more: open it anew, to see what is there"
        )


def _digest(before: bytes, index: int, body: bytes) -> bytes:
    """The digest of the entry at *index*, which follows one with the digest *before*."""
    return hashlib.blake2b(before + index.to_bytes(8, "big") + body, digest_size=sqlite_file.DIGEST_BYTES).digest()
