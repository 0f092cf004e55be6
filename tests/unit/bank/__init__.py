"""Tests of the bank: what it does with operations, and how they are written."""
