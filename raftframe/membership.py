"""Which configuration follows from which, and which one a log speaks of (dissertation §4).

A `Change` says what is to become of some servers. It can be made in two ways. *Directly*: the log goes from one
configuration to the next, which is safe as long as any majority of the one and any majority of the other have a server
in common, so one voter at most may come or go (§4.1). Or through a *joint* configuration, in which every decision takes
a majority of the old voters and one of the new; then any number may come and go (§4.3). A voter that becomes a learner
keeps its vote until the joint configuration is left.

Nothing here reads more than configurations, changes and logs.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from raftframe.configuration import Configuration
from raftframe.entries import Index, ServerId
from raftframe.log import Log


class Transition(StrEnum):
    """How a change is made."""

    AUTO = "auto"
    """Directly if that is safe, else as IMPLICIT."""
    DIRECT = "direct"
    """Directly, or not at all."""
    IMPLICIT = "implicit"
    """Through a joint configuration that the leader leaves by itself, as soon as it is committed."""
    EXPLICIT = "explicit"
    """Through a joint configuration that lasts until somebody asks to leave it."""


def _servers() -> tuple[ServerId, ...]:
    made: tuple[ServerId, ...] = field(default=(), converter=lambda servers: tuple(sorted(servers)))
    return made


@frozen
class Change:
    """What is to become of servers; all others stay what they are. Raises ValueError for a server that is named twice,
    and for no server at all.

    voters: are added, or promoted if they are learners.
    learners: are added without a vote, or demoted if they are voters.
    removed: belong to the cluster no longer.
    """

    voters: tuple[ServerId, ...] = _servers()
    learners: tuple[ServerId, ...] = _servers()
    removed: tuple[ServerId, ...] = _servers()

    def __attrs_post_init__(self) -> None:
        named = (*self.voters, *self.learners, *self.removed)
        if not named:
            raise ValueError("a change of members names at least one server")
        if len(set(named)) != len(named):
            raise ValueError(f"a change of members names a server twice: {self}")

    def __str__(self) -> str:
        """As scenarios write it: `add s4 remove s1`."""
        parts = (("add", self.voters), ("learner", self.learners), ("remove", self.removed))
        return " ".join(f"{word} {' '.join(servers)}" for word, servers in parts if servers)


def problem_with_change(configuration: Configuration, change: Change, transition: Transition) -> str | None:
    """Why *change* cannot be made of *configuration* in that way, whatever the cluster is doing; None if it can."""
    voters, learners = _voters_after(configuration, change), _learners_after(configuration, change)
    if configuration.is_joint:
        return f"the joint configuration {configuration} must be left first"
    if not voters:
        return "no voter would be left"
    if (voters, learners) == (configuration.voters, configuration.learners):
        return f"it would change nothing: the configuration is {configuration}"
    if transition is Transition.DIRECT and not overlaps(configuration, Configuration(voters)):
        return "more than one voter changes, which takes a joint configuration"
    return None


def overlaps(one: Configuration, other: Configuration) -> bool:
    """Whether every majority of the one surely shares a server with every majority of the other: at most one voter
    differs (dissertation §4.1, figure 4.3).
    """
    return len(set(one.voters) ^ set(other.voters)) <= 1


def changed(configuration: Configuration, change: Change, transition: Transition) -> Configuration:
    """What follows *configuration* in the log, for a change that `problem_with_change` has nothing against."""
    voters, learners = _voters_after(configuration, change), _learners_after(configuration, change)
    direct = Configuration(voters, learners=learners)
    if transition is Transition.DIRECT or (transition is Transition.AUTO and overlaps(configuration, direct)):
        return direct
    return Configuration(
        voters,
        outgoing=configuration.voters,
        learners=tuple(learner for learner in learners if learner not in configuration.voters),
        next_learners=tuple(learner for learner in learners if learner in configuration.voters),
        auto_leave=transition is not Transition.EXPLICIT,
    )


def left(joint: Configuration) -> Configuration:
    """What follows a *joint* configuration: its new half, with those who have given up their vote as learners."""
    return Configuration(joint.voters, learners=(*joint.learners, *joint.next_learners))


def latest_configuration(log: Log, last: Index, first: Index = 1) -> tuple[Index, Configuration] | None:
    """The latest configuration among the entries of *log* from *first* to *last*, as far as they are here, with its
    index; None without any.
    """
    for index in range(last, max(first, log.base_index + 1) - 1, -1):
        command = log.at(index).command
        if isinstance(command, Configuration):
            return index, command
    return None


def _voters_after(configuration: Configuration, change: Change) -> tuple[ServerId, ...]:
    gone = {*change.learners, *change.removed}
    return tuple(sorted({*configuration.voters, *change.voters} - gone))


def _learners_after(configuration: Configuration, change: Change) -> tuple[ServerId, ...]:
    gone = {*change.voters, *change.removed}
    return tuple(sorted({*configuration.learners, *change.learners} - gone))
