"""Tests of the scenario runner, the mode `sim`."""
