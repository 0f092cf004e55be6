"""The lock server: mutual exclusion on every network, and the network that the planted bug needs."""

from __future__ import annotations

import pytest

from checker import Bounds, Deliver, Local, System, check
from examples.lock_server import (
    SERVER,
    Acquire,
    Client,
    Granted,
    LockServer,
    Phase,
    Release,
    Server,
    lock_server,
    mutual_exclusion,
    trusting_lock_server,
)

WISHES = {"wishes": 3, "releases": 2}


@pytest.mark.parametrize("network", ["unordered", "fifo", "ever-sent"])
def test_nobody_shares_the_lock(network: str) -> None:
    """Whatever order the messages come in, and however often."""
    report = check(lock_server(), properties=[mutual_exclusion], bounds=Bounds(WISHES), network=network)

    assert report.verdict == "pass" and report.complete


@pytest.mark.parametrize("network", ["unordered", "fifo"])
def test_trust_is_fine_where_nothing_comes_twice(network: str) -> None:
    """The planted bug does not show."""
    report = check(trusting_lock_server(), properties=[mutual_exclusion], bounds=Bounds(WISHES), network=network)

    assert report.verdict == "pass"


def test_trust_breaks_where_messages_come_twice() -> None:
    """The release of an earlier request ends the current one: twelve steps, and none less."""
    report = check(trusting_lock_server(), properties=[mutual_exclusion], bounds=Bounds(WISHES), network="ever-sent")

    failure = report.violations[0]
    assert failure.reason == "ann and bob both hold the lock"
    assert len(failure.events) == 12


def test_one_duplicate_is_enough() -> None:
    """One more step than on the network that repeats everything: the duplicate."""
    bounds = Bounds({**WISHES, "duplicates": 1})

    report = check(trusting_lock_server(), properties=[mutual_exclusion], bounds=bounds)

    assert len(report.violations[0].events) == 13
    assert check(lock_server(), properties=[mutual_exclusion], bounds=bounds).verdict == "pass"


def test_both_get_the_lock_in_turn() -> None:
    """Not vacuous: each client holds it in some run."""
    holds = [_holder("ann"), _holder("bob")]

    report = check(lock_server(), bounds=Bounds(WISHES), sometimes=holds)

    assert report.never == ()


def _holder(name: str):  # type: ignore[no-untyped-def]  # a predicate with a name of its own
    def predicate(actors):  # type: ignore[no-untyped-def]
        return actors[name].phase is Phase.HOLDING

    predicate.__name__ = f"{name}_holds"
    return predicate


def test_the_server_goes_by_requests() -> None:
    """First come, first served; what is about another request than the current one is ignored."""
    system = LockServer()
    first = system.step(SERVER, Server(), Deliver("ann", Acquire(1)))
    assert first is not None and first.sends[0].message == Granted(1)
    second = system.step(SERVER, first.state, Deliver("bob", Acquire(1)))
    assert second is not None and second.sends == ()
    again = system.step(SERVER, second.state, Deliver("ann", Acquire(1)))
    assert again is not None and again.state == second.state and again.marks == ("ignored",)
    stale = system.step(SERVER, second.state, Deliver("ann", Release(2)))
    assert stale is not None and stale.state == second.state
    freed = system.step(SERVER, second.state, Deliver("ann", Release(1)))
    assert freed is not None and freed.sends[0].target == "bob"


def test_clients_ask_once() -> None:
    """A client that waits or holds wants nothing more, and one that does not hold has nothing to give back."""
    system = LockServer()

    assert isinstance(system, System)
    assert system.step("ann", Client(Phase.WAITING, 1), Local("want")) is None
    assert system.step("ann", Client(), Local("done")) is None
    late = system.step("ann", Client(Phase.WAITING, 2), Deliver(SERVER, Granted(1)))
    assert late is not None and late.marks == ("ignored",)


def test_how_it_looks() -> None:
    """Holder first, then who waits."""
    system = LockServer()
    state = Server(("ann", 1), (("bob", 2),))

    assert system.describe_state(SERVER, state) == {"state": "ann 1 < bob 2"}
    assert system.describe_state(SERVER, Server()) == {"state": "free"}
    assert system.describe_state("ann", Client()) == {"state": "idle"}
    assert system.describe_message(Granted(3)) == "Granted 3"
