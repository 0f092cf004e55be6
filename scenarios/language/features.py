"""The closed lists: every word that a scenario may use where the grammar alone cannot tell a word from a typo.

Closed, because a typo must neither skip a file (`requires:`) nor inflate a count (`covers:`, in `catalogue.py`). A
project with its own invariants, application fields or state map passes its own `Vocabulary` to `load`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve, frozen

from raftframe.marks import Mark

FEATURES: Mapping[str, str] = {
    "async_storage": "appends and applies run in the background and complete later",
    "check_quorum": "a leader without answers from a quorum steps down; voters with a live leader refuse",
    "commit_index": "followers learn how far the leader has committed",
    "disable_conf_change_validation": "configuration changes are appended unchecked",
    "disk_faults": "disks that fail, slow down or fill up",
    "forget_leader": "a follower can be told to forget its leader",
    "joint": "joint configurations",
    "lazy": "a leader holds entries back until asked",
    "learners": "members without a vote",
    "lease_reads": "reads inside a leader's lease",
    "linearizable_reads": "reads confirmed by a quorum round",
    "membership": "changes of the configuration",
    "pipelining": "several AppendEntries in flight to one follower",
    "prevote": "a canvass before the election",
    "progress": "probe, replicate and snapshot states of followers, with a limit in flight",
    "reject_hint": "rejections carry a hint, so that repair takes one probe a term",
    "removed_leader_stays": "a leader that removed itself keeps leading",
    "sessions": "client sessions: a command that is sent again is applied once",
    "snapshots": "compaction and InstallSnapshot",
    "step_down_on_removal": "a leader that removed itself steps down",
    "transfer": "leadership transfer",
    "unsynced": "a crash may lose writes not yet synced",
}
"""What `requires:` may name."""

BUILT: frozenset[str] = frozenset(
    {
        "async_storage",
        "check_quorum",
        "commit_index",
        "disable_conf_change_validation",
        "disk_faults",
        "forget_leader",
        "joint",
        "learners",
        "lease_reads",
        "linearizable_reads",
        "membership",
        "pipelining",
        "prevote",
        "progress",
        "reject_hint",
        "removed_leader_stays",
        "sessions",
        "snapshots",
        "step_down_on_removal",
        "transfer",
        "unsynced",
    }
)
"""The features that the protocol and its clusters have today. Building one means adding it here, and nothing else."""

MESSAGE_TYPES: Mapping[str, str | None] = {
    "any": None,
    "RequestVote": None,
    "RequestVoteResponse": None,
    "AppendEntries": None,
    "AppendEntriesResponse": None,
    "Heartbeat": None,
    "HeartbeatResponse": None,
    "PreVote": "prevote",
    "PreVoteResponse": "prevote",
    "InstallSnapshot": "snapshots",
    "InstallSnapshotResponse": "snapshots",
    "TimeoutNow": "transfer",
    "ReadIndex": "linearizable_reads",
    "ReadIndexResponse": "linearizable_reads",
}
"""Message types, with the feature that each needs. `Heartbeat` is an AppendEntries without entries, and so on."""

ROLES: Mapping[str, str | None] = {
    "leader": None,
    "follower": None,
    "candidate": None,
    "precandidate": "prevote",
    "learner": "learners",
    "paused": None,
    "running": None,
    "crashed": None,
    "stopped": None,
}
"""What a server can be (`s1 is ROLE`): its part in the protocol, or the state of its process."""

FIELDS: Mapping[str, str | None] = {
    "applied": None,
    "balance": None,
    "commit": None,
    "config": None,
    "first": None,
    "last": None,
    "last_term": None,
    "leader": None,
    "learners": "learners",
    "log": None,
    "match_index": None,
    "next_index": None,
    "role": None,
    "snapshot": "snapshots",
    "stable": "async_storage",
    "state": None,
    "term": None,
    "timeout": None,
    "voted_for": None,
    "votes": None,
}
"""What can be read of a server (`s1.term`), with the feature that each needs."""

SETTABLE = frozenset({"term", "voted_for", "log", "commit", "applied", "timeout", "leader", "balance", "last", "state"})
"""What `given` and `set` may write."""

FIELD_WORDS = frozenset({"none", "probe", "replicate", "snapshot", "leave_joint", "any", "noop"})

PROGRESS_STATES = ("probe", "replicate", "snapshot")
STAGES = ("sent", "in-flight", "arrived", "handled", "dropped", "held")
OUTCOMES = ("pending", "ok", "failed", "redirected", "refused", "dropped", "unknown")
MODES = ("sim", "threads", "udp")
FACETS = ("state", "log", "messages", "timers", "disk", "clients", "progress", "config")
TIMERS = ("election", "heartbeat", "lease")
DISK_KINDS = ("append", "apply", "sync", "vote", "snapshot")
COMMANDS = ("credit", "debit", "query", "again")
"""Of the bank, and `again`, which sends what was sent before. Any other application brings its own commands, which are
not checked."""

VARY_KINDS = (
    "deliver",
    "timeout",
    "heartbeat",
    "expire",
    "transfer",
    "forget",
    "compact",
    "store",
    "receipt",
    "apply",
    "drop",
    "duplicate",
    "crash",
    "restart",
    "client",
    "partition",
    "heal",
    "tick",
)
LIMIT_KINDS = (
    "depth",
    "states",
    "time",
    "steps",
    "memory",
    "crashes",
    "restarts",
    "drops",
    "duplicates",
    "timeouts",
    "heartbeats",
    "leases",
    "transfers",
    "forgets",
    "snapshots",
    "stores",
    "receipts",
    "applies",
    "terms",
    "commands",
    "partitions",
    "log",
    "messages",
)
STRATEGIES = ("bfs", "dfs", "random", "guided")
STRATEGY_SETTINGS = ("seed", "walks", "depth")

INVARIANTS: Mapping[str, str] = {
    "election_safety": "at most one leader in a term, crashed ones included",
    "one_vote_per_term": "no server votes twice in a term",
    "leader_append_only": "a leader never overwrites or deletes its own entries",
    "log_matching": "logs that agree on an index and term agree on all before it",
    "leader_completeness": "a committed entry is in the log of every later leader",
    "state_machine_safety": "no two servers apply different entries at one index",
    "commit_on_majority": "a committed entry is stored on a quorum",
    "monotonic_term": "no server's term goes back",
    "monotonic_commit": "no server's commit index goes back",
    "monotonic_match": "a leader never takes back what a follower has stored",
    "progress_in_order": "a leader sends next what it does not know to be stored",
    "no_handler_error": "no handler raises",
    "linearizable": "what the clients saw has an order that explains it",
}
"""The invariants that hold by default; `linearizable` at the end, when clients ran."""

OPTIONS: Mapping[str, str | None] = {
    "noop": None,
    "linearizable_reads": None,
    "lease_reads": None,
    "batch": None,
    "announce_commit": None,
    "prevote": "prevote",
    "check_quorum": "check_quorum",
    "transfer": "transfer",
    "forget_leader": "forget_leader",
    "sessions": "sessions",
    "most_sessions": "sessions",
    "network": None,
    "election_timeout": None,
    "heartbeat_interval": None,
    "progress": "progress",
    "pipelining": "pipelining",
    "inflight": "pipelining",
    "reject_hint": "reject_hint",
    "learners": "learners",
    "reads": None,
    "membership": "membership",
    "catch_up": "membership",
    "snapshots": "snapshots",
    "snapshot_every": "snapshots",
    "snapshot_keeps": "snapshots",
    "async_storage": "async_storage",
}
"""What `options:` may set, with the feature that each needs."""

_SWITCH, _COUNT, _DURATION = "on|off", "[1-9][0-9]{0,8}", "[0-9]{1,9}(ms|s)"
_SERVERS = "s[0-9]+( s[0-9]+)*"
OPTION_VALUES: Mapping[str, tuple[str, str]] = {
    "noop": (_SWITCH, "on or off"),
    "announce_commit": (_SWITCH, "on or off"),
    "prevote": (f"{_SWITCH}|{_SERVERS}", "on or off, or on at some servers: s1 s3"),
    "check_quorum": (f"{_SWITCH}|{_SERVERS}", "on or off, or on at some servers: s1 s3"),
    "transfer": (_SWITCH, "on or off"),
    "forget_leader": (_SWITCH, "on or off"),
    "progress": (_SWITCH, "on or off"),
    "pipelining": (_SWITCH, "on or off"),
    "reject_hint": (_SWITCH, "on or off"),
    "linearizable_reads": (_SWITCH, "on or off"),
    "lease_reads": (_SWITCH, "on or off"),
    "membership": (_SWITCH, "on or off"),
    "catch_up": (_SWITCH, "on or off"),
    "snapshots": (_SWITCH, "on or off"),
    "snapshot_every": (_COUNT, "a number of 1 or more"),
    "snapshot_keeps": (_COUNT, "a number of 1 or more"),
    "async_storage": (_SWITCH, "on or off"),
    "network": ("steady|jitter", "steady or jitter"),
    "reads": ("safe|lease", "safe or lease"),
    "sessions": (_SWITCH, "on or off"),
    "most_sessions": (_COUNT, "a number of 1 or more"),
    "batch": (_COUNT, "a number of 1 or more"),
    "inflight": (_COUNT, "a number of 1 or more"),
    "election_timeout": (_DURATION, "a duration: 150ms"),
    "heartbeat_interval": (_DURATION, "a duration: 50ms"),
    "learners": (_SERVERS, "servers: s3 s4"),
}
"""What an option may be set to: a pattern, and the same in words. Options that are not listed take anything."""

BUILTIN_PARAMETERS = ("servers", "peers", "quorum")
"""`$servers`, `$peers` (all but one) and `$quorum` (the smallest majority) follow from `servers:`."""


@frozen
class Vocabulary:
    """The words that may differ from one project to the next."""

    built: frozenset[str] = BUILT
    invariants: frozenset[str] = frozenset(INVARIANTS)
    fields: frozenset[str] = frozenset(FIELDS)
    marks: frozenset[str] = frozenset(mark.value for mark in Mark)
    options: frozenset[str] = frozenset(OPTIONS)

    def extended(
        self, *, built: Iterable[str] = (), invariants: Iterable[str] = (), fields: Iterable[str] = ()
    ) -> Vocabulary:
        """This vocabulary with more words."""
        return evolve(
            self,
            built=self.built | frozenset(built),
            invariants=self.invariants | frozenset(invariants),
            fields=self.fields | frozenset(fields),
        )


STANDARD = Vocabulary()
