"""Ways for servers to reach each other: each implements `raftframe.api.comms.CommsAPI`."""
