"""Traces written by hand, each for what it asks of a picture.

They are what the views are looked at with: `python -m tests.unit.views.samples FOLDER` writes every sample's page
to that folder.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import define, evolve, field

from checker.runs.trace import SentMessage, Trace, TraceStep, Violation, What

Fields = dict[str, str]


@define
class Recorder:
    """Writes a trace one step a call. `now` is what each actor shows; keyword arguments of a step change it."""

    now: dict[str, Fields]
    steps: list[TraceStep] = field(factory=list)
    wire: list[SentMessage] = field(factory=list)
    sent_count: int = 0

    def step(
        self,
        what: What,
        name: str,
        actor: str | None = None,
        *,
        message: int | None = None,
        send: tuple[tuple[str, str], ...] = (),
        marks: tuple[str, ...] = (),
        outputs: tuple[str, ...] = (),
        **change: str,
    ) -> None:
        """One step. `send` has (target, text) pairs; a change to '' takes a field away."""
        sent = tuple(self._message(actor or "", target, text) for target, text in send)
        after: Mapping[str, Fields] = {}
        if change and actor is not None:
            self.now[actor] = {key: value for key, value in {**self.now[actor], **change}.items() if value}
            after = {actor: self.now[actor]}
        line = 10 + len(self.steps)
        self.steps.append(TraceStep(what, name, actor, message, sent, marks, outputs, after, line))

    def local(self, name: str, actor: str, **rest: object) -> None:
        """A local event of *actor*."""
        self.step(What.LOCAL, name, actor, **rest)  # type: ignore[arg-type]  # passed on as given

    def deliver(self, kind: str, source: str, target: str, **rest: object) -> None:
        """The oldest message on that link whose text begins with *kind* arrives."""
        found = self._take(kind, source, target)
        self.step(What.DELIVER, "deliver", target, message=found.number, **rest)  # type: ignore[arg-type]

    def drop(self, kind: str, source: str, target: str) -> None:
        """The oldest message of that type on that link is lost."""
        self.step(What.DROP, "drop", message=self._take(kind, source, target).number)

    def duplicate(self, kind: str, source: str, target: str) -> None:
        """The oldest message of that type on that link exists twice from now on."""
        found = self._take(kind, source, target)
        self.wire.append(found)
        copy = self._message(source, target, found.text)
        self.steps.append(TraceStep(What.DUPLICATE, "duplicate", message=found.number, sent=(copy,)))

    def trace(self, title: str, before: dict[str, Fields], broken: tuple[str, str] | None, **about: str) -> Trace:
        """All of it; *broken* is the property that the last step violates, and why."""
        violation = Violation(*broken, step=len(self.steps)) if broken else None
        return Trace(title, tuple(before), before, tuple(self.steps), violation, about)

    def _message(self, source: str, target: str, text: str) -> SentMessage:
        self.sent_count += 1
        self.wire.append(SentMessage(self.sent_count, source, target, text))
        return self.wire[-1]

    def _take(self, kind: str, source: str, target: str) -> SentMessage:
        for message in self.wire:
            if f"{message.text} ".startswith(f"{kind} ") and (message.source, message.target) == (source, target):
                self.wire.remove(message)
                return message
        raise LookupError(f"no {kind} {source} -> {target} on the wire")


def raft_servers(count: int, **fields: str) -> dict[str, Fields]:
    """Followers as they show themselves at the start."""
    blank = {"role": "follower", "term": "0", "voted_for": "-", "log": "-", "commit": "0", **fields}
    return {f"s{number}": dict(blank) for number in range(1, count + 1)}


def two_leaders() -> Trace:
    """Example 12: a server forgets its vote in a restart, and term 1 gets two leaders."""
    before = raft_servers(3)
    run = Recorder(dict(before))
    ask, grant = "RequestVote term=1 last=0/0", "RequestVoteResponse term=1 grant"
    run.local("timeout", "s1", send=(("s2", ask), ("s3", ask)), role="candidate", term="1", voted_for="s1")
    run.deliver("RequestVote", "s1", "s3", send=(("s1", grant),), marks=("granted vote",), term="1", voted_for="s1")
    beat = "AppendEntries term=1 prev=0/0 entries=0 commit=0"
    run.deliver(
        "RequestVoteResponse", "s3", "s1", send=(("s2", beat), ("s3", beat)), marks=("became leader",), role="leader"
    )
    run.step(What.CRASH, "crash", "s3")
    run.step(What.RESTART, "restart", "s3", marks=("recovered",), voted_for="-")
    run.local("timeout", "s2", send=(("s1", ask), ("s3", ask)), role="candidate", term="1", voted_for="s2")
    run.deliver("RequestVote", "s2", "s3", send=(("s2", grant),), marks=("granted vote",), voted_for="s2")
    run.deliver(
        "RequestVoteResponse", "s3", "s2", send=(("s1", beat), ("s3", beat)), marks=("became leader",), role="leader"
    )
    return run.trace(
        "counterexample - election_safety - two leaders in term 1",
        before,
        ("election_safety", "leaders of term 1 = s1, s2"),
        state_map="forgets_vote_on_restart",
        reproduce="raftframe run 12_counterexample.scenario --seed 7",
    )


def _elect(run: Recorder, leader: str, voters: tuple[str, ...], term: str, others: tuple[str, ...]) -> None:
    ask, grant = f"RequestVote term={term}", f"RequestVoteResponse term={term} grant"
    run.local(
        "timeout", leader, send=tuple((other, ask) for other in others), role="candidate", term=term, voted_for=leader
    )
    for voter in voters:
        marks = ("granted vote",)
        run.deliver(
            ask,
            leader,
            voter,
            send=((leader, grant),),
            marks=marks,
            role="follower",
            term=term,
            voted_for=leader,
        )
    for voter in voters[:-1]:
        run.deliver(grant, voter, leader)
    run.deliver(grant, voters[-1], leader, marks=("became leader",), role="leader")


def _replicate(run: Recorder, leader: str, target: str, text: str, log: str) -> None:
    run.local("heartbeat", leader, send=((target, f"AppendEntries {text}"),))
    reply = ((leader, f"AppendEntriesResponse {text.split()[0]} ok"),)
    run.deliver("AppendEntries", leader, target, send=reply, marks=("appended",), log=log, term=text[5])


def figure8() -> Trace:
    """Figure 8 of the Raft paper with the commit rule left out: an entry on a majority is overwritten."""
    before = raft_servers(5)
    run = Recorder(dict(before))
    _elect(run, "s1", ("s2", "s3"), "1", ("s2", "s3", "s4", "s5"))
    run.local("client x=1", "s1", log="1", marks=("appended",))
    for name in ("s2", "s3", "s4", "s5"):
        _replicate(run, "s1", name, "term=1 prev=0/0 entries=[1]", "1")
    run.local("client x=2", "s1", log="1 1")
    _replicate(run, "s1", "s2", "term=1 prev=1/1 entries=[1]", "1 1")
    run.step(What.CRASH, "crash", "s1")
    _elect(run, "s5", ("s3", "s4"), "2", ("s1", "s2", "s3", "s4"))
    run.local("client x=3", "s5", log="1 2")
    run.step(What.CRASH, "crash", "s5")
    run.step(What.RESTART, "restart", "s1", role="follower")
    _elect(run, "s1", ("s2", "s3"), "3", ("s2", "s3", "s4"))
    _replicate(run, "s1", "s3", "term=3 prev=1/1 entries=[1]", "1 1")
    run.deliver("AppendEntriesResponse", "s3", "s1")
    run.deliver("AppendEntriesResponse", "s3", "s1", marks=("committed 2",), commit="2", outputs=("x=2 ok",))
    run.step(What.CRASH, "crash", "s1")
    run.step(What.RESTART, "restart", "s5", role="follower")
    _elect(run, "s5", ("s2", "s4"), "4", ("s1", "s2", "s3", "s4"))
    broken = ("leader_completeness", "index 2 of term 1 was committed by s1 in term 3, and s5, leader of term 4, has 2")
    return run.trace("figure 8 - an entry on a majority is not yet committed", before, broken, seed="7")


def _beat(run: Recorder, leader: str, followers: tuple[str, ...], term: str, lost: tuple[str, ...] = ()) -> None:
    text = f"AppendEntries term={term} prev=1/1 entries=0 commit=1"
    run.local("heartbeat", leader, send=tuple((name, text) for name in followers))
    for name in followers:
        if name in lost:
            run.drop("AppendEntries", leader, name)
            continue
        run.deliver("AppendEntries", leader, name, send=((leader, f"AppendEntriesResponse term={term} ok index=1"),))
        run.deliver("AppendEntriesResponse", name, leader)


def partition() -> Trace:
    """A leader is cut off, the majority elects another, the old one comes back. More than forty steps, no fault."""
    before = raft_servers(5, term="1", voted_for="s1", log="1", commit="1")
    before["s1"]["role"] = "leader"
    run = Recorder(dict(before))
    run.step(What.NOTE, "section the leader is cut off from the majority")
    _beat(run, "s1", ("s2", "s3", "s4", "s5"), "1")
    run.step(What.NETWORK, "partition s1 s2 | s3 s4 s5")
    run.local("client credit 10", "s1", log="1 1", marks=("appended",))
    _beat(run, "s1", ("s2", "s3", "s4", "s5"), "1", lost=("s3", "s4", "s5"))
    _elect(run, "s4", ("s3", "s5"), "2", ("s1", "s2", "s3", "s5"))
    for name in ("s1", "s2"):
        run.drop("RequestVote", "s4", name)
    run.local("client credit 20", "s4", log="1 2", marks=("appended",))
    _replicate(run, "s4", "s3", "term=2 prev=1/1 entries=[2]", "1 2")
    _replicate(run, "s4", "s5", "term=2 prev=1/1 entries=[2]", "1 2")
    run.deliver("AppendEntriesResponse", "s3", "s4", marks=("committed 2",), commit="2", outputs=("credit 20 ok",))
    run.step(What.NETWORK, "heal")
    _beat(run, "s4", ("s3", "s5"), "2")
    run.local("heartbeat", "s4", send=(("s1", "AppendEntries term=2 prev=1/1 entries=[2] commit=2"),))
    run.deliver(
        "AppendEntries",
        "s4",
        "s1",
        send=(("s4", "AppendEntriesResponse term=2 ok index=2"),),
        marks=("stepped down", "truncated suffix", "appended"),
        role="follower",
        term="2",
        log="1 2",
        commit="2",
        voted_for="-",
    )
    return run.trace("a leader in the minority loses its entry", before, None, seed="3", mode="sim")


def pauses() -> Trace:
    """Pauses, drops, duplicates, a message to oneself, and some that never arrive."""
    before = raft_servers(3, term="4", voted_for="s2")
    before["s2"]["role"] = "leader"
    run = Recorder(dict(before))
    first = "AppendEntries term=4 prev=0/0 entries=[4] commit=0"
    run.local("client debit 5", "s2", send=(("s1", first), ("s3", first)), log="4", marks=("appended",))
    run.step(What.PAUSE, "pause s3 before handling AppendEntries", "s3")
    run.duplicate("AppendEntries", "s2", "s1")
    run.deliver("AppendEntries", "s2", "s1", send=(("s2", "AppendEntriesResponse term=4 ok index=1"),), log="4")
    run.drop("AppendEntriesResponse", "s1", "s2")
    run.deliver("AppendEntries", "s2", "s1", send=(("s2", "AppendEntriesResponse term=4 ok index=1"),))
    run.duplicate("AppendEntriesResponse", "s1", "s2")
    run.deliver("AppendEntriesResponse", "s1", "s2", commit="1", marks=("committed 1",), outputs=("debit 5 ok",))
    run.local("compact", "s2", send=(("s2", "Compact to=1"),))
    run.deliver("Compact", "s2", "s2", snapshot="1", log="")
    run.local("heartbeat", "s2", send=(("s1", first), ("s3", first)))
    run.step(What.RESUME, "resume", "s3")
    run.deliver("AppendEntries", "s2", "s3", send=(("s2", "AppendEntriesResponse term=4 ok index=1"),), log="4")
    run.local("timeout", "s3", send=(("s1", "RequestVote term=5"), ("s2", "RequestVote term=5")), role="candidate")
    return run.trace("pauses, drops and duplicates", before, None)


def two_phase_commit() -> Trace:
    """Not Raft: no role, no term. A coordinator that forgets a vote commits what one participant aborted."""
    before = {name: {"state": "working", "votes": "-"} for name in ("coordinator", "bank", "shop")}
    run = Recorder({name: dict(fields) for name, fields in before.items()})
    run.local("begin", "coordinator", send=(("bank", "Prepare tx=1"), ("shop", "Prepare tx=1")), state="waiting")
    run.deliver("Prepare", "coordinator", "bank", send=(("coordinator", "Vote tx=1 yes"),), state="prepared")
    run.deliver("Prepare", "coordinator", "shop", send=(("coordinator", "Vote tx=1 no"),), state="aborted")
    run.deliver("Vote", "bank", "coordinator", votes="bank")
    run.deliver(
        "Vote",
        "shop",
        "coordinator",
        send=(("bank", "Commit tx=1"), ("shop", "Commit tx=1")),
        votes="bank shop",
        state="committed",
    )
    run.deliver("Commit", "coordinator", "bank", state="committed")
    return run.trace("two-phase commit", before, ("atomic", "bank committed transaction 1 and shop aborted it"))


SAMPLES: Mapping[str, Callable[[], Trace]] = {
    "two_leaders": two_leaders,
    "figure8": figure8,
    "partition": partition,
    "pauses": pauses,
    "two_phase_commit": two_phase_commit,
}


def hostile() -> Trace:
    """A trace whose every text tries to leave its place."""
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{title}}\u2028\x1b[31m"
    base = two_leaders()
    sent = SentMessage(1, bad, bad, bad)
    step = TraceStep(What.LOCAL, bad, bad, None, (sent,), (bad,), (bad,), {bad: {bad: bad, "role": bad, "term": bad}})
    arrive = TraceStep(What.DELIVER, bad, bad, 1, after={bad: {bad: "x"}})
    network = TraceStep(What.NETWORK, f"partition {bad}")
    steps = (step, arrive, network)
    return evolve(
        base,
        title=bad,
        actors=(bad,),
        before={bad: {bad: bad}},
        steps=steps,
        violation=Violation(bad, bad, 2),
        about={bad: bad},
    )


def main(argument: str) -> None:
    """Write every sample's page to a folder; with `--golden`, the text views to the golden files."""
    from checker.views import render_html, render_text

    if argument == "--golden":
        for name in ("two_leaders", "pauses", "two_phase_commit"):
            path = Path(__file__).parent / "golden" / f"{name}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(render_text(SAMPLES[name]()), encoding="utf-8")
        return
    for name, make in {**SAMPLES, "hostile": hostile}.items():
        Path(argument).mkdir(parents=True, exist_ok=True)
        (Path(argument) / f"{name}.html").write_text(render_html(make()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
