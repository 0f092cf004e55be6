"""Whatever happens to the file of a log is noticed, and the error says what is lost; nothing is repaired."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bank_app import Credit
from raftframe import Command, Configuration, DurableState, Entry, Log
from raftframe.api.storage import StorageError
from raftframe.comms.wire import Codec
from raftframe.effects import AppendToLog, CompactLog, StoreSnapshot, TruncateLog, WriteTermAndVote
from raftframe.server_state import Snapshot
from raftframe.sessions import NO_SESSIONS
from raftframe.storage.memory import MemoryLogStore
from raftframe.storage.sqlite import SqliteLogStore
from raftframe.storage.sqlite_file import wal_of

ROOT = Path(__file__).resolve().parents[3]
ENTRIES = tuple(Entry(1, Command("c1", serial, f"operation {serial}")) for serial in range(1, 6))
STATE = DurableState(3, "s2", Log(ENTRIES))


def open_store(path: Path, *, create: bool = True, identity: str = "s1", codec: Codec | None = None) -> SqliteLogStore:
    """The store in *path*."""
    return SqliteLogStore(path, cluster="bank", identity=identity, create=create, codec=codec)


def filled(path: Path) -> SqliteLogStore:
    """A store with `STATE`, open, each of its writes a transaction of its own."""
    store = open_store(path)
    assert store.load() == DurableState()
    store.write(WriteTermAndVote(3, "s2"))
    store.sync()
    for index, entry in enumerate(ENTRIES, start=1):
        store.write(AppendToLog(index, (entry,)))
        store.sync()
    return store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store with `STATE`, closed in order."""
    filled(tmp_path / "s1.raft").close()
    return tmp_path / "s1.raft"


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """The file of a store with `STATE`, and its write-ahead log, as a crash leaves them."""
    store = filled(tmp_path / "live.raft")
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"live.raft{suffix}", tmp_path / f"s1.raft{suffix}")
    store.close()
    return tmp_path / "s1.raft"


def sql(path: Path, *statements: str) -> None:
    """Change the file behind the store's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_file_that_was_closed_in_order_is_whole(path: Path) -> None:
    """And so it is the next time, also when nothing was written in between."""
    for _ in range(3):
        store = open_store(path, create=False)
        assert store.load() == STATE
        store.close()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE entries SET body = x'9101' WHERE idx = 3", "entry 3 fails its checksum: the entries 3 to 5 are lost"),
        ("UPDATE entries SET body = 'text' WHERE idx = 1", "entry 1 fails its checksum: .*the vote for s2 are sound"),
        (
            "UPDATE entries SET digest = NULL WHERE idx = 2",
            "entry 2 fails its checksum: .*the entries 1 to 1 are sound",
        ),
        ("DELETE FROM entries WHERE idx = 2", "entry 2 is missing: the entries 2 to 5 are lost"),
        ("DELETE FROM entries WHERE idx = 5", "entry 5 is missing: the entries 5 to 5 are lost"),
        ("DELETE FROM entries", "entry 1 is missing: the entries 1 to 5 are lost"),
        ("INSERT INTO entries VALUES (6, x'9101', x'00')", "entries behind 5, which was synced as the last one"),
        ("UPDATE entries SET idx = -idx WHERE idx = 4", "entry 1 is missing"),
        ("UPDATE head SET term = 2", "the row with term and vote fails its checksum: term and vote are lost"),
        ("UPDATE head SET voted_for = NULL", "the row with term and vote fails its checksum"),
        ("UPDATE head SET last_index = 4", "the row with term and vote fails its checksum"),
        ("DELETE FROM head", "the row with term and vote fails its checksum"),
        ("DROP TABLE entries", "it cannot be read .*no such table: entries"),
        ("DELETE FROM store", "does not say whose it is"),
        ("UPDATE store SET cluster = 'shop'", "belongs to s1 of the cluster shop, not to s1 of bank"),
        ("PRAGMA user_version = 7", "has format 7, of a later raftframe; this one knows format 2"),
        ("PRAGMA application_id = 9", "is a database of another program"),
        ("PRAGMA journal_mode = DELETE", "has the journal mode delete instead of wal"),
    ],
)
def test_a_changed_file_is_refused(path: Path, statement: str, message: str) -> None:
    """The error names the file and what is lost; it is the same the next time."""
    sql(path, statement)

    for _ in range(2):
        with pytest.raises(StorageError, match=f"(?s){path}.*{message}"):
            open_store(path).load()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE snapshot SET body = x'00' WHERE number = 1", "the snapshot fails its checksum: it is lost"),
        ("DELETE FROM snapshot", "the snapshot fails its checksum: .* the entries 1 to 2 have done"),
        ("DELETE FROM snapshot WHERE number = 1", "the snapshot fails its checksum"),
        ("UPDATE snapshot SET body = 'text' WHERE number = 0", "the snapshot fails its checksum"),
        ("UPDATE head SET base_index = 0", "the row with term and vote fails its checksum"),
        ("UPDATE head SET snapshot = NULL", "the row with term and vote fails its checksum"),
        ("DELETE FROM entries WHERE idx = 3", "entry 3 is missing"),
    ],
)
def test_a_changed_snapshot_is_refused(path: Path, statement: str, message: str) -> None:
    """Nothing of it, and nothing of what tells where the log begins, changes unnoticed."""
    store = open_store(path)
    store.load()
    store.write(StoreSnapshot(Snapshot(3, 1, ("one", "two"), NO_SESSIONS, Configuration(("s1",)), 0)))
    store.write(CompactLog(2))
    store.sync()
    store.close()
    sql(path, statement)

    with pytest.raises(StorageError, match=message):
        open_store(path).load()


def test_swapped_entries_are_noticed(path: Path) -> None:
    """Each is whole, and none is where it should be."""
    sql(
        path,
        "UPDATE entries SET idx = 100 WHERE idx = 2",
        "UPDATE entries SET idx = 2 WHERE idx = 3",
        "UPDATE entries SET idx = 3 WHERE idx = 100",
    )

    with pytest.raises(StorageError, match="entry 2 fails its checksum"):
        open_store(path).load()


def test_the_file_of_another_server_is_refused(path: Path) -> None:
    """A vote of one server is none of another."""
    with pytest.raises(StorageError, match="belongs to s1 of the cluster bank, not to s2 of bank"):
        open_store(path, identity="s2")

    assert open_store(path).load() == STATE


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "is empty, which it never is"),
        (lambda path: path.write_bytes(b"a note to myself\n" * 500), "no SQLite file"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "corrupted|malformed|lost"),
        (lambda path: path.unlink(), "is missing: term, vote and all entries are lost"),
        (lambda path: path.rename(path.with_name("other")) and path.mkdir(), "cannot be opened"),
    ],
    ids=["emptied", "overwritten", "cut", "removed", "a folder"],
)
def test_a_file_that_is_no_log_is_refused(path: Path, damage: Callable[[Path], object], message: str) -> None:
    """Rather than begin with an empty one: this server may have voted."""
    damage(path)

    with pytest.raises(StorageError, match=message):
        open_store(path, create=False).load()


def test_every_damaged_page_is_noticed(path: Path, tmp_path: Path) -> None:
    """Noise anywhere in what is stored is either noticed, or lies where nothing is."""
    original, copy = path.read_bytes(), tmp_path / "copy"
    noticed = 0
    for at in range(0, len(original), 97):
        copy.write_bytes(original[:at] + bytes(255 - byte for byte in original[at : at + 8]) + original[at + 8 :])
        try:
            store = open_store(copy)
            assert store.load() == STATE, f"damage at {at} changed what is read"
            store.close()
        except StorageError:
            noticed += 1
        wal_of(copy).unlink(missing_ok=True)

    assert noticed > 5


def test_a_damaged_write_ahead_log_is_noticed(crashed: Path) -> None:
    """SQLite itself would read up to the damage, and forget the rest without a word."""
    wal, original, main = wal_of(crashed), wal_of(crashed).read_bytes(), crashed.read_bytes()
    silent = []
    for at in range(0, len(original), 211):
        wal.write_bytes(original[:at] + bytes([original[at] ^ 0x10]) + original[at + 1 :])
        crashed.write_bytes(main)
        try:
            store = open_store(crashed)
            if store.load() != STATE:
                silent.append(at)
            store.close()
        except StorageError as error:
            assert "all that was synced from there on is lost" in str(error)
    last_transaction = len(original) - 3 * (24 + 4096)

    assert all(at >= last_transaction for at in silent), silent
    assert len(silent) < len(range(0, len(original), 211)) / 4


def test_a_missing_write_ahead_log_is_noticed(crashed: Path) -> None:
    """It held what was synced last."""
    wal_of(crashed).unlink()

    with pytest.raises(StorageError, match="-wal is missing, although the server was not stopped in order"):
        open_store(crashed)


def test_a_write_ahead_log_without_its_file_is_noticed(crashed: Path) -> None:
    """A new file beside it would be an empty one."""
    crashed.unlink()

    with pytest.raises(StorageError, match="is missing while its write-ahead log is there"):
        open_store(crashed)


def test_a_whole_write_ahead_log_is_read(crashed: Path) -> None:
    """The crash alone has damaged nothing."""
    assert open_store(crashed).load() == STATE


def test_two_cannot_share_a_file(path: Path) -> None:
    """Neither two stores of one process nor two processes."""
    store = open_store(path)
    program = f"from tests.unit.storage.test_damage import *; open_store(Path({str(path)!r}))"

    with pytest.raises(StorageError, match="does this server run already"):
        open_store(path)
    other = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "does this server run already" in other.stderr
    assert store.load() == STATE
    store.close()


def test_a_full_disk_stops_the_store_and_loses_nothing_synced(path: Path) -> None:
    """The sync fails, so nobody is told; after it the store writes nothing more, not even what would fit."""
    store = open_store(path)
    store.load()
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(StorageError, match=r"writing failed \(the disk is full.*all before it is safe"):
        for index in range(6, 100):
            store.write(AppendToLog(index, (Entry(4, Command("c1", 1, "x" * 1000)),)))
    with pytest.raises(StorageError, match=r"writing failed before .*open it anew"):
        store.sync()
    store.close()

    assert open_store(path).load() == STATE


def test_a_limit_of_the_operating_system_is_an_error_too(path: Path) -> None:
    """Files may not grow beyond a size: the write-ahead log hits it within a sync."""
    program = (
        "import resource, signal; from tests.unit.storage.test_damage import *\n"
        f"store = open_store(Path({str(path)!r})); store.load()\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "for index in range(6, 100):\n"
        "    store.write(AppendToLog(index, (Entry(4, Command('c1', 1, 'x' * 1000)),))); store.sync()\n"
    )

    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert "raftframe.api.storage.StorageError" in run.stderr
    assert "may be lost, all before it is safe" in run.stderr
    loaded = open_store(path).load()
    assert loaded.log.starts_with(STATE.log)
    assert (loaded.term, loaded.voted_for) == (STATE.term, STATE.voted_for)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write to any file")
def test_a_read_only_file_is_refused_at_once(path: Path) -> None:
    """Before the server promises anything."""
    path.chmod(0o400)

    with pytest.raises(StorageError, match="read-only"):
        open_store(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No folder is made: a typing error would be a new server."""
    with pytest.raises(StorageError, match=r"there is no folder .*/nowhere"):
        open_store(tmp_path / "nowhere" / "s1.raft")


def test_an_operation_that_the_codec_does_not_know(tmp_path: Path) -> None:
    """To write it fails; to read it fails, and says that nothing is lost."""
    knowing, credit = Codec([Credit]), AppendToLog(1, (Entry(1, Command("c1", 1, Credit(5))),))
    path = tmp_path / "s1.raft"
    store = open_store(path)
    with pytest.raises(StorageError, match=r"a Credit is neither a plain value nor of a class that was given to Codec"):
        store.write(credit)
    store.close()
    store = open_store(path, codec=knowing)
    store.write(credit)
    store.sync()
    store.close()

    with pytest.raises(StorageError, match=r"entry 1 is undamaged .*no class 'Credit' was given .*Nothing is lost"):
        open_store(path).load()
    assert open_store(path, codec=knowing).load().log == Log(credit.entries)


def test_a_closed_store_refuses(path: Path) -> None:
    """Both kinds say that they were closed."""
    for store in (open_store(path), MemoryLogStore()):
        store.close()
        for use in (store.load, store.sync, lambda store=store: store.write(TruncateLog(0))):
            with pytest.raises(StorageError, match="was closed"):
                use()


def test_a_store_that_is_thrown_away_lets_go(path: Path) -> None:
    """Nobody closed it; the next one can open it and finds nothing wrong."""
    store = open_store(path)
    store.load()
    store.write(WriteTermAndVote(9, None))
    del store

    assert open_store(path).load() == STATE


def test_what_the_memory_keeps_apart() -> None:
    """What was written, and what a crash leaves of it."""
    store = MemoryLogStore()
    store.write(AppendToLog(1, ENTRIES))
    store.sync()
    store.write(TruncateLog(2))
    store.write(WriteTermAndVote(3, "s2"))

    assert store.crashed().load() == store.synced == DurableState(log=Log(ENTRIES))
    assert store.written == DurableState(3, "s2", Log(ENTRIES[:2]))
    assert repr(store) == "MemoryLogStore(2 entries, 2 writes not synced)"
