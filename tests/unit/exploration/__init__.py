"""Exploration: worlds, tables, kernel, reports, graphs, replay."""
