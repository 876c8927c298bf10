"""A host for as long as a command runs: registered, and gone again without a trace.

It has an identity of its own, for a host without one is known by its address, and would take the
place of whoever was registered there.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from co2 import __version__
from co2.app.cli.target import Target, no_relay
from co2.errors import Co2Error


def draw_visitor(nick: str, port: int) -> dict[str, Any]:
    """Give the struct that a new host registers with at a relay.

    Args:
        nick: what lists show.
        port: where it listens, or would.
    """
    return {
        "port": port,
        "nick": nick,
        "random": secrets.token_hex(8),
        "secret": secrets.token_urlsafe(24),
        "properties": {"version": __version__},
    }


@contextmanager
def visiting(relay: Target, nick: str) -> Iterator[Mapping[str, Any]]:
    """Be a host of a relay that cannot be called back.

    Gives what proves it: `{'host_id', 'token'}`.
    """
    with _held_port() as port:
        visitor = {**draw_visitor(nick, port), "callback": False}
        answer = relay.ask_relay("relay.register", visitor)
        try:
            proof = {"host_id": answer["host_id"], "token": answer["token"]}
        except (TypeError, KeyError):
            raise no_relay(relay, "relay.register") from None
        try:
            yield proof
        finally:
            with suppress(Co2Error):  # what matters is said by then; its lease will run out
                relay.call("relay.unregister", proof)


@contextmanager
def _held_port() -> Iterator[int]:
    """Hold a port that nobody else can listen on meanwhile; nothing listens on it here either."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
