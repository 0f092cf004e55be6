"""A process that writes to a store until it is killed, and says what it has synced: `python -m ... PATH SEED`."""

from __future__ import annotations

import hashlib
import random
import sys

from raftframe import Command, Entry
from raftframe.effects import AppendToLog, TruncateLog, Write, WriteTermAndVote, written
from raftframe.server_state import DurableState
from raftframe.storage.sqlite import SqliteLogStore


def open_store(path: str) -> SqliteLogStore:
    """The store that is written to."""
    return SqliteLogStore(path, cluster="kills", identity="s1")


def summary(state: DurableState) -> str:
    """*state* in a word: short, so that what is said of it fits into a pipe that nobody reads yet."""
    digest = hashlib.sha256(repr(state).encode()).hexdigest()
    return f"term-{state.term}-last-{state.log.last_index}-{digest[:16]}"


def turn(store: SqliteLogStore, state: DurableState, chooser: random.Random) -> DurableState:
    """Write what a server might, without a sync; the state after it. Terms count the turns."""
    term = state.term + 1
    writes: list[Write] = [WriteTermAndVote(term, chooser.choice([None, "s1", "s2"]))]
    keep = max(0, state.log.last_index - chooser.choice([0, 0, 0, 1, 5]))
    if keep < state.log.last_index:
        writes.append(TruncateLog(keep))
    size = chooser.choice([1, 1, 100, 5000])
    entries = tuple(
        Entry(term, Command("c1", 1, f"{term}.{number}".ljust(size, "x"))) for number in range(chooser.randrange(4))
    )
    if entries:
        writes.append(AppendToLog(keep + 1, entries))
    for write in writes:
        store.write(write)
        state = written(state, write)
    return state


def run(path: str, seed: int) -> None:
    """Turn after turn: announce what is about to be synced, sync it, say that it is."""
    store = open_store(path)
    state = store.load()
    chooser = random.Random(seed)
    print("loaded", summary(state), flush=True)
    while True:
        for _ in range(chooser.randint(1, 3)):
            state = turn(store, state, chooser)
        print("syncing", summary(state), flush=True)
        store.sync()
        print("synced", flush=True)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
