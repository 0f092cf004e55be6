"""Runs: written down as traces, replayed through the real code, told to whoever asked, and made shorter.

A run is a list of events from an initial world. `replay.py` takes them again, one by one, through the system's own code
and the semantics of `world.py`; `retelling.py` does that with what a search found; `minimise.py` leaves out what a
failing run does not need. `trace.py` is a run in plain texts, which `tracing.py` makes and `trace_json.py` keeps.
"""
