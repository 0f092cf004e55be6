"""The rules of Raft, one method a rule: a class a role, made of a class a topic (`rules`)."""

from raftframe.states.base_state import BaseState
from raftframe.states.candidate import CandidateState
from raftframe.states.follower import FollowerState
from raftframe.states.leader import LeaderState
from raftframe.states.pre_candidate import PreCandidateState
from raftframe.states.state_map import StandardStateMap

__all__ = ["BaseState", "CandidateState", "FollowerState", "LeaderState", "PreCandidateState", "StandardStateMap"]
