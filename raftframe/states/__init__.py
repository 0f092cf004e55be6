"""The rules of Raft, one class a role, one method a rule; `state_map` puts them together."""

from raftframe.states.base_state import BaseState
from raftframe.states.candidate import CandidateState
from raftframe.states.follower import FollowerState
from raftframe.states.leader import LeaderState
from raftframe.states.state_map import Options, StandardStateMap

__all__ = ["BaseState", "CandidateState", "FollowerState", "LeaderState", "Options", "StandardStateMap"]
