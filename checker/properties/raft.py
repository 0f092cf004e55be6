"""What Raft promises (Raft figure 3), and what figure 2 implies; on by default wherever Raft is explored or run.

Three of them need to remember: a leader that has crashed since still led its term, a vote that was forgotten was
still given, an entry that everybody has lost was still committed. They are monitors, or read one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import combinations
from typing import Any

from attrs import field, frozen

from checker.properties.base import Invariant, Monitor, MonitorMove, Property, Reason, StepRule
from checker.raft_system import RaftServer
from checker.system import ActorId, Deliver, Event, State, Step
from raftframe import Configuration, Entry, Log, Role, ServerState
from raftframe.entries import Index, Term
from raftframe.membership import latest_configuration
from raftframe.messages import RequestVote, RequestVoteResponse
from raftframe.quorum import is_joint_quorum
from raftframe.server_state import LeaderData, Progress


def _server(state: State) -> RaftServer:
    assert isinstance(state, RaftServer), f"Raft's properties judge RaftServers, not {state!r}"
    return state


# One vote a term (§5.2)


def _vote_given(actor: ActorId, before: State, event: Event, step: Step) -> tuple[ActorId, Term, str] | None:
    then, now = _server(before).promised, _server(step.state).promised
    told = _vote_told(step) if _server(step.state).stores else None
    if told is not None:
        return actor, *told
    if now.voted_for is None or (then.term, then.voted_for) == (now.term, now.voted_for):
        return None
    return actor, now.term, now.voted_for


def _vote_told(step: Step) -> tuple[Term, str] | None:
    """The vote that *step* tells somebody of, whether it is stored or not."""
    for send in step.sends:
        match send.message:
            case RequestVoteResponse(target=candidate, term=term, granted=True) | RequestVote(candidate, _, term):
                return term, candidate
    return None


def _remember_vote(votes: tuple[tuple[ActorId, Term, str], ...], vote: tuple[ActorId, Term, str]) -> MonitorMove:
    voter, term, candidate = vote
    for other, earlier_term, earlier in votes:
        if other == voter and earlier_term == term and earlier != candidate:
            return MonitorMove(votes, f"{voter} voted for {earlier} and for {candidate} in term {term}")
    others = tuple(known for known in votes if known[0] != voter)
    return MonitorMove(tuple(sorted((*others, vote))))


one_vote_per_term = Monitor("one_vote_per_term", (), _vote_given, _remember_vote)


# Election safety (§5.2)


def _took_office(actor: ActorId, before: State, event: Event, step: Step) -> tuple[Term, ActorId] | None:
    then, now = _server(before).state, _server(step.state).state
    if now is None or now.role is not Role.LEADER:
        return None
    if then is not None and then.role is Role.LEADER and then.term == now.term:
        return None
    return now.term, actor


def _remember_leader(leaders: tuple[tuple[Term, ActorId], ...], office: tuple[Term, ActorId]) -> MonitorMove:
    term, actor = office
    for known_term, leader in leaders:
        if known_term == term and leader != actor:
            return MonitorMove(leaders, f"{leader} and {actor} were both leaders of term {term}")
    return MonitorMove(tuple(sorted({*leaders, office})))


election_safety = Monitor("election_safety", (), _took_office, _remember_leader)


# State machine safety (§5.4.3), and what was ever committed


@frozen
class Committed:
    """What was ever committed: the longest committed log, and for each index the term in which it was first
    committed, and the configuration that was in effect then where it was committed.
    """

    log: Log = field(factory=Log)  # as far as it was seen before a snapshot covered it
    terms: tuple[Term, ...] = ()
    configurations: tuple[Configuration, ...] = ()

    @property
    def configuration(self) -> Configuration:
        """The latest that is committed, or the one in which the last entry was."""
        latest = latest_configuration(self.log, self.log.last_index)
        return self.configurations[-1] if latest is None else latest[1]


@frozen
class _News:
    """A server's committed log has grown to *log*; *configurations* are those in effect for each new index."""

    actor: ActorId
    term: Term
    log: Log
    configurations: tuple[Configuration, ...]


def _committed_more(actor: ActorId, before: State, event: Event, step: Step) -> _News | None:
    then, now = _server(before).state, _server(step.state).state
    first = then.commit_index if then is not None else 0
    if now is None or now.commit_index == first:
        return None
    indexes = range(first + 1, now.commit_index + 1)
    in_effect = tuple(_in_effect(then, now, event, index) for index in indexes)
    return _News(actor, now.term, now.log.up_to(now.commit_index), in_effect)


def _in_effect(then: ServerState | None, now: ServerState, event: Event, index: Index) -> Configuration:
    """The configuration whose majority has committed *index* in this step.

    A message commits what was there before, and only then is anything appended; all other events append first.
    """
    was_there = isinstance(event, Deliver) and then is not None and index <= then.log.last_index
    return then.configuration if was_there and then is not None else now.configuration


def _remember_committed(known: Committed, news: _News) -> MonitorMove:
    actor, log = news.actor, news.log
    for index, mine, other in _entries_of_both(known.log, log):
        if mine != other:
            what = f"at index {index} {_named(other)}, where {_named(mine)} was committed before"
            return MonitorMove(known, f"{actor} committed {what}")
    base = log.base_index
    if base in known.log and known.log.term_at(base) != log.base_term:
        what = f"at index {base} an entry of term {log.base_term}, where {_named(known.log.at(base))}"
        return MonitorMove(known, f"{actor} has a snapshot that ends {what} was committed before")
    if log.last_index <= known.log.last_index:
        return MonitorMove(known)
    return MonitorMove(_grown(known, news))


def _grown(known: Committed, news: _News) -> Committed:
    """*known* with what is new in *news*. What no step has committed that was watched counts as if this one had."""
    more = news.log.last_index - known.log.last_index
    unseen = (news.configurations[0],) * (more - len(news.configurations))
    configurations = known.configurations + unseen + news.configurations[-more:]
    terms = known.terms + (news.term,) * more
    if news.log.base_index == known.log.base_index:
        return Committed(news.log, terms, configurations)
    first = known.log.last_index + 1
    if news.log.base_index < first:
        log = known.log.followed_by(news.log.between(first, news.log.last_index))
        return Committed(log, terms, configurations)
    unknown = len(terms) - len(news.log)  # a snapshot alone has them, of a history that was not watched
    return Committed(news.log, terms[unknown:], configurations[unknown:])


def _entries_of_both(one: Log, other: Log) -> Iterable[tuple[Index, Entry, Entry]]:
    """The entries at each index that both logs have, side by side."""
    if one.base_index == other.base_index == 0:
        return ((index, mine, theirs) for index, (mine, theirs) in enumerate(zip(one, other, strict=False), start=1))
    first, last = max(one.base_index, other.base_index) + 1, min(one.last_index, other.last_index)
    return ((index, one.at(index), other.at(index)) for index in range(first, last + 1))


def _may_hold(log: Log, index: Index, entry: Entry) -> bool:
    """Whether *log* has *entry* at *index*, as far as it can tell: in a snapshot only the last term shows."""
    return log.at(index) == entry if index in log else index < log.base_index or log.has(index, entry.term)


state_machine_safety = Monitor("state_machine_safety", Committed(), _committed_more, _remember_committed)


# Leader completeness (§5.4)


def _led_log(actor: ActorId, state: State) -> tuple[Term, Log] | None:
    server = _server(state).state
    return (server.term, server.log) if server is not None and server.role is Role.LEADER else None


def _leaders_are_complete(views: Mapping[ActorId, tuple[Term, Log] | None], committed: Committed) -> Reason:
    for actor, led in views.items():
        if led is None:
            continue
        term, log = led
        first = committed.log.base_index + 1
        for index, (entry, committed_in) in enumerate(zip(committed.log, committed.terms, strict=True), start=first):
            if committed_in < term and not _may_hold(log, index, entry):
                missing = f"{_named(entry)} at index {index}, committed in term {committed_in}"
                return f"{actor} leads term {term} without {missing}"
    return None


leader_completeness = Invariant("leader_completeness", _leaders_are_complete, _led_log, monitor=state_machine_safety)


# A committed entry is on the disks of a majority (§5.3): of the voters when it was committed, or of those of now, for
# a server that was removed may have gone with its disk.


def _stored_log(actor: ActorId, state: State) -> Log:
    return _server(state).disk.synced.log


def _committed_is_on_majority(views: Mapping[ActorId, Log], committed: Committed) -> Reason:
    base = committed.log.base_index
    for index, entry in enumerate(committed.log, start=base + 1):
        holders = [str(actor) for actor, log in views.items() if _may_hold(log, index, entry)]
        in_effect = (committed.configurations[index - base - 1], committed.configuration)
        if not any(is_joint_quorum(holders, configuration.electorates) for configuration in in_effect):
            where = f"only on {', '.join(holders)}" if holders else "on no server"
            return f"{_named(entry)} at index {index} is committed, but stored {where}"
    return None


commit_on_majority = Invariant(
    "commit_on_majority", _committed_is_on_majority, _stored_log, monitor=state_machine_safety
)


# Log matching (§5.3)


def _log(actor: ActorId, state: State) -> Log:
    return _server(state).durable.log


def _logs_match(views: Mapping[ActorId, Log], _history: Any) -> Reason:
    for (one, log), (other, their_log) in combinations(views.items(), 2):
        if log is their_log:
            continue
        reason = _first_mismatch(log, their_log)
        if reason is not None:
            index, mine, theirs = reason
            difference = f"{_named(mine)} and {_named(theirs)} at index {index}"
            return f"{one} and {other} agree on an entry at or behind {index}, but have {difference}"
    return None


def _first_mismatch(log: Log, other: Log) -> tuple[Index, Entry, Entry] | None:
    differing = None
    for index, mine, theirs in _entries_of_both(log, other):
        if mine != theirs and differing is None:
            differing = (index, mine, theirs)
        if differing is not None and mine.term == theirs.term:
            return differing
    return None


log_matching = Invariant("log_matching", _logs_match, _log)


# What a leader believes of its followers


@frozen
class _Believed:
    """A server's log, and how far it believes those of others to be equal to it: pairs of server and match index."""

    term: Term
    log: Log
    matches: tuple[tuple[str, Index], ...]


def _believed(actor: ActorId, state: State) -> _Believed:
    server, durable = _server(state).state, _server(state).durable
    data = server.data if server is not None else None
    progress = data.progress if isinstance(data, LeaderData) else ()
    return _Believed(durable.term, durable.log, tuple((p.server, p.match_index) for p in progress if p.match_index))


def _beliefs_are_true(views: Mapping[ActorId, _Believed], _history: Any) -> Reason:
    for leader, mine in views.items():
        for follower, match in mine.matches:
            theirs = views[follower]
            if theirs.term <= mine.term and not _agree(mine.log, theirs.log, match):
                return f"{leader} leads term {mine.term} and believes that {follower} has stored its log up to {match}"
    return None


def _agree(log: Log, other: Log, index: Index) -> bool:
    """Whether both logs have the same up to *index*, as far as they can tell."""
    if log.base_index == other.base_index == 0:
        return log.up_to(index) == other.up_to(index)
    covered = max(log.base_index, other.base_index)
    if index <= covered:
        return min(log.last_index, other.last_index) >= index
    return log.up_to(index).common_prefix(other.up_to(index)) == index == min(log.last_index, other.last_index, index)


match_index_is_true = Invariant("match_index_is_true", _beliefs_are_true, _believed)
"""Not among the defaults: it reads so much that it runs for nearly every world. It finds early what
`commit_on_majority` finds late.
"""


# What a server believes of its own disk (option `async_storage`)


def _known_stored(actor: ActorId, state: State) -> Reason:
    """What *actor* believes and is not so."""
    server, disk = _server(state).state, _server(state).disk.synced
    if server is None or server.stable is None:
        return None
    index = max(server.stable.index, server.log.base_index)
    if index > server.stable.index or server.log.up_to(index).common_prefix(disk.log) >= index:
        return None
    return f"{actor} believes that it has stored its log up to {index}, and its disk has {disk.log.terms}"


def _stored_as_believed(views: Mapping[ActorId, Reason], _history: Any) -> Reason:
    return next((reason for reason in views.values() if reason is not None), None)


stable_is_true = Invariant("stable_is_true", _stored_as_believed, _known_stored)
"""Not among the defaults: only with `async_storage` does a server believe anything of its disk."""


def _applied_too_early(actor: ActorId, state: State) -> Reason:
    """What *actor* has applied and not stored; a snapshot of others brings what it has applied."""
    server, stored = _server(state).state, _server(state).disk.synced.log.last_index
    if server is None or server.applied_index <= max(
        stored, 0 if server.snapshot is None else server.snapshot.last_index
    ):
        return None
    return f"{actor} has applied the entries up to {server.applied_index}, and stored those up to {stored}"


applied_is_stored = Invariant("applied_is_stored", _stored_as_believed, _applied_too_early)
"""Not among the defaults: only with `async_storage` can it be otherwise."""


# Rules about one step


def _appends_only(actor: ActorId, before: State, event: Event, step: Step) -> Reason:
    then, now = _server(before).state, _server(step.state).state
    if then is None or now is None or then.term != now.term:
        return None
    if then.role is not Role.LEADER or now.role is not Role.LEADER or now.log.starts_with(then.log):
        return None
    return f"{actor} leads term {now.term} and changed its own log from {then.log.terms} to {now.log.terms}"


def _term_never_falls(actor: ActorId, before: State, event: Event, step: Step) -> Reason:
    then, now = _server(before).promised.term, _server(step.state).promised.term
    return f"{actor} went back from term {then} to term {now}" if now < then else None


def _commit_never_falls(actor: ActorId, before: State, event: Event, step: Step) -> Reason:
    then, now = _server(before).state, _server(step.state).state
    if then is None or now is None or now.commit_index >= then.commit_index:
        return None
    return f"{actor} went back from commit index {then.commit_index} to {now.commit_index}"


def _match_never_falls(actor: ActorId, before: State, event: Event, step: Step) -> Reason:
    for then, now in _progress_in_one_term(before, step.state):
        if now.match_index < then.match_index:
            return f"{actor} took back that {now.server} has stored {then.match_index}: now {now.match_index}"
    return None


def _progress_is_in_order(actor: ActorId, before: State, event: Event, step: Step) -> Reason:
    for _, now in _progress_in_one_term(before, step.state):
        if not 0 <= now.match_index < now.next_index:
            return f"{actor} would send {now.server} index {now.next_index}, which has stored {now.match_index} already"
    return None


def _progress_in_one_term(before: State, after: State) -> Iterable[tuple[Progress, Progress]]:
    then, now = _server(before).state, _server(after).state
    if then is None or now is None or then.term != now.term:
        return ()
    if not isinstance(then.data, LeaderData) or not isinstance(now.data, LeaderData):
        return ()
    known = {progress.server: progress for progress in then.data.progress}
    return [(known[progress.server], progress) for progress in now.data.progress if progress.server in known]


# What was applied (§5.4.3, §7)


def _applied(actor: ActorId, state: State) -> tuple[tuple[Index, Hashable, Hashable], ...]:
    """What this server has come to, and at which index."""
    server = _server(state).state
    return () if server is None else ((server.applied_index, server.app_state, server.sessions),)


def _applied_is_the_same(views: Mapping[ActorId, Any], _history: Any) -> Reason:
    known: dict[Index, tuple[ActorId, Hashable]] = {}
    for actor, states in views.items():
        for index, *what in states:
            other, before = known.setdefault(index, (actor, what))
            if before != what:
                return f"{other} and {actor} have applied the entries 1 to {index}, and come to different states"
    return None


applied_states_match = Invariant("applied_states_match", _applied_is_the_same, _applied)
"""Not among the defaults: without snapshots, state machine safety and a deterministic application imply it."""


leader_append_only = StepRule("leader_append_only", _appends_only)
monotonic_term = StepRule("monotonic_term", _term_never_falls)
monotonic_commit = StepRule("monotonic_commit", _commit_never_falls)
monotonic_match = StepRule("monotonic_match", _match_never_falls)
progress_in_order = StepRule("progress_in_order", _progress_is_in_order)


def _named(entry: Entry) -> str:
    return f"an entry of term {entry.term}"


RAFT_PROPERTIES: tuple[Property, ...] = (
    election_safety,
    one_vote_per_term,
    leader_append_only,
    log_matching,
    leader_completeness,
    state_machine_safety,
    commit_on_majority,
    monotonic_term,
    monotonic_commit,
    monotonic_match,
    progress_in_order,
)
"""The default invariants. `no_handler_error` is the checker's own: an exception is a finding in every
system.
"""
