"""Many co2 satellites in one process: `python -m bench.satellites RELAY_PORT COUNT MESSAGES`.

Each has its own port, identity, inbox and plugin, and registers like any other; they share a
process only because a thousand would not fit into a benchmark otherwise.
"""

from __future__ import annotations

import gc
import random
import secrets
import sys
from typing import Any

from twisted.internet import reactor
from twisted.logger import Logger
from twisted.web.resource import Resource

from co2.api import Co2Plugin
from co2.app.memory import collect_seldom
from co2.delivery.backoff import Backoff
from co2.delivery.doors import Doors
from co2.loading.cell import Cell
from co2.model.hosts import Address
from co2.net.answering import Answering
from co2.net.http_peer import HttpNetwork
from co2.net.http_server import HttpServer
from co2.rpc.conversation import Conversations
from co2.rpc.dispatch import Dispatcher
from co2.rpc.introspection import Introspection
from co2.rpc.registry import Registry
from co2.rpc.rights import Gate
from co2.satellite.enrolment import Enrolment
from co2.satellite.inbox import Inbox
from co2.satellite.procedures import SatelliteProcedures
from co2.satellite.taken import MemoryTaken
from co2.wire.limits import DEFAULT_LIMITS


class Counting(Co2Plugin):
    """Counts messages, all satellites together."""

    left = 0

    def receive(self, data_dict: dict[str, Any]) -> None:
        """Count a message; say when all have come."""
        assert data_dict["data"]
        Counting.left -= 1
        if not Counting.left:
            print("all", flush=True)


def make_satellite(number: int, relay: Address, network: HttpNetwork) -> None:
    """Make one satellite and let it register."""
    plugin = Counting(
        {
            "dotted_name": f"bench.satellite{number}",
            "config_filename": "none",
            "relay_method": print,
            "log_method": print,
            "debug_method": print,
        }
    )
    cell = Cell(plugin, "bench", f"satellite{number}", reactor, lambda: 30.0, None)
    inbox = Inbox(lambda: [cell], lambda: secrets.token_hex(8), MemoryTaken(), reactor)
    token = secrets.token_urlsafe(16)
    doors = Doors()
    doors.open(token, inbox.take)
    registry = Registry()
    conversations = Conversations(reactor, secrets.token_hex)
    dispatcher = Dispatcher(registry, reactor, conversations, Logger())
    registry.enter_source(doors)
    registry.enter_source(SatelliteProcedures(dispatcher, lambda: token, lambda: False))
    registry.enter_source(Introspection(registry, dispatcher))
    answering = Answering(dispatcher, DEFAULT_LIMITS, {})
    server = HttpServer(reactor, answering, Gate("", False, 0), Resource())
    port = reactor.listenTCP(0, server, interface="127.0.0.1", backlog=64).getHost().port
    request = {
        "port": port,
        "random": secrets.token_hex(8),
        "secret": secrets.token_urlsafe(24),
        "notify_token": token,
    }
    Enrolment(
        network.peer(relay), reactor, Backoff(random.random), lambda: request, lambda _: None, 30.0
    ).start()


def main() -> None:
    """Make as many satellites as the command line says."""
    relay_port, count, messages = (int(word) for word in sys.argv[1:])
    Counting.left = count * messages
    network = HttpNetwork(reactor)
    for number in range(count):
        make_satellite(number, Address("127.0.0.1", relay_port), network)
    collect_seldom()
    # A thousand hosts' tables in one process would be walked by its garbage collector again and
    # again, which none of a thousand real processes does.
    gc.collect()
    gc.freeze()
    print("made", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
