"""A bank under attack: servers are killed, cut off, slowed down and starved of disk while clients use it; what clients
saw and what servers stored is judged afterwards. `python -m tests.soak --help`.
"""
