"""Faults planted to see whether a soak catches them: writes are lost or applied twice, or reads show the past."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from attrs import frozen

from bank_app.app import BANK_OPTIONS, BankingApp, Query
from bank_app.udp_server import bank_states
from raftframe.api.storage import LogStoreAPI
from raftframe.clusters.agent import ServerSpec, StoreMaker, faulty_store, standard_store
from raftframe.effects import Done, Write
from raftframe.entries import Command
from raftframe.options import Options
from raftframe.server_state import DurableState
from raftframe.states.leader import LeaderState
from raftframe.states.state_map import StandardStateMap
from raftframe.states.turn import Turn


class StaleReads(LeaderState):
    """A query is answered at once, from what this server has applied: it may have been deposed, and not know."""

    def judge(self, turn: Turn, command: Command, accepted: list[Command]) -> Turn:
        """Ask nobody."""
        if command.operation == Query():
            applied = self.states.app.apply(turn.state.app_state, command.operation)
            return self.reply(turn, command, Done(applied.answer))
        return super().judge(turn, command, accepted)


class EarlyAnswers(LeaderState):
    """A command is answered when it is in the leader's own log, as if it were committed."""

    def on_client_requests(self, turn: Turn, commands: Sequence[Command]) -> Turn:
        """One by one, and answered at once."""
        for command in commands:
            turn = self._answered(turn, command)
        return turn

    def _answered(self, turn: Turn, command: Command) -> Turn:
        """Answer for all that is in the log."""
        state = turn.state.app_state
        for entry in turn.state.log.between(turn.state.applied_index + 1, turn.state.log.last_index):
            if isinstance(entry.command, Command):
                state = self.states.app.apply(state, entry.command.operation).state
        answer = self.states.app.apply(state, command.operation).answer
        return self.reply(super().on_client_requests(turn, (command,)), command, Done(answer))


class UnsyncedStore:
    """A store whose `sync` does nothing: all that a life has written ends with it."""

    def __init__(self, store: LogStoreAPI) -> None:
        self.store = store

    def load(self) -> DurableState:
        """What is on the disk."""
        return self.store.load()

    def write(self, write: Write) -> None:
        """Hand on."""
        self.store.write(write)

    def sync(self) -> None:
        """Lie."""

    def close(self) -> None:
        """Hand on."""
        self.store.close()


def unsynced_store(spec: ServerSpec, /) -> LogStoreAPI:
    """A `StoreMaker`."""
    return UnsyncedStore(standard_store(spec))


def stale_reads() -> StandardStateMap:
    """The bank's rules, with the fault."""
    return StandardStateMap(BankingApp(), BANK_OPTIONS, mixin=StaleReads)


def early_answers() -> StandardStateMap:
    """The bank's rules, with the fault."""
    return StandardStateMap(BankingApp(), BANK_OPTIONS, mixin=EarlyAnswers)


@frozen
class Plant:
    """How servers are made, with a fault or without."""

    states: Callable[[], StandardStateMap] = bank_states
    store: StoreMaker = faulty_store


PLANTS: Final[Mapping[str, Plant]] = {
    "nothing": Plant(),
    "no-sync": Plant(store=partial(faulty_store, store=unsynced_store)),
    "stale-reads": Plant(states=stale_reads),
    "early-answers": Plant(states=early_answers),
    "no-sessions": Plant(states=partial(bank_states, Options())),
}
