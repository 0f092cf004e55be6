"""The file of an `SqliteLogStore`: how it is made, opened, recognised and let go, and the row that seals it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Final

import msgpack
from attrs import define, frozen

from raftframe.api.storage import StorageError
from raftframe.entries import Index, ServerId, Term
from raftframe.storage.wal import problem_with_wal

APPLICATION_ID: Final = 0x52465231  # "RFR1"
FORMAT: Final = 2
DIGEST_BYTES: Final = 16

_TABLES: Final = """
CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), cluster TEXT, identity TEXT, is_open INTEGER);
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1),
                   term INTEGER, voted_for TEXT, last_index INTEGER, tail BLOB,
                   base_index INTEGER, base_term INTEGER, base BLOB, snapshot BLOB, seal BLOB);
CREATE TABLE entries (idx INTEGER PRIMARY KEY, body BLOB, digest BLOB);
CREATE TABLE snapshot (number INTEGER PRIMARY KEY, body BLOB);
"""

_COLUMNS: Final = "term, voted_for, last_index, tail, base_index, base_term, base, snapshot"

_IN_WORDS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it is read-only",
    "SQLITE_PERM": "this process may not open it",
    "SQLITE_BUSY": "another process has it open: does this server run already?",
    "SQLITE_LOCKED": "another process has it open: does this server run already?",
    "SQLITE_CORRUPT": "it is corrupted",
    "SQLITE_NOTADB": "it is no SQLite file, or its first bytes are damaged",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_IOERR": "the operating system could not read or write it",
}


@define(slots=False, frozen=True)
class Owner:
    """Whose file it is."""

    cluster: str
    identity: ServerId

    @cached_property
    def seed(self) -> bytes:
        """What stands for "the digest before the first entry"; another for each owner."""
        return _digest(["raftframe log", FORMAT, self.cluster, self.identity])


@frozen
class Head:
    """Term, vote, and the end of the log: the index of the last entry, and its digest.

    base_index, base_term, base: those of the entry before the first, and its digest; with the whole log 0, 0 and the
    owner's seed. snapshot: the digest of what stands in the table of that name; empty if nothing does.
    """

    term: Term
    voted_for: ServerId | None
    last_index: Index
    tail: bytes
    base_index: Index
    base_term: Term
    base: bytes
    snapshot: bytes = b""

    def seal(self, owner: Owner) -> bytes:
        """The digest that makes a changed head noticed."""
        return _digest([owner.seed, *self.values])

    @property
    def values(self) -> tuple[object, ...]:
        """What stands in the row, but for the seal."""
        log = (self.last_index, self.tail, self.base_index, self.base_term, self.base)
        return self.term, self.voted_for, *log, self.snapshot


def new_head(owner: Owner) -> Head:
    """The head of a server that has stored nothing."""
    return Head(0, None, 0, owner.seed, 0, 0, owner.seed)


def digest_of_snapshot(owner: Owner, bodies: Iterable[bytes]) -> bytes:
    """The digest of a snapshot whose rows are *bodies*."""
    return _digest([owner.seed, "snapshot", *(_digest([body]) for body in bodies)])


# Python raises the second when SQLite quotes damaged text in its error.
SqliteProblem = (sqlite3.Error, UnicodeDecodeError)


def opened(path: Path, owner: Owner, *, create: bool) -> sqlite3.Connection:
    """A connection that alone has *path*, which is the file of *owner* and looks sound. Raises StorageError."""
    try:
        _check_files(path, owner, create=create)
        had_wal = wal_of(path).exists()
        problem = problem_with_wal(wal_of(path)) if had_wal else None  # before SQLite may merge what it can read
        if problem is not None:
            raise StorageError(f"{wal_of(path)}: {problem}. Nothing was changed; {path} alone has an older state")
        connection = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
    except SqliteProblem as error:
        raise StorageError(f"{path}: {in_words(error)}. Nothing was changed") from error
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}. Nothing was changed") from error
    try:
        _claim(connection, path, owner, had_wal=had_wal)
    except BaseException as error:
        connection.close()
        if isinstance(error, SqliteProblem):
            raise StorageError(f"{path}: {in_words(error)}. Nothing was changed") from error
        raise
    return connection


def let_go(connection: sqlite3.Connection, path: Path) -> None:
    """Roll back what is open, note that the write-ahead log is no longer needed, and close. Raises nothing.

    Where that cannot be noted, SQLite may still have merged and removed its log; an empty one then says that none is
    missing.
    """
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("UPDATE store SET is_open = 0")
        connection.close()
    except SqliteProblem:
        connection.close()
        with contextlib.suppress(OSError):
            wal_of(path).touch()


def read_head(connection: sqlite3.Connection, owner: Owner) -> Head:
    """The head of *owner*'s file. Raises StorageError."""
    rows = connection.execute(f"SELECT {_COLUMNS}, seal FROM head").fetchall()
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    if len(rows) == 1:
        *values, seal = rows[0]
        head = Head(*values)
        if seal == head.seal(owner):
            return head
    raise StorageError(
        f"{path}: the row with term and vote fails its checksum: term and vote are lost, and with them what tells "
        f"which entries were there. Nothing was changed. A server must not go on without what it has promised to keep."
    )


def write_head(connection: sqlite3.Connection, owner: Owner, head: Head) -> None:
    """Replace the head. Raises sqlite3.Error."""
    places = ", ".join("?" for _ in head.values)
    connection.execute(f"UPDATE head SET ({_COLUMNS}, seal) = ({places}, ?)", (*head.values, head.seal(owner)))


def in_words(error: Exception) -> str:
    """What *error*, a `SqliteProblem`, means for whoever runs the server, and SQLite's own words."""
    if isinstance(error, UnicodeDecodeError):
        return "it is corrupted (a text in it is none)"
    name = getattr(error, "sqlite_errorname", "")
    base = "_".join(name.split("_")[:2])
    return f"{_IN_WORDS[base]} ({error})" if base in _IN_WORDS else str(error)


def wal_of(path: Path) -> Path:
    """Where SQLite keeps the write-ahead log of *path*."""
    return path.with_name(f"{path.name}-wal")


def _check_files(path: Path, owner: Owner, *, create: bool) -> None:
    """See that *path* is there, and is not empty; make it if it should be made. Raises StorageError."""
    if not path.exists():
        if wal_of(path).exists():
            raise StorageError(
                f"{path} is missing while its write-ahead log is there: term, vote and the entries are lost"
            )
        if not create:
            raise StorageError(
                f"{path} is missing: term, vote and all entries are lost, if this server has ever run. A new file is "
                f"made only with create=True"
            )
        if not path.parent.is_dir():
            raise StorageError(f"{path}: there is no folder {path.parent}")
        _create(path, owner)
    elif path.stat().st_size == 0:
        raise StorageError(f"{path} is empty, which it never is from the start: term, vote and all entries are lost")
    else:
        _unfinished(path)  # which may still be another name of the same file


def _create(path: Path, owner: Owner) -> None:
    """Make the file of a new server under another name, then give it its own: it is there whole, or not at all."""
    new = _unfinished(path)
    connection = sqlite3.connect(new, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_TABLES)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("INSERT INTO store VALUES (1, ?, ?, 0)", (owner.cluster, owner.identity))
        connection.execute("INSERT INTO head (one) VALUES (1)")
        write_head(connection, owner, new_head(owner))
    finally:
        connection.close()
    _fsync(new)
    os.link(new, path)  # unlike a rename, this never replaces a file
    new.unlink()
    _fsync(path.parent)


def _unfinished(path: Path) -> Path:
    """The name under which *path* is made. What an interrupted creation left there is removed: nothing was ever
    promised in it.
    """
    new = path.with_name(f"{path.name}.new")
    for leftover in (new, wal_of(new), new.with_name(f"{new.name}-shm")):
        leftover.unlink(missing_ok=True)
    return new


def _claim(connection: sqlite3.Connection, path: Path, owner: Owner, *, had_wal: bool) -> None:
    """Take the file for this process alone, see whose it is, mark it as open. Raises StorageError, sqlite3.Error."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    _check_kind(connection, path)
    rows = connection.execute("SELECT cluster, identity, is_open FROM store").fetchall()
    if len(rows) != 1:
        raise StorageError(f"{path}: it does not say whose it is, so it is damaged. Nothing was changed")
    cluster, identity, is_open = rows[0]
    if (cluster, identity) != (owner.cluster, owner.identity):
        raise StorageError(
            f"{path} belongs to {identity} of the cluster {cluster}, not to {owner.identity} of {owner.cluster}. "
            f"Nothing was changed"
        )
    if is_open and not had_wal:
        raise StorageError(
            f"{wal_of(path)} is missing, although the server was not stopped in order: what was synced there, term, "
            f"vote or entries, is lost. Nothing was changed"
        )
    connection.execute("UPDATE store SET is_open = 1")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _check_kind(connection: sqlite3.Connection, path: Path) -> None:
    """See that the file is one of ours, and not of a later format. Raises StorageError."""
    kind = connection.execute("PRAGMA application_id").fetchone()[0]
    if kind != APPLICATION_ID:
        raise StorageError(f"{path} is a database of another program. Nothing was changed")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT:
        later = "a later" if version > FORMAT else "an unknown"
        raise StorageError(
            f"{path} has format {version}, of {later} raftframe; this one knows format {FORMAT}. Nothing was changed"
        )
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        raise StorageError(
            f"{path} has the journal mode {mode} instead of wal: it is damaged, or was changed from outside"
        )


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(values: list[object]) -> bytes:
    return hashlib.blake2b(msgpack.packb(values), digest_size=DIGEST_BYTES).digest()
