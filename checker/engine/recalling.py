"""What other tables know of a step, so that the code is not run again where two searches meet the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.engine.layout import IMPOSSIBLE, UNKNOWN
from checker.stepping import Outcome
from checker.system import Deliver, Event, State

if TYPE_CHECKING:
    from checker.engine.tables import Tables


def recall(known: Tables, actor: int, value: State, event: Event, local: int) -> Outcome | None:
    """What *event* was found to do at the actor with index *actor* in the state *value*; None if it is not *known*.

    Those are tables of the same rules, so that a local event is in the column *local* there too.
    """
    state = known.state_ids.get((actor, value))
    column = _delivery(known, actor, event) if isinstance(event, Deliver) else local
    number = UNKNOWN if state is None or column is None else known.known_step(state, column)
    if number == UNKNOWN:
        return None
    return Outcome(None) if number == IMPOSSIBLE else _outcome(known, number)


def _delivery(known: Tables, actor: int, event: Deliver) -> int | None:
    """The event column of a delivery."""
    slot = known.channel_slots.get((known.actors.index(event.source), actor))
    message = None if slot is None else known.message_ids.get((slot, event.message))
    return None if message is None else known.message_column[message]


def _outcome(known: Tables, number: int) -> Outcome:
    """What the transition with that number came to."""
    seen = enumerate(known.transitions[number].observed)
    observations = tuple([None if index < 0 else known.observations[monitor][index] for monitor, index in seen])
    return Outcome(known.step_of(number), known.findings.get(number, ()), observations)


__all__ = ["recall"]
