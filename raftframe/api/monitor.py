"""Who is told what a server does."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from raftframe.events import Event
from raftframe.protocol import Step
from raftframe.server_state import ServerState


@runtime_checkable
class StateChangeMonitorAPI(Protocol):
    """Told of every step, in order, on the server's thread, after the step's effects were carried out.

    Steps of one batch are taken before the first of them is told: see `raftframe.server`.
    """

    def stepped(self, before: ServerState, event: Event, step: Step) -> None:
        """*step* was taken from *before* on *event*. An exception here stops the server: monitors must not fail."""


@runtime_checkable
class SharesSteps(Protocol):
    """A monitor that need not see a step for each command: those that wait together may be one (`ClientRequests`)."""

    shares_steps: bool
