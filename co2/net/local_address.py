"""Which of this machine's addresses another machine sees it by."""

from __future__ import annotations

import socket

from co2.model.hosts import Address, canonical_ip


def local_ip_towards(address: Address) -> str:
    """Give the local address that a connection there would come from; nothing is sent.

    Without a route the answer is loopback, which then is as good as any.
    """
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Connecting a datagram socket only looks up the route.
            probe.connect((address.ip, address.port))
            return canonical_ip(str(probe.getsockname()[0]))
    except OSError:
        return "127.0.0.1"
