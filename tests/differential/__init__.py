"""Two implementations of one thing, compared."""
