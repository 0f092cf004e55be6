"""One step of one server, as a pure function.

    step(state, event, states) -> Step(state, effects, marks)

The rules themselves are methods of the state classes in `raftframe.states`; this module runs the right one and turns
the change that it made into effects, in the order that makes a crash between any two of them harmless:

    writes   what changed in term, vote, snapshot and log
    sync     before anything that speaks of those writes can be seen by anybody
    sends    messages to other servers
    applies  committed entries, in log order
    replies  to clients
    timers   last: they only matter for the next event

With the option `async_storage` writes, and the messages that must not leave before them, are one effect that is carried
out later, and so is applying (see `rules.deferring`).
"""

from __future__ import annotations

from attrs import frozen

from raftframe.configuration import Configuration
from raftframe.effects import Effect, Send, Sync
from raftframe.entries import ServerId
from raftframe.events import Event
from raftframe.marks import Mark
from raftframe.server_state import DurableState, FollowerData, Role, ServerState
from raftframe.states.state_map import StandardStateMap
from raftframe.states.turn import Turn


@frozen
class Step:
    """What one event did: the server's next state, what the driver must do, in order, and what happened, by name."""

    state: ServerState
    effects: tuple[Effect, ...]
    marks: tuple[Mark, ...]


def start(identity: ServerId, configuration: Configuration, states: StandardStateMap) -> ServerState:
    """A new server, a follower of term 0 that has stored nothing. Raises ValueError if it is not in *configuration*,
    unless servers may be added: then it waits for a leader that adds it.
    """
    return recover(identity, configuration, DurableState(), states)


def recover(
    identity: ServerId, configuration: Configuration, stored: DurableState, states: StandardStateMap
) -> ServerState:
    """A server that begins again from what it had *stored*: a follower whose commit index and application start anew
    (figure 2). Its driver starts the election timer. *configuration* is the one that the cluster began with; what the
    stored log says of later ones outweighs it. Raises ValueError if *identity* is not in *configuration*, unless
    servers may be added.
    """
    if identity not in configuration and not states.options.membership:
        raise ValueError(f"{identity} is not one of the servers {', '.join(configuration.voters)}")
    state = ServerState(
        identity=identity,
        configuration=configuration,
        durable=states.follower.recovered(stored),
        data=FollowerData(),
        app_state=states.app.initial_state(),
    )
    state = states.follower.recovered_from_snapshot(state)
    if states.options.async_storage:
        state = states.follower.recovered_as_stable(state)
    return states.follower.with_recovered_configuration(state)


def step(state: ServerState, event: Event, states: StandardStateMap) -> Step:
    """What a server in *state* does on *event*, by the rules in *states*. Changes nothing; raises only what the
    application raises, and TypeError if *event* is not an `Event`. Whatever a peer may have put into a message is
    judged, never believed: what is malformed is dropped, with the mark `dropped_malformed`.
    """
    turn = Turn(state)
    if states.options.snapshot_every is not None:
        turn = states.rules(state).take_snapshot_if_due(turn, states.options.snapshot_every)
    turn = states.rules(state).handle(turn, event)
    if turn.state.role is Role.LEADER:
        turn = states.leader.conclude(turn)
    if turn.state.stable is not None:
        rules = states.rules(turn.state)
        turn = rules.settled(state, turn)
        return Step(turn.state, rules.effects_later(state, turn), turn.marks)
    return Step(turn.state, _effects(state, turn, states), turn.marks)


def _effects(before: ServerState, turn: Turn, states: StandardStateMap) -> tuple[Effect, ...]:
    rules = states.rules(turn.state)
    writes = () if before.durable is turn.state.durable else rules.writes(before, turn.state)
    sync = (Sync(),) if rules.must_sync(writes) else ()
    sends = tuple(Send(message) for message in turn.sends)
    return (*writes, *sync, *sends, *turn.applied, *turn.replies, *turn.timers)
