"""Reductions read off the tables: fewer worlds, the same verdicts. See docs/reductions.md for the arguments."""
