"""What every store must keep to, as a class of tests to inherit.

To run your own store through it, say how to make one, and what a crash of its server leaves:

    class TestMyStore(LogStoreContract):
        def make_store(self, folder: Path) -> LogStoreAPI:
            return MyStore(folder / "log")          # opens what is there; called again after a close

        def crashed(self, store: LogStoreAPI, folder: Path) -> LogStoreAPI:
            ...                                     # the store as it would be after the machine lost power

Everything else is inherited.
"""

from __future__ import annotations

import inspect
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raftframe import NOOP, Command, Configuration, DurableState, Entry, Log
from raftframe.api.storage import LogStoreAPI
from raftframe.effects import AppendToLog, CompactLog, StoreSnapshot, TruncateLog, Write, WriteTermAndVote, written
from raftframe.server_state import Snapshot
from raftframe.sessions import Session, Sessions

LARGE = Entry(2, Command("c1", 3, ("a long operation", b"\x00" * 70_000)))
ENTRIES = (Entry(1, NOOP), Entry(1, Command("c1", 1, "credit 10")), Entry(2, Command("c2", 7, ("a", (1, None, True)))))

# What a server does between two syncs: to whom its vote goes, how much of its log it keeps, what it appends, of what
# it takes a snapshot, or gets one, and where its log then begins.
Turn = tuple[str | None, int, list[Entry], tuple[int, int] | None]
turns = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["s1", "s2"]),
        st.integers(0, 9),
        st.lists(st.sampled_from(ENTRIES), max_size=4),
        st.none() | st.tuples(st.integers(1, 9), st.integers(0, 9)),
    ),
    max_size=8,
)


def snapshot_at(last_index: int, last_term: int = 1) -> Snapshot:
    """A snapshot that ends there, with something in each of its attributes."""
    sessions = Sessions((Session("c1", 1, ((2, ("ok", 10)), (3, None)), 1),), some_closed=True)
    configuration = Configuration(("s1", "s2"), outgoing=("s3",), learners=("s4",), auto_leave=True)
    return Snapshot(last_index, last_term, (("balance", last_index), b"\x00", True), sessions, configuration, 1)


def writes_of(turn: Turn, state: DurableState) -> list[Write]:
    """The writes of one turn of a server that has stored *state*."""
    vote, keep, entries, snapshot = turn
    writes: list[Write] = [WriteTermAndVote(state.term + 1, vote)]
    if snapshot is not None and snapshot[0] > state.log.base_index:
        last_index = snapshot[0]
        term = state.log.term_at(last_index) if last_index in state.log else 1
        writes.append(StoreSnapshot(snapshot_at(last_index, term)))
        writes.append(CompactLog(min(snapshot[1], last_index)))
    stored = state
    for write in writes:
        stored = written(stored, write)
    keep = max(keep, stored.log.base_index)
    if keep < stored.log.last_index:
        writes.append(TruncateLog(keep))
    if entries:
        writes.append(AppendToLog(min(keep, stored.log.last_index) + 1, tuple(entries)))
    return writes


class LogStoreContract(ABC):
    """The contract of `raftframe.api.storage.LogStoreAPI`; see the module's docstring for how to use it."""

    @abstractmethod
    def make_store(self, folder: Path) -> LogStoreAPI:
        """The store in *folder*: a new one the first time, the same one after it was closed."""

    @abstractmethod
    def crashed(self, store: LogStoreAPI, folder: Path) -> LogStoreAPI:
        """What is left of *store*, which is not used any more, after a crash."""

    def test_it_has_the_methods_of_the_api(self, tmp_path: Path) -> None:
        """All four, with the arguments that a server calls them with."""
        store = self.make_store(tmp_path)

        assert isinstance(store, LogStoreAPI)
        for name, arguments in (("load", ()), ("write", (TruncateLog(0),)), ("sync", ()), ("close", ())):
            inspect.signature(getattr(store, name)).bind(*arguments)
        store.close()

    def test_a_new_store_is_empty(self, tmp_path: Path) -> None:
        """Term 0, no vote, no entries."""
        store = self.make_store(tmp_path)

        assert store.load() == DurableState()
        store.close()

    def test_what_was_synced_survives_a_crash(self, tmp_path: Path) -> None:
        """Term, vote and entries of any size, with every value's own type."""
        store = self.make_store(tmp_path)
        store.load()
        store.write(WriteTermAndVote(2, "s3"))
        store.write(AppendToLog(1, (*ENTRIES, LARGE)))
        store.sync()

        survived = self.crashed(store, tmp_path)

        expected = DurableState(2, "s3", Log((*ENTRIES, LARGE)))
        loaded = survived.load()
        assert loaded == expected
        assert repr(loaded) == repr(expected)  # 1 == True == 1.0, but they don't read alike
        survived.close()

    def test_a_store_goes_on_after_a_crash(self, tmp_path: Path) -> None:
        """What is written then follows what was synced before."""
        store = self.make_store(tmp_path)
        store.load()
        store.write(AppendToLog(1, ENTRIES[:2]))
        store.sync()

        store = self.crashed(store, tmp_path)
        state = store.load()
        for write in (TruncateLog(1), AppendToLog(2, ENTRIES[2:]), WriteTermAndVote(3, None)):
            state = written(state, write)
            store.write(write)
        store.sync()
        store = self.crashed(store, tmp_path)

        assert store.load() == state == DurableState(3, None, Log((ENTRIES[0], ENTRIES[2])))
        store.close()

    def test_closing_in_order_keeps_what_was_synced(self, tmp_path: Path) -> None:
        """Closing twice is allowed."""
        store = self.make_store(tmp_path)
        store.load()
        store.write(WriteTermAndVote(4, "s1"))
        store.sync()

        store.close()
        store.close()

    def test_entries_follow_the_stored_ones(self, tmp_path: Path) -> None:
        """A gap, or entries in place of others that were not removed, is the driver's mistake."""
        store = self.make_store(tmp_path)
        store.load()
        store.write(AppendToLog(1, ENTRIES[:2]))

        for first in (0, 1, 2, 4):
            with pytest.raises(ValueError, match="do not follow the stored 2"):
                store.write(AppendToLog(first, ENTRIES[:1]))
        store.write(AppendToLog(3, ENTRIES[2:]))
        store.sync()
        survived = self.crashed(store, tmp_path)

        assert survived.load().log == Log(ENTRIES)
        survived.close()

    def test_syncing_nothing_is_allowed(self, tmp_path: Path) -> None:
        """Before and after something was written."""
        store = self.make_store(tmp_path)
        store.load()
        store.sync()
        store.write(WriteTermAndVote(1, None))
        store.sync()
        store.sync()
        survived = self.crashed(store, tmp_path)

        assert survived.load() == DurableState(1)
        survived.close()

    def test_a_snapshot_survives_a_crash(self, tmp_path: Path) -> None:
        """Every value of it, with the log that goes on behind it."""
        store = self.make_store(tmp_path)
        store.load()
        for write in (AppendToLog(1, ENTRIES), StoreSnapshot(snapshot_at(2)), CompactLog(1)):
            store.write(write)
        store.sync()

        survived = self.crashed(store, tmp_path)

        loaded = survived.load()
        assert loaded == DurableState(0, None, Log(ENTRIES[1:], 1, 1), snapshot_at(2))
        assert repr(loaded) == repr(DurableState(0, None, Log(ENTRIES[1:], 1, 1), snapshot_at(2)))
        survived.close()

    def test_a_snapshot_of_others_takes_the_place_of_the_log(self, tmp_path: Path) -> None:
        """It ends with an entry that the log does not have, and new ones follow."""
        store = self.make_store(tmp_path)
        store.load()
        for write in (AppendToLog(1, ENTRIES), StoreSnapshot(snapshot_at(3, 1)), AppendToLog(4, ENTRIES[2:])):
            store.write(write)
        store.sync()

        survived = self.crashed(store, tmp_path)

        assert survived.load().log == Log(ENTRIES[2:], 3, 1)
        survived.close()

    def test_only_what_a_snapshot_covers_is_removed(self, tmp_path: Path) -> None:
        """All else would be lost: it is the driver's mistake."""
        store = self.make_store(tmp_path)
        store.load()
        store.write(AppendToLog(1, ENTRIES))
        store.write(StoreSnapshot(snapshot_at(2)))

        with pytest.raises(ValueError, match="no stored snapshot covers the entries up to 3, only those to 2"):
            store.write(CompactLog(3))

        store.close()

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(turns, turns)
    def test_it_means_what_written_says(self, synced: list[Turn], lost: list[Turn]) -> None:
        """After any turns, each synced, and more that were not, a crash leaves the state after the synced ones; or, for
        what happened to reach the disk, that after some of the writes that follow.
        """
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            store = self.make_store(folder)
            state = store.load()
            for turn in synced:
                for write in writes_of(turn, state):
                    store.write(write)
                    state = written(state, write)
                store.sync()
            possible = [state]
            for turn in lost:
                for write in writes_of(turn, possible[-1]):
                    store.write(write)
                    possible.append(written(possible[-1], write))
            survived = self.crashed(store, folder)

            assert survived.load() in possible
            survived.close()
