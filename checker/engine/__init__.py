"""Explores a system as tables of small integers: the semantics of `checker/world.py`, compiled.

From the system inwards: `tables` numbers what the system's code says, in `arrays` that grow and that `sparse` makes
into blocks; `layout` is what compiled loops see of them; `kernel` has the loops, and `compiled` and `compiler` make
machine code of them. From the loops outwards: `chunks` of a level are expanded in `rounds` by `workers`; `stores` keep
`levels` of worlds and what was `visited`; `judging` asks the properties; `search` goes from level to level, with
`watch` looking on and `checkpoints` in between. `depth` and `walks` are other orders of the same search.
"""
