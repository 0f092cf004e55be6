"""Tests of running servers, their timers, and the network in memory."""
