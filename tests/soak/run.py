"""Runs a soak: one cluster after the other, each for some rounds, each round judged when all has come to rest."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from attrs import define, field

from bank_app.client import CLUSTER, OPENING
from bank_app.wire import BANK_CODEC
from raftframe.clusters.agent import Agent
from raftframe.clusters.processes import ProcessCluster
from raftframe.comms.memory import Decision, Delay, Duplicate, MessagePattern, Verdict
from raftframe.effects import Done, Refused, Unknown
from raftframe.entries import Entry, Index, ServerId, Term
from raftframe.events import Event
from raftframe.marks import Mark
from raftframe.protocol import Step as ProtocolStep
from raftframe.server import Phase, ServerError
from raftframe.server_state import ServerState
from raftframe.storage.sqlite import SqliteLogStore

from .bankers import Banker, Deed
from .judge import Known, Rest, election_problems, judged
from .plan import Network, Step, steps
from .plants import PLANTS

BANKERS: Final = 4  # one of them an auditor
SIZES: Final = (3, 3, 5)  # servers of the clusters, in turn
ROUND: Final = 8  # disturbances
ROUNDS: Final = 5  # of one cluster
REST_S: Final = 30.0  # how long a cluster that nobody disturbs may take to agree
RULES: Final[dict[Network, tuple[Decision, float]]] = {
    Network.SLOW: (Delay(0.05), 0.3),
    Network.LOSSY: (Verdict.DROP, 0.2),
    Network.ECHOING: (Duplicate(2), 0.3),
}


@define
class Tally:
    """What has happened so far. `problems` are what is wrong."""

    kills: int = 0
    disturbances: int = 0
    clusters: int = 0
    elections: int = 0
    outcomes: Counter[str] = field(factory=Counter)
    troubles: Counter[str] = field(factory=Counter)
    entries: int = 0
    problems: list[str] = field(factory=list)
    longest_rest_s: float = 0.0


class Elections:
    """A monitor in each server's process: tells of every election won."""

    shares_steps = True

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def stepped(self, before: ServerState, event: Event, step: ProtocolStep) -> None:
        """Tell, if this step has won one."""
        if Mark.BECAME_LEADER in step.marks:
            self._agent.tell(step.state.term)


def watched(agent: Agent) -> list[Elections]:
    """The monitors of a server's process."""
    return [Elections(agent)]


def stored_since(agent: Agent, index: Index) -> tuple[tuple[Entry, ...], int]:
    """A call: the entries behind *index*, and the balance."""
    state = agent.server.state
    balance = state.app_state
    assert isinstance(balance, int)
    return tuple(state.log.between(index + 1, state.log.last_index)), balance


class ClusterSoak:
    """One cluster: the disturbances of *plan*, in rounds. *say* is told what happens."""

    def __init__(
        self,
        servers: int,
        plan: Iterator[Step],
        seed: str,
        tally: Tally,
        data: Path,
        plant: str,
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._tally, self._say, self._data = plan, tally, say, data
        self._elections: list[tuple[Term, ServerId]] = []
        self._known = Known()
        self._ruled = False
        self.cluster = ProcessCluster(
            servers,
            PLANTS[plant].states,
            store=PLANTS[plant].store,
            codec=BANK_CODEC,
            data=data,
            cluster=CLUSTER,
            monitors=watched,
            on_news=lambda name, term: self._elections.append((term, name)),
        )
        self._bankers = [
            Banker(partial(self.cluster.client, opening=OPENING), f"{seed}/{number}", auditor=number == 1)
            for number in range(1, BANKERS + 1)
        ]

    def run(self, rounds: int, goes_on: Callable[[], bool]) -> None:
        """So many rounds, or until it does not go on; then look at the disks."""
        self._tally.clusters += 1
        with self.cluster:
            self.cluster.start_all()
            self.cluster.wait_for_leader(timeout_s=REST_S)
            for _ in range(rounds):
                if not goes_on() or self._tally.problems:
                    break
                self._round(goes_on)
            for banker in self._bankers:
                banker.leave()
        if not self._tally.problems:
            self._look_at_disks()
        self._tally.elections += len(set(self._elections))
        self._tally.problems += election_problems(self._elections)
        self._tally.entries += len(self._known.entries)

    # A round

    def _round(self, goes_on: Callable[[], bool]) -> None:
        for banker in self._bankers:
            banker.start()
        deeds: list[Deed] = []
        try:
            for step in itertools.islice(self._plan, ROUND):
                if goes_on():
                    self._disturb(step)
        finally:
            self._calm()
            for banker in self._bankers:
                deeds += banker.pause()
        self._tally.outcomes.update(_kind(deed) for deed in deeds)
        if self._comes_to_rest():
            self._judge(deeds)

    def _disturb(self, step: Step) -> None:
        self._say(str(step))
        self._tally.disturbances += 1
        order = self._ranked(step)
        self._set_network(step.network, order)
        if step.disk is not None:
            self._tally.troubles[type(step.disk).__name__] += 1
            self.cluster.set_disk(order[-1], step.disk)
        time.sleep(step.before_s)
        for name in order[: step.kills]:
            self.cluster.crash(name)
            self._tally.kills += 1
        frozen = step.frozen and step.kills < len(order) - 1
        if frozen:
            self.cluster.freeze(order[-2])
        time.sleep(step.down_s)
        if frozen:
            self.cluster.thaw(order[-2])
        self._mend_disk(order[-1], step)
        self.cluster.start_all()

    def _ranked(self, step: Step) -> list[ServerId]:
        order = [f"s{number}" for number in step.order]
        leader = self.cluster.leader() if step.leader_first else None
        return [leader, *(name for name in order if name != leader)] if leader is not None else order

    def _set_network(self, network: Network, order: Sequence[ServerId]) -> None:
        self._tally.troubles[network] += network is not Network.FINE
        first, others, middle = order[0], order[1:], (len(order) + 1) // 2
        cut: set[tuple[ServerId, ServerId]] = set()
        if network in (Network.ISOLATED, Network.ONE_WAY):
            cut |= {(other, first) for other in others}
        if network is Network.ISOLATED:
            cut |= {(first, other) for other in others}
        if network is Network.SPLIT:
            cut |= {(a, b) for a in order for b in order if (a in order[:middle]) != (b in order[:middle])}
        self.cluster.cut_exactly(cut)
        if self._ruled:
            self.cluster.end_rule("soak")
        self._ruled = network in RULES
        if network in RULES:
            decision, share = RULES[network]
            self.cluster.rule("soak", MessagePattern(), decision, share=share)

    def _mend_disk(self, name: ServerId, step: Step) -> None:
        """A server whose disk failed has ended itself, as it should: its process is replaced."""
        if step.disk is not None:
            self.cluster.set_disk(name, None)
        for server, status in self.cluster.statuses().items():
            if status.phase is Phase.FAILED:
                if "FaultyLogStore" not in status.reason:  # not what we did to it, now or just before
                    self._tally.problems.append(f"{server} has failed: {status.reason}")
                self._tally.troubles["server ended by its disk"] += 1
                self.cluster.crash(server)

    # Rest

    def _calm(self) -> None:
        self._set_network(Network.FINE, self.cluster.names)

    def _comes_to_rest(self) -> bool:
        begin_s = time.monotonic()
        try:
            self.cluster.wait_until(
                self._at_rest, timeout_s=REST_S, what="every server has the same log, all committed"
            )
        except (TimeoutError, ServerError) as error:
            self._tally.problems.append(f"nobody disturbs the cluster, and it does not agree: {error}")
            return False
        self._tally.longest_rest_s = max(self._tally.longest_rest_s, time.monotonic() - begin_s)
        return True

    def _at_rest(self) -> bool:
        known = self.cluster.statuses().values()
        ends = {(status.term, status.last_index, status.commit_index, status.applied_index) for status in known}
        return len(ends) == 1 and len({*next(iter(ends))[1:]}) == 1 and self.cluster.leader() is not None

    def _judge(self, deeds: Sequence[Deed]) -> None:
        stored = {name: self.cluster.ask(name, stored_since, len(self._known.entries)) for name in self.cluster.names}
        rest = Rest({name: log for name, (log, _) in stored.items()}, {name: has for name, (_, has) in stored.items()})
        verdict = judged(self._known, deeds, rest)
        self._tally.problems += verdict.problems
        self._known = verdict.known

    def _look_at_disks(self) -> None:
        """All have stopped: what is in the files begins with all that was ever seen to be committed."""
        for name in self.cluster.names:
            path = self._data / f"{name}.sqlite"
            store = SqliteLogStore(path, cluster=CLUSTER, identity=name, codec=BANK_CODEC, create=False)
            log = tuple(store.load().log)
            store.close()
            if log[: len(self._known.entries)] != self._known.entries:
                self._tally.problems.append(f"the disk of {name} does not hold what was committed")


def _kind(deed: Deed) -> str:
    match deed.outcome:
        case Done():
            return "answered"
        case Refused():
            return "refused"
        case Unknown():
            return "unknown"
    return "redirected"


def soak(
    seed: str,
    *,
    kills: int,
    seconds: float,
    plant: str = "nothing",
    script: Sequence[Step] | None = None,
    say: Callable[[str], None] = lambda line: None,
    report: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Disturb clusters of banks until that many *kills*, or so many *seconds* have passed, or something is wrong.

    A *script* takes the place of what *seed* would choose, and is carried out once, on three servers.
    """
    tally, end_s = Tally(), time.monotonic() + seconds

    def goes_on() -> bool:
        return tally.kills < kills and time.monotonic() < end_s

    for number in itertools.count():
        if not goes_on() or tally.problems or (script is not None and number):
            return tally
        servers = SIZES[number % len(SIZES)]
        plan = steps(f"{seed}/{number}", servers) if script is None else iter(script)
        with tempfile.TemporaryDirectory(prefix="soak-") as data:
            made = ClusterSoak(servers, plan, f"{seed}/{number}", tally, Path(data), plant, say)
            made.run(ROUNDS if script is None else 1, goes_on)
        report(tally)
    raise AssertionError("counting has no end")
