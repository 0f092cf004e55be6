"""The memory of levels, small and large."""

from __future__ import annotations

import numpy as np
import pytest

from checker.engine import levels
from checker.engine.levels import LevelMemory


def filled(memory: LevelMemory, worlds: int) -> LevelMemory:
    """*memory* with *worlds* worlds, each with its number in every slot, put there a few at a time."""
    for number in range(0, worlds, 1000):
        memory.reserve(number, min(1000, worlds - number))
        some = np.arange(number, min(number + 1000, worlds))
        memory.level.rows[some] = some[:, None]
        memory.level.fingerprint[some], memory.level.source[some], memory.level.code[some] = some, some, some
    return memory


def expect(memory: LevelMemory, begin: int, worlds: int) -> None:
    """The worlds from *begin* on are as `filled` made them, in their first three slots."""
    numbers = np.arange(begin, worlds)
    level = memory.level
    assert (level.rows[begin:worlds, :3] == numbers[:, None]).all()
    for column in (level.fingerprint, level.source, level.code):
        assert (column[begin:worlds] == numbers).all()


@pytest.mark.parametrize("worlds", [10, levels.SMALL + 5000])
def test_growing_keeps_all(worlds: int) -> None:
    """Whatever was put there stays, also when a level becomes a large one."""
    memory = filled(LevelMemory(1, 3), worlds)

    expect(memory, 0, worlds)
    assert memory.bytes(worlds) >= worlds * (3 * 4 + 16)


def test_memory_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is let go takes no memory any more; the rest is as it was, and the next level begins in the same place."""
    monkeypatch.setattr(levels, "SMALL", 1000)
    monkeypatch.setattr(levels, "LET_GO", 5000)
    monkeypatch.setattr(levels, "KEPT", 20_000)
    memory = filled(LevelMemory(1, 3), 40_000)

    memory.let_go(19_000)
    expect(memory, 0, 40_000)
    memory.let_go(30_000)

    expect(memory, 30_000, 40_000)
    assert memory.bytes(40_000) == 10_000 * (3 * 4 + 16)
    assert not memory.level.rows[:20_000].any(), "the pages came back as new ones"
    memory.begin_anew()
    expect(filled(memory, 40_000), 0, 40_000)


@pytest.mark.parametrize("small", [0, 1 << 20])
def test_wider_worlds(monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    """New slots have the given contents, and the old ones what they had: in arrays, and in address space."""
    monkeypatch.setattr(levels, "SMALL", small)
    monkeypatch.setattr(levels, "TOGETHER", 700)
    memory = filled(LevelMemory(1, 3), 9_000)

    memory.widen(9_000, [77, 88])

    expect(memory, 0, 9_000)
    assert (memory.level.rows[:9_000, 3:] == [77, 88]).all()


def test_no_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that refuses it gets arrays that are moved when they grow."""
    monkeypatch.setattr(levels, "SMALL", 1000)
    monkeypatch.setattr(levels, "address_space", lambda: None)
    memory = filled(LevelMemory(1, 3), 5_000)

    memory.let_go(4_000)

    expect(memory, 0, 5_000)
