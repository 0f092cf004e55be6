"""The rules of Raft by topic, a class each. The state classes, one a role, are put together from them."""
