"""Every verb: what it does, and that it says so when it has nothing to act on."""

from __future__ import annotations

import pytest

from scenarios.language import tree
from scenarios.runner.verbs import HANDLERS

from .support import fails, passes

FIVE = "servers: 5\n"
QUIET = "servers: 3\noptions: noop=off\n"


def test_every_statement_has_a_handler() -> None:
    """No statement of the language is forgotten."""
    kinds = {
        kind
        for kind in vars(tree).values()
        if isinstance(kind, type)
        and issubclass(kind, tree.Statement)
        and kind not in (tree.Statement, tree.ServersStatement)
    }

    assert kinds == set(HANDLERS)


WORKS = {
    "elect": "elect s1\nexpect s1 is leader and s1.term == 1\nexpect s3.leader == none",
    "elect leaves entries": "elect s1\n"
    "expect count(AppendEntries * -> * sent) == 2 and count(AppendEntries * -> * in-flight) == 0",
    "timeout": "timeout s1\nexpect s1 is candidate and count(RequestVote s1 -> * sent) == 2",
    "timeout of a leader": "elect s1\ntimeout s1\nexpect s1 is leader\nexpect mark ignored_timeout at s1",
    "heartbeat": "elect s1\nsettle\nheartbeat s1\nexpect count(Heartbeat s1 -> * sent) == 2",
    "tick": "tick s1 1 elections\nexpect s1 is candidate and s2.term == 0",
    "tick ticks": "tick s1 14\nexpect s1.term == 0",
    "tick heartbeats": "elect s1\nsettle\ntick s1 3 heartbeats\nexpect count(Heartbeat s1 -> s2 sent) == 3",
    "advance": "advance 500ms\nexpect one leader\nadvance 500ms\nexpect one leader and all.leader == leader",
    "step": "step\nexpect some leader or all.term >= 0",
    "deliver": "timeout s1\ndeliver RequestVote s1 -> s2\nexpect s2.voted_for == s1\n"
    "expect RequestVoteResponse s2 -> s1 is in-flight and RequestVote s1 -> s3 is sent",
    "deliver all": "timeout s1\ndeliver RequestVote s1 -> * all\nexpect s2.voted_for == s1 and s3.voted_for == s1",
    "deliver nth": "timeout s1\ntimeout s1\ndeliver RequestVote s1 -> s2 nth 2\nexpect s2.term == 2",
    "deliver to a server that is down": "timeout s1\ncrash s2\ndeliver RequestVote s1 -> s2\n"
    "expect RequestVote s1 -> s2 is dropped",
    "drop": "timeout s1\ndrop RequestVote s1 -> *\nexpect count(RequestVote * -> * dropped) == 2 and quiet",
    "duplicate": "timeout s1\nduplicate RequestVote s1 -> s2\nexpect count(RequestVote s1 -> s2 in-flight) == 1\n"
    "expect count(RequestVote s1 -> s2) == 2",
    "delay by steps": "timeout s1\ndelay RequestVote s1 -> s2 by 4 steps\nsettle\nexpect s2.term == 1",
    "delay by time": "timeout s1\ndelay RequestVote s1 -> s2 by 100ms\nadvance 50ms\n"
    "expect s2.voted_for == none and RequestVote s1 -> s2 is in-flight\nadvance 60ms\n"
    "expect RequestVote s1 -> s2 is handled",
    "reorder": "timeout s1\ntimeout s1\nreorder RequestVote s1 -> s2 as 2, 1\ndeliver RequestVote s1 -> s2\n"
    "expect s2.term == 2",
    "hold and release": "hold RequestVote s1 -> s2 as slow\ntimeout s1\nsettle\n"
    "expect s2.voted_for == none and s1 is leader\n"
    "expect count(RequestVote * -> * held) == 1 and RequestVote s1 -> s2 is in-flight\nrelease slow\nsettle\n"
    "expect RequestVote s1 -> s2 is handled",
    "hold what is there": "timeout s1\nhold any s1 -> *\nexpect count(RequestVote * -> * held) == 2\n"
    "release all\nsettle",
    "settle some": "timeout s1\nsettle s1 s2\nexpect s2.term == 1 and s3.term == 0 and s1 is leader",
    "flush": "timeout s1\nflush s1\nexpect count(RequestVote * -> * in-flight) == 2",
    "run until": "run until one leader within 50 steps\nexpect one leader",
    "run until in ticks": "run until one leader within 100 ticks\nexpect one leader",
    "pause now": "pause s1\nadvance 2s\nexpect s1 is paused and s1.term == 0 and one leader\nresume s1",
    "resume all": "pause s1 s2\nresume all\nexpect all is not paused\nresume all",
    "crash": "timeout s1\ncrash s1\nexpect s1 is crashed and count(RequestVote * -> * dropped) == 2 and s1.term == 1",
    "crash keeps the wire": "timeout s1\nflush s1\ncrash s1\nexpect count(RequestVote * -> * in-flight) == 2",
    "crash all": "crash s1\ncrash all\nexpect all is crashed",
    "restart": "timeout s1\ncrash s1\nrestart s1\nexpect s1 is follower and s1.term == 1 and s1.voted_for == s1",
    "restart empty": "ignore invariant monotonic_term\ntimeout s1\ncrash s1\nrestart s1 empty\nexpect s1.term == 0",
    "stop flushes": "timeout s1\nstop s1\nexpect s1 is stopped and count(RequestVote * -> * in-flight) == 2\nstart s1",
    "wipe": "ignore invariant monotonic_term\ntimeout s1\ncrash s1\nwipe s1\nrestart s1\nexpect s1.term == 0",
    "set": "set s2.term = 7\nexpect s2.term == 7 and s1.term == 0",
    "set a vote": "set s2.term = 1\nset s2.voted_for = s3\ntimeout s1\nsettle s1 s2\nexpect s1 is candidate",
    "set a timeout": "set s2.timeout = 20\nadvance 60ms\nexpect s2 is leader",
    "set last": "set s2.term = 1\nset s2.last = 2\nexpect s2.log == [1 1]",
    "given": "given logs\n  s1: 1 2\n  s2: 1\ngiven all.term = 3\n"
    "expect s1.log == [1 2] and s3.term == 3 and s2.last == 1",
    "show": "show s2 state",
    "section and note": 'section "one"\nnote "two"\nexpect no leader',
    "let": "elect s2\nlet L = leader\ncrash $L\nexpect $L is crashed and s2 is crashed",
    "repeat": "repeat 3\n  timeout s1\nexpect s1.term == 3",
    "for": "for x in s2, s3\n  timeout $x\nexpect s2.term == 1 and s3.term == 1",
    "for over a group": "elect s1\nsettle\nfor f in followers\n  expect $f.leader == s1",
    "when": "when no leader\n  timeout s1\nwhen some leader\n  timeout s2\nexpect s1.term == 1 and s2.term == 0",
    "call": "define twice $a\n  timeout $a\n  timeout $a\ncall twice s1\nexpect s1.term == 2",
    "try": "try deliver RequestVote s1 -> s2\ntry resume s1\ntry heartbeat s1\nexpect s1.term == 0",
    "eventually": "eventually one leader within 1s",
    "ignore": "ignore invariant log_matching\nexpect no leader",
    "unchanged": "expect no leader\ntimeout s2\nexpect s1.term unchanged\nexpect not s1.term != 0",
}


@pytest.mark.parametrize("steps", WORKS.values(), ids=WORKS)
def test_it_works(steps: str) -> None:
    """Each verb does what the language says."""
    passes(steps)


NOTHING = {
    "elect a leader": ("elect s1\nelect s1", "s1 leads already"),
    "elect without a majority": ("crash s2 s3\nelect s1", "not elected in 10 rounds"),
    "timeout of the dead": ("crash s1\ntimeout s1", "s1 is crashed"),
    "timeout of the paused": ("pause s1\ntimeout s1", "s1 is paused"),
    "heartbeat of a follower": ("heartbeat s1", "s1 does not lead"),
    "step": ("crash all\nstep", "nothing is left"),
    "deliver": ("deliver RequestVote s1 -> s2", "none was ever sent"),
    "deliver twice": ("timeout s1\ndeliver RequestVote s1 -> s2\ndeliver RequestVote s1 -> s2", "1 handled"),
    "deliver to the paused": ("timeout s1\npause s2\ndeliver RequestVote s1 -> s2", "s2 is paused"),
    "deliver what is held": ("hold RequestVote\ntimeout s1\ndeliver RequestVote s1 -> s2", "1 held"),
    "drop": ("drop RequestVote", "none was ever sent"),
    "duplicate": ("duplicate RequestVote", "none was ever sent"),
    "delay": ("delay RequestVote by 3 steps", "none was ever sent"),
    "reorder": ("timeout s1\nreorder RequestVote s1 -> s2 as 2, 1", "1 messages match"),
    "release all": ("release all", "nothing is held"),
    "flush": ("flush s1", "nothing in the outbox"),
    "run until": ("crash all\nrun until one leader within 9 steps", "nobody leads"),
    "pause twice": ("pause s1\npause s1", "s1 is paused"),
    "resume": ("resume s1", "s1 is not paused"),
    "crash twice": ("crash s1\ncrash s1", "s1 is crashed"),
    "restart": ("restart s1", "s1 is running"),
    "wipe": ("wipe s1", "s1 is running"),
    "heal": ("heal", "no link is cut"),
    "cut twice": ("cut s1 | s2\ncut s1 | s2", "cut already"),
    "client": ("crash s1\nclient c1 credit 1 to s1", "s1 is crashed"),
    "await": ("pause s1\nelect s2\npause s2 s3\nclient c1 credit 1 as op1\nawait op1", "still pending"),
    "leader": ("crash leader", "there is no leader"),
    "set in memory of the dead": ("crash s1\nset s1.commit = 3", "s1 is down"),
}


@pytest.mark.parametrize(("steps", "words"), NOTHING.values(), ids=NOTHING)
def test_nothing_to_act_on(steps: str, words: str) -> None:
    """A verb that has nothing to act on is an error, which ends the run."""
    result = fails(f"{steps}\nexpect s1.term == 99", "action", words)

    assert len(result.failures) == 1


def test_the_first_clause_that_is_false_is_marked() -> None:
    """A failed expect shows the clause, both values, the step that changed it, and how to see it again."""
    steps = 'timeout s1\nexpect s2.term == 0 and s1.term == 2 because "it stood twice"\nexpect s1.term == 3'
    result = fails(steps, "expect", "s1.term is 1")

    text = str(result.failures[0])
    assert "because: it stood twice" in text
    assert "changed by step 1 (line 4): timeout s1" in text and "s1.term 0 -> 1" in text
    assert "reproduce: raftframe run" in text and "--to 5" in text
    assert text.splitlines()[2].index("^") == text.splitlines()[1].index("s1.term == 2")
    assert len(result.failures) == 2


def test_failures_in_a_define_show_the_chain() -> None:
    """An error inside a define says which call led there."""
    result = fails("define bad $a\n  resume $a\ncall bad s1", "action", "s1 is not paused")

    assert "call bad s1" in str(result.failures[0])


def test_watchers() -> None:
    """always and never hold from their line on, after every step, until they end."""
    fails("always s1.term == 0\ntimeout s1", "always", "s1.term is 1")
    fails("never s1 is candidate\ntimeout s1", "never", "it holds after step 1")
    passes("timeout s1\nnever s1.term == 9\nsettle")
    passes("always s1.term == 0 until s2.term == 1\ntimeout s2\ntimeout s1")
    unused = passes("always s1.term == 0")
    assert "never judged" in str(unused.warnings[0])


def test_variables_hold_numbers() -> None:
    """Wherever a number may stand, a variable that holds one may; behind the servers of `tick` it may be a server."""
    passes("let k = 2\nelect s1\nsettle\nfor n in 1, 2\n  tick s1 $n heartbeats\nexpect count(Heartbeat sent) == 6")
    passes("timeout s1\nfor n in 2, 1\n  deliver RequestVote nth $n\nexpect count(RequestVote handled) == 2")
    passes("let k = 3\nrepeat $k\n  timeout s1\nexpect s1.term == 3\ntry step $k")
    passes("let other = s2\ntick s1 $other\ntick s1 30\nexpect s1.term == 1")
    fails("let k = 0\ntimeout s1\ndeliver RequestVote nth $k", "action", "`nth` counts from 1, not from 0")
    fails("let k = s2\ntimeout s1\ndeliver RequestVote nth $k", "action", "s2 is no number")


def test_what_never_bites_fails() -> None:
    """A pause that is never reached, and a hold that holds nothing, would pass silently."""
    fails("pause s1 before sending AppendEntries\ntimeout s2", "pause", "never reached")
    fails("hold AppendEntries s1 -> s2 as h\ntimeout s2", "hold", "held nothing")
    held = passes("always s1.term == 0 until s1.term == 1\ntimeout s1")
    assert "its `until` held at once" in str(held.warnings[0])
    ignored = passes("ignore invariant log_matching\ntimeout s1")
    assert "there was nothing to ignore: log_matching held throughout" in str(ignored.warnings[0])
    pruned = passes("timeout s1\nexplore\n  vary deliver\n  prune s2 is leader\n  sometimes s1 is leader")
    assert "`prune` cut nothing" in str(pruned.warnings[0])
    gone = passes("pause s1 before sending AppendEntries\ncrash s1")
    assert "went down before" in str(gone.warnings[0])


def test_selectors() -> None:
    """Words for servers mean what holds when their line runs; the log says what that was."""
    steps = "elect s2\nsettle\nexpect followers.leader == s2 and follower.term == 1 and leader.last == 1\ncrash leader"
    result = passes(steps, header=FIVE)

    assert any("leader (= s2)" in line for line in result.log)
    passes("elect s4\ncrash others\nexpect s4 is running and s1 is crashed and s5 is crashed", header=FIVE)
    passes("partition majority | minority\nelect s1\nsettle\nexpect s4.term == 0 and s3.leader == s1", header=FIVE)


def test_outcome_of_conditions() -> None:
    """Conditions read servers, messages, marks and logs."""
    passes(
        "elect s1\nclient c1 credit 4 as op1\nsettle\nexpect op1 is ok and not op1 is pending\n"
        "expect s1.log contains op1 and s1.log starts [1] and s2.log == s1.log and logs match and committed match\n"
        "expect all.balance == 4 and all.commit == 1 and s1.applied == 1 and s1.match_index == [1 1]\n"
        "expect s1.config contains s2 and quiet and one leader and some leader and not no leader\n"
        "expect count(AppendEntries s1 -> s2 entries>0) >= 1 and AppendEntries s1 -> s2 is handled\n"
        "expect mark committed at s1 and mark became_leader and election_safety and linearizable\n"
        "expect s2.role == follower and s2 is not leader or s3 is leader",
        header=QUIET,
    )
    fails("elect s1\nexpect mark truncated_suffix at s2", "expect", "has not left the mark")
    fails("expect leader.term == 1", "expect", "there is no leader")
