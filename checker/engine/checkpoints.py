"""Checkpoints: what a search has come to, on disk, so that another process can go on from there.

A checkpoint is made between two levels. It has the tables, the visited set, the level that is to be expanded, and what
was found; parent and event of each world are in a file of their own, which only grows. Each checkpoint is written
beside the last, and becomes the one that counts when `latest.json` names it, so a search that is killed at any moment
leaves a whole one.

The tables have what the system's code answered. Whoever goes on asks it again, for every distinct step, and refuses if
one differs: the code was changed, or its answers depend on the process.

States and messages are pickled, so a checkpoint is to be trusted as code is.
"""

from __future__ import annotations

import fcntl
import json
import pickle
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from attrs import field, frozen

from checker.engine.stores import HashStore, Links
from checker.errors import UsageError
from checker.stepping import describe_error

FORMAT: Final = 3
LATEST: Final = "latest.json"
LINKS: Final = "links.bin"


@frozen(kw_only=True)
class Checkpoint:
    """Where a search keeps its checkpoints, and how often it makes one, levels permitting. With *resume* it goes on
    from the latest. A folder that has one is not written to otherwise.
    """

    folder: Path = field(converter=Path)
    every_s: float = 300.0
    resume: bool = False


class Keeper:
    """Makes the checkpoints of one search. *asked* describes the search: only the same one may go on."""

    def __init__(self, place: Checkpoint, asked: dict[str, str]) -> None:
        self._place = place
        self._asked = asked
        self._made_s = time.perf_counter()
        self._latest = _latest(place.folder)
        if self._latest is not None and not place.resume:
            raise UsageError(f"{place.folder} has a checkpoint: go on from it (--resume), or name another folder")
        if self._latest is None and place.resume:
            raise UsageError(f"{place.folder} has no checkpoint to go on from: leave --resume out to begin")
        try:
            place.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{place.folder}: no checkpoints can be kept there: {error.strerror}") from error

    @property
    def links(self) -> Links:
        """The parent and the event of each world, in a file of the folder.

        While it is open, the folder is this search's alone. Raises UsageError if another one has it.
        """
        file = (self._place.folder / LINKS).open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise UsageError(
                f"{self._place.folder}: another search keeps its checkpoints there: end it first"
            ) from error
        return Links(file)

    def is_due(self) -> bool:
        """Whether the last checkpoint is long enough ago."""
        return time.perf_counter() - self._made_s >= self._place.every_s

    def save(self, store: HashStore, learnt: dict[str, Any]) -> None:
        """Make a checkpoint of *store* and of what was *learnt*. Raises UsageError if the disk or pickle refuses."""
        number = 1 if self._latest is None else self._latest["number"] + 1
        files = self._files(number)
        try:
            store.links.flush()
            files["learnt"].write_bytes(pickle.dumps(learnt, pickle.HIGHEST_PROTOCOL))
            for name, array in store.arrays().items():
                np.save(files[name], array)
            latest = {"format": FORMAT, "number": number, "asked": self._asked}
            draft = self._place.folder / f"{LATEST}.new"
            draft.write_text(json.dumps(latest, indent=2), encoding="utf-8")
            draft.replace(self._place.folder / LATEST)
        except OSError as error:
            raise UsageError(f"{self._place.folder}: the checkpoint cannot be written: {error.strerror}") from error
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise UsageError(f"a state or message cannot be pickled, so no checkpoint can be: {error}") from error
        if self._latest is not None:
            for path in self._files(self._latest["number"]).values():
                path.unlink(missing_ok=True)
        self._latest, self._made_s = latest, time.perf_counter()

    def load(self, store: HashStore) -> dict[str, Any] | None:
        """Put *store* back to the latest checkpoint: what was learnt; None if the search begins anew.

        Raises UsageError if that was another search, or cannot be read.
        """
        if self._latest is None:
            return None
        self._compare(self._latest["asked"])
        files = self._files(self._latest["number"])
        try:
            learnt = pickle.loads(files["learnt"].read_bytes())
            store.restore({name: np.load(path, mmap_mode="r") for name, path in files.items() if name != "learnt"})
        except Exception as error:  # unpickling runs whatever the states are made of
            why = f"{describe_error(error)}; begin anew, in another folder"
            raise UsageError(f"{self._place.folder}: the checkpoint cannot be read: {why}") from error
        assert isinstance(learnt, dict)
        return learnt

    def _compare(self, made_for: dict[str, str]) -> None:
        differing = [
            f"{name} was {made_for.get(name, 'not told')}, and is {self._asked.get(name, 'not told')}"
            for name in sorted(made_for.keys() | self._asked.keys())
            if made_for.get(name) != self._asked.get(name)
        ]
        if differing:
            raise UsageError(f"{self._place.folder} has the checkpoint of another search: {'; '.join(differing)}")

    def _files(self, number: int) -> dict[str, Path]:
        names = {"learnt": f"learnt-{number}.pickle"} | {name: f"{name}-{number}.npy" for name in HashStore.ARRAYS}
        return {what: self._place.folder / name for what, name in names.items()}


def _latest(folder: Path) -> dict[str, Any] | None:
    """What `latest.json` in *folder* says; None if there is none."""
    try:
        latest = json.loads((folder / LATEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{folder / LATEST} cannot be read: {error.strerror}; name another folder") from error
    except ValueError as error:
        raise UsageError(f"{folder / LATEST} cannot be read: {error}; begin anew, in another folder") from error
    if not isinstance(latest, dict) or latest.get("format") != FORMAT:
        raise UsageError(f"{folder / LATEST} is of another version of raftframe; begin anew, in another folder")
    return latest
