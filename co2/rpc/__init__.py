"""Calls: which method, by whom, with what arguments, and what comes back. No bytes, no sockets."""
