"""Scenario files, run as tests in other modes than `sim`; pytest runs them in `sim` by itself."""
