"""The seams: what moves requests, what decodes them, what runs them.

Plugins of 2010 are plain classes with these method names and no interface: they are accepted by
their names alone (`check_exchange`, `check_parser`), and their methods are called in a thread, as
they may block. What provides the interface is called in the reactor and returns Deferreds.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

Request = Any
Response = Any


class IExchange(Interface):
    """Moves requests in and responses out, without blocking."""

    def get_request() -> Deferred[Request]:
        """Give the next request, when there is one: by custom a dict with 'data'.

        It fails where the transport does; the loop then waits a second and asks again.
        """

    def put_response(request: Request, response: Response) -> Deferred[None]:
        """Give the response to who asked; fires when it is out."""

    def discard_request(request: Request) -> Deferred[None]:
        """Drop a request that no parser could take, so that it does not come again."""

    def close() -> Deferred[None]:
        """Stop; a `get_request` that waits is cancelled."""


class IParser(Interface):
    """Turns requests into responses."""

    blocking = Attribute("bool: `parse_request` may take long, and is called in a thread.")

    def parse_request(request: Request) -> Response | Deferred[Response]:
        """Give the response to a request; a Deferred only where `blocking` is False.

        None is no response: some commands of QEMU's are not answered when they succeed.
        """


class ICommands(Interface):
    """The commands that there are."""

    def command_names() -> list[str]:
        """Give their names."""

    def run_command(name: str, argument: Any) -> tuple[Any, Any]:
        """Run one, and give its return code and message; raises what the command raises."""


def check_exchange(exchange: object) -> None:
    """Refuse what is no exchange.

    Raises:
        AttributeError: in the words of the original.
    """
    _need(exchange, "An 'exchange'", ("get_request", "put_response"))


def check_parser(parser: object) -> None:
    """Refuse what is no parser.

    Raises:
        AttributeError: in the words of the original.
    """
    _need(parser, "A 'parser'", ("parse_request",))


def _need(plugin: object, kind: str, names: tuple[str, ...]) -> None:
    for name in names:
        if not callable(getattr(plugin, name, None)):
            raise AttributeError(f"{kind} plugin needs to define a '{name}' method")
