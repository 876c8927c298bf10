"""Sockets: ZeroMQ's over Twisted, ports, discovery, the way to a daemon."""
