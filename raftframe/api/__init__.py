"""The interfaces between the protocol and what surrounds it; any implementation can be put in place of ours."""

from raftframe.api.app import AppAPI, ReadsOnly

__all__ = ["AppAPI", "ReadsOnly"]
