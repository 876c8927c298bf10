"""What a satellite and a relay have in common: identity, methods, a port. Wiring only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger
from twisted.web.resource import IResource

from co2.interfaces import INetwork, IProcedureSource, IProperties
from co2.model.hosts import Address, Identity
from co2.model.settings import Settings
from co2.model.ulid import UlidSource
from co2.net.answering import Answering
from co2.net.http_limits import HttpLimits
from co2.net.http_peer import HttpNetwork
from co2.net.http_server import HttpServer
from co2.net.state_folder import StateFolder
from co2.net.state_sqlite import SqliteState
from co2.rpc.about import About
from co2.rpc.conversation import ConversationMethods, Conversations
from co2.rpc.dispatch import Dispatcher
from co2.rpc.introspection import Introspection
from co2.rpc.registry import Registry
from co2.rpc.rights import Gate
from co2.web.front import FrontPage
from co2.wire.limits import DEFAULT_LIMITS

FEATURES = ("conversations", "relayed", "redelivered", "fine_times")
"""What of the protocol this server speaks, beyond what every version has."""

_KEPT_BYTES = {"relay.relay": "data", "notify": "data"}
"""Methods whose 'data' is passed on, or told apart, as the bytes that it came in."""


def draw_identity() -> Identity:
    """Draw who a new server is: 64 random bits to be known by, and 128 to prove it."""
    return Identity(secrets.token_hex(8), secrets.token_urlsafe(24))


class Foundation:
    """The common parts, made from the settings; see the module.

    Args:
        settings: what was read.
        reactor: the one that runs.

    Raises:
        SettingsError: the state folder cannot be used.
    """

    def __init__(self, settings: Settings, reactor: Any) -> None:
        assert settings.state_dir is not None
        self.settings = settings
        self.reactor = reactor
        self.folder = StateFolder(settings.state_dir)
        self.state = SqliteState(self.folder.database)
        self.identity = self.state.identity(draw_identity)
        self.admin_token = self.folder.admin_token(lambda: secrets.token_urlsafe(24))
        self.ulids = UlidSource(time.time, secrets.randbits)
        self.registry = Registry()
        self.conversations = Conversations(reactor, lambda: secrets.token_urlsafe(18))
        self.dispatcher = Dispatcher(
            self.registry, reactor, self.conversations, Logger(namespace="co2.rpc")
        )
        self.network: INetwork = HttpNetwork(reactor)
        self.address = Address("127.0.0.1", 1)
        self._parts: list[IProperties] = []
        self.about = About(self.host_id, time.time, reactor.seconds, self._parts)
        self.server = self._serve(FrontPage(self.registry, self.about))
        self.enter(
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
        self.server.change_gate(self._gate(address.port))

    def host_id(self) -> str:
        """Give who and where this server is, as far as it knows by itself."""
        return f"{self.identity.random}@{self.address}"

    def close(self) -> None:
        """Let go of the state."""
        self.state.close()
        self.folder.close()

    def _gate(self, port: int) -> Gate:
        settings = self.settings
        return Gate(self.admin_token, settings.insecure, port, frozenset(settings.hosts))

    def _serve(self, page: IResource) -> HttpServer:
        answering = Answering(self.dispatcher, DEFAULT_LIMITS, _KEPT_BYTES)
        limits = HttpLimits(
            max_body=self.settings.max_body, max_connections=self.settings.max_connections
        )
        return HttpServer(self.reactor, answering, self._gate(0), page, limits)


def role_words(settings: Settings) -> Sequence[str]:
    """Give the roles of a server as `system.get_properties` shows them."""
    if settings.role == "relay":
        return ["relay"]
    return ["satellite", "relay"] if settings.relay == "embedded" else ["satellite"]
