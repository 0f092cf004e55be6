"""The same search on several machines: worlds are shared out by fingerprint, and their owners write to each other.

Theory of operation. The *coordinator*, the process that was asked, has the tables and runs the user's code; nobody else
does. So a number means the same everywhere, and a machine needs raftframe, not the system that is checked. Each
*owner*, a process on any machine, has a share of the space: the worlds whose fingerprints fall into its *shards*, with
their place in the visited set, their rows (of two levels) and their links.

The search goes level by level, a level in *passes*, a pass in *turns*. In a turn each owner takes the mail of the turn
before and writes new mail to each of the others:

    turn t      expand a batch of its worlds            -> offers: the fingerprints, to those who own them
    turn t + 1  claim what was offered                  -> answers: one bit for each, whether it was new
    turn t + 2  build the rows of what was new          -> worlds: row, parent and event, to their owners
    turn t + 3  put them into the next level

All four go on in each turn, on batches that follow each other, so a pass of B batches takes B + 2 turns, and its last
mail is taken in the first turn of the next. Of a transition 8 bytes and a bit travel at most, and of a world its row,
once. What was offered lately is not offered again, since its owner has it.

When a pass has ended, the coordinator answers the misses of all owners, and tells them what has changed in the tables;
the next pass expands the worlds that had misses. Views that an owner has not seen before go to the coordinator to be
judged.

Nothing of this depends on how many owners there are. There are always `SHARDS` shards; each owner has some that follow
each other. Batches take equally many worlds of each shard, offers are claimed in order of the shards that they come
from, and misses are answered in order of their numbers. So numbers, fingerprints, and who is whose parent come out the
same for one owner and for a hundred, and so do the counts and the counterexample.
"""
