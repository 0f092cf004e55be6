"""Tests of raftframe's protocol, one module a topic; `support` builds servers, `cluster` lets them talk."""
