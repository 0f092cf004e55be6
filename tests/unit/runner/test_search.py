"""explore and reach, and the elementary events that every run comes down to."""

from __future__ import annotations

import re
from pathlib import Path

from checker.runs.minimise import minimise
from checker.runs.trace import Violation
from scenarios.counterexample import Counterexample
from scenarios.language.loader import load
from scenarios.runner import Verdict, run_file, run_instance, run_loaded
from scenarios.runner.replaying import attempt_at, replay
from scenarios.runner.setup import setup_of

from .support import fails, passes, run

DUEL = """timeout s1
timeout s2
explore duel
  vary deliver
  sometimes s1 is leader, s2 is leader
  {}
expect all.term <= 1 and count(RequestVote s1 -> *) == 2"""
TWO_LEADERS = """elect s3
timeout s1
settle s1
timeout s1
deliver RequestVote s1 -> s3 nth 2
deliver RequestVoteResponse s3 -> s1 grant
crash s3
restart s3
timeout s2
timeout s2
deliver RequestVote s2 -> s3 nth 2
deliver RequestVoteResponse s3 -> s2 grant"""
FORGETFUL = "servers: 3\nstate_map: forgets_vote_on_restart\noptions: noop=off\n"


def test_explore_leaves_the_world_alone() -> None:
    """The space is complete, every sometimes is met, and the scenario goes on from where it was."""
    result = passes(DUEL.format("never s3 is leader"))

    (explored,) = result.explorations
    assert explored.complete and explored.states > 10 and all(explored.sometimes.values())
    assert result.steps == 2


def test_a_cut_space_is_unknown() -> None:
    """A limit that ends the search before the space does is named, and there is no pass."""
    result = run(DUEL.format("limit states 5"))

    assert result.verdict in (Verdict.UNKNOWN, Verdict.FAIL)
    assert not result.explorations[0].complete and result.explorations[0].cut_by == "max_states"


def test_a_vacuous_exploration_fails() -> None:
    """A sometimes that is never met says that the search looked at nothing of interest."""
    fails(DUEL.format("sometimes s3 is leader"), "vacuous", "s3 is leader")


def test_never_in_explore() -> None:
    """A violation is reported with the steps that lead to it."""
    fails(DUEL.format("never s2 is leader"), "never (line 9.1)", "deliver RequestVote s2")


TWO_CLIENTS = """elect s1
settle
explore
  vary deliver, client c1 credit 10, client c2 debit 5
  limit {}
  {}
"""


def test_clients_choose_what_they_ask_for() -> None:
    """Each request may come first, whoever makes it; the limit is on all of them together."""
    debit_first = "sometimes s1.balance == 10, s1.log starts [1 1] and s1.balance == 0, s1.balance == 5"
    passes(TWO_CLIENTS.format("commands 2", debit_first))
    passes(TWO_CLIENTS.format("commands 1", "never s1.last > 2\n  sometimes s1.last == 2"))
    fails(TWO_CLIENTS.format("commands 2", "never s1.balance == 20"), "never (line 9.1)", "client c1 credit 10 at s1")
    fails("explore\n  vary client", "action", "say what it asks for")
    fails("explore\n  vary client c1 credit ten", "action", "does not understand `credit ten`")


def test_a_counterexample_names_the_clients(tmp_path: Path) -> None:
    """The commands before an exploration and those within it are written with who asked for what."""
    steps = "client c2 credit 7 => ok\nclient c3 credit 1 to s1\n" + TWO_CLIENTS.partition("settle\n")[2]
    options = f'never s1.balance == 3\n  on violation write "{tmp_path}" minimise'
    result = run("elect s1\nsettle\n" + steps.format("commands 1", options), header="servers: 3\napp: bank\n")
    assert result.verdict is Verdict.FAIL and result.failures[0].check.startswith("never")

    (written,) = tmp_path.iterdir()

    text = written.read_text(encoding="utf-8")
    for asked in ("client c2 credit 7", "client c3 credit 1", "client c2 debit 5"):
        assert asked in text
    last = text.rpartition("expect")[0] + "expect s1.balance == 3\n"
    (again,) = run_loaded(load(text=last)).instances
    assert again.verdict is Verdict.PASS, again.failures


def test_reach_goes_on_from_what_it_found() -> None:
    """The found path becomes part of the run."""
    steps = "timeout s1\ntimeout s2\nreach s2 is leader and s1 is candidate\n  vary deliver\n"
    result = passes(f"{steps}client c1 credit 10 to s2 => ok 10\nsettle\nexpect logs match")

    assert str(result.elementary[2]).startswith("deliver RequestVote s2 -> s")
    fails("timeout s1\nreach s2 is leader\n  vary deliver", "action", "not reachable")


def test_cut_links_and_pauses_bound_the_search() -> None:
    """What cannot move in the run cannot move in the search."""
    fails("isolate s1\ntimeout s1\nreach s1 is leader\n  vary deliver", "action", "not reachable")
    fails("timeout s1\npause s2 s3\nreach s1 is leader\n  vary deliver", "action", "not reachable")


def test_a_found_bug_is_written_down_and_can_be_replayed(tmp_path: Path) -> None:
    """What an exploration finds is written as a scenario of its own, which breaks the same property."""
    text = (
        f"scenario: t\n{FORGETFUL}\nelect s3\n"
        "explore\n  vary deliver, timeout s1 s2 s3, crash s2, restart s2\n  limit timeouts 2, crashes 1\n"
        f'  on violation write "{tmp_path}" minimise\n'
    )
    loaded = load(text=text)
    assert loaded.ok, loaded.errors

    result = run_instance(loaded.instances[0])

    assert result.verdict is Verdict.FAIL
    (written,) = tmp_path.glob("*.scenario")
    again = run_file(written).instances[0]
    assert result.failures[0].check in {failure.check for failure in again.failures}


def test_a_run_can_be_minimised() -> None:
    """What fails, fails again when it is replayed, and can be made shorter."""
    loaded = load(text=f"scenario: t\n{FORGETFUL}\n{TWO_LEADERS}\n")
    assert loaded.ok, loaded.errors
    setup = setup_of(loaded.instances[0])
    events = run_instance(loaded.instances[0]).elementary

    shorter = minimise(events, attempt_at(setup, "election_safety"))

    assert replay(setup, shorter.events, looking_for="election_safety").failed
    assert len(shorter.events) < len(events)


def test_every_run_is_a_list_of_elementary_events() -> None:
    """Replaying them gives the same servers, whatever steered the run."""
    steps = (
        "advance 700ms\nclient c1 credit 3 => ok\npause leader after handling AppendEntriesResponse\n"
        "client c2 credit 4 as op\nrun until leader is paused\ncrash leader\nrestart s1\n"
    )
    steps = steps.replace("restart s1\n", "eventually one leader within 2s\nisolate s3\nadvance 1s\nheal\nadvance 1s")
    loaded = load(text=f"scenario: t\nservers: 3\n\n{steps}\n")
    assert loaded.ok, loaded.errors
    result = run_instance(loaded.instances[0])
    assert result.verdict is Verdict.PASS, result.failures
    assert result.trace is not None

    again = replay(setup_of(loaded.instances[0]), result.elementary).cluster

    last = {server: fields for step in result.trace.steps for server, fields in step.after.items()}
    assert {name: dict(again.system.describe_state(name, state)) for name, state in again.servers.items()} == last


def test_what_a_crash_loses_is_part_of_its_step() -> None:
    """One step, whatever was in outbox and inbox; and nothing that need be said again when the run is repeated."""
    result = passes("timeout s1\ntimeout s2\ncrash s1\nexpect count(any dropped) == 2")

    assert result.steps == 3 and result.trace is not None
    assert result.trace.steps[-1].lost == (1, 2)
    assert [str(event) for event in result.elementary] == ["timeout s1", "timeout s2", "crash s1"]


def test_what_a_crash_loses_is_lost_in_a_repetition() -> None:
    """Also what `elect` leaves in the outbox, and what has left before or arrived already."""
    for steps in ("elect s1\ncrash s1", "timeout s1\nflush s1\ntimeout s1\ncrash s1", "timeout s1\nstep 2\ncrash s2"):
        loaded = load(text=f"scenario: t\nservers: 3\n\n{steps}\n")
        result = run_instance(loaded.instances[0])

        again = replay(setup_of(loaded.instances[0]), result.elementary).cluster

        expected = {number.number for number in again.post.live}
        assert result.trace is not None
        ended = {each for step in result.trace.steps for each in (*step.lost, step.message)}
        assert expected == {each.number for step in result.trace.steps for each in step.sent} - ended, steps


def test_step_numbers_agree(tmp_path: Path) -> None:
    """The numbers in a written counterexample are those of its run, of its trace and of its report."""
    steps = TWO_LEADERS.replace("timeout s1\nsettle s1", "heartbeat s3\ntimeout s1\nsettle s1")
    loaded = load(text=f"scenario: t\n{FORGETFUL}\n{steps}\n")
    setup, events = setup_of(loaded.instances[0]), run_instance(loaded.instances[0]).elementary
    again = replay(setup, events, looking_for="one_vote_per_term")
    assert again.found is not None
    violation = Violation("one_vote_per_term", again.found.reason, again.found.step)
    example = Counterexample(setup=setup, events=again.events, violation=violation, headers=setup.headers)
    path = tmp_path / "found.scenario"
    path.write_text(str(example), encoding="utf-8")

    (result,) = run_file(path).instances

    assert result.trace is not None and example.trace().violation == result.trace.violation
    assert any(step.lost for step in result.trace.steps)
    (last,) = re.findall(r"# +(\d+)  .*\nexpect", str(example))
    assert int(last) == example.violation.step == result.failures[0].step
    assert f"violated after step {last}" in str(example) and f"after step {last}" in str(result.failures[0])


def test_elementary_events_are_statements() -> None:
    """Each can be written into a scenario as it is; nth and the rest only where they are needed."""
    result = passes("timeout s1\ntimeout s1\nsettle\ncrash s2\nrestart s2")
    lines = [str(event) for event in result.elementary]

    assert lines[:3] == ["timeout s1", "timeout s1", "deliver RequestVote s1 -> s2 term=1"]
    loaded = load(text="scenario: again\nservers: 3\n\n" + "\n".join(lines) + "\nexpect s1 is leader\n")
    assert loaded.ok, loaded.errors
    assert run_instance(loaded.instances[0]).verdict is Verdict.PASS
