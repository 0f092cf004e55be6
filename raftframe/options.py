"""What a cluster may choose: every server of it with the same options.

An option that switches a feature on has the feature's name in the scenario language, so that `requires: prevote` in a
file is enough to get it.
"""

from __future__ import annotations

from attrs import field, frozen, validators


@frozen
class Options:
    """What a cluster may choose.

    noop: a new leader appends an empty entry, and so commits at once what earlier leaders left (dissertation §6.4).
    batch: the most entries in one AppendEntries; None for no limit.
    announce_commit: followers are told of a higher commit index at once, not only by the next entries or heartbeat.
    prevote: who would stand for election first asks whether a majority would vote for it (dissertation §9.6).
    check_quorum: a leader that a majority leaves without an answer for an election timeout steps down (dissertation
        §6.2), and who has heard from a leader a moment ago ignores requests for votes (§4.2.3).
    transfer: a leader can be told to hand its office over (dissertation §3.10).
    forget_leader: a follower can be told to forget its leader, and so to support another.
    linearizable_reads: commands that only read get no entry; a round of heartbeats confirms each (dissertation §6.4).
    sessions: a command that is sent again is applied once, and answered as it was (dissertation §6.3).
    most_sessions: how many clients are remembered, with `sessions`; see `raftframe.sessions`.
    lease_reads: inside a lease, which its heartbeats renew, a leader answers reads without a round (dissertation
        §6.4.1). Needs `linearizable_reads`, and `check_quorum`, on which the lease rests.
    progress: a leader probes a follower, one message at a time, until it knows how far it is (dissertation §10.2.1).
    pipelining: a leader that knows it does not wait for answers before it sends what comes next (§10.2.1); implies
        `progress`.
    inflight: the most messages with entries on their way to one follower; None for no limit.
    reject_hint: a rejection says where the logs may agree, so that repair takes one message a term (Raft §5.3).
    membership: servers can be added and removed while the cluster runs (dissertation §4).
    removed_leader_stays: a leader that is no voter any more leads on, without taking commands, until somebody else is
        elected; it steps down otherwise (dissertation §4.2.2).
    catch_up: a server becomes a voter only when, as a learner, it has all that is committed (dissertation §4.2.1).
    disable_conf_change_validation: changes of members are taken whatever else is under way. Unsafe; for studying.
    snapshots: a server can be told to take a snapshot, in the place of the entries that it covers (Raft §7). Snapshots
        of others are taken whatever the options.
    snapshot_every: a server takes one by itself whenever it has applied so many entries since the last; None: never.
    snapshot_keeps: how many entries that are in the snapshot it then keeps, for followers that lag a little.
    async_storage: a server stores and applies later, and goes on meanwhile (dissertation §10.2.1).

    Raises ValueError for `lease_reads` without the two that it needs.
    """

    noop: bool = True
    batch: int | None = field(
        default=None, validator=validators.optional([validators.instance_of(int), validators.ge(1)])
    )
    announce_commit: bool = True
    prevote: bool = False
    check_quorum: bool = False
    transfer: bool = False
    forget_leader: bool = False
    linearizable_reads: bool = False
    sessions: bool = False
    most_sessions: int = field(default=1024, validator=[validators.instance_of(int), validators.ge(1)])
    lease_reads: bool = False
    progress: bool = False
    pipelining: bool = False
    inflight: int | None = field(
        default=None, validator=validators.optional([validators.instance_of(int), validators.ge(1)])
    )
    reject_hint: bool = False
    membership: bool = False
    removed_leader_stays: bool = False
    catch_up: bool = False
    disable_conf_change_validation: bool = False
    snapshots: bool = False
    snapshot_every: int | None = field(
        default=None, validator=validators.optional([validators.instance_of(int), validators.ge(1)])
    )
    snapshot_keeps: int = field(default=0, validator=[validators.instance_of(int), validators.ge(0)])
    async_storage: bool = False

    def __attrs_post_init__(self) -> None:
        if self.lease_reads and not (self.check_quorum and self.linearizable_reads):
            raise ValueError("lease_reads needs check_quorum=on and linearizable_reads=on: a lease rests on both")
