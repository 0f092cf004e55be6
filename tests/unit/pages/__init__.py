"""Tests of the examples, and of the pages that are drawn from the code."""
