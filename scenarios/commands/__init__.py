"""The commands of `raftframe`, one module each; each has a click command called `command`."""
