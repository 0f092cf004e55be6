"""Who belongs to the cluster."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

from raftframe.entries import ServerId


def _sorted_once(servers: Iterable[ServerId]) -> tuple[ServerId, ...]:
    if isinstance(servers, str):
        raise ValueError(f"voters is the text {servers!r}; write a tuple of names, as in Configuration(({servers!r},))")
    given = tuple(servers)
    if not given:
        raise ValueError("a configuration has at least one voter")
    if len(set(given)) != len(given):
        raise ValueError(f"a server is named twice in the configuration {given}")
    return tuple(sorted(given))


@frozen
class Configuration:
    """The servers of a cluster, sorted, so that equal configurations are equal values and loops have one order.

    Raises ValueError for no voters, and for one that is named twice.
    """

    voters: tuple[ServerId, ...] = field(converter=_sorted_once)

    def __contains__(self, server: object) -> bool:
        return server in self.voters

    def others(self, server: ServerId) -> tuple[ServerId, ...]:
        """Every server but *server*."""
        return tuple(other for other in self.voters if other != server)
