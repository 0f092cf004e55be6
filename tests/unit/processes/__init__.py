"""Servers as processes, their clients, and the streams between them."""
