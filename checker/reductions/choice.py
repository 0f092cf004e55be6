"""Which reductions are sound for what is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from checker.errors import UsageError, did_you_mean
from checker.system import Renames
from checker.world import Rules

REDUCTIONS = ("dead", "confluent", "symmetry", "covered", "fused")

IN_A_QUEUE = {
    "dead": "in a queue, a message that is taken out lets others pass",
    "confluent": "in a queue, a message that is taken out lets others pass",
    "symmetry": "the reduced search has no queues",
    "covered": "in a queue, a message that never arrives stops those behind it",
    "fused": "in a queue, a message that never arrives stops those behind it",
}


@frozen
class Chosen:
    """The reductions to use, and those that were asked for and cannot be used, with the reason."""

    used: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(factory=dict)

    def without(self, name: str, reason: str) -> Chosen:
        """The same, but for one that turned out not to be usable."""
        return Chosen(tuple(one for one in self.used if one != name), {**self.refused, name: reason})


def choose(
    rules: Rules, wanted: Iterable[str] | None, *, full: str | None, max_depth: int | None, prunes: bool = False
) -> Chosen:
    """Those of *wanted* (None: all) that keep every verdict.

    *full* says why nothing may be left out, if that is so, and *prunes* that the search is pruned. Raises UsageError
    for a name that there is not.
    """
    names = REDUCTIONS if wanted is None else (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for name in names:
        if name not in REDUCTIONS:
            raise UsageError(f"there is no reduction {name!r}; {did_you_mean(name, REDUCTIONS)}")
    refused: dict[str, str] = {}
    for name in REDUCTIONS:
        reason = _objection(rules, name, full=full, max_depth=max_depth, prunes=prunes)
        if name in names and reason is not None:
            refused[name] = reason
    return Chosen(tuple(name for name in REDUCTIONS if name in names and name not in refused), refused)


def _objection(rules: Rules, name: str, *, full: str | None, max_depth: int | None, prunes: bool) -> str | None:
    if full is not None:
        return full
    if rules.network == "fifo":
        return IN_A_QUEUE[name]
    if name == "confluent" and max_depth is not None:
        return "deliveries that are taken at once would not count for max_depth"
    if name == "fused" and max_depth is not None:
        return "events that are taken at once would not count for max_depth"
    if name == "symmetry" and not isinstance(rules.system, Renames):
        return "the system has no method `rename`, which says how actors are interchanged"
    if name == "symmetry" and prunes:
        return "a world may be pruned whose image is not"
    return None


__all__ = ["REDUCTIONS", "Chosen", "choose"]
