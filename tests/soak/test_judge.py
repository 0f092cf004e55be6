"""The judge of a soak: each fault that it is there for, planted by hand, and a sound run."""

from __future__ import annotations

import pytest
from attrs import evolve

from bank_app.app import Balance, Credit, Operation, Query
from raftframe.effects import Done, Outcome, Refused, Unknown
from raftframe.entries import NOOP, Command, Entry

from .bankers import Deed
from .judge import Known, Rest, election_problems, judged


def deed(serial: int, operation: Operation, outcome: Outcome, called: int) -> Deed:
    """What c1 did, from *called* to 5 later."""
    return Deed("c1", serial, operation, called, called + 5, outcome)


def entry(serial: int, operation: Operation) -> Entry:
    """The entry of a request of c1."""
    return Entry(1, Command("c1", serial, operation))


def at_rest(*log: Entry, balance: int) -> Rest:
    """Three servers that have the same."""
    names = ("s1", "s2", "s3")
    return Rest(dict.fromkeys(names, log), dict.fromkeys(names, balance))


CREDIT = deed(1, Credit(10), Done(Balance(10)), 0)
QUERY = deed(2, Query(), Done(Balance(10)), 10)
UNKNOWN = deed(3, Credit(5), Unknown(), 20)
REFUSED = deed(4, Credit(7), Refused("nobody leads"), 30)
LOG = (Entry(1, NOOP), entry(1, Credit(10)), entry(2, Query()), entry(3, Credit(5)))
REST = at_rest(*LOG, balance=15)


def test_a_sound_round_passes() -> None:
    """Whether what nobody knows took effect or not; the next round begins from the log and its balance."""
    with_it = judged(Known(), [CREDIT, QUERY, UNKNOWN, REFUSED], REST)
    without = judged(Known(), [CREDIT, QUERY, UNKNOWN, REFUSED], at_rest(*LOG[:3], balance=10))

    assert with_it.problems == without.problems == ()
    assert with_it.known == Known(LOG, 15)
    assert without.known == Known(LOG[:3], 10)


@pytest.mark.parametrize(
    ("deeds", "rest", "problem"),
    [
        ([CREDIT], at_rest(Entry(1, NOOP), balance=0), "is lost: no log has it"),
        ([REFUSED], at_rest(entry(4, Credit(7)), balance=7), "and it is in the log"),
        ([CREDIT], at_rest(entry(1, Credit(10)), entry(1, Credit(10)), balance=20), "its log comes to 10"),
        ([evolve(CREDIT, outcome=Done(Balance(11)))], at_rest(LOG[1], balance=10), "by the log it is"),
        ([CREDIT, evolve(QUERY, outcome=Done(Balance(0)))], at_rest(LOG[1], balance=10), "is not linearizable"),
        (
            [CREDIT, deed(2, Query(), Done(Balance(0)), 10)],
            at_rest(LOG[2], LOG[1], balance=10),
            "was called after it had returned",
        ),
        ([CREDIT], evolve(at_rest(LOG[1], balance=10), balances={"s1": 10, "s2": 9}), "s2 has 9"),
        (
            [CREDIT],
            evolve(at_rest(LOG[1], balance=10), entries={"s1": (LOG[1],), "s2": (LOG[0],)}),
            "is not that of the others",
        ),
    ],
    ids=["lost", "refused", "twice", "wrong answer", "stale read", "out of time", "balance", "logs differ"],
)
def test_what_is_wrong_is_said(deeds: list[Deed], rest: Rest, problem: str) -> None:
    """One fault each."""
    problems = judged(Known(), deeds, rest).problems

    assert any(problem in said for said in problems), problems


def test_what_was_sent_again_counts_once() -> None:
    """It may be in the log twice."""
    assert judged(Known(), [CREDIT], at_rest(LOG[1], LOG[1], balance=10)).problems == ()


def test_two_leaders_of_one_term_are_told() -> None:
    """The same one twice is not."""
    assert election_problems([(1, "s1"), (1, "s1"), (2, "s2")]) == []
    assert election_problems([(3, "s1"), (3, "s2")]) == ["s1 and s2 both led term 3"]
