"""Modes, features and warnings."""

from __future__ import annotations

import pytest
from attrs import evolve

from scenarios.language.features import STANDARD
from scenarios.language.loader import load

from .support import loaded, said


def test_the_chosen_mode_counts() -> None:
    """A verb that the chosen mode lacks is an error, though the header does not name the mode."""
    assert said("step 3") == []
    assert said("step 3", mode="threads") == ["`step` does not exist in mode threads"]


def test_a_mode_that_the_file_does_not_list_is_a_skip() -> None:
    """Not an error: the file says that it is not for this mode."""
    (instance,) = loaded("settle", "servers: 3\nmodes: sim", mode="udp").instances

    assert instance.skip_reason == "mode udp is not in its `modes:`"


def test_unknown_mode_is_the_callers_mistake() -> None:
    """`load` itself refuses a mode that there is not."""
    with pytest.raises(ValueError, match="did you mean `threads`"):
        load(text="", mode="thread")


def test_a_verb_names_the_feature_it_needs() -> None:
    """Though `requires:` does not name it, the instance is a skip, and the file gets a warning."""
    text = "scenario: some\nservers: 3\n\ncompact s1 to 1\nexpect s1.learners == []\n"
    file = load(text=text, vocabulary=evolve(STANDARD, built=STANDARD.built - {"learners", "snapshots"}))

    assert file.instances[0].missing == ("learners", "snapshots")
    assert [found.message for found in file.warnings] == ["needs snapshots", "needs learners"]


def test_building_a_feature_is_adding_its_name() -> None:
    """A vocabulary with the feature built makes the same file run."""
    text = "scenario: some\nservers: 3\nrequires: transfer\n\ntransfer s1 -> s2\n"

    (instance,) = load(text=text, vocabulary=STANDARD.extended(built={"transfer"})).instances

    assert instance.skip_reason is None


def test_a_projects_own_invariant() -> None:
    """Invariants of users are part of the vocabulary, not of the grammar."""
    text = "scenario: some\nservers: 3\n\nalways never_broke\nsettle\n"

    assert not load(text=text).ok
    assert load(text=text, vocabulary=STANDARD.extended(invariants={"never_broke"})).ok


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        ("settle\nalways log_matching", "nothing happens after this `always`, so it never bites"),
        ("hold RequestVote as x\nsettle", "`x` is never released"),
        ("let V = leader\nsettle", "`V` is never used"),
        ("explore\n  sometimes quiet", "without `vary` nothing may be chosen"),
        ("expect logs match s1", "one log always matches itself"),
        ("define a\n  settle\nsettle", "define `a` is never called"),
    ],
)
def test_warnings(body: str, warning: str) -> None:
    """What is allowed but most likely not meant."""
    assert warning in said(body)


def test_races_are_found_in_modes_with_real_time() -> None:
    """A check right behind an action is a race with threads, and none behind `settle` or in the simulation."""
    race = "in threads and udp this check races with the servers"
    header = "servers: 3\nmodes: sim, threads"

    assert said("timeout s1\nexpect s1 is candidate", header) == [race]
    assert said("timeout s1\nsettle\nexpect s1 is leader\nexpect quiet", header) == []
    assert said("timeout s1\nexpect s1 is candidate") == []
    assert said("timeout s1\nwhen s1 is candidate\n  heal\nsettle", header) == [race]
    assert said("timeout s1\nshow s1 state\n  | recorded\nsettle\nshow s1", header) == [race]


def test_an_unused_parameter() -> None:
    """Its instances would all be the same."""
    assert said("settle", "servers: 3\nparam: N = 1, 2") == ["parameter `N` is never used"]


def test_injection_is_visible() -> None:
    """`given` and `set` mark an instance."""
    assert loaded("given all.term = 7\nsettle").instances[0].injected
    assert not loaded("settle").instances[0].injected


def test_other_applications_bring_their_own_commands() -> None:
    """Only the bank's commands are known; without `app:` a word nothing like them is left to the run."""
    assert said("client c1 put x") == []
    assert said("client c1 put x", "servers: 3\napp: my.module:App") == []
    assert said("client c1 put x\nclient c1 query") == ["unknown command `put`"]
    assert said("client c1 credti 3") == ["unknown command `credti`"]
