"""Is the tool any good? Planted bugs must be found, by the shortest run there is."""
