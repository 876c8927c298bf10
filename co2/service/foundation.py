"""What a satellite and a relay have in common: identity, methods, a port. Wiring only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from twisted.logger import Logger
from twisted.web.resource import IResource

from co2 import __version__
from co2.delivery.doors import Doors
from co2.interfaces import INetwork, IProcedureSource, IProperties
from co2.model.hosts import Address, Identity
from co2.model.settings import Settings
from co2.model.ulid import UlidSource
from co2.net.answering import Answering
from co2.net.http_limits import HttpLimits
from co2.net.http_server import HttpServer
from co2.rpc.about import About
from co2.rpc.conversation import ConversationMethods, Conversations
from co2.rpc.dispatch import Dispatcher
from co2.rpc.introspection import Introspection
from co2.rpc.registry import Registry
from co2.rpc.rights import Gate
from co2.service.surroundings import Surroundings
from co2.web.front import FrontPage
from co2.wire.limits import DEFAULT_LIMITS

FEATURES = (
    "conversations",
    "relayed",
    "redelivered",
    "fine_times",
    "collect",
    "receipts",
    "topics",
    "retain",
    "cascade",
)
"""What of the protocol this server speaks, beyond what every version has."""

PROPERTIES = {"version": __version__, "capabilities": ["co2", "nil"]}
"""What a host says of itself when it registers; behind NAT no relay can ask it."""

_KEPT_BYTES = {"relay.relay": "data"}
"""Methods whose 'data' is passed on as the bytes that it came in."""


def draw_identity() -> Identity:
    """Draw who a new server is: 64 random bits to be known by, and 128 to prove it."""
    return Identity(secrets.token_hex(8), secrets.token_urlsafe(24))


def notify_token(identity: Identity, relay: Address) -> str:
    """Give the token that a relay is to show this host with every message.

    It is the same after a restart: a relay that has not heard of the restart yet, or was away
    itself, goes on bringing messages.
    """
    said = hmac.new(identity.secret.encode(), f"notify {relay}".encode(), hashlib.sha256)
    return said.hexdigest()


class Foundation:
    """The common parts, made from the settings; see the module.

    Args:
        settings: what was read.
        surroundings: what it stands on.
    """

    def __init__(self, settings: Settings, surroundings: Surroundings) -> None:
        reactor = surroundings.reactor
        self.settings = settings
        self.surroundings = surroundings
        self.reactor = reactor
        self.network: INetwork = surroundings.network
        self.identity = surroundings.identities.identity(draw_identity)
        self.ulids = UlidSource(surroundings.now, secrets.randbits)
        self.registry = Registry()
        self.conversations = Conversations(reactor, lambda: secrets.token_urlsafe(18))
        self.dispatcher = Dispatcher(
            self.registry, reactor, self.conversations, Logger(namespace="co2.rpc")
        )
        self.answering = Answering(self.dispatcher, DEFAULT_LIMITS, _KEPT_BYTES)
        self.address = Address("127.0.0.1", 1)
        self._parts: list[IProperties] = []
        self.about = About(self.host_id, surroundings.now, reactor.seconds, self._parts)
        self.server = self._serve(FrontPage(self.registry, self.about))
        self.doors = Doors()
        self.enter(
            self.doors,
            self.about,
            Introspection(self.registry, self.dispatcher, features=FEATURES),
            ConversationMethods(self.conversations, self.dispatcher.begin),
        )

    def enter(self, *sources: IProcedureSource) -> None:
        """Enter the server's own methods; two claims on one name are a mistake of ours."""
        for source in sources:
            for refusal in self.registry.enter_source(source):
                raise refusal.reason

    def tell(self, *parts: IProperties) -> None:
        """Let these parts take part in `system.get_properties`."""
        self._parts.extend(parts)

    def listening_at(self, address: Address) -> None:
        """Note where the server has come to listen."""
        self.address = address
        self.server.change_gate(self.gate(address.port))

    def host_id(self) -> str:
        """Give who and where this server is, as far as it knows by itself."""
        return f"{self.identity.random}@{self.address}"

    def gate(self, port: int) -> Gate:
        """Give what judges callers of a server that listens on that port."""
        settings, token = self.settings, self.surroundings.admin_token
        return Gate(token, settings.insecure, port, frozenset(settings.hosts))

    def _serve(self, page: IResource) -> HttpServer:
        limits = HttpLimits(
            max_body=self.settings.max_body, max_connections=self.settings.max_connections
        )
        return HttpServer(
            self.reactor, self.answering, self.gate(0), page, limits, self.surroundings.now
        )


def role_words(settings: Settings) -> Sequence[str]:
    """Give the roles of a server as `system.get_properties` shows them."""
    if settings.role == "relay":
        return ["relay"]
    return ["satellite", "relay"] if settings.relay == "embedded" else ["satellite"]
