"""A search that was killed goes on from its latest checkpoint, to the very report that it would have come to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from checker.engine import sparse
from checker.engine.checkpoints import Checkpoint, Keeper
from checker.errors import UsageError
from checker.explore import Report, check
from checker.system import ActorId, Bounds, State
from examples.raft_core import Role, Server, raft_core

from .toys import Counters

ROOT = Path(__file__).parents[3]
BOUNDS = Bounds({"timeouts": 2, "commands": 1})
KILLED = """
import os, signal, sys
from checker.engine import sparse
from checker.engine.checkpoints import Checkpoint, Keeper
from tests.unit.exploration.test_checkpoints import exploring
save, many = Keeper.save, []

def save_and_die(self, store, learnt):
    many.append(1)
    if len(many) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, store, learnt)

Keeper.save = save_and_die
exploring(checkpoint=Checkpoint(folder=sys.argv[1], every_s=0, resume=len(sys.argv) == 4))
"""


def two_entries(states: Mapping[ActorId, State]) -> bool:
    """Whether two servers have stored an entry: true of worlds late in the search."""
    return sum(isinstance(state, Server) and bool(state.log) for state in states.values()) >= 2


def one_leader(states: Mapping[ActorId, State]) -> str | None:
    """Broken where a server that leads term 1 meets one that leads term 2."""
    leading = [actor for actor, state in states.items() if isinstance(state, Server) and state.role is Role.LEADER]
    return f"{' and '.join(leading)} lead" if len(leading) > 1 else None


def exploring(checkpoint: Checkpoint | None = None, **options: object) -> Report:
    """raft_core, with something that breaks late and something that is counted."""
    given = {"properties": [one_leader], "sometimes": [two_entries], "stop_at_first": False, "max_depth": 17} | options
    return check(raft_core(3), bounds=BOUNDS, checkpoint=checkpoint, **({"reduce": ()} | given))  # type: ignore[arg-type]


def without_times(report: Report) -> Report:
    """The report, but for what differs from run to run."""
    return evolve(report, seconds=0.0, compile_seconds=0.0)


def killed(folder: Path, at: int, *resume: str, seed: str = "1") -> None:
    """Explore in another process, which is killed when it is about to make its checkpoint number *at*."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
    words = [sys.executable, "-c", KILLED, str(folder), str(at), *resume]
    assert subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode == -9


def test_killed_twice_it_comes_to_the_same(tmp_path: Path) -> None:
    """Killed at one level, gone on with, killed again, ended: counts, shortest trace and coverage are the same."""
    killed(tmp_path / "kept", 6)
    killed(tmp_path / "kept", 5, "resume", seed="2")

    report = exploring(Checkpoint(folder=tmp_path / "kept", resume=True))

    assert without_times(report) == without_times(exploring())
    assert report.violations[0].property == "one_leader"


def test_the_latest_counts(tmp_path: Path) -> None:
    """One checkpoint is kept, and it is not the beginning."""
    killed(tmp_path / "kept", 9)

    files = sorted(path.name for path in (tmp_path / "kept").iterdir())

    assert [name for name in files if name.startswith("learnt")] == ["learnt-8.pickle"]
    assert {"latest.json", "links.bin", "rows-8.npy", "visited-8.npy"} <= set(files)


def test_a_limit_may_be_raised(tmp_path: Path) -> None:
    """What a limit on depth ended goes on with a higher one."""
    place = Checkpoint(folder=tmp_path / "kept", every_s=0)
    assert exploring(place, max_depth=9).limits_hit == ("max_depth",)

    report = exploring(evolve(place, resume=True))

    assert without_times(report) == without_times(exploring())


def test_what_was_left_of_a_search_without_a_checkpoint_does_no_harm(tmp_path: Path) -> None:
    """Killed before its first checkpoint, it begins anew in the same folder."""
    killed(tmp_path / "kept", 1)

    report = exploring(Checkpoint(folder=tmp_path / "kept", every_s=0))

    assert without_times(report) == without_times(exploring())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bounds": Bounds({"goes": 4})}, "bounds was goes=6, drops=0, duplicates=0, and is goes=4"),
        ({"network": "fifo"}, "network was unordered, and is fifo"),
        ({"sometimes": [two_entries]}, "properties was none, and is two_entries"),
    ],
)
def test_another_search_is_refused(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    """What differs is named."""
    given: dict[str, object] = {"bounds": Bounds({"goes": 6}), "max_depth": 3}
    check(Counters(), checkpoint=Checkpoint(folder=tmp_path, every_s=0), **given)  # type: ignore[arg-type]

    with pytest.raises(UsageError) as refused:
        check(Counters(), checkpoint=Checkpoint(folder=tmp_path, resume=True), **(given | changed))  # type: ignore[arg-type]

    assert message in str(refused.value)


def test_changed_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code answered is in the tables; answers something else now, the search cannot go on."""
    check(Counters(), bounds=Bounds({"goes": 6}), max_depth=3, checkpoint=Checkpoint(folder=tmp_path, every_s=0))
    step = Counters.step
    monkeypatch.setattr(Counters, "step", lambda *given: evolve(step(*given), marks=("leapt",)))  # type: ignore[misc]

    with pytest.raises(UsageError, match="what a does on go is not what it was when the checkpoint was made"):
        check(Counters(), bounds=Bounds({"goes": 6}), checkpoint=Checkpoint(folder=tmp_path, resume=True))


def test_two_searches_do_not_share_a_folder(tmp_path: Path) -> None:
    """As long as one search keeps its checkpoints in a folder, another is refused there, and disturbs nothing."""
    place = Checkpoint(folder=tmp_path)
    links = Keeper(place, {}).links
    links.append(np.array([0]), np.array([7], np.int32))

    with pytest.raises(UsageError, match="another search keeps its checkpoints there"):
        _ = Keeper(place, {}).links

    assert links.path(1) == [7]
    links.close()
    Keeper(place, {}).links.close()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A folder with a checkpoint is left alone unless it is to be gone on from, and the other way round."""
    place = Checkpoint(folder=tmp_path / "kept", every_s=0)
    with pytest.raises(UsageError, match="has no checkpoint to go on from"):
        exploring(evolve(place, resume=True))
    exploring(place, max_depth=4)

    with pytest.raises(UsageError, match="has a checkpoint: go on from it"):
        exploring(place)


@pytest.mark.parametrize("name", ["latest.json", "learnt-2.pickle", "rows-2.npy", "visited-2.npy", "links.bin"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    """Whichever file is cut short, nothing goes on from a wrong world."""
    exploring(Checkpoint(folder=tmp_path, every_s=0), max_depth=3)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:20])

    with pytest.raises(UsageError, match="cannot be read"):
        exploring(Checkpoint(folder=tmp_path, resume=True))


@pytest.mark.parametrize("option", [{"exact": True}, {"graph": True}, {"reduce": ["dead"]}, {"order": "depth"}])
def test_what_cannot_be_kept_is_said(tmp_path: Path, option: dict[str, object]) -> None:
    """Only the visited set of fingerprints has checkpoints."""
    with pytest.raises(UsageError, match="leave reduce, exact, graph, walks and order out"):
        exploring(Checkpoint(folder=tmp_path), **option)


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that cannot be written is told, and the one before it still counts."""
    exploring(Checkpoint(folder=tmp_path, every_s=0), max_depth=3)
    with monkeypatch.context() as patch:
        patch.setattr("numpy.save", lambda *_given: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(UsageError, match="cannot be written: No space left on device"):
            exploring(Checkpoint(folder=tmp_path, every_s=0, resume=True))

    report = exploring(Checkpoint(folder=tmp_path, every_s=0, resume=True))

    assert without_times(report) == without_times(exploring())


def test_compact_tables_are_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that goes on with tables that are no grids any more comes to the same."""
    monkeypatch.setattr(sparse, "DENSE_BYTES", 1 << 14)
    exploring(checkpoint=Checkpoint(folder=tmp_path, every_s=0), max_depth=9)

    resumed = exploring(checkpoint=Checkpoint(folder=tmp_path, resume=True))
    monkeypatch.undo()

    assert without_times(resumed) == without_times(exploring())
