"""The verb table: every statement of the language, once.

One row says what a verb is called, how its line is written, which grammar rule reads the line, which tree class it
makes, in which modes it exists and which feature it needs. The parser, the mode check, `raftframe help` and the hints
of error messages all read this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from scenarios.language import tree
from scenarios.language.diagnostics import suggest
from scenarios.language.tree import Statement

SIM = ("sim",)
IN_PROCESS = ("sim", "threads")
ALL = ("sim", "threads", "udp")

BlockKind: TypeAlias = Literal["none", "statements", "options", "logs", "golden"]
Place: TypeAlias = Literal["statement", "option", "both"]


@frozen
class Verb:
    """One row. *block*: what may be indented below the line; *place*: a statement, an option of a search, or both."""

    name: str
    syntax: str
    node: type[Statement]
    rule: str
    help: str
    group: str = field(default="", kw_only=True)
    modes: tuple[str, ...] = field(default=ALL, kw_only=True)
    feature: str | None = field(default=None, kw_only=True)
    block: BlockKind = field(default="none", kw_only=True)
    place: Place = field(default="statement", kw_only=True)


GROUPS: Mapping[str, tuple[Verb, ...]] = {
    "elections, time": (
        Verb("elect", "elect n", tree.Elect, "servers", "fire n's timer and deliver vote traffic only until n leads"),
        Verb("timeout", "timeout n", tree.Timeout, "servers", "fire n's election timer"),
        Verb("heartbeat", "heartbeat n", tree.Heartbeat, "servers", "fire n's heartbeat timer"),
        Verb(
            "expire",
            "expire n",
            tree.Expire,
            "servers",
            "fire n's lease timer: n knows no leader any more",
            feature="check_quorum",
        ),
        Verb(
            "tick",
            "tick n [k] [heartbeats|elections]",
            tree.Tick,
            "tick",
            "let logical time pass for n alone",
        ),
        Verb("advance", "advance 500ms", tree.Advance, "advance", "let time pass for everyone"),
        Verb("step", "step [k]", tree.Step, "step", "let the scheduler choose and take k steps", modes=SIM),
    ),
    "messages": (
        Verb("deliver", "deliver P [all]", tree.Deliver, "deliver", "deliver and handle the oldest match, or all"),
        Verb("drop", "drop P", tree.Drop, "one_pattern", "lose all matches"),
        Verb(
            "duplicate",
            "duplicate P",
            tree.Duplicate,
            "one_pattern",
            "put a second copy of the oldest match on the wire",
        ),
        Verb(
            "delay", "delay P by k steps|ticks|500ms", tree.Delay, "delay", "keep the matches from moving for so long"
        ),
        Verb("reorder", "reorder P as 3, 1, 2", tree.Reorder, "reorder", "rearrange the matches", modes=SIM),
        Verb("hold", "hold P [as name]", tree.Hold, "hold", "keep every match on the wire until released"),
        Verb("release", "release name|all", tree.Release, "release", "end a hold"),
        Verb("settle", "settle [servers]", tree.Settle, "maybe_servers", "deliver and handle until nothing changes"),
        Verb("flush", "flush n", tree.Flush, "servers", "hand n's outbox to the wire"),
    ),
    "flow": (
        Verb("run", "run until C [within N steps|ticks|2s]", tree.RunUntil, "run", "run the fair scheduler until C"),
        Verb(
            "pause",
            "pause n [before|after sending|receiving|handling P | on role|substate|timer|commit|apply X | when C]",
            tree.Pause,
            "pause",
            "stop n now, or when it gets there",
        ),
        Verb("resume", "resume n", tree.Resume, "servers", "let a paused server go on"),
    ),
    "faults": (
        Verb("crash", "crash n [losing unsynced]", tree.Crash, "crash", "lose outbox and inbox, keep wire and disk"),
        Verb("restart", "restart n [empty]", tree.Restart, "start", "start a crashed server again"),
        Verb("stop", "stop n", tree.Stop, "servers", "stop in good order"),
        Verb("start", "start n [empty]", tree.Start, "start", "start a stopped or a new server"),
        Verb("wipe", "wipe n", tree.Wipe, "servers", "empty the disk of a server that is down"),
        Verb("partition", "partition A | B, partition A -> B", tree.Partition, "groups", "only groups hear each other"),
        Verb("isolate", "isolate n", tree.Isolate, "servers", "cut every link of n"),
        Verb("cut", "cut A | B, cut A -> B", tree.Cut, "groups", "cut the links between A and B only"),
        Verb("heal", "heal [A | B]", tree.Heal, "maybe_groups", "mend every link, or those between A and B"),
        Verb(
            "disk",
            "disk n fail|slow|full|ok|hold|release [append|sync|apply] [k]",
            tree.Disk,
            "disk",
            "make disks misbehave; hold and release their writes",
            modes=SIM,
        ),
    ),
    "clients": (
        Verb(
            "client",
            "client c1 credit 10 [to n|via n] [as op1] [=> ok 10]",
            tree.Client,
            "client",
            "hand a command over; with => wait for its outcome",
        ),
        Verb("await", "await op1 [=> ok 10]", tree.Await, "await", "run until the operation is no longer pending"),
    ),
    "members, snapshots": (
        Verb(
            "reconfigure",
            "reconfigure add|remove|learner n ... [direct|joint [auto|implicit|explicit]] [to n] [=> refused]",
            tree.Reconfigure,
            "reconfigure",
            "ask the leader for a change of members",
            modes=SIM,
            feature="membership",
        ),
        Verb(
            "leave",
            "leave joint to n",
            tree.LeaveJoint,
            "leave",
            "leave a joint configuration",
            modes=SIM,
            feature="joint",
        ),
        Verb(
            "transfer",
            "transfer n [-> m]",
            tree.Transfer,
            "transfer",
            "hand leadership from n to m, or to the voter with the longest log",
            feature="transfer",
        ),
        Verb(
            "snapshot",
            "snapshot n [-> m]",
            tree.Snapshot,
            "snapshot",
            "take a snapshot, and send it to m",
            feature="snapshots",
        ),
        Verb(
            "compact",
            "compact n [to k]",
            tree.Compact,
            "compact",
            "take a snapshot, and discard n's log up to index k",
            feature="snapshots",
        ),
        Verb(
            "forget",
            "forget leader n",
            tree.ForgetLeader,
            "forget",
            "make n forget its leader",
            feature="forget_leader",
        ),
        Verb(
            "unreachable",
            "unreachable n -> m",
            tree.Unreachable,
            "link",
            "tell n that m could not be reached",
            modes=IN_PROCESS,
            feature="progress",
        ),
    ),
    "white box": (
        Verb(
            "given",
            "given logs, then lines s1: 1 1 4; given n.field = value",
            tree.GivenField,
            "given",
            "what is there before the servers start",
            block="logs",
        ),
        Verb("set", "set n.field = value", tree.SetField, "set", "change a server's state now"),
        Verb(
            "show",
            "show [n] [state log messages ...]",
            tree.Show,
            "show",
            "print; `| ` lines record it",
            block="golden",
        ),
    ),
    "checks": (
        Verb("expect", 'expect C [because "..."]', tree.Expect, "expect", "C holds now"),
        Verb(
            "eventually",
            'eventually C [within N steps|ticks|2s] [because "..."]',
            tree.Eventually,
            "eventually",
            "the fair scheduler gets to C",
            place="both",
        ),
        Verb(
            "always", "always C [until C]", tree.Always, "watch", "C holds after every step from here on", place="both"
        ),
        Verb("never", "never C [until C]", tree.Never, "watch", "C holds after no step from here on", place="both"),
        Verb("ignore", "ignore invariant X", tree.IgnoreInvariant, "ignore", "do not check X; the report says so"),
    ),
    "structure": (
        Verb("section", 'section "..."', tree.Section, "quoted", "a title in report and picture"),
        Verb("note", 'note "..."', tree.Note, "quoted", "a remark in report and picture"),
        Verb("let", "let name = value", tree.Let, "let", "bind $name; a role becomes one concrete server"),
        Verb("repeat", "repeat k", tree.Repeat, "repeat", "run the block k times", block="statements"),
        Verb("for", "for x in a, b", tree.For, "for", "run the block for each item as $x", block="statements"),
        Verb("when", "when C", tree.When, "when", "run the block if C holds now", block="statements"),
        Verb("case", 'case "..."', tree.Case, "quoted", "one of several continuations", block="statements"),
        Verb("define", "define name $a $b", Statement, "define", "name a block", block="statements"),
        Verb("call", "call name s1 3", tree.Call, "call", "run a define"),
        Verb("use", 'use "file"', Statement, "quoted", "load the defines of another file"),
    ),
    "search": (
        Verb("explore", "explore [name]", tree.Explore, "explore", "try every order", modes=SIM, block="options"),
        Verb(
            "reach",
            "reach C [within N steps]",
            tree.Reach,
            "reach",
            "search for a state with C and go on from it",
            modes=SIM,
            block="options",
        ),
    ),
    "search options": (
        Verb("vary", "vary deliver, timeout s1 s2, drop", tree.Vary, "vary", "what may be chosen", place="option"),
        Verb("limit", "limit depth 24, crashes 1", tree.Limit, "limit", "budgets", place="option"),
        Verb("symmetry", "symmetry servers", tree.Symmetry, "symmetry", "servers that may swap names", place="option"),
        Verb("strategy", "strategy bfs then random seed 7", tree.Strategy, "strategy", "search order", place="option"),
        Verb("sometimes", "sometimes C, C", tree.Sometimes, "conditions", "each must be met somewhere", place="option"),
        Verb("prune", "prune C", tree.Prune, "conditions", "do not go on from such states", place="option"),
        Verb("fair", "fair deliver, timeout", tree.Fair, "fair", "what may not be put off for ever", place="option"),
        Verb(
            "whenever",
            "whenever C eventually C",
            tree.Whenever,
            "whenever",
            "the first leads to the second",
            place="option",
        ),
        Verb(
            "on",
            'on violation [write "dir/"] [minimise]',
            tree.OnViolation,
            "on",
            "keep a counterexample",
            place="option",
        ),
    ),
}


def _rows() -> dict[str, Verb]:
    from attrs import evolve

    return {verb.name: evolve(verb, group=group) for group, verbs in GROUPS.items() for verb in verbs}


VERBS: Mapping[str, Verb] = _rows()
STATEMENT_VERBS: tuple[str, ...] = (*(name for name, verb in VERBS.items() if verb.place != "option"), "try")
OPTION_VERBS: tuple[str, ...] = tuple(name for name, verb in VERBS.items() if verb.place != "statement")
GRAMMAR_STARTS: tuple[str, ...] = (*sorted({verb.rule for verb in VERBS.values()} - {"call"}), "log_line")
_BY_NODE: Mapping[type[Statement], Verb] = {
    **{verb.node: verb for verb in VERBS.values()},
    tree.GivenLogs: VERBS["given"],
}


def verb_of(statement: Statement) -> Verb:
    """The row that *statement* was made by; of a `try`, its inner statement's."""
    return verb_of(statement.statement) if isinstance(statement, tree.Try) else _BY_NODE[type(statement)]


def help_text(word: str | None = None) -> str:
    """`raftframe help [VERB]`: one verb at length, or all of them in groups."""
    if word is None:
        parts = [f"{group}\n" + "".join(_short(verb) for verb in verbs) for group, verbs in GROUPS.items()]
        return "\n".join(parts)
    if word not in VERBS:
        return f"there is no verb `{word}`: {suggest(word, tuple(VERBS))}\n"
    verb = VERBS[word]
    needs = f"needs: {verb.feature}\n" if verb.feature else ""
    return f"{verb.syntax}\n    {verb.help}\nmodes: {', '.join(verb.modes)}\n{needs}"


def _short(verb: Verb) -> str:
    return f"  {verb.syntax}\n      {verb.help}\n"
