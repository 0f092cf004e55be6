"""Logs on disk: what damages them is noticed, what kills their server is survived."""
