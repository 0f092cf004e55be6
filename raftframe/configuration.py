"""Who belongs to the cluster, and who decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from raftframe.entries import ServerId  # entries hold configurations


def _sorted_once(servers: Iterable[ServerId]) -> tuple[ServerId, ...]:
    if isinstance(servers, str):
        raise ValueError(f"the servers are the text {servers!r}; write a tuple of names, as in ({servers!r},)")
    given = tuple(servers)
    if len(set(given)) != len(given):
        raise ValueError(f"a server is named twice in the configuration {given}")
    return tuple(sorted(given))


def _servers() -> tuple[ServerId, ...]:
    made: tuple[ServerId, ...] = field(default=(), converter=_sorted_once)
    return made


@frozen
class Configuration:
    """The servers of a cluster, sorted, so that equal configurations are equal values and loops have one order.

    voters: whose majority decides.
    outgoing: in a joint configuration, the voters of the one that is being left; then it takes a majority of each
    (dissertation §4.3). Empty otherwise.
    learners: members that get every entry and have no vote (dissertation §4.2.1).
    next_learners: those of `outgoing` that stay as learners when the joint configuration is left.
    auto_leave: the leader leaves a joint configuration by itself, as soon as it is committed.

    Raises ValueError for no voters, for a server that is named twice, and for parts that contradict each other.
    """

    voters: tuple[ServerId, ...] = field(converter=_sorted_once)
    outgoing: tuple[ServerId, ...] = _servers()
    learners: tuple[ServerId, ...] = _servers()
    next_learners: tuple[ServerId, ...] = _servers()
    auto_leave: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.voters:
            raise ValueError("a configuration has at least one voter")
        both = sorted({*self.voters, *self.outgoing} & {*self.learners})
        if both:
            raise ValueError(f"{', '.join(both)} cannot be voter and learner at once")
        strangers = sorted({*self.next_learners} - ({*self.outgoing} - {*self.voters}))
        if strangers:
            raise ValueError(f"{', '.join(strangers)} cannot become a learner: only a voter that is leaving can")
        if self.auto_leave and not self.is_joint:
            raise ValueError("auto_leave is for a joint configuration, and nothing is outgoing here")

    def __str__(self) -> str:
        """As scenarios write it: `[s1 s2]`, or `[s1 s2 | s1]` while it is joint; then the learners, if any."""
        halves = " | ".join(" ".join(half) for half in self.electorates)
        learners = " ".join((*self.learners, *self.next_learners))
        return f"[{halves}]" + (f" learners [{learners}]" if learners else "")

    def __contains__(self, server: object) -> bool:
        return server in self.members

    @property
    def is_joint(self) -> bool:
        """Whether this is the passage between two configurations."""
        return bool(self.outgoing)

    @property
    def electorates(self) -> tuple[tuple[ServerId, ...], ...]:
        """The sets of voters of each of which a decision takes a majority: one, or two in a joint configuration."""
        return (self.voters, self.outgoing) if self.outgoing else (self.voters,)

    @property
    def members(self) -> tuple[ServerId, ...]:
        """Every server, voter or not."""
        if not self.outgoing and not self.learners:
            return self.voters
        return tuple(sorted({*self.voters, *self.outgoing, *self.learners}))

    def is_voter(self, server: ServerId) -> bool:
        """Whether *server* has a vote, in either half."""
        return server in self.voters or server in self.outgoing

    def electors(self, candidate: ServerId) -> tuple[ServerId, ...]:
        """Every voter, of either half, but *candidate*."""
        return tuple(other for other in self.members if other != candidate and self.is_voter(other))

    def others(self, server: ServerId) -> tuple[ServerId, ...]:
        """Every member but *server*."""
        return tuple(other for other in self.members if other != server)
