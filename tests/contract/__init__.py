"""One contract class for each API of raftframe, to run any implementation through."""
