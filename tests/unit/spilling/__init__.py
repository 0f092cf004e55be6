"""Searches that are larger than memory."""
