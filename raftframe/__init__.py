"""Raft as a library: a pure, deterministic protocol, and the replaceable parts around it.

How to drive it. A driver (a thread with a socket and a disk, a test, the checker) owns one `ServerState` and repeats:

1. wait for an event: a message arrived, a timer fired, a client asked;
2. call `step(state, event, states)`; it returns a `Step` and changes nothing;
3. carry out `Step.effects` *in their order*: writes come first, then `Sync`, and only then the messages, the applied
   commands, the replies to clients and the timers. A message that leaves before the sync that stands before it may be a
   lie after a crash;
4. keep `Step.state` as the state for the next event.

The first state is `start(...)`; after a crash, read what was synced back into a `DurableState` and begin again from
`recover(...)`. Neither is a step with effects, and both give a follower: start its election timer yourself. Time enters
only as events; nothing in here reads a clock, draws a random number, or does I/O.
"""

from raftframe.configuration import Configuration
from raftframe.entries import NOOP, Command, Entry
from raftframe.log import Log
from raftframe.options import Options
from raftframe.protocol import Step, recover, start, step
from raftframe.server_state import DurableState, Role, ServerState
from raftframe.states.state_map import StandardStateMap

__all__ = [
    "NOOP",
    "Command",
    "Configuration",
    "DurableState",
    "Entry",
    "Log",
    "Options",
    "Role",
    "ServerState",
    "StandardStateMap",
    "Step",
    "recover",
    "start",
    "step",
]
