"""Wide clusters, long logs, many terms: what tables cost that have thousands of servers' states in them.

    python -m benchmarks.wide [--system core --system raft] [--servers 5 --servers 7] [--states 10000 --states 100000]

Random walks with large budgets go on until so many distinct states of servers were met. Then all worlds that they went
through are expanded again, by look-ups alone, with the tables as blocks and as grids, if those fit. Printed are the
sizes of the tables; the time that filling them took (the code of the system, in Python), apart from walking; how long
the largest grid needs to become blocks; and the nanoseconds of one transition. All times are of the processor.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from attrs import define, field

from benchmarks.running import machine, run
from benchmarks.spaces import table
from checker.engine import kernel, sparse
from checker.engine.chunks import new_candidates
from checker.engine.judging import Judge, groups_of
from checker.engine.layout import MISS_SPEND, N_TAKEN, N_TRANSITIONS, UNKNOWN, Cells, Int32s, Lookup, new_notes
from checker.engine.sparse import Sparse
from checker.engine.tables import Tables
from checker.engine.walks import Classes, Walking, Walks, WalkStore
from checker.engine.watch import Limits, Watch
from checker.engine.workers import Workers
from checker.runs.replay import Properties
from checker.spaces import Space
from checker.system import Bounds
from checker.world import Rules
from examples import raft_core

BUDGETS = {"timeouts": 60, "commands": 60, "heartbeats": 60}
WALKS = Walks(count=1000, length=2000)
SYSTEMS = ("core", "raft")
KEPT = 1 << 18  # worlds that are expanded again
GRIDS = 1 << 32  # bytes that all grids may take to be measured; larger ones take all of a machine's memory
ROOT = Path(__file__).resolve().parents[1]
HEADER = (
    "walks of",
    "states",
    "messages",
    "contents",
    "monitors'",
    "steps",
    "filling",
    "a step",
    "walking",
    "becoming",
    "blocks",
    "a transition",
    "grids",
    "a transition",
    "peak",
)


class TimedTables(Tables):
    """Tables that know how long filling them took."""

    filling_s = 0.0

    def fill(self, misses: Iterable[Sequence[int]]) -> None:
        """As `Tables.fill`."""
        begin = time.process_time()
        super().fill(misses)
        self.filling_s += time.process_time() - begin


class KeepingStore(WalkStore):
    """A store that keeps the last worlds through which walks went."""

    def __init__(self, row: Int32s, fingerprint: int, walks: Walks, classes: Classes) -> None:
        super().__init__(row, fingerprint, walks, classes)
        self.kept: deque[Int32s] = deque(maxlen=KEPT // WALKS.count)

    def advance(self, workers: Workers) -> None:
        """As `WalkStore.advance`; the worlds that are left behind were all expanded."""
        rows, _fingerprints, count = self.now
        self.kept.append(rows[:count].copy())
        super().advance(workers)


@define
class Walked:
    """Walks that have ended, and their tables."""

    tables: TimedTables
    store: KeepingStore
    seconds: float
    rows: Int32s = field(init=False)

    def __attrs_post_init__(self) -> None:
        width = self.tables.width
        wide = [rows for rows in self.store.kept if rows.shape[1] == width]
        self.rows = np.concatenate(wide or [np.zeros((0, width), np.int32)])

    def transition_ns(self, look: Lookup) -> float:
        """Nanoseconds a transition, when the worlds that were kept are expanded again."""
        seconds, transitions = expanding(look, self.rows)
        return seconds * 1e9 / max(1, transitions)


def expanding(look: Lookup, rows: Int32s, repeat: int = 5) -> tuple[float, int]:
    """Seconds in which *rows* are expanded, the best of several, and how many transitions there are."""
    found, notes = new_candidates(1 << 15), new_notes(rows.shape[1])
    fingerprints, todo = np.zeros(len(rows), np.uint64), np.arange(len(rows))
    best = float("inf")
    for _ in range(repeat):
        notes.counts[N_TRANSITIONS] = taken = 0
        begin = time.process_time()
        while taken < len(todo):
            kernel.expand(look, rows, fingerprints, todo[taken:], True, found, notes)
            taken += int(notes.counts[N_TAKEN])
        best = min(best, time.process_time() - begin)
    return best, int(notes.counts[N_TRANSITIONS])


def empty_world_ns(servers: int) -> tuple[float, int]:
    """Nanoseconds in which a world is expanded where nothing can happen, all channels being empty; its slots."""
    rules = Rules(system=raft_core.raft_core(servers), bounds=Bounds())
    tables = Tables(rules)
    for source, target in itertools.permutations(range(servers), 2):
        tables.channel_slot(source, target)
    row = tables.row(rules.initial())
    tables.fill([(MISS_SPEND, row[servers], kind) for kind in range(len(tables.kinds) + 2)])
    seconds, transitions = expanding(tables.lookup, np.repeat(row[None], 1 << 12, axis=0))
    assert transitions == 0
    return seconds * 1e9 / (1 << 12), len(row)


def walk(system: str, servers: int, states: int) -> Walked:
    """Walk until *states* distinct states of servers were met."""
    rules, properties = rules_of(system, servers)
    groups = groups_of(properties.invariants, (), ())
    tables = TimedTables(rules, [group.view for group in groups])
    row = tables.row(rules.initial())
    store = KeepingStore(row, tables.fingerprint(row), WALKS, Classes.of(tables))
    search = Walking(
        tables=tables,
        store=store,
        judge=Judge(tables, groups),
        watch=Watch(Limits(None, None, None, None), None, lambda: len(tables.states) >= states),
        silent=properties.silent,
        walks=WALKS,
    )
    search.compile()
    begin = time.process_time()
    search.run()
    return Walked(tables, store, time.process_time() - begin)


def rules_of(system: str, servers: int) -> tuple[Rules, Properties]:
    """raft_core, or the real Raft with what it promises."""
    space = Space(bounds=BUDGETS, servers=servers)
    cluster = space.cluster() if system == "raft" else raft_core.raft_core(servers)
    promised = space.properties if system == "raft" else [raft_core.election_safety]
    properties = Properties.sort(promised)
    rules = Rules(
        system=cluster, bounds=Bounds(BUDGETS), monitors=properties.monitors, step_rules=properties.step_rules
    )
    return rules, properties


def measured(system: str, servers: int, states: int) -> list[str]:
    """One line of the printed table, but for the memory."""
    walked = walk(system, servers, states)
    tables, filling_s = walked.tables, walked.tables.filling_s
    blocks = blocks_of(tables)
    sizes = (tables.states, tables.messages, tables.contents, tables.monitor_states)
    return [
        f"{system} {servers}",
        *(f"{len(numbered):,}" for numbered in sizes),
        f"{tables.distinct_steps:,}",
        f"{filling_s:.1f} s",
        f"{filling_s * 1e6 / tables.distinct_steps:.0f} us",
        f"{walked.seconds - filling_s:.1f} s",
        f"{becoming_ms(tables.sparse[0]):.0f} ms",
        mebibytes(sum(one.bytes for one in tables.sparse)),
        f"{walked.transition_ns(blocks):.0f} ns",
        mebibytes(sum(one.grid_bytes for one in tables.sparse)),
        in_grids(walked),
    ]


def blocks_of(tables: Tables) -> Lookup:
    """The tables as blocks, however small they are."""
    tables.become_compact()
    return tables.lookup


def in_grids(walked: Walked) -> str:
    """Nanoseconds a transition with grids in place of blocks, if they fit."""
    if sum(one.grid_bytes for one in walked.tables.sparse) > GRIDS:
        return "-"
    step, add, move = map(grid_of, walked.tables.sparse)
    return f"{walked.transition_ns(walked.tables.lookup._replace(step=step, add=add, move=move)):.0f} ns"


def grid_of(table: Sparse) -> Cells:
    """What *table* would be as a grid."""
    none = np.empty(0, np.int64)
    known = table.known()
    dense = np.full(table.covered, UNKNOWN, np.int32)
    dense[known.row, known.column] = known.value
    return Cells(dense, none, none)


def becoming_ms(table: Sparse) -> float:
    """How long a grid of the largest size needs to become blocks: one with the beginning of *table* in it."""
    known, columns = table.known(), table.covered[1]
    grid = Sparse(sparse.DENSE_BYTES // sparse.CELL_BYTES // columns, columns)
    for row, column, value in zip(*(each.tolist() for each in known), strict=True):
        if row < len(grid.cells.dense):
            grid[row, column] = value
    begin = time.process_time()
    grid.become_compact()
    return (time.process_time() - begin) * 1e3


def mebibytes(amount: int) -> str:
    """As MiB."""
    return f"{amount / 2**20:,.0f} MiB"


def in_its_own_process(system: str, servers: int, states: int) -> list[str]:
    """The line, by a process of its own, with its memory."""
    options = ["--system", system, "--servers", str(servers), "--states", str(states)]
    ended = run([sys.executable, "-m", "benchmarks.wide", *options, "--here"], ROOT)
    if ended.exit_code:
        raise RuntimeError(f"{system}, {servers} servers: exit code {ended.exit_code}:\n{ended.output}")
    return [*json.loads(ended.output.splitlines()[-1]), mebibytes(ended.peak_bytes)]


def main() -> None:
    """Print a line for each system, number of servers, and number of their states."""
    parser = argparse.ArgumentParser(description="What wide clusters, long logs and many terms cost.")
    add = parser.add_argument
    add("--system", action="append", choices=SYSTEMS, help="default: both")
    add("--servers", action="append", type=int, help="default: 5 and 7")
    add("--states", action="append", type=int, help="distinct states of servers (default: 10000 and 100000)")
    add("--here", action="store_true", help="measure the first only, in this process, and print it as JSON")
    given = parser.parse_args()
    asked = list(itertools.product(given.system or SYSTEMS, given.servers or (5, 7), given.states or (10_000, 100_000)))
    if given.here:
        print(json.dumps(measured(*asked[0])))
        return
    rows = []
    for system, servers, states in asked:
        rows.append(in_its_own_process(system, servers, states))
        print(table(HEADER, rows[-1:]), flush=True)
    print(f"\n{table(HEADER, rows)}")
    for servers in given.servers or (5, 7):
        ns, slots = empty_world_ns(servers)
        print(
            f"a world of {servers} servers in which nothing is left to happen: {ns:.0f} ns, {ns / slots:.1f} ns a slot"
        )
    print(f"on {machine()}")


if __name__ == "__main__":
    main()
