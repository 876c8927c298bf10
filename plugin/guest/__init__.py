"""The guest agent: exchanges move requests, parsers decode them, commands do the work.

`co2-guest config.py` is the agent itself, in a virtual machine; `guest` holds the class that brings
its commands on to the co2 network, and reaches agents of virtual machines by their sockets.
docs/guest.md is the guide.
"""

__all__ = ["guest"]
