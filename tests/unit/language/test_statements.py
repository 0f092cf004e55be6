"""What lines mean: the tree that each kind of line makes."""

from __future__ import annotations

import pytest

from scenarios.language import tree
from scenarios.language.terms import (
    Amount,
    And,
    Compare,
    Configuration,
    Contains,
    Duration,
    FieldRef,
    InvariantHolds,
    LeaderCount,
    Log,
    LogsMatch,
    MarkSeen,
    MessageCount,
    MessageIs,
    MessageTest,
    Not,
    Number,
    Or,
    OutcomeIs,
    Pattern,
    ProgressIs,
    Quiet,
    RoleIs,
    Selector,
    Word,
)
from scenarios.language.verbs import VERBS, help_text, verb_of

from .support import instance, statement

S1, S2, S3 = (Selector(name, "server") for name in ("s1", "s2", "s3"))
K = Selector("k", "variable")
C1 = Selector("c1", "client")
ALL = Selector("all", "group")
LEADER = Selector("leader", "role")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("elect s1", tree.Elect((S1,))),
        ("timeout s1 leader *", tree.Timeout((S1, LEADER, ALL))),
        ("tick s1 2 elections", tree.Tick((S1,), Number(2), "elections")),
        ("tick s1", tree.Tick((S1,))),
        ("let k = 2\ntick s1 $k", tree.Tick((S1,), K)),
        ("let k = 2\ntick s1 s2 $k heartbeats", tree.Tick((S1, S2), K, "heartbeats")),
        ("let k = s1\ntick $k", tree.Tick((K,))),
        ("let k = 2\ndeliver any nth $k", tree.Deliver(Pattern("any", nth=K))),
        ("let k = 2\nrepeat $k\n  step $k", tree.Repeat(K, (tree.Step(K),))),
        ("advance 1.5s", tree.Advance(Duration(1500))),
        ("step", tree.Step()),
        ("deliver RequestVote s1 -> s2", tree.Deliver(Pattern("RequestVote", S1, S2))),
        ("deliver AppendEntries s1 -> s2 all", tree.Deliver(Pattern("AppendEntries", S1, S2), every=True)),
        ("deliver RequestVote all", tree.Deliver(Pattern("RequestVote"), every=True)),
        ("deliver any all", tree.Deliver(Pattern("any"), every=True)),
        ("deliver any all -> s1 all", tree.Deliver(Pattern("any", ALL, S1), every=True)),
        ("drop any s1 -> *", tree.Drop(Pattern("any", S1, ALL))),
        (
            "duplicate AppendEntries from s1 to s2 entries>0 nth 2",
            tree.Duplicate(Pattern("AppendEntries", S1, S2, (MessageTest("entries", ">", Number(0)),), Number(2))),
        ),
        ("delay RequestVote by 3 steps", tree.Delay(Pattern("RequestVote"), Amount(Number(3), "steps"))),
        ("delay RequestVote by 20ms", tree.Delay(Pattern("RequestVote"), Amount(Number(20), "ms"))),
        ("reorder AppendEntries as 3, 1, 2", tree.Reorder(Pattern("AppendEntries"), (3, 1, 2))),
        ("hold any * -> s1", tree.Hold(Pattern("any", ALL, S1))),
        ("release all", tree.Release()),
        ("settle", tree.Settle()),
        ("settle s1 s2", tree.Settle((S1, S2))),
        ("flush s1", tree.Flush((S1,))),
        ("run until quiet within 20 ticks", tree.RunUntil(Quiet(), Amount(Number(20), "ticks"))),
        ("pause s1", tree.Pause((S1,))),
        (
            "pause s1 before handling RequestVote from s2",
            tree.Pause((S1,), tree.PauseAtMessage("before", "handling", Pattern("RequestVote", S2))),
        ),
        ("pause s1 on commit 1", tree.Pause((S1,), tree.PauseOn("commit", Number(1)))),
        ("pause s1 on role leader", tree.Pause((S1,), tree.PauseOn("role", LEADER))),
        ("pause s1 when quiet", tree.Pause((S1,), tree.PauseWhen(Quiet()))),
        ("crash s1 s2 losing unsynced", tree.Crash((S1, S2), losing_unsynced=True)),
        ("restart s1 empty", tree.Restart((S1,), empty=True)),
        ("partition s1 | s2 s3", tree.Partition(((S1,), (S2, S3)))),
        ("partition all -> s1", tree.Partition(((ALL,), (S1,)), one_way=True)),
        ("heal", tree.Heal()),
        ("heal s1 | s2", tree.Heal(((S1,), (S2,)))),
        ("disk all release append 1", tree.Disk((ALL,), "release", "append", Number(1))),
        (
            "client c1 credit 10 to s1 as op1 => ok 10",
            tree.Client("c1", "credit", (Number(10),), S1, False, "op1", tree.Outcome("ok", (Number(10),))),
        ),
        ("client c1 query via leader", tree.Client("c1", "query", (), LEADER, True)),
        (
            "reconfigure remove s1 add s2 joint explicit to s1 => refused",
            tree.Reconfigure(
                (tree.Change("remove", (S1,)), tree.Change("add", (S2,))),
                "joint",
                "explicit",
                S1,
                tree.Outcome("refused"),
            ),
        ),
        ("leave joint to s1", tree.LeaveJoint(S1)),
        ("transfer s1 -> s2", tree.Transfer(S1, S2)),
        ("transfer s1", tree.Transfer(S1)),
        ("snapshot s1 -> s2", tree.Snapshot(S1, S2)),
        ("snapshot s1", tree.Snapshot(S1)),
        ("compact s1 to 7", tree.Compact(S1, Number(7))),
        ("forget leader s1", tree.ForgetLeader(S1)),
        ("unreachable s1 -> s2", tree.Unreachable(S1, S2)),
        ("given all.term = 7", tree.GivenField(FieldRef((ALL,), "term"), Number(7))),
        ("given logs\n  s1: 1 1 4", tree.GivenLogs((tree.LogLine(S1, Log((1, 1, 4))),))),
        ("set s2.log = [1 2]", tree.SetField(FieldRef((S2,), "log"), Log((1, 2)))),
        ("show s2 state messages", tree.Show((S2,), ("state", "messages"))),
        ("show s2\n| s2  follower\n|   more", tree.Show((S2,), (), ("s2  follower", "  more"))),
        ("show s2\n  | s2 # no comment", tree.Show((S2,), (), ("s2 # no comment",))),
        ('expect quiet because "a \\"b\\""', tree.Expect(Quiet(), 'a "b"')),
        ("eventually one leader within 2s", tree.Eventually(LeaderCount("one"), Amount(Number(2000), "ms"))),
        ("always log_matching until quiet", tree.Always((InvariantHolds("log_matching"),), Quiet())),
        ("ignore invariant log_matching", tree.IgnoreInvariant("log_matching")),
        ('section "a"', tree.Section("a")),
        ('note "a"', tree.Note("a")),
        ("let V = leader", tree.Let("V", LEADER)),
        ("repeat 2\n  settle", tree.Repeat(Number(2), (tree.Settle(),))),
        (
            "for x in s1, s2\n  timeout $x",
            tree.For("x", (S1, S2), (tree.Timeout((Selector("x", "variable"),)),)),
        ),
        ("when quiet\n  settle", tree.When(Quiet(), (tree.Settle(),))),
        ('case "a"\n  settle', tree.Case("a", (tree.Settle(),))),
        ("try deliver RequestVote", tree.Try(tree.Deliver(Pattern("RequestVote")))),
        (
            "explore two of them\n  vary deliver, crash s1 s2, client c1 credit 10 to s1",
            tree.Explore(
                "two of them",
                (
                    tree.Vary(
                        (
                            tree.VaryItem("deliver"),
                            tree.VaryItem("crash", (S1, S2)),
                            tree.VaryItem("client", words=(C1, Word("credit"), Number(10)), target=S1),
                        )
                    ),
                ),
            ),
        ),
        (
            "reach quiet within 50 steps\n  limit depth 3, time 2s\n  strategy bfs then random seed 7",
            tree.Reach(
                Quiet(),
                Amount(Number(50), "steps"),
                (
                    tree.Limit((tree.LimitItem("depth", Number(3)), tree.LimitItem("time", Duration(2000)))),
                    tree.Strategy((tree.StrategyStage("bfs"), tree.StrategyStage("random", (("seed", 7),)))),
                ),
            ),
        ),
        (
            'explore\n  on violation write "x/" minimise\n  whenever quiet eventually one leader\n  fair deliver',
            tree.Explore(
                "",
                (
                    tree.OnViolation("x/", minimise=True),
                    tree.Whenever(Quiet(), LeaderCount("one")),
                    tree.Fair(("deliver",)),
                ),
            ),
        ),
    ],
)
def test_a_line_makes_this_tree(line: str, expected: tree.Statement) -> None:
    """Each verb with each of its forms."""
    made = statement(line)

    assert made == expected
    assert "Token(" not in repr(made)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s1 is not leader", RoleIs((S1,), "leader", negated=True)),
        ("s1 s2 is follower", RoleIs((S1, S2), "follower")),
        ("s1.term = 3", Compare(FieldRef((S1,), "term"), "==", Number(3))),
        ("s1.term <= s2.term", Compare(FieldRef((S1,), "term"), "<=", FieldRef((S2,), "term"))),
        ("s1.leader == none", Compare(FieldRef((S1,), "leader"), "==", Word("none"))),
        ("s1.config == [s1 s2 | s1]", Compare(FieldRef((S1,), "config"), "==", Configuration(("s1", "s2"), ("s1",)))),
        ("s1.log contains leave_joint", Contains(FieldRef((S1,), "log"), Word("leave_joint"))),
        (
            "count(AppendEntries s1 -> s2 held) == 3",
            MessageCount(Pattern("AppendEntries", S1, S2), "==", Number(3), "held"),
        ),
        ("count(RequestVote sent) == 1", MessageCount(Pattern("RequestVote"), "==", Number(1), "sent")),
        ("count(any held) == 1", MessageCount(Pattern("any"), "==", Number(1), "held")),
        ("count(any reject) == 1", MessageCount(Pattern("any", answer="reject"), "==", Number(1))),
        ("RequestVote is not in-flight", MessageIs(Pattern("RequestVote"), "in-flight", negated=True)),
        ("progress(s1 -> s2) == probe", ProgressIs("progress", S1, S2, "==", Word("probe"))),
        ("mark truncated_suffix at s3", MarkSeen("truncated_suffix", (S3,))),
        ("logs match s1 s2 and quiet", And((LogsMatch((S1, S2)), Quiet()))),
        ("quiet or quiet and not quiet", Or((Quiet(), And((Quiet(), Not(Quiet())))))),
        ("not (quiet or quiet)", Not(Or((Quiet(), Quiet())))),
    ],
)
def test_a_condition_makes_this_tree(text: str, expected: object) -> None:
    """Each atom; `not` binds tighter than `and`, `and` tighter than `or`."""
    made = statement(f"expect {text}")

    assert isinstance(made, tree.Expect)
    assert made.condition == expected


def test_an_outcome_is_told_from_a_role() -> None:
    """`op1 is ok` speaks of an operation, `s1 is leader` of a server."""
    made = instance("client c1 query as op1\nexpect not op1 is ok").statements[-1]

    assert made == tree.Expect(Not(OutcomeIs("op1", "ok")))


def test_spans_point_at_what_was_written() -> None:
    """A condition's span covers the condition, and nothing else."""
    made = statement("expect no leader and s1.commit < 2   # why")

    assert isinstance(made, tree.Expect)
    assert isinstance(made.condition, And)
    assert [(part.span.column, part.span.length) for part in made.condition.parts] == [(8, 9), (22, 13)]
    assert (made.span.line, made.span.column, made.span.length) == (4, 1, 34)


def test_calls_carry_their_expanded_body() -> None:
    """A define's arguments are gone from the body of the call."""
    made = instance("define twice $x\n  repeat 2\n    timeout $x\n\ncall twice s2").statements

    assert made == (tree.Call("twice", ("s2",), (tree.Repeat(Number(2), (tree.Timeout((S2,)),)),)),)


def test_every_verb_has_help() -> None:
    """The table that drives the parser also says what each verb is for."""
    for name, verb in VERBS.items():
        assert name in help_text(name)
        assert verb.help in help_text()
        assert verb.group


def test_a_statement_knows_its_verb() -> None:
    """From the tree back to the table, through `try`."""
    assert verb_of(statement("try drop RequestVote")).name == "drop"
    assert verb_of(statement("given logs\n  s1: 1")).name == "given"
