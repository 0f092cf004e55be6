"""Places to keep what must survive a crash: each implements `raftframe.api.storage.LogStoreAPI`."""
