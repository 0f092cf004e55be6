"""Tests of clusters of threads."""
