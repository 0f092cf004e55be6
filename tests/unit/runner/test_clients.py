"""Clients: outcomes, redirects, lost connections, and whether what they saw has an order."""

from __future__ import annotations

from .support import fails, passes

STEADY = "servers: 3\noptions: noop=off\n"


def test_a_command_is_only_handed_over() -> None:
    """Without an outcome the command is pending until something moves."""
    passes(
        "elect s1\nclient c1 credit 10 as op1\nexpect op1 is pending and s1.last == 1\nawait op1 => ok 10",
        header=STEADY,
    )


def test_an_outcome_is_waited_for_and_compared() -> None:
    """`=>` runs the fair scheduler, and fails as a check, so that the run goes on."""
    passes("elect s1\nclient c1 credit 10 => ok 10\nclient c2 debit 3 => ok 7\nclient c1 query => ok 7", header=STEADY)
    result = fails("elect s1\nclient c1 credit 10 => ok 11\nexpect s1.balance == 10", "expect", "is ok 10")
    assert len(result.failures) == 1


def test_refusals() -> None:
    """The bank refuses what is not there; refused is a way to fail."""
    passes("elect s1\nclient c1 debit 3 as op1 => refused\nexpect op1 is failed and op1 is refused")


def test_redirects() -> None:
    """A redirect is followed, unless the server was chosen to hear what it says."""
    passes("elect s1\nsettle\nclient c1 credit 1 to s2 as op1\nexpect op1 is redirected and s1.balance == 0")
    passes("elect s1\nsettle\nclient c1 credit 1 to s2 => redirected")
    passes("elect s1\nsettle\nclient c1 credit 1 to s2 => ok 1\nclient c1 credit 1 via s3 => ok 2")
    passes("client c1 credit 1 => ok 1\nexpect one leader")


def test_connections_are_lost() -> None:
    """A crash, a lost office and a cut link leave the outcome unknown."""
    passes("elect s1\nclient c1 credit 1 as op1\ncrash s1\nexpect op1 is unknown\nawait op1")
    passes(
        "elect s1\nclient c1 credit 1 as op1\nisolate s1\nelect s2\nheal\nsettle\nheartbeat s2\nsettle\n"
        "expect op1 is unknown"
    )
    passes("elect s1\ncut c1 | s1\nclient c1 credit 1 to s1 as op1\nexpect op1 is unknown and s1.balance == 0")


def test_nonsense_is_an_error() -> None:
    """Commands that the application cannot read, and names that are taken, end the run."""
    fails("elect s1\nclient c1 credit 0 to s1", "action", "more than zero")
    fails("elect s1\nclient c1 credit 1 as a\nclient c1 credit 1 as a", "action", "called a already")


def test_other_applications() -> None:
    """Any application runs by its dotted path; without one, operations are recorded."""
    app = "servers: 3\napp: raftframe.api.app:RecordingApp\n"
    passes("elect s1\nclient c1 write 7 => ok 1\nexpect s1.last == 2", header=app)
    fails("expect no leader", "setup", "cannot import nowhere", header="servers: 3\napp: nowhere.app:App\n")
    fails("expect no leader", "setup", "has no Bankk", header="servers: 3\napp: bank_app.app:Bankk\n")


def test_a_stale_answer_is_not_linearizable() -> None:
    """A balance that was changed behind the clients' backs cannot be explained; it is found at the end of the run."""
    steps = "elect s1\nclient c1 credit 5 => ok 5\nset s1.balance = 90\nclient c1 query => ok 90"

    fails(steps, "linearizable", "no order explains")
    passes(f"ignore invariant linearizable\n{steps}")
