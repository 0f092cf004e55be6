"""Who is told what a server does."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from raftframe.events import Event
from raftframe.protocol import Step
from raftframe.server_state import ServerState


@runtime_checkable
class StateChangeMonitorAPI(Protocol):
    """Told of every step, on the server's thread, after its effects were carried out and before the next event is
    looked at.
    """

    def stepped(self, before: ServerState, event: Event, step: Step) -> None:
        """*step* was taken from *before* on *event*. An exception here stops the server: monitors must not fail."""
