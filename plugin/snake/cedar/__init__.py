"""CEDAR, the protocol of HTCondor's daemons and tools: bytes in, values out; no I/O in here."""
