"""Clusters for test and development: whole clusters that a program can stop, look into and change."""
