"""A step is a function of its arguments: no clock, no randomness, no order of a set, nothing changed or remembered."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from raftframe import ServerState, StandardStateMap
from raftframe.events import Event
from raftframe.marks import Mark
from raftframe.messages import Message

from .support import leader, states_of, take
from .test_marks import TABLE
from .walk import LENGTH, digest, walk

UNIT = Path(__file__).resolve().parents[1]
GIVEN = [given for given, _marks in TABLE]
NAMES = [" ".join(marks) or "none" for _given, marks in TABLE]


@pytest.mark.parametrize(("before", "event", "states"), GIVEN, ids=NAMES)
def test_the_same_step_twice_is_the_same(before: ServerState, event: Event | Message, states: StandardStateMap) -> None:
    """On equal arguments, in another map of equal rules, and after others: the same state, effects and marks."""
    kept = pickle.dumps((before, event))
    once = take(before, event, states)
    copied_before, copied_event = pickle.loads(kept)
    again = take(copied_before, copied_event, states_of(states.options))

    assert again == once
    assert hash(again) == hash(once)
    assert (before, event) == (copied_before, copied_event), "the step has changed what it was given"


@pytest.mark.parametrize(("before", "event", "states"), GIVEN, ids=NAMES)
def test_a_step_can_be_pickled(before: ServerState, event: Event | Message, states: StandardStateMap) -> None:
    """States, effects and marks travel between processes and come back equal."""
    step = take(before, event, states)
    copied = pickle.loads(pickle.dumps(step))

    assert (copied, hash(copied), repr(copied)) == (step, hash(step), repr(step))


def test_a_long_history_keeps_every_promise() -> None:
    """Every step of it was taken twice, on copies (see `cluster.assert_pure`), and much did happen."""
    cluster = walk(seed=15, length=LENGTH)
    marks = {mark for step in cluster.steps for mark in step.marks}

    assert cluster.problems == []
    assert len(cluster.steps) > LENGTH // 2
    assert {Mark.BECAME_LEADER, Mark.COMMITTED, Mark.TRUNCATED_SUFFIX, Mark.BACKED_UP} <= marks


def test_a_history_does_not_depend_on_the_hash_seed() -> None:
    """Texts hash differently in every process; nothing that a server does may depend on it."""
    here = digest(walk(seed=15, length=LENGTH))

    running = [
        subprocess.Popen(
            [sys.executable, "-m", "protocol.walk"],
            cwd=UNIT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join([str(UNIT), *sys.path])},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("0", "1", "4711")
    ]
    assert [process.communicate()[0] for process in running] == [here] * 3


def test_a_state_from_another_process_hashes_as_one_of_this() -> None:
    """A state keeps its hash, but not into a process where texts hash differently."""
    program = "import pickle, sys; from protocol.support import leader; sys.stdout.buffer.write(%s)"
    written = "(lambda state: (hash(state), pickle.dumps(state))[1])(leader(1, 2, term=3))"
    environment = {**os.environ, "PYTHONHASHSEED": "5", "PYTHONPATH": os.pathsep.join([str(UNIT), *sys.path])}
    pickled = subprocess.run(
        [sys.executable, "-c", program % written], env=environment, capture_output=True, check=True
    ).stdout

    assert hash(pickle.loads(pickled)) == hash(leader(1, 2, term=3))
