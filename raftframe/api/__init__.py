"""The interfaces between the protocol and what surrounds it; any implementation can be put in place of ours."""

from raftframe.api.app import AppAPI, ComesInParts, ReadsOnly

__all__ = ["AppAPI", "ComesInParts", "ReadsOnly"]
