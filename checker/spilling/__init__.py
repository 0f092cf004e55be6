"""Searches that are larger than memory: fingerprints in sorted runs on disk, and levels in portions."""

from checker.spilling.disk import Spill

__all__ = ["Spill"]
