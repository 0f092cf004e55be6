"""A small Raft in plain Python, atomic step by atomic step: the system on which this checker's speed is measured.

It is the same machine, to the last state, as the TLA+ specification of the same name whose state spaces are known
exactly: one entry in an AppendEntries, no no-op entry, a server votes for itself at once. It also shows what a system
looks like to the checker:

    raftframe check --system examples/raft_core.py:raft_core --limit timeouts=2 --limit commands=1
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import StrEnum

from attrs import evolve, field, frozen

from checker.properties.base import Invariant
from checker.system import ActorId, Deliver, Event, LocalKind, Message, Send, State, Step


class Role(StrEnum):
    """What a server is."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


@frozen(cache_hash=True)
class Entry:
    """One entry of a log: the term in which it was made, and the number of its command."""

    term: int
    command: int


@frozen(cache_hash=True)
class Server:
    """One server. `next_index` and `match_index` have one number a server, and are empty unless it leads."""

    role: Role = Role.FOLLOWER
    term: int = 0
    voted_for: int | None = None
    log: tuple[Entry, ...] = ()
    commit_index: int = 0
    votes: frozenset[int] = frozenset()
    next_index: tuple[int, ...] = ()
    match_index: tuple[int, ...] = ()

    @property
    def last_term(self) -> int:
        """The term of the last entry, 0 of an empty log."""
        return self.log[-1].term if self.log else 0


@frozen(cache_hash=True)
class RequestVote:
    """A candidate asks for a vote."""

    term: int
    last_index: int
    last_term: int


@frozen(cache_hash=True)
class VoteReply:
    """The answer to RequestVote."""

    term: int
    granted: bool


@frozen(cache_hash=True)
class AppendEntries:
    """A leader sends the entry behind `previous_index`, or none."""

    term: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]
    commit_index: int


@frozen(cache_hash=True)
class AppendReply:
    """The answer to AppendEntries: the last index that agrees, or the index that was refused."""

    term: int
    success: bool
    index: int


RaftMessage = RequestVote | VoteReply | AppendEntries | AppendReply
Handled = tuple[Server, tuple[Send, ...]]


@frozen
class RaftCore:
    """The system: servers 0 .. servers - 1, who know each other."""

    servers: int = 3
    actors: tuple[int, ...] = field(init=False)
    local_kinds: tuple[LocalKind, ...] = (
        LocalKind("timeout", "timeouts"),
        LocalKind("command", "commands", numbered=True),
        LocalKind("heartbeat", "heartbeats"),
        LocalKind("restart", "restarts"),
    )

    @actors.default
    def _actors(self) -> tuple[int, ...]:
        return tuple(range(self.servers))

    def initial(self, actor: ActorId) -> State:
        """Every server begins as a follower in term 0."""
        return Server()

    def step(self, actor: ActorId, state: State, event: Event) -> Step | None:
        """What server *actor* does on *event*."""
        assert isinstance(actor, int) and isinstance(state, Server)
        if isinstance(event, Deliver):
            assert isinstance(event.source, int)
            handled: Handled | None = self._receive(actor, state, event.source, event.message)
        elif event.kind == "timeout":
            handled = self._timeout(actor, state)
        elif event.kind == "command":
            handled = self._command(actor, state, event.number)
        elif event.kind == "heartbeat":
            handled = (state, self._append_to_all(actor, state)) if state.role is Role.LEADER else None
        else:
            handled = _follower(state, commit_index=0), ()
        if handled is None:
            return None
        after, sends = handled
        marks = ("became leader",) if after.role is Role.LEADER and state.role is not Role.LEADER else ()
        return Step(after, sends, marks)

    def rename(self, thing: Hashable, names: Mapping[ActorId, ActorId]) -> Hashable:
        """*thing* where each server is another. Messages name nobody."""
        if not isinstance(thing, Server):
            return thing
        to: dict[int, int] = {
            one: other for one, other in names.items() if isinstance(one, int) and isinstance(other, int)
        }
        return evolve(
            thing,
            voted_for=None if thing.voted_for is None else to[thing.voted_for],
            votes=frozenset(to[voter] for voter in thing.votes),
            next_index=_moved(thing.next_index, to),
            match_index=_moved(thing.match_index, to),
        )

    def describe_state(self, actor: ActorId, state: State) -> Mapping[str, str]:
        """What a trace shows of a server."""
        assert isinstance(state, Server)
        log = " ".join(f"{entry.command}@{entry.term}" for entry in state.log)
        voted = "" if state.voted_for is None else str(state.voted_for)
        fields = {"role": state.role.value, "term": str(state.term), "log": log, "commit": str(state.commit_index)}
        return {**fields, "voted for": voted}

    def describe_message(self, message: Message) -> str:
        """What a trace shows of a message."""
        return str(message)

    # local events

    def _timeout(self, me: int, server: Server) -> Handled | None:
        if server.role is Role.LEADER:
            return None
        votes = frozenset({me})
        candidate = evolve(server, role=Role.CANDIDATE, term=server.term + 1, voted_for=me, votes=votes)
        request = RequestVote(candidate.term, len(candidate.log), candidate.last_term)
        return candidate, tuple(Send(peer, request) for peer in self._peers(me))

    def _command(self, me: int, server: Server, number: int) -> Handled | None:
        if server.role is not Role.LEADER:
            return None
        log = (*server.log, Entry(server.term, number))
        leader = evolve(server, log=log, match_index=_with(server.match_index, me, len(log)))
        return leader, self._append_to_all(me, leader)

    # messages

    def _receive(self, me: int, server: Server, source: int, message: Message) -> Handled:
        assert isinstance(message, RequestVote | VoteReply | AppendEntries | AppendReply)
        if message.term > server.term:
            server = _follower(server, term=message.term, voted_for=None)
        match message:
            case RequestVote():
                return self._vote(server, source, message)
            case VoteReply():
                return self._count_vote(me, server, source, message)
            case AppendEntries():
                return self._append(server, source, message)
            case AppendReply():
                return self._acknowledged(me, server, source, message)

    def _vote(self, server: Server, source: int, message: RequestVote) -> Handled:
        up_to_date = (message.last_term, message.last_index) >= (server.last_term, len(server.log))
        granted = message.term == server.term and server.voted_for in (None, source) and up_to_date
        if granted:
            server = evolve(server, voted_for=source)
        return server, (Send(source, VoteReply(server.term, granted)),)

    def _count_vote(self, me: int, server: Server, source: int, message: VoteReply) -> Handled:
        if server.role is not Role.CANDIDATE or message.term != server.term or not message.granted:
            return server, ()
        votes = server.votes | {source}
        if not self._is_quorum(len(votes)):
            return evolve(server, votes=votes), ()
        end = len(server.log)
        leader = evolve(
            server,
            role=Role.LEADER,
            votes=frozenset(),
            next_index=(end + 1,) * self.servers,
            match_index=_with((0,) * self.servers, me, end),
        )
        return leader, self._append_to_all(me, leader)

    def _append(self, server: Server, source: int, message: AppendEntries) -> Handled:
        if message.term < server.term:
            return server, (Send(source, AppendReply(server.term, False, 0)),)
        if server.role is Role.CANDIDATE:
            server = evolve(server, role=Role.FOLLOWER, votes=frozenset())
        previous = message.previous_index
        if previous > len(server.log) or (previous > 0 and server.log[previous - 1].term != message.previous_term):
            return server, (Send(source, AppendReply(server.term, False, previous)),)
        last = previous + len(message.entries)
        commit = max(server.commit_index, min(message.commit_index, last))
        server = evolve(server, log=_merge(server.log, message), commit_index=commit)
        return server, (Send(source, AppendReply(server.term, True, last)),)

    def _acknowledged(self, me: int, server: Server, source: int, message: AppendReply) -> Handled:
        if server.role is not Role.LEADER or message.term != server.term:
            return server, ()
        next_index = server.next_index[source]
        if not message.success:
            if message.index != next_index - 1:
                return server, ()
            leader = evolve(server, next_index=_with(server.next_index, source, max(1, next_index - 1)))
            return leader, (self._append_entries(leader, source),)
        match = _with(server.match_index, source, max(server.match_index[source], message.index))
        following = _with(server.next_index, source, max(next_index, message.index + 1))
        commit = self._committed(server, match)
        leader = evolve(server, match_index=match, next_index=following, commit_index=commit)
        behind = following[source] <= len(leader.log)
        return leader, (self._append_entries(leader, source),) if behind else ()

    # rules

    def _committed(self, server: Server, match: tuple[int, ...]) -> int:
        """The highest index of this term that a quorum holds, or what was committed before."""
        for index in range(len(server.log), server.commit_index, -1):
            if server.log[index - 1].term == server.term and self._is_quorum(sum(held >= index for held in match)):
                return index
        return server.commit_index

    def _is_quorum(self, count: int) -> bool:
        return count * 2 > self.servers

    def _peers(self, me: int) -> tuple[int, ...]:
        return tuple(peer for peer in self.actors if peer != me)

    def _append_to_all(self, me: int, leader: Server) -> tuple[Send, ...]:
        return tuple(self._append_entries(leader, peer) for peer in self._peers(me))

    def _append_entries(self, leader: Server, target: int) -> Send:
        previous = leader.next_index[target] - 1
        entries = leader.log[previous : previous + 1]
        previous_term = leader.log[previous - 1].term if previous else 0
        commit = min(leader.commit_index, previous + len(entries))
        return Send(target, AppendEntries(leader.term, previous, previous_term, entries, commit))


def _follower(server: Server, **changes: int | None) -> Server:
    """*server* without its office, with *changes*."""
    return evolve(server, role=Role.FOLLOWER, votes=frozenset(), next_index=(), match_index=(), **changes)


def _with(numbers: tuple[int, ...], place: int, number: int) -> tuple[int, ...]:
    return (*numbers[:place], number, *numbers[place + 1 :])


def _moved(numbers: tuple[int, ...], to: Mapping[int, int]) -> tuple[int, ...]:
    """*numbers*, one a server, in their new places."""
    return tuple(number for _place, number in sorted((to[server], number) for server, number in enumerate(numbers)))


def _merge(log: tuple[Entry, ...], message: AppendEntries) -> tuple[Entry, ...]:
    """*log* with the message's entry in its place; what conflicts with it is cut off first."""
    if not message.entries:
        return log
    place = message.previous_index
    if len(log) > place and log[place].term != message.entries[0].term:
        log = log[:place]
    return log if len(log) > place else (*log, message.entries[0])


def _at_most_one_leader_a_term(views: Mapping[ActorId, tuple[Role, int]], _history: object) -> str | None:
    leaders: dict[int, ActorId] = {}
    for actor, (role, term) in views.items():
        if role is Role.LEADER and leaders.setdefault(term, actor) != actor:
            return f"{leaders[term]} and {actor} both lead term {term}"
    return None


def _role_and_term(_actor: ActorId, state: State) -> tuple[Role, int]:
    assert isinstance(state, Server)
    return state.role, state.term


election_safety = Invariant("election_safety", judge=_at_most_one_leader_a_term, view=_role_and_term)


def raft_core(servers: int = 3) -> RaftCore:
    """The system, with budgets named timeouts, commands, heartbeats and restarts."""
    return RaftCore(servers)
