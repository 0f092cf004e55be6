"""What every topic of rules begins from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from raftframe.server_state import Role

if TYPE_CHECKING:
    from raftframe.states.state_map import StandardStateMap


class Rules:
    """Rules of one topic. Never data: what a server knows is in its `ServerState`, which comes in with the turn and
    leaves, changed, with the turn that is returned.

    `states` is the map that these rules belong to: the way to the rules of other roles, to the application and to the
    options.
    """

    role: ClassVar[Role]

    def __init__(self, states: StandardStateMap) -> None:
        self.states = states
