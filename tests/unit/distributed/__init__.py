"""Searches in shares: what their owners do together, here and on a Ray cluster."""
